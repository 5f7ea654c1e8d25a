// The resources of one kind in a snapshot: sorted by space and id, and found by both. Private to
// core/registry; immutable once built.
#ifndef EVENT_GATEWAY_REGISTRY_RESOURCE_TABLE_H
#define EVENT_GATEWAY_REGISTRY_RESOURCE_TABLE_H

#include "core/registry/resources.h"
#include "core/subscriptions/subscription.h"

// What was parsed, by kind.
union resource {
    const struct function *function;
    const struct event_type *event_type;
    const struct subscription *subscription;
    const struct cors_rule *cors_rule;
    const void *any; // NULL = none
};

struct resource_entry {
    struct bytes space, id; // pieces of the resource's document
    const struct json_t *document;
    union resource resource;
};

// Fills the entry; it then holds one reference to the resource.
enum status must_check resource_entry_parse(struct resource_entry *entry, enum resource_kind kind,
                                            struct json_t *document, struct error *error);
void resource_entry_ref(enum resource_kind kind, const struct resource_entry *entry);
void resource_entry_unref(enum resource_kind kind, const struct resource_entry *entry);
// The order of tables.
int resource_keys_compare(struct bytes space_a, struct bytes id_a, struct bytes space_b,
                          struct bytes id_b);

struct resource_table {
    struct resource_entry *entries;
    size_t count;
    uint32_t *index; // open addressing: position + 1; size a power of two
    size_t index_capacity;
};

// After the entries are complete and sorted.
void resource_table_index(struct resource_table *table);
const struct resource_entry *resource_table_find(const struct resource_table *table,
                                                 struct bytes space, struct bytes id);
// The first entry of the space, or of a later one; 0 for an empty space.
size_t resource_table_space_start(const struct resource_table *table, struct bytes space);
void resource_table_clear(struct resource_table *table, enum resource_kind kind);

#endif
