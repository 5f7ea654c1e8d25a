// Makes a snapshot from another one and what changed. Private to core/registry; one thread. What
// did not change is shared with the snapshot before, so a small change costs little.
#ifndef EVENT_GATEWAY_REGISTRY_SNAPSHOT_BUILDER_H
#define EVENT_GATEWAY_REGISTRY_SNAPSHOT_BUILDER_H

#include <stdatomic.h>

#include "core/registry/resource_table.h"
#include "core/registry/snapshot.h"

// The system event types that a space's subscriptions ask for: a bit for each.
struct space_system_types {
    struct bytes space;
    uint32_t types;
};

// What is derived from the subscriptions' table; shared like it, and as long as it.
struct subscription_view {
    atomic_uint references;
    struct resource_table *table; // holds what the others borrow
    struct routes *routes;
    const struct subscription **subscriptions; // in the table's order
    uint32_t system_types;                     // of all spaces
    struct space_system_types *space_types;    // of the spaces that have any, sorted
    size_t space_type_count;
};
void subscription_view_unref(struct subscription_view *view); // NULL is fine

// The rules of the table by method and path, with the same matcher.
struct cors_view {
    atomic_uint references;
    struct resource_table *table;
    struct routes *routes; // NULL: there are no rules
    struct cors_route *items;
};
void cors_view_unref(struct cors_view *view); // NULL is fine

// What the matcher takes for a subscription.
struct cors_route {
    struct subscription subscription;
    const struct cors_rule *rule;
};

struct snapshot {
    atomic_uint references;
    int64_t revision;
    struct resource_table *tables[RESOURCE_KIND_COUNT];
    struct subscription_view *view;
    struct cors_view *cors;
};

struct snapshot_builder;

// base NULL = from nothing.
struct snapshot_builder *snapshot_builder_create(const struct snapshot *base);
void snapshot_builder_destroy(struct snapshot_builder *builder);
// An empty document deletes. The last word on a resource counts. STATUS_INVALID: the document
// cannot be understood (a newer version's, or made by hand) and the resource is left out, so that
// the rest still serves.
enum status must_check snapshot_builder_put(struct snapshot_builder *builder,
                                            enum resource_kind kind, struct bytes space,
                                            struct bytes id, struct bytes document,
                                            struct error *error);
// Consumes the builder. The caller owns one reference.
const struct snapshot *snapshot_builder_finish_take(struct snapshot_builder *builder,
                                                    int64_t revision);

#endif
