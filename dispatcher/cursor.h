// A subscription that is detached from the live position of a partition: it has a position of its
// own, stored in the log, and reads from there on by itself. Belongs to the partition's loop.
//
//                      stored              close behind the live position
//   cursor_detach ─▶ DETACHING ──▶ CATCHING_UP ─────────────────────▶ ATTACHING ──▶ ENDING ─▶ gone
//                        ▲             ▲    cursor_restore                │  all below until   │
//                        │             └──────────────────────────────────│  is finished       │
//                        └────────────────────────────────────────────────┘                    │
//                         detached again                            the removal is stored ─────┘
//
// A new subscription that asks for what was before is detached at its birth: STARTING, until the
// log has said where it begins, then DETACHING as others. That its start was followed is written
// then, under a key of its own, so that it is not followed again.
//
//   live position:   ──── delivers ────│ skips the subscription │──── delivers from until on ────
//
// A replay is a cursor of another kind: it is CATCHING_UP from its first offset on, in a queue of
// its own, and when all below until is finished it is ENDING with a record that says so, which
// stays. It is never attached, and nothing of it is live.
//
// Invariants:
//   1. Live deliveries are forgotten, and live matching skips the subscription, only when the log
//      has confirmed a record whose position is not above the lowest of them; what lies before
//      the start of a new subscription is none of its deliveries.
//   2. Live matching goes on at exactly one offset (until), and the cursor serves everything below
//      it: no gap, and nothing twice.
//   3. The removal is written only when everything below until is finished, and live matching has
//      passed by it: else that would deliver it, too.
//   4. One record at a time is on its way, so that they lie in the log in their order.
//   5. What a call that ran while it was detached brings counts: its delivery is taken over.
//   6. Memory is bounded: at most CURSOR_EVENTS_MAX events and CURSOR_SLICE_BYTES plus one slice.
//   7. Attempts at what is not finished go on to count when it is forgotten and read again, also by
//      the next owner: of TRIED_MAX events, those of the lowest offsets, as long as all cursors of
//      the lane together remember less than 65,536; after a crash but for
//      those of the last second.
//   8. While a partition hands over nothing is detached: what waited is forgotten already, and its
//      offsets are known to the live position alone.
#ifndef EVENT_GATEWAY_DISPATCHER_CURSOR_H
#define EVENT_GATEWAY_DISPATCHER_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/cursors/cursor_record.h"
#include "core/event_log/event_log.h"
#include "dispatcher/cursor_lag.h"
#include "dispatcher/cursor_progress.h"

#define CURSOR_EVENTS_MAX 512
#define CURSOR_LOOK_RECORDS 64
#define CURSOR_SLICE_BYTES ((size_t)1 << 20)

struct cursor_post;
struct delivery;
struct partition;
struct start_query;
struct subscription_queue;
struct taken_event;

enum cursor_state {
    CURSOR_STARTING, // looks up where a new subscription begins
    CURSOR_DETACHING,
    CURSOR_CATCHING_UP,
    CURSOR_ATTACHING,
    CURSOR_ENDING,
};

struct cursor {
    enum cursor_state state;
    struct subscription_queue *queue;
    struct partition *partition;
    char *reason;
    char *created; // of the subscription
    struct cursor_progress progress;
    int64_t live_first; // live deliveries of the queue lie at or beyond, if there are any
    int64_t live_from;  // live matching skips what lies below
    int64_t until;      // as it is written
    int64_t lost;
    int64_t delivered, failed; // a replay's, since it began
    size_t bytes;              // of the events that it has in memory
    size_t delayed;            // deliveries in RETRY_WAIT
    bool is_doomed;            // the subscription is gone
    bool is_stopped;           // a replay's: nothing more of it begins
    bool has_finished;         // something, since it was detached
    const char *detach_again;  // why, once the removal is stored; NULL = not

    struct cursor_post *post; // NULL: nothing is on its way to the log
    enum cursor_state posted; // the state that it is of
    int64_t posted_position;
    bool is_changed;         // beyond what was written last
    bool has_news;           // likewise, and it may wait: something is finished, or was tried
    struct tried_list tried; // of what is to be read again
    int64_t written_us;
    struct event_loop_timer timer; // to look again
    struct cursor_lag lag;         // not of a replay
    bool is_at_risk;               // retention_watch's

    int64_t newest_match; // that live matching has left to it; -1 = none yet
    int64_t look_from;    // looks there for an event to probe with (cursor_probe.c); -1 = does not
    int64_t look_end;     // from here on the last looks have found nothing more
    int64_t look_newest;  // where they began

    struct start_query *start; // STARTING
    bool is_start;             // it began so, and that is to be written
    struct cursor_post *start_post;

    bool is_ready, is_reading; // catch_up's
    struct cursor *next_ready;
};

// Detaches the queue's subscription; when it is detached already, what it has read and not begun is
// forgotten.
void cursor_detach(struct subscription_queue *queue, const char *reason);
// A new subscription that begins before the live position.
void cursor_start(struct subscription_queue *queue);
// Its start was followed by an earlier owner, who could not say so any more.
void cursor_write_start(struct cursor *cursor);
// As the last owner of the partition has left it. The record was written for this owner already.
void cursor_restore(struct subscription_queue *queue, const struct cursor_record *record);
// A replay in its own queue: position, until and what was counted are the record's.
void cursor_replay(struct subscription_queue *queue, const struct cursor_record *record);
// What has not begun is forgotten; its last record says how far it came, and stays.
void cursor_stop_replay(struct cursor *cursor);
// It is not wanted any more, and its record is removed.
void cursor_remove_replay(struct cursor *cursor);
// One delivery more, of those that have a cursor, has come to an end here.
void cursor_count(struct cursor *cursor, bool is_delivered);
// With the partition; writes nothing.
void cursor_destroy(struct cursor *cursor);

// Whether live matching leaves the offset to the cursor.
bool cursor_serves(const struct cursor *cursor, int64_t offset);
// Live matching has left an event of the subscription to it.
void cursor_note_match(struct cursor *cursor, int64_t offset);
// Looks for an event that was not tried yet, far from those that were, as a probe of the circuit:
// the newest that there is. False: there is none to be read. Else subscriber_look_ended follows,
// unless the look is ended before.
bool cursor_look_for_probe(struct cursor *cursor);
void cursor_end_look(struct cursor *cursor);
// Whether nothing of the queue may begin until the log has confirmed.
bool cursor_holds(const struct cursor *cursor);
// Where live matching has gone on, so that what is seen from there on is not the cursor's;
// CURSOR_NO_END = nowhere, or it is not known yet.
int64_t cursor_live_from(const struct cursor *cursor);
// A delivery of its queue that may be read again is forgotten: its attempts go on to count.
void cursor_keep_tried(struct cursor *cursor, const struct delivery *delivery);
// Something was finished or tried: its record is written within a second.
void cursor_note_news(struct cursor *cursor);
// Something has changed that lets it read, write or attach. Cheap when there is nothing to do.
void cursor_go_on(struct cursor *cursor);
// The subscription was deleted: it ends as soon as what runs has ended.
void cursor_doom(struct cursor *cursor);
// A delivery of it is finished; frees the event.
void cursor_delivery_finished(struct cursor *cursor, struct taken_event *taken);
// The partition goes: writes the last position. False: there is nothing to be written or waited
// for.
bool cursor_hand_over(struct cursor *cursor);

// Whether so many of its deliveries wait in memory for a retry that few others could be read.
bool cursor_is_crowded(const struct cursor *cursor);

// For catch_up: how many records it takes now, 0 = none.
size_t cursor_room(const struct cursor *cursor);
int64_t cursor_read_from(const struct cursor *cursor);
void cursor_take_slice(struct cursor *cursor, const struct event_log_slice *slice);
void cursor_read_failed(struct cursor *cursor);

#endif
