// HTTP/1.1 server on one event loop, over libmicrohttpd in external epoll mode (its own epoll
// thread stalls when a multiple of 128 connections become ready together; README of core/base).
// Several servers, one per loop, share a port by SO_REUSEPORT. Everything belongs to the loop's
// thread. A request belongs to the server; its bytes are valid until it is answered.
#ifndef EVENT_GATEWAY_BASE_HTTP_SERVER_H
#define EVENT_GATEWAY_BASE_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct event_loop;
struct http_server;
struct http_request;

struct http_header {
    struct bytes name;
    struct bytes value;
};

// Called once per request when its whole body is there and within the limits. It must end in
// exactly one http_respond, at once or later on the same thread.
typedef void (*http_handler_fn)(void *context, struct http_request *request);

// A request that was refused before the handler saw it: too large, too slow, malformed. What was
// not known yet is empty.
struct http_refused_request {
    unsigned status;
    struct bytes method, path;
    const char *peer;
};

struct http_server_options {
    const char *name;        // for log lines and metrics: "events", "config"
    const char *address;     // numeric IPv4 or IPv6 address
    uint16_t port;           // 0 = a free one; see http_server_port
    bool must_be_free;       // refuse a port on which anybody listens; for the first of several
    size_t body_max_bytes;   // beyond: 413, without reading the rest
    size_t header_max_bytes; // beyond: 431; default 96 KiB
    size_t connections_max;  // beyond: not accepted until others go
    int64_t
        idle_timeout_ms; // a connection without progress (also inside a header or body) is closed
    int64_t request_timeout_ms;  // head and body must be complete by then: 408; 0 = 30 s or idle,
                                 // the longer
    size_t body_total_max_bytes; // all bodies in memory on this server, and answers that were not
                                 // taken; beyond: 503 + Retry-After
    http_handler_fn handler;
    // NULL = nobody wants to know
    void (*refused)(void *context, const struct http_refused_request *refused);
    void *context;
};

// Listens at once. An address that cannot be bound: STATUS_UNAVAILABLE with address, port and
// reason.
enum status must_check http_server_create(struct event_loop *loop,
                                          const struct http_server_options *options,
                                          struct http_server **ret_server, struct error *error);
uint16_t http_server_port(const struct http_server *server);
// Requests that were handed to the handler and are not answered yet.
size_t http_server_requests_inside(const struct http_server *server);
size_t http_server_connections(const struct http_server *server);
// Step one of a shutdown: accepts no more connections. Requests on those that are there are still
// handed over; every answer goes out with Connection: close.
void http_server_close_door(struct http_server *server);
// Step two, repeated until there are no connections: closes those on which nothing has come for so
// long, so that a client that is about to send its next request is told so by an answer instead.
void http_server_close_silent(struct http_server *server, int64_t silent_ms);
// Needs requests_inside 0. Closes what connections are left.
void http_server_destroy(struct http_server *server);

struct bytes http_request_method(const struct http_request *request);
// As it came, before any decoding, without the query: "/a%20b".
struct bytes http_request_path(const struct http_request *request);
// What follows the '?', as it came; empty when there is none.
struct bytes http_request_query(const struct http_request *request);
// The whole body; empty when there is none.
struct bytes http_request_body(const struct http_request *request);
// The first header of that name, in any case; false when there is none. Names and values are as
// they came.
bool http_request_header(const struct http_request *request, const char *name,
                         struct bytes *ret_value);
// In the order of arrival, duplicates included. Stops early when visit returns false.
typedef bool (*http_header_fn)(void *context, const struct http_header *header);
void http_request_each_header(const struct http_request *request, http_header_fn visit,
                              void *context);
// Microseconds of the loop's clock when the request's head was complete.
int64_t http_request_received_us(const struct http_request *request);
// left is called once, on the loop and never from inside this function, when the client closes its
// connection (or its sending side) while the request is inside. The request must be answered all
// the same; the answer goes nowhere. NULL: not any more.
typedef void (*http_client_left_fn)(void *context);
void http_request_on_client_left(struct http_request *request, http_client_left_fn left,
                                 void *context);
// The peer's numeric address, for logs.
void http_request_peer(const struct http_request *request, char *ret_text, size_t size);

struct http_response {
    unsigned status;
    const char *content_type;          // NULL = none
    const struct http_header *headers; // further ones; copied
    size_t header_count;
    struct bytes body; // copied, unless body_owned is set
    char *body_owned;  // freed by the server when sent; body then points into it
};

// An answer whose body goes on until somebody ends it (server-sent events). It does not hold up a
// shutdown: closing the door ends it.
struct http_stream;
struct http_stream_options {
    const char *content_type;
    const struct http_header *headers; // further ones; copied
    size_t header_count;
    size_t buffer_max_bytes; // of what the client has not taken
    // Called once, on the loop and never from inside these functions, when the stream is over
    // though nobody ended it: the client left, took nothing for long, or the server closed its
    // door. The stream is gone then.
    void (*ended)(void *context);
    void *context;
};
// Answers with 200; the request is gone afterwards.
struct http_stream *http_respond_stream(struct http_request *request,
                                        const struct http_stream_options *options);
// False, and nothing was taken: the buffer has no room for it.
bool http_stream_write(struct http_stream *stream, struct bytes bytes);
// What was written still goes out. The stream is gone for the caller.
void http_stream_end(struct http_stream *stream);

// Answers; the request is gone afterwards. On the loop's thread, inside the handler or later.
void http_respond(struct http_request *request, const struct http_response *response);
// {"errors":[{"message":"..."}]} with the message formatted and JSON-escaped. retry_after_s 0 = no
// header.
void http_respond_error(struct http_request *request, unsigned status, unsigned retry_after_s,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
