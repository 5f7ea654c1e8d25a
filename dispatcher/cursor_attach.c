// Attaches a subscription that is close behind to the live position again.
#include "dispatcher/cursor_private.h"

#include "dispatcher/partition.h"
#include "dispatcher/subscriber.h"

// So close behind the live position that live matching can go on from there: what is left for the
// cursor is less than one slice.
#define ATTACH_DISTANCE 256

// What is left for the cursor is less than what would make it a laggard again.
static int64_t attach_distance(const struct cursor *cursor) {
    int64_t quarter = (int64_t)cursor->partition->window.events_max / 4;
    return quarter < ATTACH_DISTANCE ? quarter : ATTACH_DISTANCE;
}

// Whether live matching can serve the subscription again.
static bool can_attach(const struct cursor *cursor) {
    if (cursor->state != CURSOR_CATCHING_UP || cursor->is_doomed || cursor->queue->replay ||
        cursor_is_paused(cursor) || !partition_is_fed(cursor->partition)) {
        return false;
    }
    const struct subscriber *subscriber = cursor->queue->subscriber;
    int64_t behind = cursor_live_next(cursor) - cursor->progress.read_offset;
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
    int64_t next = cursor_live_next(cursor);
    int64_t read = cursor->progress.read_offset;
    cursor->until = next > read ? next : read;
    cursor->live_from = cursor->live_first = cursor->until;
    cursor->state = CURSOR_ATTACHING;
    cursor->is_changed = true;
}

void cursor_attach_if_possible(struct cursor *cursor) {
    if (can_attach(cursor)) {
        attach(cursor);
    }
}
