// The deliveries of one subscription on one partition, and the table of these queues. A queue is
// there as long as it has deliveries. It belongs to the partition's loop.
//
// Invariants:
//   1. in_flight is the number of deliveries IN_FLIGHT, and none is begun while it is at
//      maxInFlight or above.
//   2. waiting holds exactly the WAITING ones, in the order in which they are begun; started holds
//      all others.
#ifndef EVENT_GATEWAY_DISPATCHER_SUBSCRIPTION_QUEUE_H
#define EVENT_GATEWAY_DISPATCHER_SUBSCRIPTION_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/subscriptions/subscription.h"

struct delivery;
struct partition;

struct delivery_list {
    struct delivery *first, *last;
};
void delivery_list_append(struct delivery_list *list, struct delivery *delivery);
void delivery_list_remove(struct delivery_list *list, struct delivery *delivery);

struct subscription_queue {
    struct subscription_queue *next; // in its bucket
    uint64_t hash;
    struct partition *partition;
    const struct subscription *subscription; // the newest that is known; a reference
    bool is_gone;                            // the subscription was deleted
    uint32_t in_flight;
    struct delivery_list waiting;
    struct delivery_list started;
};

// Zero is a valid empty table.
struct queue_table {
    struct subscription_queue **buckets;
    size_t bucket_count; // a power of two
    size_t count;
};

// The queue of that subscription, made when it is not there.
struct subscription_queue *queue_table_get(struct queue_table *table, struct partition *partition,
                                           const struct subscription *subscription);
// Takes the queue out and frees it when it has no deliveries.
void queue_table_drop_if_empty(struct queue_table *table, struct subscription_queue *queue);
// visit may drop the queue that it is called with, and no other.
void queue_table_each(struct queue_table *table,
                      void (*visit)(void *context, struct subscription_queue *queue),
                      void *context);
// All queues are gone.
void queue_table_clear(struct queue_table *table);
void subscription_queue_set(struct subscription_queue *queue,
                            const struct subscription *subscription);

#endif
