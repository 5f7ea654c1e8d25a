// Stores a delivery that was given up among the dead letters, and does not rest until the log has
// confirmed it: a failed append is tried again with growing pauses, for ever. Belongs to its loop.
#ifndef EVENT_GATEWAY_DISPATCHER_DEAD_LETTERS_H
#define EVENT_GATEWAY_DISPATCHER_DEAD_LETTERS_H

#include "core/base/event_loop.h"
#include "core/event_log/event_log.h"
#include "core/events/event_record.h"

struct dead_letter_post;

// The letter is copied, a reference to the event is kept. done follows exactly once, later, on the
// loop, when the log has confirmed; unless the post is forgotten before.
struct dead_letter_post *dead_letter_post_start(struct event_log *log, struct event_loop *loop,
                                                const struct dead_letter *letter,
                                                const struct event *event,
                                                void (*done)(void *context), void *context);
// Why it was given up; valid until done has returned.
struct bytes dead_letter_post_reason(const struct dead_letter_post *post);
// done is not called any more. An append that is on its way may still be stored.
void dead_letter_post_forget(struct dead_letter_post *post);

#endif
