// Lets what is inside of a loop's HTTP servers come to its end. Belongs to that loop.
#ifndef EVENT_GATEWAY_NODE_DRAIN_H
#define EVENT_GATEWAY_NODE_DRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/base/http_server.h"

#define DRAIN_SERVERS_MAX 2

// The owner sets the first part and keeps it until done was called.
struct drain {
    struct event_loop *loop;
    struct http_server *servers[DRAIN_SERVERS_MAX]; // their doors are closed; NULL = none
    int64_t until_us;                               // monotonic
    void (*done)(struct drain *drain);

    struct event_loop_timer timer;
};
// A connection is closed with its next answer, or when nothing has come for a while. done follows
// once, on the loop: no connection is left, or the time is up.
void drain_start(struct drain *drain);

#endif
