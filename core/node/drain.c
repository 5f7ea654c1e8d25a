#include "core/node/drain.h"

#include "core/base/memory.h"

#define SILENT_MS 250
#define CHECK_US 10000

// What is left of a server's connections; those that are silent are told to go.
static size_t connections_left(struct http_server *server) {
    if (!server) {
        return 0;
    }
    http_server_close_silent(server, SILENT_MS);
    return http_server_connections(server);
}

static void check(struct event_loop_timer *timer) {
    struct drain *drain = CONTAINER_OF(timer, struct drain, timer);
    size_t left = 0;
    for (size_t i = 0; i < DRAIN_SERVERS_MAX; i++) {
        left += connections_left(drain->servers[i]);
    }
    if (left > 0 && event_loop_now_us(drain->loop) < drain->until_us) {
        event_loop_timer_start(drain->loop, timer, CHECK_US);
    } else {
        drain->done(drain);
    }
}

void drain_start(struct drain *drain) {
    drain->timer.expired = check;
    event_loop_timer_start(drain->loop, &drain->timer, 0);
}
