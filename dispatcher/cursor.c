#include "dispatcher/cursor.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/events/event.h"
#include "core/registry/replay.h"
#include "core/registry/snapshot.h"
#include "core/subscriptions/routes.h"
#include "dispatcher/cursor_post.h"
#include "dispatcher/delivery.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule.h"
#include "dispatcher/start_query.h"
#include "dispatcher/subscriber.h"
#include "dispatcher/subscription_queue.h"
#include "dispatcher/taken_event.h"

#include <assert.h>
#include <stdlib.h>

#define WRITE_INTERVAL_US 1000000
#define READ_AGAIN_US 500000
// So close behind the live position that live matching can go on from there: what is left for the
// cursor is less than one slice.
#define ATTACH_DISTANCE 256
#define EVENTS_MIN 16
#define LINES_PER_SECOND 10

static struct lane *lane_of(const struct cursor *cursor) {
    return cursor->partition->lane;
}

static int64_t live_next(const struct cursor *cursor) {
    return cursor->partition->tracker.next_offset;
}

static const struct replay *replay_of(const struct cursor *cursor) {
    return cursor->queue->replay;
}

static bool is_paused(const struct cursor *cursor) {
    return cursor->queue->subscription->is_paused || cursor->queue->subscriber->suspension;
}

bool cursor_serves(const struct cursor *cursor, int64_t offset) {
    return offset < cursor->live_from && !cursor->is_doomed;
}

bool cursor_holds(const struct cursor *cursor) {
    return !cursor->is_doomed && (cursor->state == CURSOR_STARTING ||
                                  cursor->state == CURSOR_DETACHING || cursor->detach_again);
}

// --- What it forgets and takes over.

static void forget_event(void *context, struct taken_event *taken) {
    struct cursor *cursor = context;
    cursor_progress_forget(&cursor->progress, &taken->place);
    taken_event_destroy(taken);
}

// What was read and has not begun is read again when its time has come.
static void rewind_reading(struct cursor *cursor) {
    cursor_progress_rewind(&cursor->progress);
    schedule_forget_idle(cursor->queue, cursor, forget_event, cursor);
}

static size_t delivery_count(const struct subscription_queue *queue) {
    return queue->held.count + queue->waiting.count + queue->started.count;
}

static int compare_offsets(const void *a, const void *b) {
    int64_t difference = *(const int64_t *)a - *(const int64_t *)b;
    return difference < 0 ? -1 : difference > 0;
}

static size_t live_offsets(const struct subscription_queue *queue, int64_t *ret_offsets) {
    const struct delivery_list *lists[] = {&queue->held, &queue->waiting, &queue->started};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        for (const struct delivery *delivery = lists[i]->first; delivery;
             delivery = delivery->next) {
            if (!delivery->taken->cursor) {
                ret_offsets[count++] = delivery->taken->place.offset;
            }
        }
    }
    qsort(ret_offsets, count, sizeof *ret_offsets, compare_offsets);
    return count;
}

// All that live matching has seen from live_first on is finished, but for what is still there.
static void cover_live(struct cursor *cursor) {
    const struct subscription_queue *queue = cursor->queue;
    int64_t *offsets = memory_allocate((delivery_count(queue) + 1) * sizeof *offsets);
    size_t count = live_offsets(queue, offsets);
    int64_t from = cursor->live_first;
    for (size_t i = 0; i < count; i++) {
        offset_ranges_add(&cursor->progress.ranges, from, offsets[i]);
        from = offsets[i] + 1;
    }
    offset_ranges_add(&cursor->progress.ranges, from, live_next(cursor));
    offset_ranges_cut(&cursor->progress.ranges, cursor->progress.read_offset);
    free(offsets);
}

static void forget_live(void *context, struct taken_event *taken) {
    struct cursor *cursor = context;
    partition_delivery_moved(cursor->partition, taken);
}

static void adopt(struct cursor *cursor, struct delivery_list *list) {
    for (struct delivery *delivery = list->first; delivery; delivery = delivery->next) {
        struct taken_event *live = delivery->taken;
        if (!live->cursor) {
            delivery->taken = taken_event_copy_for(cursor, live);
            cursor_progress_add(&cursor->progress, &delivery->taken->place);
            partition_delivery_moved(cursor->partition, live);
        }
    }
}

// The log has confirmed: from here on the live position does not wait for this subscription.
static void take_over(struct cursor *cursor) {
    struct subscription_queue *queue = cursor->queue;
    cover_live(cursor);
    schedule_forget_idle(queue, NULL, forget_live, cursor);
    adopt(cursor, &queue->waiting);
    adopt(cursor, &queue->started);
    cursor->live_from = cursor->until = CURSOR_NO_END;
    cursor->state = CURSOR_CATCHING_UP;
}

// --- What it writes.

static void write_record(struct cursor *cursor, struct cursor_record *ret_record) {
    const struct subscription *subscription = cursor->queue->subscription;
    *ret_record = (struct cursor_record){
        .kind = replay_of(cursor) ? CURSOR_REPLAY : CURSOR_CATCH_UP,
        .partition = cursor->partition->number,
        .epoch = cursor->partition->epoch,
        .space = subscription->space,
        .subscription_id = subscription->id,
        .created = bytes_of_text(cursor->created),
        .reason = bytes_of_text(cursor->reason),
        .position = cursor_progress_position(&cursor->progress),
        .until = cursor->state == CURSOR_DETACHING ? CURSOR_NO_END : cursor->until,
        .replay_id = replay_of(cursor) ? replay_of(cursor)->id : (struct bytes){0},
        .lost = cursor->lost,
        .delivered = cursor->delivered,
        .failed = cursor->failed,
        .written_us = clock_wall_us(),
    };
    cursor_progress_finished(&cursor->progress, CURSOR_RANGES_MAX, &ret_record->finished);
}

static void record_stored(void *context, int64_t offset);

static bool is_over(const struct cursor *cursor) {
    if (cursor->progress.count > 0 || cursor->start_post) {
        return false;
    }
    bool has_end = cursor->state == CURSOR_ATTACHING || replay_of(cursor);
    return cursor->is_doomed ||
           (has_end && cursor_progress_position(&cursor->progress) >= cursor->until);
}

static void post(struct cursor *cursor, bool is_removal) {
    struct lane *lane = lane_of(cursor);
    struct cursor_post_options options = {
        .log = lane->log, .loop = lane->loop, .stored = record_stored, .context = cursor};
    struct cursor_record record;
    struct cursor_key key;
    write_record(cursor, &record);
    cursor_record_key(&record, &key);
    // The last record of a replay stays, so that nobody begins it again.
    cursor->state =
        is_removal || (replay_of(cursor) && is_over(cursor)) ? CURSOR_ENDING : cursor->state;
    cursor->posted = cursor->state;
    cursor->posted_position = record.position;
    cursor->is_changed = false;
    cursor->written_us = event_loop_now_us(lane->loop);
    cursor->post =
        is_removal ? cursor_post_removal(&options, &key) : cursor_post_record(&options, &record);
    offset_ranges_clear(&record.finished);
}

static void write_if_needed(struct cursor *cursor) {
    struct event_loop *loop = lane_of(cursor)->loop;
    if (cursor->post || cursor->state == CURSOR_ENDING || !partition_is_fed(cursor->partition)) {
        return;
    }
    if (is_over(cursor)) {
        post(cursor, cursor->is_doomed || !replay_of(cursor));
        return;
    }
    if (cursor->state == CURSOR_STARTING) {
        return;
    }
    bool has_moved = cursor_progress_position(&cursor->progress) > cursor->posted_position;
    int64_t due_us = cursor->written_us + WRITE_INTERVAL_US;
    if (cursor->is_changed || (has_moved && event_loop_now_us(loop) >= due_us)) {
        post(cursor, false);
    } else if (has_moved && cursor->timer.heap_index == 0) {
        event_loop_timer_start(loop, &cursor->timer, due_us - event_loop_now_us(loop));
    }
}

static void start_found(void *context, int64_t offset);

static void look_again(struct event_loop_timer *timer) {
    cursor_go_on(CONTAINER_OF(timer, struct cursor, timer));
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

static void start_stored(void *context, int64_t offset) {
    (void)offset;
    struct cursor *cursor = context;
    cursor->start_post = NULL;
    lane_mark(lane_of(cursor), cursor->partition);
    cursor_go_on(cursor);
}

void cursor_write_start(struct cursor *cursor) {
    struct lane *lane = lane_of(cursor);
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
        take_over(cursor);
        if (cursor->is_start) {
            cursor_write_start(cursor); // The record that says from where is in the log.
        }
    }
    lane_mark(lane_of(cursor), cursor->partition);
    cursor_go_on(cursor);
    schedule_go_on(queue);
}

// --- Its life.

static struct cursor *create(struct subscription_queue *queue, const char *reason) {
    struct cursor *cursor = memory_allocate(sizeof *cursor);
    cursor->queue = queue;
    cursor->partition = queue->partition;
    cursor->reason = memory_copy_text(reason);
    cursor->timer.expired = look_again;
    queue->cursor = cursor;
    if (!queue->replay) {
        metric_add(dispatcher_metrics()->detached, 1);
        cursor_lag_start(cursor);
    }
    return cursor;
}

static void log_detached(const struct cursor *cursor) {
    static struct log_limit limit;
    const struct subscription *subscription = cursor->queue->subscription;
    uint64_t suppressed;
    if (log_limit_allows(&limit, LINES_PER_SECOND, &suppressed)) {
        log_line(LOG_INFO, "subscription detached from the live position",
                 LOG_BYTES("space", subscription->space),
                 LOG_BYTES("subscription", subscription->id),
                 LOG_NUMBER("partition", cursor->partition->number),
                 LOG_NUMBER("position", cursor_progress_position(&cursor->progress)),
                 LOG_TEXT("reason", cursor->reason), LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static void detach_live(struct subscription_queue *queue, const char *reason) {
    struct cursor *cursor = create(queue, reason);
    cursor->created = bytes_to_text(queue->subscription->created);
    cursor->state = CURSOR_DETACHING;
    cursor->until = CURSOR_NO_END;
    int64_t *offsets = memory_allocate((delivery_count(queue) + 1) * sizeof *offsets);
    size_t count = live_offsets(queue, offsets);
    cursor->live_first = count > 0 ? offsets[0] : live_next(cursor);
    free(offsets);
    cursor_progress_init(&cursor->progress, cursor->live_first, NULL);
    cover_live(cursor);
    cursor->is_changed = true;
    log_detached(cursor);
    write_if_needed(cursor);
}

static void set_reason(struct cursor *cursor, const char *reason) {
    free(cursor->reason);
    cursor->reason = memory_copy_text(reason);
    cursor->is_changed = true;
}

// It has been attached, but not everything before is finished: the same record takes the live
// deliveries back.
static void detach_again(struct cursor *cursor) {
    cursor->state = CURSOR_DETACHING;
    cursor->has_finished = false;
    cover_live(cursor);
    log_detached(cursor);
}

void cursor_detach(struct subscription_queue *queue, const char *reason) {
    struct cursor *cursor = queue->cursor;
    if (!cursor && !queue->replay) {
        detach_live(queue, reason);
    }
    if (!cursor) {
        return;
    }
    switch (cursor->state) {
    case CURSOR_STARTING:
    case CURSOR_DETACHING:
        break;
    case CURSOR_ENDING:
        cursor->detach_again = cursor->is_doomed || replay_of(cursor) ? NULL : reason;
        break;
    case CURSOR_ATTACHING:
        set_reason(cursor, reason);
        detach_again(cursor);
        rewind_reading(cursor);
        write_if_needed(cursor);
        break;
    case CURSOR_CATCHING_UP:
        set_reason(cursor, reason);
        cursor->has_finished = false;
        rewind_reading(cursor);
        write_if_needed(cursor);
        break;
    }
}

// Live deliveries below offset whose calls run: those of an earlier subscription of the same id.
static size_t running_below(const struct subscription_queue *queue, int64_t offset,
                            int64_t *ret_offsets) {
    size_t count = 0;
    for (const struct delivery *delivery = queue->started.first; delivery;
         delivery = delivery->next) {
        bool is_running = delivery->state != DELIVERY_RETRY_WAIT && !delivery->taken->cursor;
        if (is_running && delivery->taken->place.offset < offset) {
            ret_offsets[count++] = delivery->taken->place.offset;
        }
    }
    qsort(ret_offsets, count, sizeof *ret_offsets, compare_offsets);
    return count;
}

static void start_found(void *context, int64_t offset) {
    struct cursor *cursor = context;
    cursor->start = NULL;
    if (offset < 0) {
        cursor_read_failed(cursor);
        return;
    }
    // What live matching has made of the subscription since is finished or held; what lies before
    // its start is none of its events, also where the live position has not been there yet.
    int64_t *running = memory_allocate((delivery_count(cursor->queue) + 1) * sizeof *running);
    size_t count = running_below(cursor->queue, offset, running);
    cursor_progress_clear(&cursor->progress);
    cursor_progress_init_unfinished(&cursor->progress, running, count, offset);
    free(running);
    cover_live(cursor);
    cursor->state = CURSOR_DETACHING;
    cursor->is_changed = true;
    log_detached(cursor);
    write_if_needed(cursor);
}

void cursor_start(struct subscription_queue *queue) {
    struct cursor *cursor = create(queue, CURSOR_REASON_START);
    int64_t offset = live_next(cursor);
    int64_t *offsets = memory_allocate((delivery_count(queue) + 1) * sizeof *offsets);
    cursor->created = bytes_to_text(queue->subscription->created);
    cursor->state = CURSOR_STARTING;
    cursor->until = CURSOR_NO_END;
    cursor->is_start = true;
    cursor->live_first = live_offsets(queue, offsets) > 0 ? offsets[0] : offset;
    free(offsets);
    cursor_progress_init(&cursor->progress, cursor->live_first, NULL);
    cursor_go_on(cursor);
}

void cursor_restore(struct subscription_queue *queue, const struct cursor_record *record) {
    char *reason = bytes_to_text(record->reason);
    struct cursor *cursor = create(queue, reason);
    free(reason);
    cursor->created = bytes_to_text(record->created);
    bool is_ordered = queue->subscription->delivery.ordering == ORDERING_KEY;
    // An ordered one goes on alone: live deliveries would come before those that are to be read.
    cursor->until = is_ordered ? CURSOR_NO_END : record->until;
    cursor->live_from = cursor->live_first = cursor->until;
    cursor->state = cursor->until == CURSOR_NO_END ? CURSOR_CATCHING_UP : CURSOR_ATTACHING;
    cursor->is_changed = cursor->until != record->until;
    cursor->posted = cursor->state;
    cursor->posted_position = record->position;
    cursor->lost = record->lost;
    cursor_progress_init(&cursor->progress, record->position, &record->finished);
}

void cursor_replay(struct subscription_queue *queue, const struct cursor_record *record) {
    struct cursor *cursor = create(queue, CURSOR_REASON_REPLAY);
    cursor->created = bytes_to_text(queue->subscription->created);
    cursor->until = record->until;
    cursor->state = cursor->posted = CURSOR_CATCHING_UP;
    cursor->posted_position = record->position;
    cursor->lost = record->lost;
    cursor->delivered = record->delivered;
    cursor->failed = record->failed;
    cursor->is_changed = true;
    cursor_progress_init(&cursor->progress, record->position, &record->finished);
}

void cursor_stop_replay(struct cursor *cursor) {
    cursor->queue->is_gone = true; // Calls that run are the last ones.
    rewind_reading(cursor);
    cursor_doom(cursor);
}

void cursor_count(struct cursor *cursor, bool is_delivered) {
    cursor->delivered += is_delivered;
    cursor->failed += !is_delivered;
}

void cursor_destroy(struct cursor *cursor) {
    struct lane *lane = lane_of(cursor);
    while (cursor->progress.first) {
        struct taken_event *taken = CONTAINER_OF(cursor->progress.first, struct taken_event, place);
        cursor_progress_forget(&cursor->progress, &taken->place);
        taken_event_destroy(taken);
    }
    if (cursor->post) {
        cursor_post_forget(cursor->post);
    }
    if (cursor->start_post) {
        cursor_post_forget(cursor->start_post);
    }
    if (cursor->start) {
        start_query_forget(cursor->start);
    }
    catch_up_forget(lane, cursor);
    event_loop_timer_stop(lane->loop, &cursor->timer);
    cursor_lag_stop(cursor);
    cursor_progress_clear(&cursor->progress);
    metric_add(dispatcher_metrics()->detached, replay_of(cursor) ? 0 : -1);
    cursor->queue->cursor = NULL;
    free(cursor->reason);
    free(cursor->created);
    free(cursor);
}

// --- Catching up.

// What is left for the cursor is less than what would make it a laggard again.
static int64_t attach_distance(const struct cursor *cursor) {
    int64_t quarter = (int64_t)cursor->partition->window.events_max / 4;
    return quarter < ATTACH_DISTANCE ? quarter : ATTACH_DISTANCE;
}

// Whether live matching can serve the subscription again.
static bool can_attach(const struct cursor *cursor) {
    if (cursor->state != CURSOR_CATCHING_UP || cursor->is_doomed || replay_of(cursor) ||
        is_paused(cursor) || !partition_is_fed(cursor->partition)) {
        return false;
    }
    const struct subscriber *subscriber = cursor->queue->subscriber;
    int64_t behind = live_next(cursor) - cursor->progress.read_offset;
    if (behind <= 0 && cursor->progress.count == 0) {
        // With an open circuit nothing is left to probe with: the next live event is the probe.
        return subscriber_may_begin(subscriber);
    }
    if (subscriber->circuit.state != CIRCUIT_CLOSED || !cursor->has_finished) {
        return false; // Who gives no answer at all stays detached.
    }
    if (cursor->queue->subscription->delivery.ordering == ORDERING_KEY) {
        return behind <= 0; // Else live deliveries would come before what is still to be read.
    }
    return behind + (int64_t)cursor->progress.count <= attach_distance(cursor);
}

static void attach(struct cursor *cursor) {
    int64_t next = live_next(cursor);
    int64_t read = cursor->progress.read_offset;
    cursor->until = next > read ? next : read;
    cursor->live_from = cursor->live_first = cursor->until;
    cursor->state = CURSOR_ATTACHING;
    cursor->is_changed = true;
}

void cursor_go_on(struct cursor *cursor) {
    if (cursor->state == CURSOR_STARTING && !cursor->start && !cursor->is_doomed &&
        partition_is_fed(cursor->partition)) {
        cursor->start = start_query_begin(lane_of(cursor), cursor->partition->number,
                                          cursor->queue->subscription, start_found, cursor);
    }
    if (can_attach(cursor)) {
        attach(cursor);
    }
    write_if_needed(cursor);
    if (cursor_room(cursor) > 0) {
        catch_up_want(lane_of(cursor), cursor);
    }
}

void cursor_doom(struct cursor *cursor) {
    cursor->is_doomed = true;
    cursor->detach_again = NULL;
    cursor_go_on(cursor);
}

void cursor_delivery_finished(struct cursor *cursor, struct taken_event *taken) {
    cursor->has_finished = true;
    cursor_progress_finish(&cursor->progress, &taken->place);
    taken_event_destroy(taken);
    cursor_go_on(cursor);
}

size_t cursor_room(const struct cursor *cursor) {
    const struct subscription_queue *queue = cursor->queue;
    bool reads = cursor->state == CURSOR_CATCHING_UP || cursor->state == CURSOR_ATTACHING;
    if (!reads || cursor->is_doomed || is_paused(cursor) ||
        cursor->progress.read_offset >= cursor->until || !partition_is_fed(cursor->partition) ||
        cursor->bytes >= CURSOR_SLICE_BYTES) {
        return 0;
    }
    size_t max = 2 * (size_t)queue->subscription->delivery.max_in_flight;
    max = max < EVENTS_MIN ? EVENTS_MIN : max > CURSOR_EVENTS_MAX ? CURSOR_EVENTS_MAX : max;
    if (queue->subscriber->circuit.state != CIRCUIT_CLOSED) {
        bool wants_probe = subscriber_may_begin(queue->subscriber) && !queue->waiting.first;
        return wants_probe ? CATCH_UP_FEW_RECORDS : 0;
    }
    return cursor->progress.count > max / 2 ? 0 : max - cursor->progress.count;
}

struct match {
    struct cursor *cursor;
    struct taken_event *taken;
};

static void add_match(void *context, const struct route_match *route) {
    struct match *match = context;
    struct subscription_queue *queue = match->cursor->queue;
    if (!bytes_equal(route->subscription->id, queue->subscription->id) ||
        !bytes_equal(route->subscription->space, queue->subscription->space) ||
        bytes_equal(route->subscription->id, match->taken->event->context.sync)) {
        return;
    }
    taken_event_charge(match->taken, delivery_size(route, match->taken->event));
    cursor_progress_add(&match->cursor->progress, &match->taken->place);
    struct delivery *delivery = delivery_create(queue, match->taken, route);
    match->taken = NULL; // It may end at once.
    schedule_add(delivery);
}

static void take_record(struct cursor *cursor, const struct stored_record *stored) {
    struct taken_record record;
    taken_record_decode(stored, false, &record);
    if (!record.event) {
        return;
    }
    if (replay_of(cursor) && !replay_takes(replay_of(cursor), record.event)) {
        event_unref(record.event);
        return;
    }
    struct match match = {.cursor = cursor,
                          .taken = taken_event_create(cursor->partition, cursor, &record)};
    const struct event *event = event_ref(record.event);
    struct route_query query = {.space = event->context.space,
                                .type = event->type,
                                .method = event->context.method,
                                .path = event->context.path};
    routes_match_async(snapshot_routes(lane_of(cursor)->snapshot), &query, add_match, &match);
    if (match.taken) {
        taken_event_destroy(match.taken);
    }
    event_unref(event);
}

// Of a replay it is no delivery that is lost: the log has less to be replayed.
static void skip_to(struct cursor *cursor, int64_t first_offset) {
    int64_t next = first_offset < cursor->until ? first_offset : cursor->until;
    cursor->lost += next - cursor->progress.read_offset;
    cursor_progress_read(&cursor->progress, next);
    cursor->is_changed = true;
}

static void lose_to_retention(struct cursor *cursor, int64_t first_offset) {
    if (replay_of(cursor)) {
        skip_to(cursor, first_offset);
        return;
    }
    const struct subscription *subscription = cursor->queue->subscription;
    int64_t lost = first_offset - cursor->progress.read_offset;
    cursor->lost += lost;
    metric_add(dispatcher_metrics()->events_lost, lost);
    log_line(LOG_ERROR, "retention has removed events that were not delivered",
             LOG_BYTES("space", subscription->space), LOG_BYTES("subscription", subscription->id),
             LOG_NUMBER("partition", cursor->partition->number),
             LOG_NUMBER("position", cursor->progress.read_offset),
             LOG_NUMBER("first", first_offset));
    system_emit_events_lost(&lane_of(cursor)->emitter, lane_of(cursor)->snapshot, subscription,
                            cursor->partition->number, cursor->progress.read_offset, lost);
    cursor_progress_read(&cursor->progress, first_offset);
    cursor->is_changed = true;
}

// Somebody has made the log anew, or cut it: what follows is not what had these offsets before.
static void begin_anew(struct cursor *cursor, int64_t first_offset) {
    if (replay_of(cursor)) {
        skip_to(cursor, cursor->until); // What was to be replayed is not there any more.
        return;
    }
    log_line(LOG_ERROR, "the log ends before the position of a detached subscription",
             LOG_BYTES("subscription", cursor->queue->subscription->id),
             LOG_NUMBER("partition", cursor->partition->number),
             LOG_NUMBER("position", cursor->progress.read_offset),
             LOG_NUMBER("first", first_offset));
    offset_ranges_clear(&cursor->progress.ranges);
    cursor->progress.read_offset = first_offset;
    cursor->posted_position = -1;
    cursor->is_changed = true;
}

// False: it was not all for this cursor any more.
static bool take_records(struct cursor *cursor, const struct event_log_slice *slice) {
    for (size_t i = 0; i < slice->count; i++) {
        int64_t offset = slice->records[i].offset;
        // It may attach by what happens to a record of this slice.
        if (offset >= cursor->until || cursor_holds(cursor)) {
            if (replay_of(cursor)) {
                // Offsets can have gaps: nothing lies between the last one and its end.
                cursor_progress_read(&cursor->progress, cursor->until);
            }
            return false;
        }
        if (cursor_progress_is_open(&cursor->progress, offset)) {
            take_record(cursor, &slice->records[i]);
        }
        cursor_progress_read(&cursor->progress, offset + 1);
    }
    return true;
}

void cursor_take_slice(struct cursor *cursor, const struct event_log_slice *slice) {
    if (slice->status != STATUS_OK) {
        cursor_read_failed(cursor);
        return;
    }
    lane_refresh(lane_of(cursor));
    if (slice->from_offset != cursor->progress.read_offset || cursor_room(cursor) == 0) {
        cursor_go_on(cursor); // It was rewound meanwhile, or shall not read now.
        return;
    }
    if (slice->end_offset < slice->from_offset) {
        begin_anew(cursor, slice->first_offset);
    } else {
        if (slice->first_offset > slice->from_offset) {
            lose_to_retention(cursor, slice->first_offset);
        }
        if (take_records(cursor, slice)) {
            int64_t until = cursor->until;
            int64_t next = slice->next_offset;
            cursor_progress_read(&cursor->progress, next < until ? next : until);
        }
    }
    if (replay_of(cursor) && cursor->progress.read_offset == slice->from_offset) {
        cursor_read_failed(cursor); // The log does not give yet what it has told of.
        return;
    }
    cursor_go_on(cursor);
}

void cursor_read_failed(struct cursor *cursor) {
    event_loop_timer_start(lane_of(cursor)->loop, &cursor->timer, READ_AGAIN_US);
}

bool cursor_hand_over(struct cursor *cursor) {
    if (cursor->post || cursor->start_post) {
        return true;
    }
    if (cursor->state == CURSOR_STARTING) {
        return false; // The next owner begins anew.
    }
    bool has_moved = cursor->state != CURSOR_DETACHING &&
                     cursor_progress_position(&cursor->progress) > cursor->posted_position;
    if (has_moved || cursor->is_changed) {
        post(cursor, false);
    }
    return cursor->post != NULL;
}
