// Decides whether one more call may begin on a lane, and remembers who has to wait: for the rate of
// its subscription, for a place of the lane (places), or until its function takes more (throttles).
// One for each lane; belongs to its loop, apart from what it shares with the other lanes.
//
// Invariants:
//   1. Who was told to wait is resumed exactly once, later, unless it parts or is told so before.
//   2. Every call that was let in leaves once, also one that nobody waits for any more.
#ifndef EVENT_GATEWAY_DISPATCHER_FLOW_H
#define EVENT_GATEWAY_DISPATCHER_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/subscriptions/subscription.h"
#include "dispatcher/places.h"
#include "dispatcher/throttles.h"

struct rates;

// Who makes calls: a subscription's queue, or one of a replay of it. Lies in it.
struct flow_member {
    struct share *share;
    struct places_waiter place_waiter;
    struct throttle_waiter throttle_waiter;
    struct event_loop_timer rate_timer;
    bool is_rate_waiting;
    bool is_in_line;        // of those who wait for the subscription's rate (rates.h)
    struct bytes rate_name; // of a replay, which goes last: of a rate of its own; empty = live
    double rate_per_second; // that rate; 0 = only the subscription's
    bool has_paid_own;      // its own rate has let it pass, and it has not begun since
    bool has_paid;          // likewise the subscription's
    struct flow *flow;
};

// What a call that was let in gives back.
struct flow_ticket {
    struct throttle *throttle;
    int64_t started_us;
};

struct flow {
    struct event_loop *loop;
    size_t lane;                 // its number among the lanes
    struct throttles *throttles; // of all lanes
    struct rates *rates;         // of all lanes
    // It may ask again: called where it may begin at least one call, or has to wait anew.
    void (*resume)(struct flow_member *member);

    // Its own.
    struct places *places;
    struct event_loop_hook hook;
    struct event_loop_task wake_task;
};

// The fields up to resume are filled in. calls_max: that run at once on the lane.
void flow_init(struct flow *flow, uint32_t calls_max);
// All members have parted.
void flow_clear(struct flow *flow);
// The loop's thread, when the first member is about to join; and when none will any more.
void flow_start(struct flow *flow);
void flow_stop(struct flow *flow);
// Any thread, when throttles say so; not after they are closed.
void flow_post_wake(struct flow *flow);

void flow_join(struct flow *flow, struct flow_member *member,
               const struct subscription *subscription);
void flow_part(struct flow_member *member);
// Whether it waits to be resumed.
bool flow_is_waiting(const struct flow_member *member);
// True: a call with so many events begins now. False: it waits.
bool flow_enter(struct flow_member *member, const struct subscription *subscription,
                uint32_t events, struct flow_ticket *ret_ticket);
// Returns whether other calls of the function ran beside it.
bool flow_leave(struct flow_member *member, const struct flow_ticket *ticket,
                enum throttle_end end);
// Waits for its turn although it could go on: the others come first.
void flow_yield(struct flow_member *member);
// Likewise for so long.
void flow_pause(struct flow_member *member, int64_t wait_us);
// It was resumed and has asked again, or wants nothing any more: then it is in no line either.
void flow_resumed(struct flow_member *member);

#endif
