// Answers to requests that are refused before their body was read, and the close that follows.
// Private to http_server: libmicrohttpd can neither answer in the middle of a body nor close
// without a reset when bytes are still coming in, which would take the answer away from the client
// before it could read it.
#ifndef EVENT_GATEWAY_BASE_HTTP_REFUSAL_H
#define EVENT_GATEWAY_BASE_HTTP_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

struct event_loop;

struct http_refusal {
    unsigned status;
    const char *message;    // a constant without characters that JSON escapes
    unsigned retry_after_s; // 0 = no such header
    bool is_head;           // an answer to HEAD has no body
};
// Writes the whole answer, with Connection: close, if the socket takes it; never waits.
void http_refusal_send(int fd, const struct http_refusal *refusal);

// Sockets that are closed for us but still read, until the peer has closed too, or a limit is
// reached.
struct http_lingering;
struct http_lingering *http_lingering_create(struct event_loop *loop);
void http_lingering_destroy(struct http_lingering *lingering);
// Keeps a duplicate of fd open, whose sending side is shut down; the caller closes fd as usual.
void http_lingering_add(struct http_lingering *lingering, int fd);

#endif
