// Finds a name among those of one event: straight for a few, hashed for many, so that an event of a
// thousand names does not cost a million comparisons. The names stay where they are. One thread.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_NAME_TABLE_H
#define EVENT_GATEWAY_EVENTS_EVENT_NAME_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

// Zero is a valid empty table.
struct event_name_table {
    uint16_t *slots; // place of a name + 1; NULL while the names are few or too many
};

// The names: every stride bytes from first on lies one.
struct event_names {
    const void *first;
    size_t stride;
    size_t count;
};

// The name's place, or names.count.
size_t event_name_table_find(const struct event_name_table *table, struct event_names names,
                             struct bytes name);
// After each name that was added at the end.
void event_name_table_added(struct event_name_table *table, struct event_names names);
// Also after names were removed or moved.
void event_name_table_clear(struct event_name_table *table);

#endif
