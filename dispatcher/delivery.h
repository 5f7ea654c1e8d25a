// One delivery: one event for one subscription. It belongs to its partition's loop.
//
//              room in maxInFlight             2xx
//   WAITING ───────────────────────▶ IN_FLIGHT ───────────────────────────▶ FINISHED
//      ▲                               │   │                                   ▲
//      │ the wait is over     retried  │   │ given up                          │
//      └────────────── RETRY_WAIT ◀────┘   └──▶ DEAD_LETTERING ────────────────┘
//                                                append; again until the log confirms
//
// A delivery of a deleted subscription is finished from WAITING, RETRY_WAIT, or when its call has
// failed. One whose event's life has ended goes from WAITING to DEAD_LETTERING without a call.
// When its partition goes, a delivery is forgotten in any state: the next owner starts it anew.
//
// Invariants:
//   1. It is in exactly one list of its queue until it is finished or forgotten.
//   2. Only IN_FLIGHT takes a place in its queue's in_flight.
//   3. DEAD_LETTERING is left only when the log has confirmed the dead letter.
//   4. A forgotten delivery changes nothing: a call that still runs has no queue to report to.
#ifndef EVENT_GATEWAY_DISPATCHER_DELIVERY_H
#define EVENT_GATEWAY_DISPATCHER_DELIVERY_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/base/http_server.h"
#include "core/events/trace_context.h"
#include "dispatcher/offset_tracker.h"

struct dead_letter_post;
struct event;
struct invocation_result;
struct partition;
struct route_match;
struct subscription_queue;

enum delivery_state {
    DELIVERY_WAITING,
    DELIVERY_IN_FLIGHT,
    DELIVERY_RETRY_WAIT,
    DELIVERY_DEAD_LETTERING,
    DELIVERY_FINISHED,
};

// An event that was taken from the log, until all its deliveries are finished.
struct taken_event {
    struct offset_tracker_entry place;
    struct partition *partition;
    const struct event *event;
    uint32_t open_deliveries;
    size_t bytes;       // what the window counts for it
    int64_t expires_us; // wall clock, by the extension expirytime; INT64_MAX = never
    struct trace_context trace;
};

struct delivery {
    enum delivery_state state;
    struct subscription_queue *queue; // NULL: forgotten while its call ran
    struct delivery *previous, *next; // in its queue's list
    struct taken_event *taken;
    uint32_t attempts;         // begun
    int64_t first_us, last_us; // wall clock, of the first and the last attempt
    unsigned last_status;
    struct event_loop_timer timer; // RETRY_WAIT
    struct dead_letter_post *post; // DEAD_LETTERING
    size_t param_count;
    struct http_header params[]; // with their bytes behind them
};

// WAITING, in no list yet. Counts as an open delivery of the event.
struct delivery *delivery_create(struct subscription_queue *queue, struct taken_event *taken,
                                 const struct route_match *match);
// Memory that one costs, for the window.
size_t delivery_size(const struct route_match *match);
// Begins an attempt: WAITING -> IN_FLIGHT. schedule_attempted follows, later, unless it is
// forgotten meanwhile. In no list yet.
void delivery_begin_attempt(struct delivery *delivery);
// Whether the event's life has ended by its expirytime.
bool delivery_is_expired(const struct delivery *delivery);
// Out of its list already. Frees it, or lets the end of its call do so.
void delivery_forget(struct delivery *delivery);

#endif
