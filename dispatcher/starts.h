// Which subscriptions that ask for an earlier start ("earliest", a time) have got it on a
// partition. Belongs to the partition's loop.
//
// Invariant: a start is followed once for each subscription and partition, whatever restarts: the
// marker in the log is written after the cursor's record, and is for the subscription that was
// created then, not for another one of its id.
#ifndef EVENT_GATEWAY_DISPATCHER_STARTS_H
#define EVENT_GATEWAY_DISPATCHER_STARTS_H

#include <stddef.h>

#include "core/cursors/cursor_record.h"

struct partition;

// Zero is a valid empty one.
struct starts {
    struct start_mark *items;
    size_t count, capacity;
};

// From the log: it was followed.
void starts_note(struct starts *starts, const struct cursor_record *record);
// Begins those that were not followed yet. Needs the lane's snapshot; the partition is fed.
void starts_look(struct partition *partition);
void starts_clear(struct starts *starts);

#endif
