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
    case RESOURCE_REPLAY:
        (void)replay_ref(entry->resource.replay);
        break;
    case RESOURCE_REDRIVE:
        (void)redrive_ref(entry->resource.redrive);
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
    case RESOURCE_REPLAY:
        replay_unref(entry->resource.replay);
        break;
    case RESOURCE_REDRIVE:
        redrive_unref(entry->resource.redrive);
        break;
    case RESOURCE_KIND_COUNT:
        break;
    }
}

static uint64_t keys_hash(struct bytes space, struct bytes id) {
    uint64_t hash = bytes_hash(space) * UINT64_C(0x9e3779b97f4a7c15) ^ bytes_hash(id);
    return hash ^ (hash >> 32);
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
    case RESOURCE_REPLAY:
        status = replay_parse(document, &entry->resource.replay, error);
        if (status == STATUS_OK) {
            entry->space = entry->resource.replay->space;
            entry->id = entry->resource.replay->id;
        }
        break;
    case RESOURCE_REDRIVE:
        status = redrive_parse(document, &entry->resource.redrive, error);
        if (status == STATUS_OK) {
            entry->space = entry->resource.redrive->space;
            entry->id = entry->resource.redrive->id;
        }
        break;
    case RESOURCE_KIND_COUNT:
        break;
    }
    if (status == STATUS_OK) {
        entry->hash = keys_hash(entry->space, entry->id);
    }
    return status;
}

int resource_keys_compare(struct bytes space_a, struct bytes id_a, struct bytes space_b,
                          struct bytes id_b) {
    int order = bytes_compare(space_a, space_b);
    return order != 0 ? order : bytes_compare(id_a, id_b);
}

struct resource_table *resource_table_create(enum resource_kind kind, size_t capacity) {
    struct resource_table *table = memory_allocate(sizeof *table);
    table->references = 1;
    table->kind = kind;
    table->entries = memory_allocate(capacity * sizeof *table->entries);
    return table;
}

void resource_table_index(struct resource_table *table) {
    table->index_capacity = 8;
    while (table->index_capacity < 2 * table->count) {
        table->index_capacity *= 2;
    }
    table->index = memory_allocate(table->index_capacity * sizeof *table->index);
    size_t mask = table->index_capacity - 1;
    for (size_t i = 0; i < table->count; i++) {
        size_t slot = table->entries[i].hash & mask;
        while (table->index[slot] != 0) {
            slot = (slot + 1) & mask;
        }
        table->index[slot] = (uint32_t)(i + 1);
    }
}

struct resource_table *resource_table_ref(struct resource_table *table) {
    atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
    return table;
}

void resource_table_unref(struct resource_table *table) {
    if (!table || atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        resource_entry_unref(table->kind, &table->entries[i]);
    }
    free(table->entries);
    free(table->index);
    free(table);
}

const struct resource_entry *resource_table_find(const struct resource_table *table,
                                                 struct bytes space, struct bytes id) {
    uint64_t hash = keys_hash(space, id);
    size_t mask = table->index_capacity - 1;
    for (size_t slot = hash & mask; table->index[slot] != 0; slot = (slot + 1) & mask) {
        const struct resource_entry *entry = &table->entries[table->index[slot] - 1];
        if (entry->hash == hash && bytes_equal(entry->id, id) && bytes_equal(entry->space, space)) {
            return entry;
        }
    }
    return NULL;
}

size_t resource_table_position(const struct resource_table *table, struct bytes space,
                               struct bytes id) {
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct resource_entry *entry = &table->entries[middle];
        if (resource_keys_compare(entry->space, entry->id, space, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
