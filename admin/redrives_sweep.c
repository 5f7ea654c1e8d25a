// Which redrives that are over are removed.

#include <stdlib.h>

#include "admin/kept_entries.h"
#include "admin/redrives.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/registry/redrive.h"

struct listing {
    const struct snapshot *snapshot;
    struct kept_entry *entries;
    size_t count;
};

static void add_entry(void *context, struct bytes space, struct bytes id,
                      const struct json_t *document) {
    struct listing *listing = context;
    const struct redrive *redrive = snapshot_redrive(listing->snapshot, space, id);
    (void)document;
    bool is_over = redrive->state >= REDRIVE_DONE;
    listing->entries[listing->count++] =
        (struct kept_entry){space, id, is_over ? redrive->ended_us : 0};
}

size_t redrives_sweep(const struct snapshot *snapshot, struct bytes space, size_t room,
                      struct registry_edit *edits, size_t max) {
    size_t count = snapshot_count(snapshot, RESOURCE_REDRIVE, space);
    struct listing listing = {snapshot, memory_allocate((count + 1) * sizeof(struct kept_entry)),
                              0};
    snapshot_each(snapshot, RESOURCE_REDRIVE, space, add_entry, &listing);
    size_t going = kept_entries_select(listing.entries, listing.count, room, clock_wall_us());
    going = going < max ? going : max;
    for (size_t i = 0; i < going; i++) {
        edits[i] = (struct registry_edit){.kind = RESOURCE_REDRIVE,
                                          .space = listing.entries[i].space,
                                          .id = listing.entries[i].id};
    }
    free(listing.entries);
    return going;
}
