#include "core/events/event_name_table.h"

#include <stdlib.h>

#include "core/base/memory.h"

#define FEW 32
#define MANY 1024
#define SLOTS 4096 // a power of two, and always most of them free

static struct bytes name_at(struct event_names names, size_t place) {
    return *(const struct bytes *)((const char *)names.first + place * names.stride);
}

static size_t find_straight(struct event_names names, struct bytes name) {
    size_t place = 0;
    while (place < names.count && !bytes_equal(name_at(names, place), name)) {
        place++;
    }
    return place;
}

// The slot where the name is, or the free one where it belongs.
static uint16_t *slot_of(const struct event_name_table *table, struct event_names names,
                         struct bytes name) {
    size_t slot = bytes_hash(name) & (SLOTS - 1);
    while (table->slots[slot] != 0 &&
           !bytes_equal(name_at(names, (size_t)table->slots[slot] - 1), name)) {
        slot = (slot + 1) & (SLOTS - 1);
    }
    return &table->slots[slot];
}

size_t event_name_table_find(const struct event_name_table *table, struct event_names names,
                             struct bytes name) {
    if (!table->slots) {
        return find_straight(names, name);
    }
    uint16_t found = *slot_of(table, names, name);
    return found > 0 ? (size_t)found - 1 : names.count;
}

void event_name_table_added(struct event_name_table *table, struct event_names names) {
    if (names.count <= FEW || names.count > MANY) {
        event_name_table_clear(table);
        return;
    }
    size_t place = names.count - 1;
    if (!table->slots) {
        table->slots = memory_allocate(SLOTS * sizeof *table->slots);
        place = 0;
    }
    for (; place < names.count; place++) {
        *slot_of(table, names, name_at(names, place)) = (uint16_t)(place + 1);
    }
}

void event_name_table_clear(struct event_name_table *table) {
    free(table->slots);
    table->slots = NULL;
}
