#include "core/base/http_server.h"

#include "core/base/clock.h"
#include "core/base/event_loop.h"
#include "core/base/http_listener.h"
#include "core/base/http_memory.h"
#include "core/base/http_refusal.h"
#include "core/base/http_server_state.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"

#include <microhttpd.h>

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEADER_DEFAULT_BYTES = 96 * 1024,
    // Beside the head, a connection's memory holds the list of headers and the answer's head. Half
    // of it all is the buffer that bodies are read into.
    POOL_EXTRA_BYTES = 96 * 1024,
    REQUEST_TIMEOUT_MS = 30 * 1000,
    ANSWER_TIMEOUT_TIMES = 4, // an answer is larger than a request may be
    SWEEP_MAX_MS = 5000,
    FLUSH_MS = 1000, // for answers that the sockets have not taken when a server is destroyed
};

static struct metric_family connections_open = {
    .name = "eventgateway_http_connections",
    .help = "Connections that are open.",
    .kind = METRIC_GAUGE,
    .label_names = {"server"},
};

static int64_t request_timeout_us(const struct http_server *server) {
    int64_t timeout_ms = server->options.request_timeout_ms;
    if (timeout_ms == 0) {
        timeout_ms = server->options.idle_timeout_ms > REQUEST_TIMEOUT_MS
                         ? server->options.idle_timeout_ms
                         : REQUEST_TIMEOUT_MS;
    }
    return timeout_ms * 1000;
}

// libmicrohttpd looks away from a connection while its request is inside.
static void peer_left(struct event_loop_watch *watch, uint32_t events) {
    (void)events;
    struct http_connection *connection = CONTAINER_OF(watch, struct http_connection, peer);
    struct http_request *request = connection->request;
    event_loop_watch_remove(connection->server->loop, watch);
    if (request && request->stage == HTTP_REQUEST_INSIDE && request->client_left) {
        http_client_left_fn left = request->client_left;
        request->client_left = NULL;
        left(request->client_left_context);
    } else if (request && request->stream) {
        http_stream_close(request->stream);
    }
}

// Edge-triggered and not for reading, so that a connection costs one wake-up in its life. Without
// it everything works, only that a client's leaving is seen late.
static void watch_peer(struct http_connection *connection) {
    connection->peer = (struct event_loop_watch){
        .fd = connection->fd, .events = EPOLLRDHUP | EPOLLET, .ready = peer_left};
    enum status status = event_loop_watch_add(connection->server->loop, &connection->peer, NULL);
    (void)status;
}

static void connection_opened(struct http_server *server, struct MHD_Connection *mhd,
                              void **socket_context) {
    struct http_connection *connection = memory_allocate(sizeof *connection);
    connection->server = server;
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->idle_since_us = event_loop_now_us(server->loop);
    connection->next = server->connections;
    if (connection->next) {
        connection->next->previous = connection;
    }
    server->connections = connection;
    server->connection_count++;
    metric_add(server->metric_connections, 1);
    watch_peer(connection);
    *socket_context = connection;
}

// Called before libmicrohttpd closes the descriptor. Unread bytes would turn that into a reset.
static void connection_closed(struct http_server *server, struct http_connection *connection) {
    char byte;
    // Before the descriptor is duplicated: it would be watched on.
    event_loop_watch_remove(server->loop, &connection->peer);
    bool has_unread = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    if (server->lingering && (has_unread || connection->lingers)) {
        http_lingering_add(server->lingering, connection->fd);
    }
    if (connection->request) {
        // After an error within an error libmicrohttpd closes without having said that it is over.
        http_server_end_request(connection->request);
    }
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        server->connections = connection->next;
    }
    if (connection->next) {
        connection->next->previous = connection->previous;
    }
    server->connection_count--;
    metric_add(server->metric_connections, -1);
    free(connection);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_opened(context, mhd, socket_context);
    } else {
        connection_closed(context, *socket_context);
    }
}

static void *on_target(void *context, const char *target, struct MHD_Connection *mhd) {
    void *request = http_server_begin_request(context, target, mhd);
    // libmicrohttpd would now make a list of the arguments in the connection's memory, which nobody
    // wants; and 0.9.75 hangs when they do not fit. The target lies in that memory, and may be
    // written.
    char *question_mark = target ? strchr(target, '?') : NULL;
    if (question_mark && question_mark[1] != '\0') {
        question_mark[1] = '\0';
    }
    return request;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **request_context) {
    (void)context;
    (void)mhd;
    struct http_request_line line = {method, path, version};
    return http_server_take_request(*request_context, &line, data, data_size) ? MHD_YES : MHD_NO;
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                         enum MHD_RequestTerminationCode code) {
    (void)context;
    (void)mhd;
    struct http_request *request = *request_context;
    if (!request) {
        return;
    }
    if (code == MHD_REQUEST_TERMINATED_WITH_ERROR) {
        request->connection->lingers = true;
    }
    *request_context = NULL;
    http_server_end_request(request);
}

static void check_deadline(struct http_connection *connection, int64_t now_us) {
    struct http_server *server = connection->server;
    struct http_request *request = connection->request;
    if (!request) {
        // Also bounds a request line that comes byte by byte.
        if (now_us - connection->idle_since_us >= server->options.idle_timeout_ms * 1000) {
            shutdown(connection->fd, SHUT_RDWR);
        }
    } else if (request->stage <= HTTP_REQUEST_BODY &&
               now_us - request->begun_us >= request_timeout_us(server)) {
        http_server_refuse(connection, 408, "the request was not complete in time");
        shutdown(connection->fd, SHUT_RDWR);
    } else if (request->stage == HTTP_REQUEST_ANSWERED &&
               now_us - request->answered_us >= ANSWER_TIMEOUT_TIMES * request_timeout_us(server)) {
        // A client that takes its answer byte by byte holds its memory.
        shutdown(connection->fd, SHUT_RDWR);
    }
}

static void start_sweep(struct http_server *server) {
    int64_t shortest_us = server->options.idle_timeout_ms * 1000;
    if (request_timeout_us(server) < shortest_us) {
        shortest_us = request_timeout_us(server);
    }
    int64_t delay_us = shortest_us / 4;
    event_loop_timer_start(server->loop, &server->sweep,
                           delay_us < SWEEP_MAX_MS * 1000 ? delay_us : SWEEP_MAX_MS * 1000);
}

// libmicrohttpd's own timeout starts anew with every byte that comes.
static void sweep_expired(struct event_loop_timer *timer) {
    struct http_server *server = CONTAINER_OF(timer, struct http_server, sweep);
    int64_t now_us = event_loop_now_us(server->loop);
    for (struct http_connection *connection = server->connections; connection;
         connection = connection->next) {
        check_deadline(connection, now_us);
    }
    start_sweep(server);
}

// Afterwards needs_run tells whether libmicrohttpd has more to do at once.
static void run_daemon(struct http_server *server) {
    if (server->is_running_daemon) {
        return;
    }
    bool was_full = server->connection_count >= server->options.connections_max;
    server->is_running_daemon = true;
    server->needs_run = false;
    MHD_run(server->daemon);
    server->is_running_daemon = false;
    // libmicrohttpd listens again only in its next run.
    if (was_full && server->connection_count < server->options.connections_max) {
        server->needs_run = true;
    }
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES) {
        return;
    }
    if (timeout_ms == 0) {
        server->needs_run = true;
    } else if (server->timer.heap_index == 0) {
        // All connections have the same timeout, so the next one can only come later than this.
        event_loop_timer_start(server->loop, &server->timer, (int64_t)timeout_ms * 1000);
    }
}

static void daemon_ready(struct event_loop_watch *watch, uint32_t events) {
    (void)events;
    run_daemon(CONTAINER_OF(watch, struct http_server, watch));
}

static void daemon_timer_expired(struct event_loop_timer *timer) {
    run_daemon(CONTAINER_OF(timer, struct http_server, timer));
}

// One run sends all the answers that this turn has brought.
static bool daemon_before_wait(struct event_loop_hook *hook) {
    struct http_server *server = CONTAINER_OF(hook, struct http_server, hook);
    if (!server->needs_run) {
        return false;
    }
    uint64_t handed = server->requests_handed;
    run_daemon(server);
    // Handlers may have left work for hooks that ran before this one.
    return server->needs_run || server->requests_handed != handed;
}

// Targets stay as they came.
static size_t leave_escaped(void *context, struct MHD_Connection *mhd, char *text) {
    (void)context;
    (void)mhd;
    return strlen(text);
}

static enum status start_daemon(struct http_server *server, struct error *error) {
    http_memory_link();
    size_t connections_max = server->options.connections_max;
    int64_t idle_s = (server->options.idle_timeout_ms + 999) / 1000;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, server->port, NULL, NULL, on_request, server,
        MHD_OPTION_LISTEN_SOCKET, server->listen_fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        server->options.header_max_bytes + POOL_EXTRA_BYTES, MHD_OPTION_CONNECTION_LIMIT,
        connections_max < INT32_MAX ? (unsigned)connections_max : (unsigned)INT32_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)idle_s, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK,
        on_target, server, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_END);
    if (!server->daemon) {
        return error_set(error, STATUS_FAILED, "http server %s: libmicrohttpd does not start",
                         server->name);
    }
    server->watch.fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    server->watch.events = EPOLLIN;
    server->watch.ready = daemon_ready;
    return event_loop_watch_add(server->loop, &server->watch, error);
}

static void set_defaults(struct http_server *server) {
    struct http_server_options *options = &server->options;
    if (options->header_max_bytes == 0) {
        options->header_max_bytes = HEADER_DEFAULT_BYTES;
    }
    if (options->body_total_max_bytes == 0) {
        options->body_total_max_bytes = SIZE_MAX;
    }
    if (options->connections_max == 0) {
        options->connections_max = INT32_MAX;
    }
    if (options->idle_timeout_ms <= 0) {
        options->idle_timeout_ms = 60 * 1000;
    }
    server->bodies.one_max = options->body_max_bytes;
    server->bodies.total_max = options->body_total_max_bytes;
}

enum status http_server_create(struct event_loop *loop, const struct http_server_options *options,
                               struct http_server **ret_server, struct error *error) {
    struct http_server *server = memory_allocate(sizeof *server);
    server->loop = loop;
    server->options = *options;
    server->name = memory_copy_text(options->name ? options->name : "http");
    set_defaults(server);
    server->metric_connections =
        metric_of(&connections_open, (const char *const[]){server->name, NULL});
    server->timer.expired = daemon_timer_expired;
    server->sweep.expired = sweep_expired;
    server->hook.before_wait = daemon_before_wait;
    event_loop_hook_add(loop, &server->hook);
    server->lingering = http_lingering_create(loop);
    enum status status = http_listen(options->address, options->port, options->must_be_free,
                                     &server->listen_fd, &server->port, error);
    if (status == STATUS_OK) {
        status = start_daemon(server, error);
    }
    if (status != STATUS_OK) {
        error_prefix(error, "%s", server->name);
        http_server_destroy(server);
        return status;
    }
    start_sweep(server);
    // The listening socket joins libmicrohttpd's epoll in its first run.
    run_daemon(server);
    *ret_server = server;
    return STATUS_OK;
}

uint16_t http_server_port(const struct http_server *server) {
    return server->port;
}

size_t http_server_requests_inside(const struct http_server *server) {
    return server->requests_inside;
}

size_t http_server_connections(const struct http_server *server) {
    return server->connection_count;
}

// The kernel has completed these connections: closing the socket would reset them.
static void accept_what_waits(struct http_server *server) {
    struct pollfd listener = {.fd = server->listen_fd, .events = POLLIN};
    size_t rounds = SOMAXCONN;
    while (rounds-- > 0 && !server->is_running_daemon &&
           server->connection_count < server->options.connections_max &&
           poll(&listener, 1, 0) == 1) {
        run_daemon(server);
    }
}

void http_server_close_door(struct http_server *server) {
    if (server->listen_fd < 0) {
        return;
    }
    if (server->daemon) {
        accept_what_waits(server);
        MHD_quiesce_daemon(server->daemon);
    }
    close(server->listen_fd);
    server->listen_fd = -1;
    for (struct http_connection *connection = server->connections; connection;
         connection = connection->next) {
        if (connection->request && connection->request->stream) {
            http_stream_close(connection->request->stream);
        }
    }
}

static bool is_silent(const struct http_connection *connection, int64_t since_us) {
    char byte;
    return !connection->request && connection->idle_since_us <= since_us &&
           recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

void http_server_close_silent(struct http_server *server, int64_t silent_ms) {
    int64_t since_us = event_loop_now_us(server->loop) - silent_ms * 1000;
    for (struct http_connection *connection = server->connections; connection;
         connection = connection->next) {
        if (is_silent(connection, since_us)) {
            shutdown(connection->fd, SHUT_RDWR);
        }
    }
}

static void flush_answers(struct http_server *server) {
    struct pollfd daemon = {.fd = server->watch.fd, .events = POLLIN};
    int64_t deadline_us = clock_monotonic_us() + FLUSH_MS * 1000;
    run_daemon(server);
    while (server->answers_unsent > 0 && clock_monotonic_us() < deadline_us) {
        poll(&daemon, 1, server->needs_run ? 0 : 20);
        run_daemon(server);
    }
}

void http_server_destroy(struct http_server *server) {
    if (!server) {
        return;
    }
    assert(server->requests_inside == 0);
    assert(!server->is_running_daemon);
    http_server_close_door(server);
    if (server->daemon) {
        flush_answers(server);
        event_loop_watch_remove(server->loop, &server->watch);
    }
    http_lingering_destroy(server->lingering);
    server->lingering = NULL;
    if (server->daemon) {
        MHD_stop_daemon(server->daemon);
    }
    event_loop_timer_stop(server->loop, &server->timer);
    event_loop_timer_stop(server->loop, &server->sweep);
    event_loop_hook_remove(server->loop, &server->hook);
    free(server->name);
    free(server);
}
