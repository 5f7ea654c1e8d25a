// Which entries of something that is over stay to be looked at: the newest of each space, for a
// while. Pure, any thread.
#ifndef EVENT_GATEWAY_ADMIN_KEPT_ENTRIES_H
#define EVENT_GATEWAY_ADMIN_KEPT_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

#define KEPT_ENTRIES_MAX 100 // of a space, those that go on included
#define KEPT_ENTRIES_US (INT64_C(7) * 24 * 3600 * 1000000)

struct kept_entry {
    struct bytes space, id;
    int64_t ended_us; // 0: it goes on, and stays
};
// Puts those that go, the ones that ended first before the others, to the front and returns how
// many they are. room: for so many new ones in each space.
size_t kept_entries_select(struct kept_entry *entries, size_t count, size_t room, int64_t now_us);

#endif
