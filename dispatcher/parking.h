// Stores a delivery that waits for long in eg.retry.*, and does not rest until the log has
// confirmed it. Belongs to its loop.
#ifndef EVENT_GATEWAY_DISPATCHER_PARKING_H
#define EVENT_GATEWAY_DISPATCHER_PARKING_H

#include "core/base/event_loop.h"
#include "core/event_log/event_log.h"
#include "core/events/parked_record.h"

struct parking_post;

struct parking_options {
    struct event_log *log;
    struct event_loop *loop;
    enum event_log_stream stream;
    int64_t gather_us;                    // record_post.h
    const struct parked_delivery *parked; // copied
    const struct event *event;            // a reference is kept
    // One of them follows exactly once, later, on the loop, unless the post is forgotten before.
    void (*stored)(void *context);  // the log has confirmed
    void (*refused)(void *context); // the log will never take it
    void *context;
};
struct parking_post *parking_post_start(const struct parking_options *options);
// Nothing follows any more. An append that is on its way may still be stored.
void parking_post_forget(struct parking_post *post);

#endif
