#include "core/registry/snapshot.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/registry/snapshot_builder.h"

const struct snapshot *snapshot_ref(const struct snapshot *snapshot) {
    atomic_fetch_add_explicit(&((struct snapshot *)snapshot)->references, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(const struct snapshot *snapshot) {
    if (!snapshot) {
        return;
    }
    struct snapshot *owned = (struct snapshot *)snapshot;
    unsigned before = atomic_fetch_sub_explicit(&owned->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1) {
        return;
    }
    subscription_view_unref(owned->view);
    cors_view_unref(owned->cors);
    for (int kind = 0; kind < RESOURCE_KIND_COUNT; kind++) {
        resource_table_unref(owned->tables[kind]);
    }
    free(owned);
}

int64_t snapshot_revision(const struct snapshot *snapshot) {
    return snapshot->revision;
}

const struct function *snapshot_function(const struct snapshot *snapshot, struct bytes space,
                                         struct bytes id) {
    const struct resource_entry *entry =
        resource_table_find(snapshot->tables[RESOURCE_FUNCTION], space, id);
    return entry ? entry->resource.function : NULL;
}

const struct event_type *snapshot_event_type(const struct snapshot *snapshot, struct bytes space,
                                             struct bytes name) {
    const struct resource_entry *entry =
        resource_table_find(snapshot->tables[RESOURCE_EVENT_TYPE], space, name);
    return entry ? entry->resource.event_type : NULL;
}

const struct subscription *snapshot_subscription(const struct snapshot *snapshot,
                                                 struct bytes space, struct bytes id) {
    const struct resource_entry *entry =
        resource_table_find(snapshot->tables[RESOURCE_SUBSCRIPTION], space, id);
    return entry ? entry->resource.subscription : NULL;
}

const struct cors_rule *snapshot_cors_rule(const struct snapshot *snapshot, struct bytes space,
                                           struct bytes id) {
    const struct resource_entry *entry =
        resource_table_find(snapshot->tables[RESOURCE_CORS], space, id);
    return entry ? entry->resource.cors_rule : NULL;
}

const struct replay *snapshot_replay(const struct snapshot *snapshot, struct bytes space,
                                     struct bytes id) {
    const struct resource_entry *entry =
        resource_table_find(snapshot->tables[RESOURCE_REPLAY], space, id);
    return entry ? entry->resource.replay : NULL;
}

const struct redrive *snapshot_redrive(const struct snapshot *snapshot, struct bytes space,
                                       struct bytes id) {
    const struct resource_entry *entry =
        resource_table_find(snapshot->tables[RESOURCE_REDRIVE], space, id);
    return entry ? entry->resource.redrive : NULL;
}

bool snapshot_same_replays(const struct snapshot *a, const struct snapshot *b) {
    return a->tables[RESOURCE_REPLAY] == b->tables[RESOURCE_REPLAY];
}

bool snapshot_has_cors_rules(const struct snapshot *snapshot) {
    return snapshot->cors->routes != NULL;
}

static void take_cors_route(void *context, const struct route_match *match) {
    const struct cors_rule **rule = context;
    *rule = CONTAINER_OF(match->subscription, struct cors_route, subscription)->rule;
}

const struct cors_rule *snapshot_match_cors_rule(const struct snapshot *snapshot,
                                                 struct bytes space, struct bytes method,
                                                 struct bytes path) {
    const struct cors_rule *rule = NULL;
    struct route_query query = {
        .space = space, .type = BYTES("cors"), .method = method, .path = path};
    if (snapshot->cors->routes) {
        (void)routes_match_sync(snapshot->cors->routes, &query, take_cors_route, &rule);
    }
    return rule;
}

const struct json_t *snapshot_document(const struct snapshot *snapshot, enum resource_kind kind,
                                       struct bytes space, struct bytes id) {
    const struct resource_entry *entry = resource_table_find(snapshot->tables[kind], space, id);
    return entry ? entry->document : NULL;
}

void snapshot_each(const struct snapshot *snapshot, enum resource_kind kind, struct bytes space,
                   snapshot_resource_fn visit, void *context) {
    const struct resource_table *table = snapshot->tables[kind];
    for (size_t i = resource_table_position(table, space, (struct bytes){0}); i < table->count;
         i++) {
        const struct resource_entry *entry = &table->entries[i];
        if (space.size > 0 && !bytes_equal(entry->space, space)) {
            break;
        }
        visit(context, entry->space, entry->id, entry->document);
    }
}

size_t snapshot_count(const struct snapshot *snapshot, enum resource_kind kind,
                      struct bytes space) {
    const struct resource_table *table = snapshot->tables[kind];
    size_t start = resource_table_position(table, space, (struct bytes){0});
    size_t end = start;
    while (end < table->count &&
           (space.size == 0 || bytes_equal(table->entries[end].space, space))) {
        end++;
    }
    return end - start;
}

bool snapshot_has_space(const struct snapshot *snapshot, struct bytes space) {
    for (int kind = 0; kind < RESOURCE_KIND_COUNT; kind++) {
        const struct resource_table *table = snapshot->tables[kind];
        size_t position = resource_table_position(table, space, (struct bytes){0});
        if (position < table->count && bytes_equal(table->entries[position].space, space)) {
            return true;
        }
    }
    return false;
}

// Walks the sorted tables side by side.
void snapshot_each_space(const struct snapshot *snapshot, snapshot_space_fn visit, void *context) {
    size_t at[RESOURCE_KIND_COUNT] = {0};
    for (;;) {
        const struct bytes *lowest = NULL;
        for (int kind = 0; kind < RESOURCE_KIND_COUNT; kind++) {
            const struct resource_table *table = snapshot->tables[kind];
            if (at[kind] < table->count &&
                (!lowest || bytes_compare(table->entries[at[kind]].space, *lowest) < 0)) {
                lowest = &table->entries[at[kind]].space;
            }
        }
        if (!lowest) {
            return;
        }
        visit(context, *lowest);
        for (int kind = 0; kind < RESOURCE_KIND_COUNT; kind++) {
            const struct resource_table *table = snapshot->tables[kind];
            while (at[kind] < table->count &&
                   bytes_equal(table->entries[at[kind]].space, *lowest)) {
                at[kind]++;
            }
        }
    }
}

const struct subscription *const *snapshot_subscriptions(const struct snapshot *snapshot,
                                                         size_t *ret_count) {
    *ret_count = snapshot->tables[RESOURCE_SUBSCRIPTION]->count;
    return snapshot->view->subscriptions;
}

const struct routes *snapshot_routes(const struct snapshot *snapshot) {
    return snapshot->view->routes;
}

bool snapshot_wants_system_event(const struct snapshot *snapshot, struct bytes space,
                                 enum system_event kind) {
    const struct subscription_view *view = snapshot->view;
    uint32_t bit = UINT32_C(1) << kind;
    if ((view->system_types & bit) == 0 || space.size == 0) {
        return (view->system_types & bit) != 0;
    }
    size_t low = 0;
    size_t high = view->space_type_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(view->space_types[middle].space, space);
        if (order == 0) {
            return (view->space_types[middle].types & bit) != 0;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return false;
}
