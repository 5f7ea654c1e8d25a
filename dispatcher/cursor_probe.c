// How a cursor finds an event to probe its function with: the newest one that was not tried yet,
// beyond what it has read. At its position lie those that have failed, and often more of their
// kind.
#include "dispatcher/cursor_private.h"

#include "dispatcher/catch_up.h"
#include "dispatcher/delivery.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/subscriber.h"

// What was read for probes and is not finished: beyond that it is forgotten, but for its attempts.
#define EVENTS_MAX 16

void cursor_note_match(struct cursor *cursor, int64_t offset) {
    cursor->newest_match = offset;
}

static int64_t newest_end(const struct cursor *cursor) {
    return cursor->newest_match >= 0 ? cursor->newest_match + 1 : cursor_live_next(cursor);
}

// Where the look begins that ends with the newest event; or, when the last one found nothing and
// nothing has come since, with what lies before that. -1 = everything was read.
static int64_t look_from(struct cursor *cursor) {
    int64_t read = cursor->progress.read_offset;
    int64_t newest = newest_end(cursor);
    if (cursor->look_newest != newest || cursor->look_end <= read) {
        cursor->look_newest = cursor->look_end = newest;
    }
    int64_t from = cursor->look_end - CURSOR_LOOK_RECORDS;
    from = from > read ? from : read;
    return from < cursor->look_end ? from : -1;
}

// An ordered one goes on in the order of the log alone.
static bool may_look(const struct cursor *cursor) {
    const struct subscription_queue *queue = cursor->queue;
    return cursor->state == CURSOR_CATCHING_UP && !cursor->is_doomed && !queue->replay &&
           queue->subscription->delivery.ordering == ORDERING_NONE;
}

bool cursor_look_for_probe(struct cursor *cursor) {
    if (!may_look(cursor) || cursor->is_reading || cursor->is_ready) {
        return false;
    }
    if (cursor->progress.count > EVENTS_MAX) {
        cursor_rewind(cursor);
    }
    cursor->look_from = look_from(cursor);
    if (cursor->look_from >= 0) {
        catch_up_want(cursor->partition->lane, cursor);
    }
    if (!cursor->is_reading && !cursor->is_ready) {
        cursor_end_look(cursor);
    }
    return cursor->look_from >= 0;
}

void cursor_end_look(struct cursor *cursor) {
    cursor->look_from = -1;
}

// The record becomes a delivery that was not tried and waits before all others.
static bool takes_untried(struct cursor *cursor, const struct stored_record *stored) {
    struct delivery_list *waiting = &cursor->queue->waiting;
    const struct delivery *last = waiting->last;
    if (stored->offset >= cursor->look_end ||
        !cursor_progress_is_open(&cursor->progress, stored->offset) ||
        tried_list_has(&cursor->tried, stored->offset)) {
        return false;
    }
    cursor_take_record(cursor, stored);
    struct delivery *delivery = waiting->last;
    if (delivery == last) {
        return false; // It is not the subscription's, or asked for later delivery.
    }
    delivery_list_remove(waiting, delivery);
    delivery_list_prepend(waiting, delivery);
    return true;
}

// While it looks nothing begins, so what is taken waits.
void cursor_take_look(struct cursor *cursor, const struct event_log_slice *slice) {
    bool is_found = false;
    lane_refresh(cursor->partition->lane);
    if (slice->status == STATUS_OK && may_look(cursor) && cursor_room(cursor) > 0) {
        for (size_t i = slice->count; i > 0 && !is_found && !cursor_holds(cursor); i--) {
            is_found = takes_untried(cursor, &slice->records[i - 1]);
        }
    }
    if (slice->status == STATUS_OK && !is_found) {
        cursor->look_end = cursor->look_from;
    }
    cursor_end_look(cursor);
    subscriber_look_ended(cursor->queue->subscriber, is_found ? cursor->queue : NULL);
}
