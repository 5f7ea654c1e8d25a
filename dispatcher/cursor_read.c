// What a cursor reads of the log: how much, and which records of a slice become deliveries.
#include "dispatcher/cursor_private.h"

#include "core/base/log_line.h"
#include "core/events/event.h"
#include "core/registry/replay.h"
#include "core/registry/snapshot.h"
#include "core/subscriptions/routes.h"
#include "dispatcher/delivery.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/losses.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule.h"
#include "dispatcher/subscriber.h"
#include "dispatcher/taken_event.h"

#define READ_AGAIN_US 500000
#define EVENTS_MIN 16

static size_t events_max(const struct cursor *cursor) {
    size_t max = 2 * (size_t)cursor->queue->subscription->delivery.max_in_flight;
    return max < EVENTS_MIN ? EVENTS_MIN : max > CURSOR_EVENTS_MAX ? CURSOR_EVENTS_MAX : max;
}

bool cursor_is_crowded(const struct cursor *cursor) {
    return cursor->delayed >= events_max(cursor) / 4;
}

size_t cursor_room(const struct cursor *cursor) {
    const struct subscription_queue *queue = cursor->queue;
    bool reads = cursor->state == CURSOR_CATCHING_UP || cursor->state == CURSOR_ATTACHING;
    if (!reads || cursor->is_doomed || cursor->is_stopped || cursor_is_paused(cursor) ||
        cursor->progress.read_offset >= cursor->until || !partition_is_fed(cursor->partition) ||
        cursor->bytes >= CURSOR_SLICE_BYTES) {
        return 0;
    }
    if (queue->subscriber->circuit.state != CIRCUIT_CLOSED) {
        if (cursor->look_from >= 0) {
            return CURSOR_LOOK_RECORDS;
        }
        bool wants_probe = subscriber_may_begin(queue->subscriber) && !queue->waiting.first;
        return wants_probe ? CATCH_UP_FEW_RECORDS : 0;
    }
    size_t max = events_max(cursor);
    return cursor->progress.count > max / 2 ? 0 : max - cursor->progress.count;
}

int64_t cursor_read_from(const struct cursor *cursor) {
    return cursor->look_from >= 0 ? cursor->look_from : cursor->progress.read_offset;
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
    cursor_take_tried(match->cursor, delivery);
    schedule_add(delivery);
}

void cursor_take_record(struct cursor *cursor, const struct stored_record *stored) {
    struct taken_record record;
    taken_record_decode(stored, false, &record);
    if (!record.event) {
        return;
    }
    if (cursor->queue->replay && !replay_takes(cursor->queue->replay, record.event)) {
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
    routes_match_async(snapshot_routes(cursor->partition->lane->snapshot), &query, add_match,
                       &match);
    if (match.taken) {
        taken_event_destroy(match.taken);
    }
    event_unref(event);
}

static void lose_to_retention(struct cursor *cursor, int64_t first_offset) {
    if (cursor->queue->replay) {
        cursor_skip_to(cursor, first_offset);
        return;
    }
    int64_t next = first_offset < cursor->until ? first_offset : cursor->until;
    metric_add(dispatcher_metrics()->events_lost, next - cursor->progress.read_offset);
    // The count goes to the log before the position that has passed it.
    losses_note(cursor->partition, cursor->queue->subscription, cursor->progress.read_offset, next);
    cursor_progress_read(&cursor->progress, next);
    cursor->is_changed = true;
}

// Somebody has made the log anew, or cut it: what follows is not what had these offsets before.
static void begin_anew(struct cursor *cursor, int64_t first_offset) {
    if (cursor->queue->replay) {
        cursor_skip_to(cursor, cursor->until); // What was to be replayed is not there any more.
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
            if (cursor->queue->replay) {
                // Offsets can have gaps: nothing lies between the last one and its end.
                cursor_progress_read(&cursor->progress, cursor->until);
            }
            return false;
        }
        if (cursor_progress_is_open(&cursor->progress, offset)) {
            cursor_take_record(cursor, &slice->records[i]);
        }
        cursor_progress_read(&cursor->progress, offset + 1);
    }
    return true;
}

void cursor_take_slice(struct cursor *cursor, const struct event_log_slice *slice) {
    if (slice->from_offset == cursor->look_from) {
        cursor_take_look(cursor, slice);
        return;
    }
    if (slice->status != STATUS_OK) {
        cursor_read_failed(cursor);
        return;
    }
    lane_refresh(cursor->partition->lane);
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
    if (cursor->queue->replay && cursor->progress.read_offset == slice->from_offset) {
        cursor_read_failed(cursor); // The log does not give yet what it has told of.
        return;
    }
    cursor_go_on(cursor);
}

void cursor_read_failed(struct cursor *cursor) {
    event_loop_timer_start(cursor->partition->lane->loop, &cursor->timer, READ_AGAIN_US);
}
