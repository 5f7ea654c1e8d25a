// What the parts of a cursor share: cursor.c is its life, and cursor_go_on there asks each of the
// others whether it has something to do. Belongs to the partition's loop.
#ifndef EVENT_GATEWAY_DISPATCHER_CURSOR_PRIVATE_H
#define EVENT_GATEWAY_DISPATCHER_CURSOR_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "dispatcher/cursor.h"
#include "dispatcher/subscription_queue.h"

struct delivery;

// cursor.c

// Its state and its progress are the caller's to set.
struct cursor *cursor_create(struct subscription_queue *queue, const char *reason);
// Where live matching goes on.
int64_t cursor_live_next(const struct cursor *cursor);
// Whether its subscription takes nothing, by whoever's will.
bool cursor_is_paused(const struct cursor *cursor);

// cursor_start.c

void cursor_look_up_start(struct cursor *cursor);

// cursor_live.c

// The lowest live delivery of the queue, or where live matching goes on.
int64_t cursor_first_live(const struct cursor *cursor);
// All that live matching has seen from live_first on is finished, but for what is still there.
void cursor_cover_live(struct cursor *cursor);
// What an earlier owner of the partition has told of the subscription's live deliveries.
void cursor_inherit_live(struct cursor *cursor);
// All below offset is finished, but for live deliveries whose calls run.
void cursor_cover_before(struct cursor *cursor, int64_t offset);
// The log has confirmed: from here on the live position does not wait for this subscription.
void cursor_take_over_live(struct cursor *cursor);

// cursor_detach.c

// What was read and has not begun is read again when its time has come.
void cursor_rewind(struct cursor *cursor);
void cursor_log_detached(const struct cursor *cursor);

// cursor_attach.c

void cursor_attach_if_possible(struct cursor *cursor);

// cursor_read.c

// The record, when it is one of the subscription's events, becomes a delivery.
void cursor_take_record(struct cursor *cursor, const struct stored_record *stored);

// cursor_probe.c

// The slice is of a look.
void cursor_take_look(struct cursor *cursor, const struct event_log_slice *slice);

// cursor_replay.c

// What of the events that were read belongs to the replay: deliveries that have ended, or have not.
int64_t cursor_matched(const struct cursor *cursor);
// Of a replay it is no delivery that is lost: the log has less to be replayed.
void cursor_skip_to(struct cursor *cursor, int64_t first_offset);

// cursor_tried.c

// Remembers attempts at what is to be read again.
void cursor_put_tried(struct cursor *cursor, const struct tried *tried);
void cursor_clear_tried(struct cursor *cursor);
// For its record: of all that it has and has forgotten.
void cursor_gather_tried(struct cursor *cursor, struct tried_list *ret_tried);
// A delivery that was read: goes on from what is known of it.
void cursor_take_tried(struct cursor *cursor, struct delivery *delivery);

// cursor_write.c

// The record or its removal, when there is something to say and nothing on its way.
void cursor_write_if_needed(struct cursor *cursor);

#endif
