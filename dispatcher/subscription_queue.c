#include "dispatcher/subscription_queue.h"

#include "core/base/bytes.h"
#include "core/base/memory.h"
#include "core/events/event.h"
#include "core/registry/replay.h"
#include "dispatcher/delivery.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/subscriber.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_BUCKETS 16

void delivery_list_append(struct delivery_list *list, struct delivery *delivery) {
    delivery->next = NULL;
    delivery->previous = list->last;
    if (list->last) {
        list->last->next = delivery;
    } else {
        list->first = delivery;
    }
    list->last = delivery;
    list->count++;
}

void delivery_list_prepend(struct delivery_list *list, struct delivery *delivery) {
    delivery->previous = NULL;
    delivery->next = list->first;
    if (list->first) {
        list->first->previous = delivery;
    } else {
        list->last = delivery;
    }
    list->first = delivery;
    list->count++;
}

void delivery_list_remove(struct delivery_list *list, struct delivery *delivery) {
    assert(delivery->previous ? delivery->previous->next == delivery : list->first == delivery);
    if (delivery->previous) {
        delivery->previous->next = delivery->next;
    } else {
        list->first = delivery->next;
    }
    if (delivery->next) {
        delivery->next->previous = delivery->previous;
    } else {
        list->last = delivery->previous;
    }
    delivery->previous = NULL;
    delivery->next = NULL;
    list->count--;
}

static uint64_t hash_of(const struct subscription *subscription) {
    // Rarely do two spaces have a subscription of the same id; then the comparison tells them
    // apart.
    return bytes_hash(subscription->id);
}

static void grow(struct queue_table *table) {
    size_t bucket_count = table->bucket_count > 0 ? table->bucket_count * 2 : FIRST_BUCKETS;
    struct subscription_queue **buckets = memory_allocate(bucket_count * sizeof(void *));
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct subscription_queue *queue = table->buckets[i];
        while (queue) {
            struct subscription_queue *next = queue->next;
            struct subscription_queue **bucket = &buckets[queue->hash & (bucket_count - 1)];
            queue->next = *bucket;
            *bucket = queue;
            queue = next;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = bucket_count;
}

static bool is_of(const struct subscription_queue *queue, const struct subscription *subscription,
                  const struct replay *replay) {
    if (queue->replay != replay &&
        !(queue->replay && replay && bytes_equal(queue->replay->id, replay->id))) {
        return false;
    }
    return queue->subscription == subscription ||
           (bytes_equal(queue->subscription->id, subscription->id) &&
            bytes_equal(queue->subscription->space, subscription->space));
}

// The rate of a replay is counted by its own name, and what is live is not.
static void join_flow(struct subscription_queue *queue) {
    flow_join(&queue->partition->lane->flow, &queue->flow, queue->subscription);
    if (queue->replay) {
        queue->flow.rate_name = queue->replay->id;
        queue->flow.rate_per_second = queue->replay->rate_per_second;
    }
}

static struct subscription_queue *find(const struct queue_table *table, uint64_t hash,
                                       const struct subscription *subscription,
                                       const struct replay *replay) {
    struct subscription_queue *queue =
        table->bucket_count > 0 ? table->buckets[hash & (table->bucket_count - 1)] : NULL;
    while (queue && !(queue->hash == hash && is_of(queue, subscription, replay))) {
        queue = queue->next;
    }
    return queue;
}

struct subscription_queue *queue_table_find(const struct queue_table *table,
                                            const struct subscription *subscription) {
    return find(table, hash_of(subscription), subscription, NULL);
}

static struct subscription_queue *get(struct queue_table *table, struct partition *partition,
                                      const struct subscription *subscription,
                                      const struct replay *replay) {
    uint64_t hash = hash_of(subscription);
    struct subscription_queue *queue = find(table, hash, subscription, replay);
    if (queue) {
        return queue;
    }
    if (table->count >= table->bucket_count) {
        grow(table);
    }
    struct subscription_queue **bucket = &table->buckets[hash & (table->bucket_count - 1)];
    queue = memory_allocate(sizeof *queue);
    queue->hash = hash;
    queue->partition = partition;
    queue->subscription = subscription_ref(subscription);
    queue->replay = replay ? replay_ref(replay) : NULL;
    queue->next = *bucket;
    *bucket = queue;
    table->count++;
    join_flow(queue);
    subscriber_join(partition->lane, queue);
    return queue;
}

struct subscription_queue *queue_table_get(struct queue_table *table, struct partition *partition,
                                           const struct subscription *subscription) {
    return get(table, partition, subscription, NULL);
}

struct subscription_queue *queue_table_get_replay(struct queue_table *table,
                                                  struct partition *partition,
                                                  const struct subscription *subscription,
                                                  const struct replay *replay) {
    return get(table, partition, subscription, replay);
}

void subscription_queue_add(struct subscription_queue *queue, struct delivery *delivery) {
    struct bytes key = queue->subscription->delivery.ordering == ORDERING_KEY
                           ? event_key(delivery->taken->event)
                           : (struct bytes){0};
    if (key.size > 0) {
        key_order_add(&queue->keys, key, &delivery->order);
    }
    delivery->state = key_order_is_first(&delivery->order) ? DELIVERY_WAITING : DELIVERY_HELD;
    delivery_list_append(delivery_list_of(delivery), delivery);
}

uint32_t subscription_queue_calls(const struct subscription_queue *queue) {
    if (queue->subscriber->replay_count == 0) {
        return queue->in_flight;
    }
    uint32_t count = 0;
    for (const struct subscription_queue *other = queue->subscriber->queues; other;
         other = other->next_of_subscriber) {
        count += other->partition == queue->partition ? other->in_flight : 0;
    }
    return count;
}

static void release(struct subscription_queue *queue, struct delivery *delivery) {
    delivery_list_remove(&queue->held, delivery);
    delivery->state = DELIVERY_WAITING;
    delivery_list_append(&queue->waiting, delivery);
}

void subscription_queue_leave_order(struct subscription_queue *queue, struct delivery *delivery) {
    if (!delivery->order.chain) {
        return;
    }
    struct key_order_entry *next = key_order_remove(&queue->keys, &delivery->order);
    if (next) {
        struct delivery *follower = CONTAINER_OF(next, struct delivery, order);
        if (follower->state == DELIVERY_HELD) {
            release(queue, follower);
        }
    }
}

void subscription_queue_end_order(struct subscription_queue *queue) {
    while (queue->held.first) {
        release(queue, queue->held.first);
    }
}

void queue_table_drop_if_empty(struct queue_table *table, struct subscription_queue *queue) {
    if (queue->waiting.first || queue->held.first || queue->started.first || queue->cursor ||
        queue->keeps) {
        return;
    }
    flow_part(&queue->flow);
    key_order_clear(&queue->keys);
    if (queue->is_batch_waiting) {
        event_loop_timer_stop(queue->partition->lane->loop, &queue->batch_timer);
    }
    struct subscription_queue **link = &table->buckets[queue->hash & (table->bucket_count - 1)];
    while (*link != queue) {
        link = &(*link)->next;
    }
    *link = queue->next;
    table->count--;
    subscriber_part(queue);
    subscription_unref(queue->subscription);
    replay_unref(queue->replay);
    free(queue);
}

void queue_table_each(struct queue_table *table,
                      void (*visit)(void *context, struct subscription_queue *queue),
                      void *context) {
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct subscription_queue *queue = table->buckets[i];
        while (queue) {
            struct subscription_queue *next = queue->next;
            visit(context, queue);
            queue = next;
        }
    }
}

void queue_table_clear(struct queue_table *table) {
    assert(table->count == 0);
    free(table->buckets);
    *table = (struct queue_table){0};
}

void subscription_queue_set(struct subscription_queue *queue,
                            const struct subscription *subscription) {
    const struct subscription *before = queue->subscription;
    queue->subscription = subscription_ref(subscription);
    subscription_unref(before);
}
