#include "core/base/client_sockets.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

struct client_socket {
    struct client_sockets *sockets;
    struct event_loop_watch watch;
    bool is_connection;
    bool is_waited_for;
};

static struct client_socket *find(const struct client_sockets *sockets, int fd) {
    return (size_t)fd < sockets->capacity ? sockets->by_fd[fd] : NULL;
}

static void forget(struct client_sockets *sockets, int fd) {
    struct client_socket *client_socket = find(sockets, fd);
    if (client_socket) {
        event_loop_watch_remove(sockets->loop, &client_socket->watch);
        sockets->by_fd[fd] = NULL;
        free(client_socket);
    }
}

static void socket_ready(struct event_loop_watch *watch, uint32_t events) {
    struct client_socket *client_socket = CONTAINER_OF(watch, struct client_socket, watch);
    struct client_sockets *sockets = client_socket->sockets;
    if (client_socket->is_waited_for) {
        sockets->ready(sockets->context, watch->fd, events);
    } else {
        // The peer has closed it; curl sees that before it uses it again.
        event_loop_watch_remove(sockets->loop, watch);
    }
}

static void make_room(struct client_sockets *sockets, int fd) {
    size_t before = sockets->capacity;
    if ((size_t)fd < before) {
        return;
    }
    sockets->capacity = (size_t)fd * 2 + 64;
    sockets->by_fd =
        memory_resize(sockets->by_fd, sockets->capacity, sizeof(struct client_socket *));
    memset(sockets->by_fd + before, 0,
           (sockets->capacity - before) * sizeof(struct client_socket *));
}

static struct client_socket *add(struct client_sockets *sockets, int fd, bool is_connection) {
    make_room(sockets, fd);
    forget(sockets, fd); // one that was closed without a word
    struct client_socket *client_socket = memory_allocate(sizeof *client_socket);
    client_socket->sockets = sockets;
    client_socket->watch = (struct event_loop_watch){.fd = fd, .ready = socket_ready};
    client_socket->is_connection = is_connection;
    sockets->by_fd[fd] = client_socket;
    return client_socket;
}

void client_sockets_opened(struct client_sockets *sockets, int fd) {
    (void)add(sockets, fd, true);
}

void client_sockets_closed(struct client_sockets *sockets, int fd) {
    forget(sockets, fd);
}

bool client_sockets_wait(struct client_sockets *sockets, int fd, uint32_t events) {
    struct client_socket *client_socket = find(sockets, fd);
    if (!client_socket) {
        client_socket = add(sockets, fd, false);
    }
    struct event_loop_watch *watch = &client_socket->watch;
    client_socket->is_waited_for = true;
    if (!watch->is_added) {
        watch->events = events;
        return event_loop_watch_add(sockets->loop, watch, NULL) == STATUS_OK;
    }
    if (watch->events != events) {
        event_loop_watch_change(sockets->loop, watch, events);
    }
    return true;
}

void client_sockets_stop_waiting(struct client_sockets *sockets, int fd) {
    struct client_socket *client_socket = find(sockets, fd);
    if (client_socket && client_socket->is_connection) {
        client_socket->is_waited_for = false;
    } else {
        forget(sockets, fd);
    }
}

void client_sockets_clear(struct client_sockets *sockets) {
    for (size_t fd = 0; fd < sockets->capacity; fd++) {
        forget(sockets, (int)fd);
    }
    free(sockets->by_fd);
    sockets->by_fd = NULL;
    sockets->capacity = 0;
}
