// An append that does not rest until the log has confirmed it: one that fails is tried again with
// growing pauses, for ever. What a delivery becomes when it is given up or parked is stored with
// it. Lies in its owner's object; belongs to its loop.
//
// Invariants:
//   1. stored is called exactly once, later, on the loop, and only when the log has confirmed;
//      never after a forget.
//   2. At most one append is inside the log, and its record stays until its answer came.
#ifndef EVENT_GATEWAY_DISPATCHER_RECORD_POST_H
#define EVENT_GATEWAY_DISPATCHER_RECORD_POST_H

#include <stdbool.h>

#include "core/base/event_loop.h"
#include "core/event_log/event_log.h"

// What happens to a post; each is called on the loop, never from within a function of the post.
struct record_post;
struct record_post_events {
    // The end: the owner frees the record.
    void (*stored)(struct record_post *post);
    // The append failed, post->failures times in a row by now, and will be repeated. The owner may
    // put a smaller record in its place when this one is too large, or give it up: false is the
    // end.
    bool (*failed)(struct record_post *post, enum status status);
    // The end of a post that was forgotten while its append was inside.
    void (*released)(struct record_post *post);
};

struct record_post {
    const struct record_post_events *events;
    struct event_log *log;
    struct event_loop *loop;
    struct event_log_append append;
    struct event_loop_timer timer;
    enum status refused; // by the log at once; told when the timer expires
    unsigned failures;
    bool is_inside; // the log has the append
    bool is_forgotten;
};

struct record_post_options {
    const struct record_post_events *events;
    struct event_log *log;
    struct event_loop *loop;
    enum event_log_stream stream;
    struct record record; // borrowed until the end
    // The first append comes at the next multiple of this on the loop's clock, together with those
    // of all others: a request for each record costs the log's client more than everything else.
    int64_t gather_us; // 0 = at once
};
void record_post_start(struct record_post *post, const struct record_post_options *options);
// From failed.
void record_post_replace(struct record_post *post, const struct record *record);
// True: this is the end. False: an append is on its way, which may still be stored; released
// follows.
bool record_post_forget(struct record_post *post);

#endif
