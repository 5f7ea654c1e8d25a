// How far one subscription is on one partition while it is detached from the live position: what
// was read, what of that is not finished, and what is finished beyond. Pure; belongs to the
// partition's loop. Entries lie in the caller's objects.
//
//        position        read_offset
//   ─────────┴──────────────┴───────────────────────▶ offsets
//    finished   what was read:  still to be read, but for
//               finished but    what is finished already
//               for the         (ranges) or running
//               unfinished      (unfinished)
//
// Invariants:
//   1. Nothing unfinished lies below the position, and the position never moves back.
//   2. An offset is told to be open exactly when it was neither finished nor is among the
//      unfinished: nothing is delivered twice by being read twice.
//   3. Position and finished ranges, written down and read back, are the same progress: what is
//      forgotten in between is read again, what was finished is not.
#ifndef EVENT_GATEWAY_DISPATCHER_CURSOR_PROGRESS_H
#define EVENT_GATEWAY_DISPATCHER_CURSOR_PROGRESS_H

#include "core/cursors/offset_ranges.h"
#include "dispatcher/offset_tracker.h"

struct cursor_progress {
    int64_t read_offset;
    struct offset_ranges ranges;               // finished, at or beyond read_offset
    struct offset_tracker_entry *first, *last; // unfinished, sorted
    size_t count;
};

// finished is copied; NULL = nothing.
void cursor_progress_init(struct cursor_progress *progress, int64_t position,
                          const struct offset_ranges *finished);
// Everything below next_offset was seen and is finished but for these, which are sorted.
void cursor_progress_init_unfinished(struct cursor_progress *progress, const int64_t *unfinished,
                                     size_t count, int64_t next_offset);
// The entries are the caller's.
void cursor_progress_clear(struct cursor_progress *progress);

// Whether an offset that was read is to be delivered.
bool cursor_progress_is_open(const struct cursor_progress *progress, int64_t offset);
// An open offset that is being delivered from now on.
void cursor_progress_add(struct cursor_progress *progress, struct offset_tracker_entry *entry);
// All open ones below next_offset were added.
void cursor_progress_read(struct cursor_progress *progress, int64_t next_offset);
void cursor_progress_finish(struct cursor_progress *progress, struct offset_tracker_entry *entry);
// Begins to read at the position again. Entries stay; those that are forgotten afterwards are open
// again.
void cursor_progress_rewind(struct cursor_progress *progress);
void cursor_progress_forget(struct cursor_progress *progress, struct offset_tracker_entry *entry);

int64_t cursor_progress_position(const struct cursor_progress *progress);
// What is finished beyond the position, at most max ranges of it, the lowest.
void cursor_progress_finished(const struct cursor_progress *progress, size_t max,
                              struct offset_ranges *ret_ranges);

#endif
