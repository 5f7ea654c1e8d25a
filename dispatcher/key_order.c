#include "dispatcher/key_order.h"

#include "core/base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16

// There as long as it has entries.
struct key_chain {
    struct key_chain *next; // in its bucket
    uint64_t hash;
    struct key_order_entry *first, *last;
    size_t key_size;
    char key[];
};

size_t key_order_size(struct bytes key) {
    return sizeof(struct key_chain) + key.size;
}

static void grow(struct key_order *order) {
    size_t bucket_count = order->bucket_count > 0 ? order->bucket_count * 2 : FIRST_BUCKETS;
    struct key_chain **buckets = memory_allocate(bucket_count * sizeof(void *));
    for (size_t i = 0; i < order->bucket_count; i++) {
        struct key_chain *chain = order->buckets[i];
        while (chain) {
            struct key_chain *next = chain->next;
            struct key_chain **bucket = &buckets[chain->hash & (bucket_count - 1)];
            chain->next = *bucket;
            *bucket = chain;
            chain = next;
        }
    }
    free(order->buckets);
    order->buckets = buckets;
    order->bucket_count = bucket_count;
}

static struct key_chain *find_chain(struct key_order *order, struct bytes key) {
    if (order->key_count >= order->bucket_count) {
        grow(order);
    }
    uint64_t hash = bytes_hash(key);
    struct key_chain **bucket = &order->buckets[hash & (order->bucket_count - 1)];
    for (struct key_chain *chain = *bucket; chain; chain = chain->next) {
        if (chain->hash == hash && bytes_equal((struct bytes){chain->key, chain->key_size}, key)) {
            return chain;
        }
    }
    struct key_chain *chain = memory_allocate(key_order_size(key));
    chain->hash = hash;
    chain->key_size = key.size;
    memcpy(chain->key, key.data, key.size);
    chain->next = *bucket;
    *bucket = chain;
    order->key_count++;
    return chain;
}

void key_order_add(struct key_order *order, struct bytes key, struct key_order_entry *entry) {
    assert(!entry->chain && key.size > 0);
    struct key_chain *chain = find_chain(order, key);
    entry->chain = chain;
    entry->previous = chain->last;
    entry->next = NULL;
    if (chain->last) {
        chain->last->next = entry;
    } else {
        chain->first = entry;
    }
    chain->last = entry;
}

static void drop_chain(struct key_order *order, struct key_chain *chain) {
    struct key_chain **link = &order->buckets[chain->hash & (order->bucket_count - 1)];
    while (*link != chain) {
        link = &(*link)->next;
    }
    *link = chain->next;
    order->key_count--;
    free(chain);
}

struct key_order_entry *key_order_remove(struct key_order *order, struct key_order_entry *entry) {
    struct key_chain *chain = entry->chain;
    struct key_order_entry *next = entry->next;
    bool was_first = !entry->previous;
    if (was_first) {
        chain->first = next;
    } else {
        entry->previous->next = next;
    }
    if (next) {
        next->previous = entry->previous;
    } else {
        chain->last = entry->previous;
    }
    *entry = (struct key_order_entry){0};
    if (!chain->first) {
        drop_chain(order, chain);
        return NULL;
    }
    return was_first ? next : NULL;
}

bool key_order_is_first(const struct key_order_entry *entry) {
    return !entry->previous;
}

void key_order_clear(struct key_order *order) {
    assert(order->key_count == 0);
    free(order->buckets);
    *order = (struct key_order){0};
}
