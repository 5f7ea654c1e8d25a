// Makes a partition ours in the stream of cursors, before anything of it is matched:
// reads who had it and which cursors there are, writes that it is ours under a new epoch, reads up
// to there, and writes the valid cursors again under that epoch. Belongs to the partition's loop.
//
//   read all ─▶ append a claim ─▶ read up to it ─▶ rewrite what is valid ─▶ remove the older
//                   ▲                  │                                    cursors, then claims
//                   └── another one has └ was first with this epoch              │
//                       a higher or the same epoch                               ▼
//                                                                        partition_claimed
// Invariants:
//   1. Of all that claim the same epoch exactly one goes on with it: who finds his own claim to be
//      the first of that epoch, and no higher one before it.
//   2. What an older owner writes after the claim is ignored by every reader (cursor_fold.h, 2).
//   3. Nothing of an older epoch is removed before all that is valid was confirmed under the new
//      one, and no claim before the cursors that it fences off.
#ifndef EVENT_GATEWAY_DISPATCHER_CLAIM_H
#define EVENT_GATEWAY_DISPATCHER_CLAIM_H

#include <stdbool.h>

struct claim;
struct cursor_record;
struct partition;

// partition_claimed follows, later, unless it is forgotten before. What fails is tried again.
struct claim *claim_start(struct partition *partition);
void claim_forget(struct claim *claim);
// Whether the record is of something that is there: the same subscription, not another one of its
// id. Needs the lane's snapshot.
bool claim_record_is_current(const struct partition *partition, const struct cursor_record *record);

#endif
