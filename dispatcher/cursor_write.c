// What a cursor writes of itself to the log, when, and what follows when that is confirmed.
#include "dispatcher/cursor_private.h"

#include "core/base/clock.h"
#include "core/registry/replay.h"
#include "dispatcher/cursor_post.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule.h"

#define WRITE_INTERVAL_US 1000000
#define LOOK_AGAIN_US 50000

static void write_record(struct cursor *cursor, struct cursor_record *ret_record) {
    const struct subscription *subscription = cursor->queue->subscription;
    *ret_record = (struct cursor_record){
        .kind = cursor->queue->replay ? CURSOR_REPLAY : CURSOR_CATCH_UP,
        .partition = cursor->partition->number,
        .epoch = cursor->partition->epoch,
        .space = subscription->space,
        .subscription_id = subscription->id,
        .created = bytes_of_text(cursor->created),
        .reason = bytes_of_text(cursor->reason),
        .position = cursor_progress_position(&cursor->progress),
        .until = cursor->state == CURSOR_DETACHING ? CURSOR_NO_END : cursor->until,
        .replay_id = cursor->queue->replay ? cursor->queue->replay->id : (struct bytes){0},
        .lost = cursor->lost,
        .delivered = cursor->delivered,
        .failed = cursor->failed,
        .matched = cursor->queue->replay ? cursor_matched(cursor) : 0,
        .written_us = clock_wall_us(),
    };
    cursor_progress_finished(&cursor->progress, CURSOR_RANGES_MAX, &ret_record->finished);
    cursor_gather_tried(cursor, &ret_record->tried);
}

static void record_stored(void *context, int64_t offset);

// Live matching has still to pass by what is the cursor's. It can be behind: the cursor reads by
// itself.
static bool has_live_to_pass(const struct cursor *cursor) {
    return cursor->state == CURSOR_ATTACHING && !cursor->is_doomed &&
           cursor_live_next(cursor) < cursor->until;
}

static bool is_over(const struct cursor *cursor) {
    if (cursor->progress.count > 0 || cursor->start_post) {
        return false;
    }
    bool has_end = cursor->state == CURSOR_ATTACHING || cursor->queue->replay;
    return cursor->is_doomed || cursor->is_stopped ||
           (has_end && cursor_progress_position(&cursor->progress) >= cursor->until);
}

static void post(struct cursor *cursor, bool is_removal) {
    struct lane *lane = cursor->partition->lane;
    struct cursor_post_options options = {
        .log = lane->log, .loop = lane->loop, .stored = record_stored, .context = cursor};
    struct cursor_record record;
    struct cursor_key key;
    write_record(cursor, &record);
    cursor_record_key(&record, &key);
    // The last record of a replay stays, so that nobody begins it again.
    cursor->state =
        is_removal || (cursor->queue->replay && is_over(cursor)) ? CURSOR_ENDING : cursor->state;
    cursor->posted = cursor->state;
    cursor->posted_position = record.position;
    cursor->is_changed = false;
    cursor->has_news = false;
    cursor->written_us = event_loop_now_us(lane->loop);
    cursor->post =
        is_removal ? cursor_post_removal(&options, &key) : cursor_post_record(&options, &record);
    cursor_record_clear(&record);
}

static void end_or_look_again(struct cursor *cursor) {
    if (!has_live_to_pass(cursor)) {
        post(cursor, cursor->is_doomed || !cursor->queue->replay);
    } else if (cursor->is_changed) {
        post(cursor, false);
    } else if (cursor->timer.heap_index == 0) {
        event_loop_timer_start(cursor->partition->lane->loop, &cursor->timer, LOOK_AGAIN_US);
    }
}

void cursor_write_if_needed(struct cursor *cursor) {
    struct event_loop *loop = cursor->partition->lane->loop;
    if (cursor->post || cursor->state == CURSOR_ENDING || !partition_is_fed(cursor->partition)) {
        return;
    }
    if (is_over(cursor)) {
        end_or_look_again(cursor);
        return;
    }
    if (cursor->state == CURSOR_STARTING) {
        return;
    }
    bool has_moved =
        cursor->has_news || cursor_progress_position(&cursor->progress) > cursor->posted_position;
    int64_t due_us = cursor->written_us + WRITE_INTERVAL_US;
    if (cursor->is_changed || (has_moved && event_loop_now_us(loop) >= due_us)) {
        post(cursor, false);
    } else if (has_moved && cursor->timer.heap_index == 0) {
        event_loop_timer_start(loop, &cursor->timer, due_us - event_loop_now_us(loop));
    }
}

static void ended(struct cursor *cursor) {
    struct subscription_queue *queue = cursor->queue;
    const char *again = cursor->detach_again;
    bool was_doomed = cursor->is_doomed;
    cursor_destroy(cursor);
    if (again) {
        cursor_detach(queue, again);
    } else if (was_doomed && partition_is_fed(queue->partition)) {
        starts_look(queue->partition); // One of the same id may have waited for this end.
    }
    schedule_go_on(queue);
}

static void record_stored(void *context, int64_t offset) {
    (void)offset;
    struct cursor *cursor = context;
    struct subscription_queue *queue = cursor->queue;
    cursor->post = NULL;
    if (cursor->posted == CURSOR_ENDING) {
        ended(cursor);
        return;
    }
    if (cursor->posted == CURSOR_DETACHING && cursor->state == CURSOR_DETACHING &&
        partition_is_fed(cursor->partition) && !cursor->is_doomed) {
        cursor_take_over_live(cursor);
        if (cursor->is_start) {
            cursor_write_start(cursor); // The record that says from where is in the log.
        }
    }
    lane_mark(cursor->partition->lane, cursor->partition);
    cursor_go_on(cursor);
    schedule_go_on(queue);
}

bool cursor_hand_over(struct cursor *cursor) {
    if (cursor->post || cursor->start_post) {
        return true;
    }
    if (cursor->state == CURSOR_STARTING) {
        return false; // The next owner begins anew.
    }
    bool has_moved =
        cursor->state != CURSOR_DETACHING &&
        (cursor->has_news || cursor_progress_position(&cursor->progress) > cursor->posted_position);
    if (has_moved || cursor->is_changed) {
        post(cursor, false);
    }
    return cursor->post != NULL;
}
