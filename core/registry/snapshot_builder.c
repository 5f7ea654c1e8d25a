#include "core/registry/snapshot_builder.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"

struct edit {
    struct resource_entry entry; // of a deleted resource: only its keys
    char *key;                   // owns the keys of a deleted resource
    size_t order;                // of arrival
};

struct edits {
    struct edit *items;
    size_t count, capacity;
};

struct snapshot_builder {
    const struct snapshot *base; // may be NULL
    struct edits edits[RESOURCE_KIND_COUNT];
};

struct snapshot_builder *snapshot_builder_create(const struct snapshot *base) {
    struct snapshot_builder *builder = memory_allocate(sizeof *builder);
    builder->base = base ? snapshot_ref(base) : NULL;
    return builder;
}

static void edit_clear(struct edit *edit, enum resource_kind kind) {
    resource_entry_unref(kind, &edit->entry);
    free(edit->key);
}

void snapshot_builder_destroy(struct snapshot_builder *builder) {
    if (!builder) {
        return;
    }
    for (int kind = 0; kind < RESOURCE_KIND_COUNT; kind++) {
        for (size_t i = 0; i < builder->edits[kind].count; i++) {
            edit_clear(&builder->edits[kind].items[i], (enum resource_kind)kind);
        }
        free(builder->edits[kind].items);
    }
    snapshot_unref(builder->base);
    free(builder);
}

static void edits_add(struct edits *edits, struct edit edit) {
    if (edits->count == edits->capacity) {
        edits->capacity = edits->capacity ? 2 * edits->capacity : 16;
        edits->items = memory_resize(edits->items, edits->capacity, sizeof *edits->items);
    }
    edit.order = edits->count;
    edits->items[edits->count++] = edit;
}

static struct edit deletion(struct bytes space, struct bytes id) {
    struct edit edit = {.key = memory_allocate(space.size + id.size)};
    if (space.size > 0) {
        memcpy(edit.key, space.data, space.size);
    }
    if (id.size > 0) {
        memcpy(edit.key + space.size, id.data, id.size);
    }
    edit.entry.space = (struct bytes){edit.key, space.size};
    edit.entry.id = (struct bytes){edit.key + space.size, id.size};
    return edit;
}

static enum status parse_document(struct resource_entry *entry, enum resource_kind kind,
                                  struct bytes space, struct bytes id, struct bytes document,
                                  struct error *error) {
    struct json_t *json = NULL;
    enum status status = json_parse(document, &json, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = resource_entry_parse(entry, kind, json, error);
    json_decref(json); // The parsed resource has its own reference.
    if (status == STATUS_OK && (!bytes_equal(entry->space, space) || !bytes_equal(entry->id, id))) {
        resource_entry_unref(kind, entry);
        return error_set(error, STATUS_INVALID, "names another space or id than its place");
    }
    return status;
}

enum status snapshot_builder_put(struct snapshot_builder *builder, enum resource_kind kind,
                                 struct bytes space, struct bytes id, struct bytes document,
                                 struct error *error) {
    struct edit edit = {0};
    enum status status = STATUS_OK;
    if (document.size > 0) {
        status = parse_document(&edit.entry, kind, space, id, document, error);
    }
    if (document.size == 0 || status != STATUS_OK) {
        edit = deletion(space, id);
    }
    edits_add(&builder->edits[kind], edit);
    return status;
}

static int compare_edits(const void *a, const void *b) {
    const struct edit *left = a;
    const struct edit *right = b;
    int order = resource_keys_compare(left->entry.space, left->entry.id, right->entry.space,
                                      right->entry.id);
    return order != 0 ? order : (left->order > right->order) - (left->order < right->order);
}

// Sorted, and only the last word on each resource.
static void edits_settle(struct edits *edits, enum resource_kind kind) {
    size_t kept = 0;
    if (edits->count > 0) {
        qsort(edits->items, edits->count, sizeof *edits->items, compare_edits);
    }
    for (size_t i = 0; i < edits->count; i++) {
        bool is_last = i + 1 == edits->count ||
                       resource_keys_compare(edits->items[i].entry.space, edits->items[i].entry.id,
                                             edits->items[i + 1].entry.space,
                                             edits->items[i + 1].entry.id) != 0;
        if (is_last) {
            edits->items[kept++] = edits->items[i];
        } else {
            edit_clear(&edits->items[i], kind);
        }
    }
    edits->count = kept;
}

// The new table's entries take over the edits' references.
static void table_merge(struct resource_table *table, enum resource_kind kind,
                        const struct resource_table *base, struct edits *edits) {
    size_t base_count = base ? base->count : 0;
    size_t i = 0;
    size_t j = 0;
    edits_settle(edits, kind);
    table->entries = memory_allocate((base_count + edits->count) * sizeof *table->entries);
    while (i < base_count || j < edits->count) {
        const struct resource_entry *old = i < base_count ? &base->entries[i] : NULL;
        struct edit *edit = j < edits->count ? &edits->items[j] : NULL;
        int order =
            !old    ? 1
            : !edit ? -1
                    : resource_keys_compare(old->space, old->id, edit->entry.space, edit->entry.id);
        if (order < 0) {
            resource_entry_ref(kind, old);
            table->entries[table->count++] = *old;
        } else if (edit->entry.resource.any) {
            table->entries[table->count++] = edit->entry;
            edit->entry.resource.any = NULL;
        }
        i += order <= 0;
        j += order >= 0;
    }
    resource_table_index(table);
}

static void build_routes(struct snapshot *snapshot) {
    const struct resource_table *table = &snapshot->tables[RESOURCE_SUBSCRIPTION];
    snapshot->routes = memory_allocate(sizeof *snapshot->routes);
    snapshot->routes->references = 1;
    snapshot->routes->routes = routes_create();
    for (size_t i = 0; i < table->count; i++) {
        routes_add(snapshot->routes->routes, table->entries[i].resource.subscription);
    }
}

const struct snapshot *snapshot_builder_finish_take(struct snapshot_builder *builder,
                                                    int64_t revision) {
    const struct snapshot *base = builder->base;
    struct snapshot *snapshot = memory_allocate(sizeof *snapshot);
    bool same_subscriptions = base && builder->edits[RESOURCE_SUBSCRIPTION].count == 0;
    snapshot->references = 1;
    snapshot->revision = revision;
    for (int kind = 0; kind < RESOURCE_KIND_COUNT; kind++) {
        table_merge(&snapshot->tables[kind], (enum resource_kind)kind,
                    base ? &base->tables[kind] : NULL, &builder->edits[kind]);
    }
    const struct resource_table *table = &snapshot->tables[RESOURCE_SUBSCRIPTION];
    snapshot->subscriptions = memory_allocate(table->count * sizeof(const struct subscription *));
    for (size_t i = 0; i < table->count; i++) {
        snapshot->subscriptions[i] = table->entries[i].resource.subscription;
    }
    if (same_subscriptions) {
        // The routes borrow subscriptions that this snapshot holds too.
        snapshot->routes = base->routes;
        atomic_fetch_add_explicit(&snapshot->routes->references, 1, memory_order_relaxed);
    } else {
        build_routes(snapshot);
    }
    snapshot_builder_destroy(builder);
    return snapshot;
}
