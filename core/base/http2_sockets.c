#include "core/base/http2_sockets.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

struct http2_socket {
    struct http2_socket *next;
    int fd;
    size_t origin_size;
    char origin[];
};

void http2_sockets_opened(struct http2_sockets *sockets, int fd, struct bytes origin) {
    struct http2_socket *opened = memory_allocate(sizeof *opened + origin.size);
    opened->fd = fd;
    opened->origin_size = origin.size;
    memcpy(opened->origin, origin.data, origin.size);
    opened->next = sockets->first;
    sockets->first = opened;
}

void http2_sockets_closed(struct http2_sockets *sockets, int fd) {
    for (struct http2_socket **link = &sockets->first; *link; link = &(*link)->next) {
        struct http2_socket *closed = *link;
        if (closed->fd == fd) {
            *link = closed->next;
            free(closed);
            return;
        }
    }
}

bool http2_sockets_has(const struct http2_sockets *sockets, struct bytes origin) {
    const struct http2_socket *found = sockets->first;
    while (found && !bytes_equal((struct bytes){found->origin, found->origin_size}, origin)) {
        found = found->next;
    }
    return found != NULL;
}

void http2_sockets_clear(struct http2_sockets *sockets) {
    while (sockets->first) {
        http2_sockets_closed(sockets, sockets->first->fd);
    }
}
