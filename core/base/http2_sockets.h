// The connections of a client that speak HTTP/2 without TLS. Private to http_client: curl 7.88
// breaks such a connection when it is used again by a call that asks for HTTP/2 by prior knowledge
// (curl issue 10634), so the client must know which calls find one and which open one.
#ifndef EVENT_GATEWAY_BASE_HTTP2_SOCKETS_H
#define EVENT_GATEWAY_BASE_HTTP2_SOCKETS_H

#include <stdbool.h>

#include "core/base/bytes.h"

struct http2_socket;

// An empty set is zero. Each connection is one entry; there are as many as the client has open.
struct http2_sockets {
    struct http2_socket *first;
};
void http2_sockets_opened(struct http2_sockets *sockets, int fd, struct bytes origin);
void http2_sockets_closed(struct http2_sockets *sockets, int fd); // any descriptor
bool http2_sockets_has(const struct http2_sockets *sockets, struct bytes origin);
void http2_sockets_clear(struct http2_sockets *sockets);

#endif
