// What each subscription has lost on a partition to the log's retention: events that were removed
// before they were delivered to it, at the live position or at a cursor of its own. Which of the
// removed events would have matched is not known any more, so a count is an upper bound. Kept in
// the stream of cursors as long as the subscription is. Belongs to the partition's loop.
//
// Invariants:
//   1. What lies below an offset up to which was counted is counted no more: a crash between the
//      count and the position that moved counts nothing twice.
//   2. While a count is not confirmed, the live position beyond it is not (partition_settle), so
//      that nothing is forgotten.
//   3. There are no more than subscriptions that have lost something.
#ifndef EVENT_GATEWAY_DISPATCHER_LOSSES_H
#define EVENT_GATEWAY_DISPATCHER_LOSSES_H

#include <stddef.h>
#include <stdint.h>

#include "core/cursors/cursor_record.h"

struct partition;
struct subscription;

#define LOSSES_BUCKETS 64

// Zero is a valid empty one.
struct losses {
    struct loss *buckets[LOSSES_BUCKETS];
    size_t count;
    size_t inside;        // of them are counts that the log has not confirmed
    int64_t unread_until; // what lies below was removed unread and is not counted yet; 0 = none
};

// From the log: what was counted by an earlier owner.
void losses_restore(struct partition *partition, const struct cursor_record *record);
// Retention has removed [from, first) and the subscription has not got it: counts, logs, tells.
void losses_note(struct partition *partition, const struct subscription *subscription, int64_t from,
                 int64_t first);
// Likewise for all that were at the live position of the partition. Needs the lane's snapshot.
void losses_note_live(struct partition *partition, int64_t from, int64_t first);
// Likewise where nobody has been on the partition before: all below first was removed unread. Lost
// to whoever subscribed before the oldest event that is left was stored, which is known when that
// comes; where none is left, before the time that the log keeps events for.
void losses_note_unread(struct partition *partition, int64_t first);
// The oldest event that is left. Nothing where nothing waits for it.
void losses_oldest_came(struct partition *partition, int64_t stored_ms);
// The lane has a new snapshot: forgets those of subscriptions that are gone. Their records go when
// somebody claims the partition.
void losses_configuration_changed(struct partition *partition);
void losses_clear(struct losses *losses);

#endif
