// Knows below which offset of a partition everything is finished, which is what may be committed.
// Keeps only what is not finished, so its size is that of the window and not the distance between
// the lowest and the highest. Pure; belongs to the partition's loop. Entries lie in the caller's
// objects.
//
// Invariants:
//   1. The position never moves back.
//   2. Nothing that was seen and is not finished lies below the position.
//   3. The position is the highest that 2 allows: the lowest unfinished offset, or the one after
//      the last seen. Offsets that never come (gaps) do not hold it.
//   4. An offset below one that was seen is not taken again.
#ifndef EVENT_GATEWAY_DISPATCHER_OFFSET_TRACKER_H
#define EVENT_GATEWAY_DISPATCHER_OFFSET_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cursors/offset_ranges.h"

struct offset_tracker_entry {
    int64_t offset;
    struct offset_tracker_entry *previous, *next; // the tracker's; both NULL when it is not in
};

struct offset_tracker {
    int64_t next_offset; // lowest that can still come
    struct offset_tracker_entry *first, *last;
    size_t count;
};

// Everything below start_offset is finished.
void offset_tracker_init(struct offset_tracker *tracker, int64_t start_offset);
// Takes an offset that is not finished yet, with entry->offset set. False, and nothing is changed,
// when it is below one that was seen (invariant 4).
bool offset_tracker_seen(struct offset_tracker *tracker, struct offset_tracker_entry *entry);
// Everything below offset that was not seen up to now is finished or will never come.
void offset_tracker_pass(struct offset_tracker *tracker, int64_t offset);
// In any order, once for each entry.
void offset_tracker_finish(struct offset_tracker *tracker, struct offset_tracker_entry *entry);
int64_t offset_tracker_position(const struct offset_tracker *tracker);
// What is finished beyond the position: what was seen and is not in the tracker any more, and of
// what was not seen yet that which is in earlier.
void offset_tracker_finished(const struct offset_tracker *tracker,
                             const struct offset_ranges *earlier,
                             struct offset_ranges *ret_finished);

#endif
