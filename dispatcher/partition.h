// A partition of the log while it is ours, of eg.events or of eg.retry.*: what was taken from it,
// which deliveries came of that, and what may be committed. One object for each assignment; it is
// made on the consumer's thread and belongs to its lane's loop from then on.
//
//   create        start          revoke                 nothing runs any more, or the time is up
//   ──────▶ NEW ────────▶ FED ────────▶ HANDING_OVER ───────────────────────────▶ released, gone
//                          └───── lost, stopped: gone at once ─────▶
//
// Invariants:
//   1. The reader is told to commit only the tracker's position: an offset leaves it when all
//      deliveries of its event are finished (delivery.h, 3).
//   2. An event is decoded once and matched once; a record that is no event is counted and
//      finished.
//   3. While it hands over nothing new begins but a dead letter, and it is released exactly once,
//      before the reader goes on without it.
//   4. Calls that end after it is gone change nothing (delivery.h, 4), and it tells the reader
//      nothing.
#ifndef EVENT_GATEWAY_DISPATCHER_PARTITION_H
#define EVENT_GATEWAY_DISPATCHER_PARTITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/events/parked_record.h"
#include "dispatcher/offset_tracker.h"
#include "dispatcher/subscription_queue.h"
#include "dispatcher/window.h"

struct event;
struct lane;
struct taken_event;

enum partition_state {
    PARTITION_NEW,
    PARTITION_FED,
    PARTITION_HANDING_OVER,
};

#define PARTITION_OF_EVENTS (-1)

struct partition {
    enum partition_state state;
    struct lane *lane;
    struct event_log_reader *reader;
    int32_t number;
    int tier; // of eg.retry.*; PARTITION_OF_EVENTS
    struct backlog *backlog;
    struct offset_tracker tracker;
    int64_t committed;    // what the reader was told last
    struct window window; // also the consumer's thread's
    struct queue_table queues;
    size_t running; // calls, and deliveries PARKING or DEAD_LETTERING
    size_t delayed; // deliveries in RETRY_WAIT
    struct event_loop_timer hand_over_timer;

    struct partition *next; // the lane's
    bool is_dirty;
    struct partition *next_dirty;
};

// What a record of eg.retry.* says of its delivery.
struct taken_parked {
    struct parked_delivery delivery; // points into storage
    struct buffer storage;
};

// A record on its way from the consumer's thread.
struct taken_record {
    int64_t offset;
    int64_t stored_ms; // since 1970
    size_t bytes;
    const struct event *event;   // a reference; NULL: it is no event
    struct taken_parked *parked; // of eg.retry.* only; taken over
};
void taken_parked_destroy(struct taken_parked *parked);

// The consumer's thread.
struct partition_options {
    struct event_log_reader *reader;
    int32_t number;
    int tier;
    int64_t start_offset;
    size_t window_max_events;
};
struct partition *partition_create(struct lane *lane, const struct partition_options *options);

// From here on the lane's loop.
void partition_start(struct partition *partition);
// Takes over the references to the events.
void partition_take(struct partition *partition, const struct taken_record *records, size_t count);
// Retention has removed what lies before offset.
void partition_skip_to(struct partition *partition, int64_t offset);
// No records follow: forgets what has not begun, and releases and destroys itself when nothing runs
// any more, at the latest after hand_over_us.
void partition_revoke(struct partition *partition, int64_t hand_over_us);
// Forgets everything.
void partition_destroy(struct partition *partition);
// The lane has a new snapshot.
void partition_configuration_changed(struct partition *partition);
// The end of a turn in which it was marked.
void partition_settle(struct partition *partition);

// For what takes records: counts the event in, held open until partition_delivery_finished is
// called for it. NULL: the log gave it twice, and the reference is given back.
struct taken_event *partition_take_event(struct partition *partition,
                                         const struct taken_record *record);
// For what makes deliveries: memory that one costs.
void partition_charge(struct partition *partition, struct taken_event *taken, size_t size);
// For deliveries: one more of the event's is finished.
void partition_delivery_finished(struct partition *partition, struct taken_event *taken);
// Whether further attempts may begin.
bool partition_is_fed(const struct partition *partition);

#endif
