// What each subscription has finished beyond the live position of a partition, so that it need not
// be delivered again after a crash or by the next owner. Pure; belongs to the partition's loop.
//
// A share says of one subscription: everything from `since` on that live matching has seen is
// finished but for its deliveries that are still there; and what an earlier owner has finished.
//
//      position          since                    next_offset
//   ─────┴─────────────────┴──────────────────────────┴───▶ offsets
//        └─ `finished`: what the record of an earlier owner says (also beyond next_offset)
//                          └─ finished, but for what is unfinished
//
// Invariants:
//   1. An offset is told to be finished only for the very subscription (fingerprint) that has
//      finished it: delivered, or stored as a dead letter or parked. Who is not in the record is
//      not passed over, and what has no fingerprint is in no record.
//   2. Of a subscription nothing below the first offset that was matched with it is told.
//   3. What is forgotten unfinished (`left`) is told to be unfinished.
//   4. Memory is bounded: at most LIVE_SHARES_MAX subscriptions. Of others nothing is told.
#ifndef EVENT_GATEWAY_DISPATCHER_LIVE_PROGRESS_H
#define EVENT_GATEWAY_DISPATCHER_LIVE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cursors/cursor_record.h"

#define LIVE_SHARES_MAX 1024
// In one record: of one subscription, and of all together.
#define LIVE_RANGES_OF_ONE 64
#define LIVE_RANGES_MAX 1024

struct live_share {
    struct live_share *next; // in its bucket
    char fingerprint[CURSOR_FINGERPRINT_SIZE];
    int64_t since;                 // CURSOR_NO_END: nothing of it was matched yet
    int64_t last;                  // highest that was matched
    struct offset_ranges finished; // by earlier owners
    struct tried_list tried;       // by earlier owners, and not matched again yet
    struct tried *left;            // forgotten; attempts may be 0
    size_t left_count, left_capacity;
    bool is_written; // live_progress_write's
};

// Zero is a valid empty one.
struct live_progress {
    struct live_share **buckets;
    size_t bucket_count; // a power of two
    size_t count;
    int64_t cut_at; // the position of the last cut
};

// What the record of an earlier owner says.
void live_progress_restore(struct live_progress *progress, const struct cursor_record *record);
// An event is matched with the subscription; offsets come in ascending order, and everything below
// position is finished. False: the subscription has finished it already. ret_tried: what is known
// of attempts at it, attempts 0 = nothing.
bool live_progress_match(struct live_progress *progress, const char *fingerprint, int64_t offset,
                         int64_t position, struct tried *ret_tried);
// NULL: nothing is known.
struct live_share *live_progress_find(const struct live_progress *progress,
                                      const char *fingerprint);
// An unfinished delivery is not there any more.
void live_progress_leave(struct live_progress *progress, const char *fingerprint,
                         const struct tried *tried);
// Forgets what lies below the position.
void live_progress_cut(struct live_progress *progress, int64_t position);
void live_progress_clear(struct live_progress *progress);

// One record's shares: begin, then those that have unfinished deliveries or are not told of, then
// end adds all others.
struct live_writing {
    struct live_progress *progress;
    struct cursor_record *record; // position and shares
    int64_t next_offset;
    size_t ranges;
};
void live_progress_write_begin(struct live_writing *writing);
// unfinished: its live deliveries, sorted; all below from is not told. from CURSOR_NO_END: nothing.
void live_progress_write(struct live_writing *writing, const char *fingerprint, int64_t from,
                         const struct tried *unfinished, size_t count);
void live_progress_write_end(struct live_writing *writing);

#endif
