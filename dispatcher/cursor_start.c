// A new subscription that begins before the live position: looks up where, and writes down that its
// start was followed.
#include "dispatcher/cursor_private.h"

#include "core/base/clock.h"
#include "dispatcher/cursor_post.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/start_query.h"

static void start_found(void *context, int64_t offset) {
    struct cursor *cursor = context;
    cursor->start = NULL;
    if (!partition_is_fed(cursor->partition)) {
        return; // The next owner begins anew.
    }
    if (offset < 0) {
        cursor_read_failed(cursor);
        return;
    }
    // What live matching has made of the subscription since is finished or held; what lies before
    // its start is none of its events, also where the live position has not been there yet.
    cursor_cover_before(cursor, offset);
    cursor_cover_live(cursor);
    cursor->state = CURSOR_DETACHING;
    cursor->is_changed = true;
    cursor_log_detached(cursor);
    cursor_write_if_needed(cursor);
}

void cursor_look_up_start(struct cursor *cursor) {
    if (cursor->state == CURSOR_STARTING && !cursor->start && !cursor->is_doomed &&
        partition_is_fed(cursor->partition)) {
        cursor->start = start_query_begin(cursor->partition->lane, cursor->partition->number,
                                          cursor->queue->subscription, start_found, cursor);
    }
}

void cursor_start(struct subscription_queue *queue) {
    struct cursor *cursor = cursor_create(queue, CURSOR_REASON_START);
    cursor->created = bytes_to_text(queue->subscription->created);
    cursor->state = CURSOR_STARTING;
    cursor->until = CURSOR_NO_END;
    cursor->is_start = true;
    cursor->live_first = cursor_first_live(cursor);
    cursor_progress_init(&cursor->progress, cursor->live_first, NULL);
    cursor_go_on(cursor);
}

static void start_stored(void *context, int64_t offset) {
    (void)offset;
    struct cursor *cursor = context;
    cursor->start_post = NULL;
    lane_mark(cursor->partition->lane, cursor->partition);
    cursor_go_on(cursor);
}

void cursor_write_start(struct cursor *cursor) {
    struct lane *lane = cursor->partition->lane;
    const struct subscription *subscription = cursor->queue->subscription;
    struct cursor_post_options options = {
        .log = lane->log, .loop = lane->loop, .stored = start_stored, .context = cursor};
    struct cursor_record record = {.kind = CURSOR_STARTED,
                                   .partition = cursor->partition->number,
                                   .epoch = cursor->partition->epoch,
                                   .space = subscription->space,
                                   .subscription_id = subscription->id,
                                   .created = bytes_of_text(cursor->created),
                                   .position = cursor_progress_position(&cursor->progress),
                                   .until = CURSOR_NO_END,
                                   .written_us = clock_wall_us()};
    cursor->is_start = false;
    if (!cursor->start_post) {
        cursor->start_post = cursor_post_record(&options, &record);
    }
}
