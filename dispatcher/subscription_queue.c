#include "dispatcher/subscription_queue.h"

#include "core/base/bytes.h"
#include "core/base/memory.h"
#include "dispatcher/delivery.h"

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

static bool is_of(const struct subscription_queue *queue, const struct subscription *subscription) {
    return queue->subscription == subscription ||
           (bytes_equal(queue->subscription->id, subscription->id) &&
            bytes_equal(queue->subscription->space, subscription->space));
}

struct subscription_queue *queue_table_get(struct queue_table *table, struct partition *partition,
                                           const struct subscription *subscription) {
    if (table->count >= table->bucket_count) {
        grow(table);
    }
    uint64_t hash = hash_of(subscription);
    struct subscription_queue **bucket = &table->buckets[hash & (table->bucket_count - 1)];
    for (struct subscription_queue *queue = *bucket; queue; queue = queue->next) {
        if (queue->hash == hash && is_of(queue, subscription)) {
            return queue;
        }
    }
    struct subscription_queue *queue = memory_allocate(sizeof *queue);
    queue->hash = hash;
    queue->partition = partition;
    queue->subscription = subscription_ref(subscription);
    queue->next = *bucket;
    *bucket = queue;
    table->count++;
    return queue;
}

void queue_table_drop_if_empty(struct queue_table *table, struct subscription_queue *queue) {
    if (queue->waiting.first || queue->started.first) {
        return;
    }
    struct subscription_queue **link = &table->buckets[queue->hash & (table->bucket_count - 1)];
    while (*link != queue) {
        link = &(*link)->next;
    }
    *link = queue->next;
    table->count--;
    subscription_unref(queue->subscription);
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
