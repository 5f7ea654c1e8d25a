// What the records of cursors add up to, read in the order of the log: who owns each partition of a
// stream, and which records are valid. Plain object of one thread.
//
// Invariants:
//   1. Whoever's claim of an epoch comes first in the log owns that epoch; a partition belongs to
//      the highest one.
//   2. A record, or a removal, of an epoch below the highest claim that lies before it changes
//      nothing: its writer had lost the partition already.
//   3. What was valid when a claim came stays valid until the new owner replaces or removes it.
//   4. Every key of an older epoch that is still in the log is told to the owner, valid or not, so
//      that it can be removed.
#ifndef EVENT_GATEWAY_CURSORS_CURSOR_FOLD_H
#define EVENT_GATEWAY_CURSORS_CURSOR_FOLD_H

#include <stddef.h>
#include <stdint.h>

#include "core/cursors/cursor_record.h"
#include "core/events/record.h"

struct cursor_fold;

// Of these partitions of the stream only; count 0 = of all.
struct cursor_fold *cursor_fold_create(enum cursor_stream stream, const int32_t *partitions,
                                       size_t count);
void cursor_fold_destroy(struct cursor_fold *fold);
// A record that is none of ours is passed over, and counted.
void cursor_fold_add(struct cursor_fold *fold, const struct record *record);
uint64_t cursor_fold_refused(const struct cursor_fold *fold);

// The highest epoch that was claimed, 0 = none, and the random id of its owner.
int64_t cursor_fold_epoch(const struct cursor_fold *fold, int32_t partition);
struct bytes cursor_fold_owner(const struct cursor_fold *fold, int32_t partition);
// The valid records but claims. partition -1 = of all. Borrowed until the next add.
typedef void (*cursor_fold_fn)(void *context, const struct cursor_record *record);
void cursor_fold_each(const struct cursor_fold *fold, int32_t partition, cursor_fold_fn visit,
                      void *context);
// The valid record of that place, or NULL; the key's epoch does not matter, its stream does.
const struct cursor_record *cursor_fold_find(const struct cursor_fold *fold,
                                             const struct cursor_key *key);
// The keys below the epoch that are there.
typedef void (*cursor_fold_key_fn)(void *context, const struct cursor_key *key);
void cursor_fold_each_older(const struct cursor_fold *fold, int32_t partition, int64_t epoch,
                            cursor_fold_key_fn visit, void *context);

#endif
