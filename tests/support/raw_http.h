// A server on a thread, and a client that sends bytes as they are: for tests of what serves HTTP.
// Every wait ends when a socket closes or gives up after long; nothing sleeps.
#ifndef EVENT_GATEWAY_TESTS_RAW_HTTP_H
#define EVENT_GATEWAY_TESTS_RAW_HTTP_H

#include "core/base/bytes.h"
#include "core/base/event_loop.h"
#include "core/base/event_loop_call.h"
#include "core/base/http_server.h"
#include "core/base/memory.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    RAW_PATIENCE_S = 60
};

// A server with a loop and a thread of its own.
struct raw_server {
    struct event_loop *loop;
    struct event_loop_thread *thread;
    struct http_server *server; // NULL once it is destroyed
    uint16_t port;
};

// With what a test says nothing about: loopback, a megabyte of body, more connections than it
// makes, and a minute without progress.
static inline struct http_server_options raw_server_options(struct http_server_options options) {
    options.name = options.name ? options.name : "test";
    options.address = options.address ? options.address : "127.0.0.1";
    options.body_max_bytes = options.body_max_bytes > 0 ? options.body_max_bytes : 1024 * 1024;
    options.connections_max = options.connections_max > 0 ? options.connections_max : 1000;
    options.idle_timeout_ms = options.idle_timeout_ms > 0 ? options.idle_timeout_ms : 60000;
    return options;
}

static inline void raw_server_start(struct raw_server *raw, struct http_server_options options) {
    options = raw_server_options(options);
    assert_int_equal(event_loop_create(options.name, &raw->loop, NULL), STATUS_OK);
    assert_int_equal(http_server_create(raw->loop, &options, &raw->server, NULL), STATUS_OK);
    raw->port = http_server_port(raw->server);
    raw->thread = event_loop_thread_start(raw->loop);
}

// On its loop.
static inline void raw_server_destroy(void *context) {
    struct raw_server *raw = context;
    http_server_destroy(raw->server);
    raw->server = NULL;
}

static inline void raw_server_stop(struct raw_server *raw) {
    event_loop_call(raw->loop, raw_server_destroy, raw);
    event_loop_stop(raw->loop);
    event_loop_thread_join(raw->thread);
    event_loop_destroy(raw->loop);
}

static inline int raw_connect(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {.tv_sec = RAW_PATIENCE_S};
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fail_msg("cannot connect to port %u", port);
    }
    return fd;
}

// False when the peer does not take it all.
static inline bool raw_send(int fd, struct bytes bytes) {
    while (bytes.size > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes.data += sent;
        bytes.size -= (size_t)sent;
    }
    return true;
}

static inline void raw_send_text(int fd, const char *text) {
    assert_true(raw_send(fd, bytes_of_text(text)));
}

// Adds what comes next; false at the end of the connection.
static inline bool raw_receive(int fd, struct buffer *text) {
    char *place = buffer_reserve(text, 64 * 1024);
    ssize_t size = recv(fd, place, 64 * 1024, 0);
    if (size <= 0) {
        return false;
    }
    text->size += (size_t)size;
    text->data[text->size] = '\0';
    return true;
}

struct raw_answer {
    int status; // 0 = the connection ended before an answer was complete
    char *head; // with the status line
    struct bytes body;
    struct buffer text;
};

static inline void raw_answer_clear(struct raw_answer *answer) {
    buffer_clear(&answer->text);
    free(answer->head);
    memset(answer, 0, sizeof *answer);
}

static inline bool raw_header(const struct raw_answer *answer, const char *name, char *ret_value,
                              size_t size) {
    char pattern[128];
    snprintf(pattern, sizeof pattern, "\r\n%s:", name);
    const char *at = answer->head ? strcasestr(answer->head, pattern) : NULL;
    if (!at) {
        return false;
    }
    at += strlen(pattern);
    at += strspn(at, " ");
    snprintf(ret_value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    return true;
}

// One answer; what comes behind it stays in rest. has_body: false for HEAD.
static inline struct raw_answer raw_read(int fd, struct buffer *rest, bool has_body) {
    struct raw_answer answer = {0};
    char *end;
    while (!rest->data || !(end = memmem(rest->data, rest->size, "\r\n\r\n", 4))) {
        if (!raw_receive(fd, rest)) {
            return answer;
        }
    }
    size_t head_size = (size_t)(end - rest->data) + 4;
    answer.head = bytes_to_text((struct bytes){rest->data, head_size});
    char length[32] = "0";
    raw_header(&answer, "Content-Length", length, sizeof length);
    size_t body_size = has_body ? strtoul(length, NULL, 10) : 0;
    while (rest->size < head_size + body_size) {
        if (!raw_receive(fd, rest)) {
            return answer;
        }
    }
    buffer_append(&answer.text, (struct bytes){rest->data + head_size, body_size});
    answer.body = buffer_bytes(&answer.text);
    answer.status = (int)strtol(answer.head + strlen("HTTP/1.1 "), NULL, 10);
    struct buffer left = {0};
    size_t used = head_size + body_size;
    buffer_append(&left, (struct bytes){rest->data + used, rest->size - used});
    buffer_clear(rest);
    *rest = left;
    return answer;
}

// Sends one request over its own connection and reads one answer.
static inline struct raw_answer raw_exchange(uint16_t port, struct bytes request) {
    int fd = raw_connect(port);
    struct buffer rest = {0};
    assert_true(raw_send(fd, request));
    struct raw_answer answer = raw_read(fd, &rest, true);
    buffer_clear(&rest);
    close(fd);
    return answer;
}

// True when the peer has closed and nothing more came.
static inline bool raw_is_closed(int fd) {
    char byte;
    return recv(fd, &byte, 1, 0) <= 0;
}

// METHOD, path, query and body of the request, as "GET /a?q body".
static inline void raw_answer_echo(struct http_request *request) {
    struct buffer text = {0};
    buffer_append(&text, http_request_method(request));
    buffer_append_byte(&text, ' ');
    buffer_append(&text, http_request_path(request));
    buffer_append_byte(&text, '?');
    buffer_append(&text, http_request_query(request));
    buffer_append_byte(&text, ' ');
    buffer_append(&text, http_request_body(request));
    struct http_response response = {
        .status = 200, .content_type = "text/plain", .body = buffer_bytes(&text)};
    response.body_owned = buffer_take(&text);
    http_respond(request, &response);
}

static inline void raw_assert_exchange(const struct raw_server *raw, const char *request,
                                       int status, const char *body) {
    struct raw_answer answer = raw_exchange(raw->port, bytes_of_text(request));
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.text.data, body);
    raw_answer_clear(&answer);
}

// Reads the one answer and sees the connection close.
static inline struct raw_answer raw_refused(int fd) {
    struct buffer rest = {0};
    struct raw_answer answer = raw_read(fd, &rest, true);
    assert_int_equal(rest.size, 0);
    assert_true(raw_is_closed(fd));
    buffer_clear(&rest);
    close(fd);
    return answer;
}

static inline void raw_assert_refused(const struct raw_server *raw, const char *request,
                                      int status) {
    int fd = raw_connect(raw->port);
    raw_send(fd, bytes_of_text(request));
    struct raw_answer answer = raw_refused(fd);
    if (answer.status != status) {
        fail_msg("%d instead of %d for %s", answer.status, status, request);
    }
    raw_answer_clear(&answer);
}

// The server still works, whatever was done to it before.
static inline void raw_assert_works(const struct raw_server *raw) {
    struct raw_answer answer = raw_exchange(raw->port, BYTES("GET /a HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
}

#endif
