// The resources of one kind: sorted by space and id, and found by both. Shared by the snapshots in
// which they are the same. Private to core/registry; immutable once built; any thread.
#ifndef EVENT_GATEWAY_REGISTRY_RESOURCE_TABLE_H
#define EVENT_GATEWAY_REGISTRY_RESOURCE_TABLE_H

#include <stdatomic.h>

#include "core/registry/redrive.h"
#include "core/registry/replay.h"
#include "core/registry/resources.h"
#include "core/subscriptions/subscription.h"

// What was parsed, by kind.
union resource {
    const struct function *function;
    const struct event_type *event_type;
    const struct subscription *subscription;
    const struct cors_rule *cors_rule;
    const struct replay *replay;
    const struct redrive *redrive;
    const void *any; // NULL = none
};

struct resource_entry {
    struct bytes space, id; // pieces of the resource's document
    uint64_t hash;          // of both, kept from table to table
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
    atomic_uint references;
    enum resource_kind kind;
    struct resource_entry *entries;
    size_t count;
    uint32_t *index; // open addressing: position + 1; size a power of two
    size_t index_capacity;
};

// With room for that many entries, which the caller then fills in, sorted. One reference.
struct resource_table *resource_table_create(enum resource_kind kind, size_t capacity);
// After the last entry.
void resource_table_index(struct resource_table *table);
struct resource_table *resource_table_ref(struct resource_table *table);
void resource_table_unref(struct resource_table *table); // NULL is fine
// NULL when it is not there.
const struct resource_entry *resource_table_find(const struct resource_table *table,
                                                 struct bytes space, struct bytes id);
// The first entry that is not before space and id.
size_t resource_table_position(const struct resource_table *table, struct bytes space,
                               struct bytes id);

#endif
