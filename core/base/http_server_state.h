// What the files of http_server share. Private to http_server*.c.
#ifndef EVENT_GATEWAY_BASE_HTTP_SERVER_STATE_H
#define EVENT_GATEWAY_BASE_HTTP_SERVER_STATE_H

#include "core/base/event_loop.h"
#include "core/base/http_request.h"
#include "core/base/http_server.h"

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;

// One connection, from accept to close.
struct http_connection {
    struct http_server *server;
    int fd;
    int64_t idle_since_us;        // accepted, or the last answer was sent
    struct http_request *request; // NULL while it is idle
    bool lingers;                 // was refused; bytes may still come
    struct event_loop_watch peer; // for the end of what the client sends
    struct http_connection *next;
    struct http_connection *previous;
};

struct http_server {
    struct event_loop *loop;
    struct http_server_options options;
    char *name;
    struct MHD_Daemon *daemon;
    int listen_fd; // -1 once the door is closed
    uint16_t port;
    struct event_loop_watch watch; // libmicrohttpd's epoll
    struct event_loop_timer timer; // its next timeout
    struct event_loop_timer sweep;
    struct event_loop_hook hook;
    struct http_lingering *lingering;
    struct http_connection *connections;
    size_t connection_count;
    size_t requests_inside;
    size_t answers_unsent;
    uint64_t requests_handed; // ever
    struct http_body_budget bodies;
    bool is_running_daemon;
    bool needs_run; // something was resumed, or libmicrohttpd wants to go on
    struct metric *metric_connections;
};

struct http_request_line {
    const char *method;
    const char *path;
    const char *version;
};

// The life of a request, as libmicrohttpd tells it: its target, before it is taken apart; then its
// head, each piece of its body, and the body's end (no data); then that it is over, answered or
// not.
struct http_request *http_server_begin_request(struct http_server *server, const char *target,
                                               struct MHD_Connection *mhd);
// Takes *data_size bytes off. False when the connection must be closed, after a refusal.
bool http_server_take_request(struct http_request *request, const struct http_request_line *line,
                              const char *data, size_t *data_size);
void http_server_end_request(struct http_request *request);

// http_server_streams.c. A stream's client has left, or the server wants it to end; its owner is
// told when the request is over.
void http_stream_close(struct http_stream *stream);
// The request is over: tells the owner, and frees it.
void http_stream_destroy(struct http_stream *stream);

// What create_response does for every answer: headers that are the server's own are left out.
void http_server_add_headers(const struct http_server *server, struct MHD_Response *response,
                             const struct http_header *headers, size_t count);
// Sends the answer; from here on the request may be gone.
void http_server_send(struct http_request *request, unsigned status, struct MHD_Response *response);

// Answers past libmicrohttpd; the caller then closes the connection.
void http_server_refuse(struct http_connection *connection, unsigned status, const char *message);

#endif
