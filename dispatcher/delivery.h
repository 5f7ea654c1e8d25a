// One delivery: one event for one subscription. It belongs to its partition's loop.
//
//   HELD: one of its key is before it
//      │ that is finished
//      ▼       room in maxInFlight and flow    2xx
//   WAITING ───────────────────────▶ IN_FLIGHT ───────────────────────────▶ FINISHED
//      ▲                               │   │ given up                          ▲  ▲
//      │ the wait is over   short wait │   ├──▶ DEAD_LETTERING ────────────────┘  │
//      └────────────── RETRY_WAIT ◀────┤   │    append; again until it is confirmed
//                          │           │   │ long wait                            │
//                          │           └───┴──▶ PARKING ──────────────────────────┘
//                          └──────────────────▶ append; again until it is confirmed
//
// What is parked lies in eg.retry.* and is finished here; it comes back from there as a delivery of
// a record of that stream, in RETRY_WAIT until it is due or goes on to another tier. An event that
// asks for later delivery (delivernotbefore) begins in RETRY_WAIT or PARKING.
//
// A delivery of a deleted subscription is finished from HELD, WAITING, RETRY_WAIT, or when its call
// has failed. One whose event's life has ended goes from WAITING to DEAD_LETTERING without a call.
// When its partition goes, a delivery is forgotten in any state: the next owner starts it anew.
// When its subscription is detached (cursor.h), what does not run is forgotten and read again, and
// what runs belongs to the cursor from then on. While the circuit is not closed, what has failed
// goes back to WAITING: the pause is the circuit's. Of eg.retry.* it is parked again instead.
//
// Invariants:
//   1. It is in exactly one list of its queue until it is finished or forgotten.
//   2. Only calls take places in the queue's in_flight (attempt.h).
//   3. DEAD_LETTERING and PARKING are left only when the log has confirmed the append; PARKING also
//      for RETRY_WAIT, when the log will never take it.
//   4. A forgotten delivery changes nothing: a call that still runs does not know it any more.
//   5. Of one key of an ordered subscription only the first is WAITING or in a state that follows,
//      together with those behind it that are in the same call. None of them is parked.
#ifndef EVENT_GATEWAY_DISPATCHER_DELIVERY_H
#define EVENT_GATEWAY_DISPATCHER_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/base/http_server.h"
#include "dispatcher/key_order.h"
#include "dispatcher/retry_policy.h"
#include "dispatcher/taken_event.h"

struct attempt;
struct dead_letter_post;
struct tried;
struct delivery_list;
struct invocation_result;
struct parking_post;
struct partition;
struct route_match;
struct subscription_queue;

enum delivery_state {
    DELIVERY_HELD,
    DELIVERY_WAITING,
    DELIVERY_IN_FLIGHT,
    DELIVERY_RETRY_WAIT,
    DELIVERY_PARKING,
    DELIVERY_DEAD_LETTERING,
    DELIVERY_FINISHED,
};

struct delivery {
    enum delivery_state state;
    struct subscription_queue *queue;
    struct delivery *previous, *next; // in its queue's list
    struct taken_event *taken;
    struct key_order_entry order; // in its queue's keys, where the subscription asks for it
    struct attempt *attempt;      // IN_FLIGHT
    uint32_t attempt_index;
    uint32_t batch_limit;      // halved with each batch that failed
    uint32_t attempts;         // begun
    int64_t first_us, last_us; // wall clock, of the first and the last attempt
    unsigned last_status;
    char reason[32];               // why the last attempt failed: "status 503", "timed out"
    int64_t due_us;                // wall clock; 0 = when the timer expires
    int64_t due_loop_us;           // the same by the loop's clock, of what comes from eg.retry.*
    struct event_loop_timer timer; // RETRY_WAIT
    union {
        struct dead_letter_post *post; // DEAD_LETTERING
        struct parking_post *parking;  // PARKING
    };
    size_t param_count;
    struct http_header params[]; // with their bytes behind them
};

// WAITING, in no list yet. Counts as an open delivery of the event.
struct delivery *delivery_create(struct subscription_queue *queue, struct taken_event *taken,
                                 const struct route_match *match);
// Memory that one costs, for the window; with its place in the order of its key.
size_t delivery_size(const struct route_match *match, const struct event *event);
// What replaces the event's type; empty = nothing.
struct bytes delivery_type(const struct delivery *delivery);
// The list of its queue that holds what is in its state.
struct delivery_list *delivery_list_of(const struct delivery *delivery);
// Whether it may be sent; if not, why it is given up instead: its event's life has ended by its
// expirytime, or it is one of an endless chain.
bool delivery_may_begin(const struct delivery *delivery, enum give_up_reason *ret_reason);
// Of the replay that it belongs to, or empty.
struct bytes delivery_replay_id(const struct delivery *delivery);
// Whether its event asked for delivery at a later time than now.
bool delivery_is_early(const struct delivery *delivery);
// What is known of its attempts; and one that was tried before goes on from there, attempts 0 =
// nothing is known.
void delivery_tried(const struct delivery *delivery, struct tried *ret_tried);
void delivery_go_on(struct delivery *delivery, const struct tried *tried);
// Out of its list already. Frees it; one of its key that it held may go then (it waits).
void delivery_forget(struct delivery *delivery);

#endif
