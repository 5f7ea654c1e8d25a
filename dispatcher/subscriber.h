// What the queues of one subscription on one lane have in common: whether its function can be
// called, and how it went lately. Belongs to the lane's loop; it is there as long as the
// subscription is, or a queue of it.
//
// Invariants:
//   1. While the circuit is not closed, or the subscription is paused, all its queues are detached,
//      or about to be.
//   2. Each queue of the subscription on the lane is in queues.
#ifndef EVENT_GATEWAY_DISPATCHER_SUBSCRIBER_H
#define EVENT_GATEWAY_DISPATCHER_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/event_loop.h"
#include "core/functions/invoker.h"
#include "core/subscriptions/subscription.h"
#include "dispatcher/circuit.h"
#include "dispatcher/running_calls.h"

struct delivery;
struct lane;
struct subscription_queue;
struct suspension;

struct subscriber {
    struct subscriber *next; // in its bucket
    uint64_t hash;
    struct lane *lane;
    char *text; // what the names point into
    struct bytes space, id;
    struct subscription_queue *queues;
    size_t replay_count; // of them are of replays
    bool is_known;       // the snapshot has the subscription

    struct subscriber_calls calls; // that run
    struct circuit circuit;
    struct event_loop_timer probe_timer;
    struct suspension *suspension; // the function is gone: until the configuration says paused

    int64_t last_success_us, last_failure_us; // wall clock
    int64_t last_call_us;                     // monotonic
    unsigned last_status;
    char last_error[96];
};

// Zero is a valid empty table.
struct subscriber_table {
    struct subscriber **buckets;
    size_t bucket_count; // a power of two
    size_t count;
};

// The subscriber of that queue, which has its subscription set, from now on.
void subscriber_join(struct lane *lane, struct subscription_queue *queue);
void subscriber_part(struct subscription_queue *queue);
// The lane has a new snapshot with other subscriptions.
void subscribers_configuration_changed(struct lane *lane);
void subscribers_each(struct lane *lane, void (*visit)(void *context, struct subscriber *),
                      void *context);
// All queues are gone.
void subscribers_clear(struct lane *lane);

// Whether one more call may begin.
bool subscriber_may_begin(const struct subscriber *subscriber);
void subscriber_begun(struct subscriber *subscriber);
// A call that was begun runs no more, or is not this subscriber's any more.
void subscriber_ended(struct subscriber *subscriber);
// An attempt has ended. Detaches all queues when the circuit opens, and lets them go on when it
// closes; queues may be gone afterwards, but for the delivery's.
void subscriber_called(struct subscriber *subscriber, const struct delivery *delivery,
                       const struct invocation_result *result, enum circuit_result means);
// Its function is gone: nothing begins any more, and the subscription is paused.
void subscriber_gone(struct subscriber *subscriber, const struct subscription *subscription);
// A cursor has looked for an event to probe with, and its queue has one that goes first, or NULL.
void subscriber_look_ended(struct subscriber *subscriber, struct subscription_queue *found);
// A probe that was begun brings no result.
void subscriber_probe_lost(struct subscriber *subscriber);
// Whether live deliveries have to be detached, and why: NULL = not.
const char *subscriber_wants_detached(const struct subscriber *subscriber,
                                      const struct subscription *subscription);

#endif
