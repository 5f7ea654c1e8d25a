// Shows in the metrics how many records lie between a detached subscription's position and the end
// of its partition, once a second. A subscription that is at the live position has no lag of its
// own: eventgateway_events_backlog tells it. Belongs to the partition's loop.
#ifndef EVENT_GATEWAY_DISPATCHER_CURSOR_LAG_H
#define EVENT_GATEWAY_DISPATCHER_CURSOR_LAG_H

#include <stdint.h>

#include "core/base/event_loop.h"

struct cursor;
struct metric;

// Lies in the cursor. The series sums up the cursors of all partitions.
struct cursor_lag {
    struct event_loop_timer timer;
    struct metric *metric;
    int64_t shown; // this one's part of the sum
};

void cursor_lag_start(struct cursor *cursor);
// Takes its part back.
void cursor_lag_stop(struct cursor *cursor);

#endif
