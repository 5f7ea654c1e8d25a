#include "core/registry/resource_table.h"

#include <stdlib.h>

#include "core/base/memory.h"

void resource_entry_ref(enum resource_kind kind, const struct resource_entry *entry) {
    switch (kind) {
    case RESOURCE_FUNCTION:
        (void)function_ref(entry->resource.function);
        break;
    case RESOURCE_EVENT_TYPE:
        (void)event_type_ref(entry->resource.event_type);
        break;
    case RESOURCE_SUBSCRIPTION:
        (void)subscription_ref(entry->resource.subscription);
        break;
    case RESOURCE_CORS:
        (void)cors_rule_ref(entry->resource.cors_rule);
        break;
    case RESOURCE_KIND_COUNT:
        break;
    }
}

void resource_entry_unref(enum resource_kind kind, const struct resource_entry *entry) {
    switch (kind) {
    case RESOURCE_FUNCTION:
        function_unref(entry->resource.function);
        break;
    case RESOURCE_EVENT_TYPE:
        event_type_unref(entry->resource.event_type);
        break;
    case RESOURCE_SUBSCRIPTION:
        subscription_unref(entry->resource.subscription);
        break;
    case RESOURCE_CORS:
        cors_rule_unref(entry->resource.cors_rule);
        break;
    case RESOURCE_KIND_COUNT:
        break;
    }
}

enum status resource_entry_parse(struct resource_entry *entry, enum resource_kind kind,
                                 struct json_t *document, struct error *error) {
    enum status status = STATUS_INVALID;
    entry->document = document;
    switch (kind) {
    case RESOURCE_FUNCTION:
        status = function_parse(document, &entry->resource.function, error);
        if (status == STATUS_OK) {
            entry->space = entry->resource.function->space;
            entry->id = entry->resource.function->id;
        }
        break;
    case RESOURCE_EVENT_TYPE:
        status = event_type_parse(document, &entry->resource.event_type, error);
        if (status == STATUS_OK) {
            entry->space = entry->resource.event_type->space;
            entry->id = entry->resource.event_type->name;
        }
        break;
    case RESOURCE_SUBSCRIPTION:
        status = subscription_parse(document, &entry->resource.subscription, error);
        if (status == STATUS_OK) {
            entry->space = entry->resource.subscription->space;
            entry->id = entry->resource.subscription->id;
        }
        break;
    case RESOURCE_CORS:
        status = cors_rule_parse(document, &entry->resource.cors_rule, error);
        if (status == STATUS_OK) {
            entry->space = entry->resource.cors_rule->space;
            entry->id = entry->resource.cors_rule->id;
        }
        break;
    case RESOURCE_KIND_COUNT:
        break;
    }
    return status;
}

int resource_keys_compare(struct bytes space_a, struct bytes id_a, struct bytes space_b,
                          struct bytes id_b) {
    int order = bytes_compare(space_a, space_b);
    return order != 0 ? order : bytes_compare(id_a, id_b);
}

static size_t index_start(const struct resource_table *table, struct bytes space, struct bytes id) {
    uint64_t hash = bytes_hash(space) * UINT64_C(0x9e3779b97f4a7c15) ^ bytes_hash(id);
    return (hash ^ (hash >> 32)) & (table->index_capacity - 1);
}

void resource_table_index(struct resource_table *table) {
    table->index_capacity = 8;
    while (table->index_capacity < 2 * table->count) {
        table->index_capacity *= 2;
    }
    table->index = memory_allocate(table->index_capacity * sizeof *table->index);
    for (size_t i = 0; i < table->count; i++) {
        size_t slot = index_start(table, table->entries[i].space, table->entries[i].id);
        while (table->index[slot] != 0) {
            slot = (slot + 1) & (table->index_capacity - 1);
        }
        table->index[slot] = (uint32_t)(i + 1);
    }
}

const struct resource_entry *resource_table_find(const struct resource_table *table,
                                                 struct bytes space, struct bytes id) {
    size_t slot = index_start(table, space, id);
    for (; table->index[slot] != 0; slot = (slot + 1) & (table->index_capacity - 1)) {
        const struct resource_entry *entry = &table->entries[table->index[slot] - 1];
        if (bytes_equal(entry->id, id) && bytes_equal(entry->space, space)) {
            return entry;
        }
    }
    return NULL;
}

// The first entry of the space, or of a later one.
size_t resource_table_space_start(const struct resource_table *table, struct bytes space) {
    size_t low = 0;
    size_t high = space.size > 0 ? table->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bytes_compare(table->entries[middle].space, space) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void resource_table_clear(struct resource_table *table, enum resource_kind kind) {
    for (size_t i = 0; i < table->count; i++) {
        resource_entry_unref(kind, &table->entries[i]);
    }
    free(table->entries);
    free(table->index);
}
