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

static void table_append_range(struct resource_table *table, const struct resource_table *base,
                               size_t start, size_t end) {
    for (size_t i = start; i < end; i++) {
        resource_entry_ref(base->kind, &base->entries[i]);
        table->entries[table->count++] = base->entries[i];
    }
}

// The new table's entries take over the edits' references.
static struct resource_table *table_merge(struct resource_table *base, enum resource_kind kind,
                                          struct edits *edits) {
    if (base && edits->count == 0) {
        return resource_table_ref(base);
    }
    size_t base_count = base ? base->count : 0;
    size_t next = 0; // in base
    edits_settle(edits, kind);
    struct resource_table *table = resource_table_create(kind, base_count + edits->count);
    for (size_t i = 0; i < edits->count; i++) {
        struct resource_entry *entry = &edits->items[i].entry;
        size_t position = base ? resource_table_position(base, entry->space, entry->id) : 0;
        table_append_range(table, base, next, position);
        bool replaces =
            position < base_count &&
            resource_keys_compare(base->entries[position].space, base->entries[position].id,
                                  entry->space, entry->id) == 0;
        next = replaces ? position + 1 : position;
        if (entry->resource.any) {
            table->entries[table->count++] = *entry;
            entry->resource.any = NULL;
        }
    }
    table_append_range(table, base, next, base_count);
    resource_table_index(table);
    return table;
}

// Subscriptions come sorted by space.
static void view_note_system_type(struct subscription_view *view,
                                  const struct subscription *subscription) {
    enum system_event kind;
    if (subscription->is_sync || !system_event_parse(subscription->event_type, &kind)) {
        return;
    }
    size_t count = view->space_type_count;
    if (count == 0 || !bytes_equal(view->space_types[count - 1].space, subscription->space)) {
        view->space_types = memory_resize(view->space_types, count + 1, sizeof *view->space_types);
        view->space_types[count] = (struct space_system_types){.space = subscription->space};
        view->space_type_count++;
    }
    view->space_types[view->space_type_count - 1].types |= UINT32_C(1) << kind;
    view->system_types |= UINT32_C(1) << kind;
}

static struct subscription_view *view_create(struct resource_table *table) {
    struct subscription_view *view = memory_allocate(sizeof *view);
    view->references = 1;
    view->table = resource_table_ref(table);
    view->routes = routes_create();
    view->subscriptions = memory_allocate(table->count * sizeof(const struct subscription *));
    for (size_t i = 0; i < table->count; i++) {
        view->subscriptions[i] = table->entries[i].resource.subscription;
        routes_add(view->routes, view->subscriptions[i]);
        view_note_system_type(view, view->subscriptions[i]);
    }
    return view;
}

void subscription_view_unref(struct subscription_view *view) {
    if (!view || atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    routes_destroy(view->routes);
    free(view->subscriptions);
    free(view->space_types);
    resource_table_unref(view->table);
    free(view);
}

static struct cors_view *cors_view_create(struct resource_table *table) {
    struct cors_view *view = memory_allocate(sizeof *view);
    view->references = 1;
    view->table = resource_table_ref(table);
    if (table->count == 0) {
        return view;
    }
    view->routes = routes_create();
    view->items = memory_allocate(table->count * sizeof *view->items);
    for (size_t i = 0; i < table->count; i++) {
        const struct cors_rule *rule = table->entries[i].resource.cors_rule;
        view->items[i] = (struct cors_route){.subscription = {.space = rule->space,
                                                              .id = rule->id,
                                                              .is_sync = true,
                                                              .event_type = BYTES("cors"),
                                                              .method = rule->method,
                                                              .path = rule->path},
                                             .rule = rule};
        routes_add(view->routes, &view->items[i].subscription);
    }
    return view;
}

void cors_view_unref(struct cors_view *view) {
    if (!view || atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    routes_destroy(view->routes);
    free(view->items);
    resource_table_unref(view->table);
    free(view);
}

static void share_or_create_cors(struct snapshot *snapshot, const struct snapshot *base) {
    struct resource_table *rules = snapshot->tables[RESOURCE_CORS];
    if (base && base->cors->table == rules) {
        snapshot->cors = base->cors;
        atomic_fetch_add_explicit(&snapshot->cors->references, 1, memory_order_relaxed);
    } else {
        snapshot->cors = cors_view_create(rules);
    }
}

const struct snapshot *snapshot_builder_finish_take(struct snapshot_builder *builder,
                                                    int64_t revision) {
    const struct snapshot *base = builder->base;
    struct snapshot *snapshot = memory_allocate(sizeof *snapshot);
    snapshot->references = 1;
    snapshot->revision = revision;
    for (int kind = 0; kind < RESOURCE_KIND_COUNT; kind++) {
        snapshot->tables[kind] = table_merge(base ? base->tables[kind] : NULL,
                                             (enum resource_kind)kind, &builder->edits[kind]);
    }
    struct resource_table *subscriptions = snapshot->tables[RESOURCE_SUBSCRIPTION];
    if (base && base->view->table == subscriptions) {
        snapshot->view = base->view;
        atomic_fetch_add_explicit(&snapshot->view->references, 1, memory_order_relaxed);
    } else {
        snapshot->view = view_create(subscriptions);
    }
    share_or_create_cors(snapshot, base);
    snapshot_builder_destroy(builder);
    return snapshot;
}
