// The sockets of a client's curl in its event loop. A connection's socket stays in the loop's epoll
// between two calls, which would otherwise cost two system calls each time. Private to http_client;
// the loop's thread.
#ifndef EVENT_GATEWAY_BASE_CLIENT_SOCKETS_H
#define EVENT_GATEWAY_BASE_CLIENT_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"

struct client_socket;

struct client_sockets {
    struct event_loop *loop;
    // epoll's word on a socket that curl waits for; it may be closed meanwhile.
    void (*ready)(void *context, int fd, uint32_t events);
    void *context;
    struct client_socket **by_fd;
    size_t capacity;
};

// A connection's socket, from socket() to close(): whoever closes it says so before.
void client_sockets_opened(struct client_sockets *sockets, int fd);
void client_sockets_closed(struct client_sockets *sockets, int fd);
// What curl waits for. Also of descriptors that were not opened by us, which leave the epoll as
// soon as curl does not wait for them. False: the loop does not take it.
bool client_sockets_wait(struct client_sockets *sockets, int fd, uint32_t events);
void client_sockets_stop_waiting(struct client_sockets *sockets, int fd);
void client_sockets_clear(struct client_sockets *sockets);

#endif
