// The record of a partition's live position in the stream of cursors: where the next owner goes on,
// and what each subscription has finished or tried beyond. Of eg.retry.*, whose records are for one
// subscription each, just what is finished beyond. Belongs to the partition's loop.
//
// Invariants:
//   1. What the record tells to be finished is finished, whatever becomes of the partition
//      afterwards (live_progress.h). It is told only when all deliveries that the events wait for
//      are accounted for.
//   2. What a subscription has finished is not delivered to it again by who has read that; what the
//      next owner has not read again yet is in its own records too.
//   3. Of a subscription that is detached nothing below the offset where live matching goes on is
//      told: that is its cursor's.
//   4. One record at a time is on its way, and one a second at most; with much to tell, one in 50
//      ms, and LIVE_BYTES_PER_SECOND of all partitions of the lane together, of events and of what
//      is parked each: who claims a partition has to read what is not compacted yet.
#ifndef EVENT_GATEWAY_DISPATCHER_LIVE_RECORD_H
#define EVENT_GATEWAY_DISPATCHER_LIVE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/cursors/cursor_record.h"
#include "dispatcher/live_progress.h"

#define LIVE_BYTES_PER_SECOND 32768

struct cursor_post;
struct delivery;
struct partition;
struct route_match;

// Zero is a valid one at rest.
struct live_record {
    struct live_progress progress;
    struct offset_ranges finished; // of eg.retry.*: by earlier owners, and not read again yet
    struct cursor_post *post;      // on its way
    int64_t written;               // the position
    int64_t written_us;
    size_t written_cost; // about its bytes, and one for each queue and delivery that was looked at
    size_t fresh;        // deliveries that were finished beyond the position since
    size_t forgotten;    // deliveries, unfinished
    bool has_told;       // of them
    struct event_loop_timer timer;
    int64_t timer_due_us;
};

// The partition is ours; record is the last owner's, NULL = there is none.
void live_record_claimed(struct partition *partition, const struct cursor_record *record);
// As live_progress_match.
bool live_record_match(struct partition *partition, const struct route_match *match, int64_t offset,
                       struct tried *ret_tried);
// Whether an earlier owner has finished the record of eg.retry.* at offset. Of eg.events that is
// asked for each subscription.
bool live_record_has_finished(const struct partition *partition, int64_t offset);
// A live delivery of the event at offset is finished, and the position is as it is now.
void live_record_finished(struct partition *partition, int64_t offset);
// The partition hands over, and a live delivery that is not finished is forgotten.
void live_record_forgotten(struct partition *partition, const struct delivery *delivery);
// The end of a turn: writes what is due.
void live_record_settle(struct partition *partition);
// The last one, at a hand-over. False: there is nothing to be written or waited for.
bool live_record_hand_over(struct partition *partition);
void live_record_stop(struct partition *partition);

#endif
