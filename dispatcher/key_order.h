// Keeps what has one key in its order: of all that was added with a key only the first may go on,
// and the next one may when the first is taken out. Pure; belongs to one loop. Entries lie in the
// caller's objects, keys are copied.
//
// Invariants:
//   1. The entries of a key stand in the order in which they were added.
//   2. At any time exactly one entry of a key is the first.
//   3. Keys do not wait for each other, and a key without entries costs nothing.
#ifndef EVENT_GATEWAY_DISPATCHER_KEY_ORDER_H
#define EVENT_GATEWAY_DISPATCHER_KEY_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

struct key_chain;

struct key_order_entry {
    struct key_chain *chain; // NULL: not in, it goes without an order
    struct key_order_entry *previous, *next;
};

// Zero is a valid empty table.
struct key_order {
    struct key_chain **buckets;
    size_t bucket_count; // a power of two
    size_t key_count;
};

// Behind all others of that key.
void key_order_add(struct key_order *order, struct bytes key, struct key_order_entry *entry);
// In any place. Returns the entry that is the first now and was not before, or NULL.
struct key_order_entry *key_order_remove(struct key_order *order, struct key_order_entry *entry);
// Also of an entry that is in no order.
bool key_order_is_first(const struct key_order_entry *entry);
// What a chain costs besides its entries, for the window.
size_t key_order_size(struct bytes key);
// Nothing is in any more.
void key_order_clear(struct key_order *order);

#endif
