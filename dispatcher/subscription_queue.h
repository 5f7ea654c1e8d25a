// The deliveries of one subscription on one partition, live or of one replay, and the table of
// these queues. A queue is there as long as it has deliveries or is detached. It belongs to the
// partition's loop.
//
// Invariants:
//   1. in_flight is the number of calls that run, and none is begun while that of all queues of the
//      subscription on the partition, live and of replays, is at maxInFlight or above.
//   2. waiting holds exactly the WAITING ones, in the order in which they are begun; held those
//      that wait for the end of another one of their key; started all others.
//   3. Where the subscription is ordered, keys has all of them that have a key, in the order in
//      which they came.
#ifndef EVENT_GATEWAY_DISPATCHER_SUBSCRIPTION_QUEUE_H
#define EVENT_GATEWAY_DISPATCHER_SUBSCRIPTION_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/subscriptions/subscription.h"
#include "dispatcher/flow.h"
#include "dispatcher/key_order.h"

struct cursor;
struct delivery;
struct partition;
struct replay;
struct subscriber;

struct delivery_list {
    struct delivery *first, *last;
    size_t count;
};
void delivery_list_append(struct delivery_list *list, struct delivery *delivery);
void delivery_list_prepend(struct delivery_list *list, struct delivery *delivery);
void delivery_list_remove(struct delivery_list *list, struct delivery *delivery);

struct subscription_queue {
    struct subscription_queue *next; // in its bucket
    uint64_t hash;
    struct partition *partition;
    const struct subscription *subscription; // the newest that is known; a reference
    const struct replay *replay;             // NULL: of the live events; a reference
    bool is_gone;                            // the subscription was deleted
    uint32_t in_flight;
    struct flow_member flow;
    struct key_order keys;
    bool is_batch_waiting; // batch_timer runs
    bool is_batch_due;
    struct event_loop_timer batch_timer;
    struct delivery_list waiting;
    struct delivery_list held;
    struct delivery_list started;
    struct subscriber *subscriber;
    struct subscription_queue *previous_of_subscriber, *next_of_subscriber;
    struct cursor *cursor; // NULL: not detached
    bool keeps;            // it stays, whatever it has
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
// Likewise, or NULL.
struct subscription_queue *queue_table_find(const struct queue_table *table,
                                            const struct subscription *subscription);
// That of a replay, likewise. What is live has another one.
struct subscription_queue *queue_table_get_replay(struct queue_table *table,
                                                  struct partition *partition,
                                                  const struct subscription *subscription,
                                                  const struct replay *replay);
// A new delivery: into waiting, or into held when it has to wait for its key.
void subscription_queue_add(struct subscription_queue *queue, struct delivery *delivery);
// How many calls of its subscription run on its partition, live and of replays.
uint32_t subscription_queue_calls(const struct subscription_queue *queue);
// It is finished or forgotten: the next one of its key, when that was held, waits then.
void subscription_queue_leave_order(struct subscription_queue *queue, struct delivery *delivery);
// Its subscription does not ask for an order any more: nothing is held.
void subscription_queue_end_order(struct subscription_queue *queue);
// Takes the queue out and frees it when nothing needs it.
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
