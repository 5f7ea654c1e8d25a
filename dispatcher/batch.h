// Deliveries that go to the function in one call, as a CloudEvents batch (delivery.batch of the
// subscription). What of a failed batch is tried again goes in halves, until the event that the
// function cannot take is alone. Belongs to the partition's loop.
//
// Invariants:
//   1. A batch holds deliveries that failed together, or that have not failed: what is suspected
//      is not mixed with others.
//   2. Of one key a batch holds those that come next, in their order.
#ifndef EVENT_GATEWAY_DISPATCHER_BATCH_H
#define EVENT_GATEWAY_DISPATCHER_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "dispatcher/subscription_queue.h"

#define BATCH_EVENTS_MAX 1000
// Of the events as they lie in the log: what functions commonly take in one request.
#define BATCH_BYTES_MAX ((size_t)1 << 20)

// Whether calls are batches, be it of one event: the subscription asks for it, and the function is
// one that takes them.
bool batch_is_wanted(const struct subscription_queue *queue);
// How many deliveries the next call may have; something waits.
uint32_t batch_limit(const struct subscription_queue *queue);
// Whether a call should begin: as many wait as it may have, or the first of them has waited long
// enough. If not, the queue's batch timer runs, and expired is called.
bool batch_is_ready(struct subscription_queue *queue, uint32_t limit,
                    void (*expired)(struct event_loop_timer *timer));
// Moves the first that waits, and what goes with it, to the started list. At most limit.
uint32_t batch_take(struct subscription_queue *queue, uint32_t limit,
                    struct delivery **ret_deliveries);
// The body of a call, application/cloudevents-batch+json.
void batch_write(struct delivery *const *deliveries, uint32_t count, struct buffer *ret_body);

#endif
