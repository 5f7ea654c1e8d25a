// A partition of the log while it is ours, of eg.events or of eg.retry.*: what was taken from it,
// which deliveries came of that, and what may be committed. One object for each assignment; it is
// made on the consumer's thread and belongs to its lane's loop from then on.
//
//                              claimed           nothing runs any more, or the time is nearly up,
//   create        start       (claim.h)   revoke   and the last positions are written; or it is up
//   ──────▶ NEW ────────▶ CLAIMING ──▶ FED ────▶ HANDING_OVER ───────────────────▶ released, gone
//                             └──────────┴─── lost, stopped: gone at once ─────▶
//
// Of eg.retry.* the claim begins with the first record: most of these partitions are always empty.
//
// Invariants:
//   1. The reader is told to commit only the tracker's position: an offset leaves it when all
//      deliveries of its event are finished (delivery.h, 3).
//   2. An event is decoded once and matched once; a record that is no event is counted and
//      finished.
//   3. While it hands over nothing new begins but a dead letter, and it is released exactly once,
//      before the reader goes on without it.
//   4. No event is matched, and nothing parked is taken up, before the partition was claimed and
//      its cursors are known, and the position that is told never lies below what an earlier owner
//      has finished.
//   5. Calls that end after it is gone change nothing (delivery.h, 4), and it tells the reader
//      nothing.
#ifndef EVENT_GATEWAY_DISPATCHER_PARTITION_H
#define EVENT_GATEWAY_DISPATCHER_PARTITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "dispatcher/live_record.h"
#include "dispatcher/losses.h"
#include "dispatcher/offset_tracker.h"
#include "dispatcher/replays.h"
#include "dispatcher/retry_tiers.h"
#include "dispatcher/starts.h"
#include "dispatcher/subscription_queue.h"
#include "dispatcher/taken_event.h"
#include "dispatcher/window.h"

struct claim;
struct cursor_fold;
struct early_records;
struct lane;

enum partition_state {
    PARTITION_NEW,
    PARTITION_CLAIMING, // what comes is kept until the cursors are known
    PARTITION_FED,
    PARTITION_HANDING_OVER,
};

#define PARTITION_OF_EVENTS (-1)

_Static_assert((int)CURSOR_OF_EVENTS == PARTITION_OF_EVENTS + 1 &&
                   (int)CURSOR_STREAM_COUNT == RETRY_TIER_COUNT + 1,
               "streams of cursors are in the order of the tiers");

struct partition {
    enum partition_state state;
    struct lane *lane;
    struct event_log_reader *reader;
    int32_t number;
    int tier; // of eg.retry.*; PARTITION_OF_EVENTS
    struct backlog *backlog;
    struct offset_tracker tracker;
    int64_t committed;    // what the reader was told last
    bool had_commit;      // the group had a position when it was assigned
    bool is_at_risk;      // retention_watch's, of the live position
    struct window window; // also the consumer's thread's
    struct queue_table queues;
    size_t running; // calls, and deliveries PARKING or DEAD_LETTERING
    size_t delayed; // deliveries in RETRY_WAIT
    struct event_loop_timer hand_over_timer;

    struct claim *claim; // CLAIMING; NULL: of eg.retry.*, and no record has come
    int64_t epoch;       // of this ownership, in all records that are written for it
    struct early_records *early;
    int64_t skipped_from, skipped_to; // CLAIMING: removed by retention meanwhile, or before
    struct losses losses;
    struct starts starts;
    struct replays replays;
    struct live_record live;
    bool writes_last;        // HANDING_OVER: was claimed
    int64_t last_reserve_us; // HANDING_OVER: to write in, when calls do not end
    bool is_late;            // HANDING_OVER: calls are not waited for any more
    struct event_loop_timer laggard_timer;
    int64_t full_since_us; // laggards': 0 = is not full

    struct partition *next; // the lane's
    bool is_dirty;
    struct partition *next_dirty;
};

// The consumer's thread.
struct partition_options {
    struct event_log_reader *reader;
    int32_t number;
    int tier;
    int64_t start_offset;
    bool is_committed;
    size_t window_max_events;
};
struct partition *partition_create(struct lane *lane, const struct partition_options *options);

// From here on the lane's loop.
void partition_start(struct partition *partition);
// Takes over the references to the events.
void partition_take(struct partition *partition, const struct taken_record *records, size_t count);
// By the claim: it is ours under that epoch, with the valid records of the fold.
void partition_claimed(struct partition *partition, int64_t epoch, const struct cursor_fold *fold);
// Retention has removed what lies between these offsets.
void partition_skip(struct partition *partition, int64_t from, int64_t to);
// No records follow: forgets what has not begun, and releases and destroys itself when nothing runs
// any more, at the latest after hand_over_us.
void partition_revoke(struct partition *partition, int64_t hand_over_us);
// Forgets everything.
void partition_destroy(struct partition *partition);
// The lane has a new snapshot.
void partition_configuration_changed(struct partition *partition);
// Likewise, and nothing but the replays differs.
void partition_replays_changed(struct partition *partition);
// The end of a turn in which it was marked.
void partition_settle(struct partition *partition);

// What its records in eg.cursor are of.
enum cursor_stream partition_cursor_stream(const struct partition *partition);
// Now and then: partitions may have been added, and each node has less of the whole then.
void partition_look_at_count(const struct partition *partition);
// For what takes records: counts the event in, held open until partition_delivery_finished is
// called for it. NULL: the log gave it twice, and the reference is given back.
struct taken_event *partition_take_event(struct partition *partition,
                                         const struct taken_record *record);
// For deliveries: one more of the event's is finished.
void partition_delivery_finished(struct partition *partition, struct taken_event *taken);
// For cursors: the delivery is not the live position's any more.
void partition_delivery_moved(struct partition *partition, struct taken_event *taken);
// Whether further attempts may begin.
bool partition_is_fed(const struct partition *partition);

#endif
