// Looks, on a lane, whether the log's retention threatens what is not delivered: whether the oldest
// event at the live position of a partition, or at the cursor of a detached subscription, has
// reached four fifths of the age at which events are removed. Warns once when that begins, and
// shows how many positions are so. One question to the log answers it for all of them: which
// offset of each partition is that old. Belongs to the lane's loop.
#ifndef EVENT_GATEWAY_DISPATCHER_RETENTION_WATCH_H
#define EVENT_GATEWAY_DISPATCHER_RETENTION_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/event_loop.h"

struct lane;
struct retention_look;

// Lies in the lane; zero but for lane until it is started.
struct retention_watch {
    struct lane *lane;
    struct event_loop_timer timer;
    struct retention_look *look; // the log has the question
    int64_t live, detached;      // positions at risk, as they are shown
};

void retention_watch_start(struct retention_watch *watch);
// Something is there that was not when it looked last.
void retention_watch_soon(struct retention_watch *watch);
void retention_watch_stop(struct retention_watch *watch);

#endif
