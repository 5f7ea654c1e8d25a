// Which replays have begun on a partition. Belongs to the partition's loop.
//
// Invariants:
//   1. A replay is begun once for each partition that it has something of, whatever restarts: its
//      record in the stream of cursors stays there, with its end reached or where it was stopped,
//      as long as its document is in the registry.
//   2. It has a queue of its own (subscription_queue.h), so nothing that it does moves, holds or
//      reorders what is live.
#ifndef EVENT_GATEWAY_DISPATCHER_REPLAYS_H
#define EVENT_GATEWAY_DISPATCHER_REPLAYS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cursors/cursor_record.h"

struct partition;

// Zero is a valid empty one.
struct replays {
    struct replay_mark *items;
    size_t count, capacity;
};

// Whether the record's replay is still wanted. Needs the lane's snapshot.
bool replays_record_is_current(const struct partition *partition,
                               const struct cursor_record *record);
// From the log, as the last owner of the partition has left it.
void replays_restore(struct partition *partition, const struct cursor_record *record);
// Begins those that have not begun and stops those that are not wanted any more. Needs the lane's
// snapshot; the partition is fed.
void replays_look(struct partition *partition);
void replays_clear(struct replays *replays);

#endif
