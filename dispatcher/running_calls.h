// Tells the log, beside the outcomes of attempts, how many calls of each subscription run on a lane
// (eg.outcome, outcome_record.h): a second after a change, and what runs on again every ten.
// Nothing is told while nothing changes and nothing runs. Best effort, as outcomes are. Belongs to
// the lane's loop.
//
// Invariants:
//   1. A subscriber is in the list from its first call on, until nothing runs and that was told.
//   2. At most RUNNING_CALLS_TOLD_MAX are told in one turn; the others follow in their order.
#ifndef EVENT_GATEWAY_DISPATCHER_RUNNING_CALLS_H
#define EVENT_GATEWAY_DISPATCHER_RUNNING_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/event_loop.h"

#define RUNNING_CALLS_TOLD_MAX 500

struct outcomes;
struct subscriber;

// Lies in the subscriber.
struct subscriber_calls {
    uint32_t count; // that run
    uint32_t told;
    int64_t told_us; // monotonic
    bool is_listed;
    struct subscriber *previous, *next;
};

// Lies in the lane. loop, outcomes and lane are filled in.
struct running_calls {
    struct event_loop *loop;
    struct outcomes *outcomes;
    uint32_t lane;

    struct subscriber *first, *last;
    struct event_loop_timer timer; // runs while there are any
};
void running_calls_init(struct running_calls *calls);
void running_calls_begun(struct running_calls *calls, struct subscriber *subscriber);
void running_calls_ended(struct running_calls *calls, struct subscriber *subscriber);
// The subscriber goes: nothing of it runs here any more, which is told at once.
void running_calls_leave(struct running_calls *calls, struct subscriber *subscriber);

#endif
