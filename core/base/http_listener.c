#include "core/base/http_listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096
}; // the kernel cuts it to net.core.somaxconn

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_parse(const char *text, uint16_t port, union socket_address *ret_address) {
    memset(ret_address, 0, sizeof *ret_address);
    if (inet_pton(AF_INET, text, &ret_address->v4.sin_addr) == 1) {
        ret_address->v4.sin_family = AF_INET;
        ret_address->v4.sin_port = htons(port);
        return sizeof ret_address->v4;
    }
    if (inet_pton(AF_INET6, text, &ret_address->v6.sin6_addr) == 1) {
        ret_address->v6.sin6_family = AF_INET6;
        ret_address->v6.sin6_port = htons(port);
        return sizeof ret_address->v6;
    }
    return 0;
}

static int open_bound(const union socket_address *address, socklen_t size, bool shares_port,
                      bool listens) {
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    int off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shares_port) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    if (address->any.sa_family == AF_INET6) {
        // "::" takes IPv4 as well, whatever the system's default.
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd, &address->any, size) != 0 || (listens && listen(fd, BACKLOG) != 0)) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

enum status http_listen(const char *address, uint16_t port, bool must_be_free, int *ret_fd,
                        uint16_t *ret_port, struct error *error) {
    *ret_fd = -1;
    union socket_address wanted;
    socklen_t size = address_parse(address, port, &wanted);
    if (size == 0) {
        return error_set(error, STATUS_INVALID, "\"%s\" is not an IPv4 or IPv6 address", address);
    }
    if (must_be_free && port != 0) {
        // SO_REUSEPORT would share the port with a second gateway in silence; without it, bind
        // refuses. The probe does not listen: who connected to it would be reset.
        int probe = open_bound(&wanted, size, false, false);
        if (probe < 0) {
            return error_set(error, STATUS_UNAVAILABLE, "cannot listen on %s port %u: %s", address,
                             port, strerror(errno));
        }
        close(probe);
    }
    int fd = open_bound(&wanted, size, true, true);
    if (fd < 0) {
        return error_set(error, STATUS_UNAVAILABLE, "cannot listen on %s port %u: %s", address,
                         port, strerror(errno));
    }
    union socket_address bound = {.v6 = {0}};
    socklen_t bound_size = sizeof bound;
    getsockname(fd, &bound.any, &bound_size);
    // The port lies at the same place in both families.
    *ret_port = ntohs(bound.v4.sin_port);
    *ret_fd = fd;
    return STATUS_OK;
}

void http_address_text(const struct sockaddr *address, char *ret_text, size_t size) {
    const void *numbers = NULL;
    if (address && address->sa_family == AF_INET) {
        numbers = &((const struct sockaddr_in *)address)->sin_addr;
    } else if (address && address->sa_family == AF_INET6) {
        numbers = &((const struct sockaddr_in6 *)address)->sin6_addr;
    }
    if (!numbers || !inet_ntop(address->sa_family, numbers, ret_text, (socklen_t)size)) {
        snprintf(ret_text, size, "unknown");
    }
}
