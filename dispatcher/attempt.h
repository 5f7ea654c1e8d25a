// One call of a function, with one delivery or a batch of them. Belongs to the partition's loop.
//
// Invariants:
//   1. It takes one place in its queue's in_flight, in its partition's running and in the flow of
//      its lane from its beginning until it ends or its last delivery is forgotten.
//   2. schedule_attempted follows its end exactly once, unless all its deliveries were forgotten.
#ifndef EVENT_GATEWAY_DISPATCHER_ATTEMPT_H
#define EVENT_GATEWAY_DISPATCHER_ATTEMPT_H

#include <stdint.h>

#include "dispatcher/delivery.h"
#include "dispatcher/flow.h"

struct attempt {
    struct subscription_queue *queue; // NULL: all were forgotten while the call ran
    struct flow_ticket ticket;
    uint32_t count;
    uint32_t remaining;            // not forgotten
    bool ran_beside_others;        // of the same function, when it ended
    struct delivery *deliveries[]; // NULL: forgotten
};

// Begins a call with these deliveries, which stand in the started list: each is IN_FLIGHT then.
void attempt_begin(struct subscription_queue *queue, const struct flow_ticket *ticket,
                   struct delivery *const *deliveries, uint32_t count);
// An IN_FLIGHT delivery is freed by its owner. The call is let run to its end.
void attempt_forget(struct delivery *delivery);

#endif
