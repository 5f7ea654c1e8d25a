// The functions that a dispatcher under test calls: a real HTTP server whose paths say how they
// behave. It writes down its calls, which can be waited for.
//
//   /ok           200
//   /status/CODE  that status
//   /fail/N       503 for the first N attempts of an event, then 200
//   /some/N       500 for the first N attempts of an event whose id ends in 0; others get 200
//   /later        429 with Retry-After: 3600 for the event "first", 200 for others
//   /gate         503 until the test opens the gate, then 200
//   /hold         answered 200, or held_status, when the test lets go
//   /poison/ID    400 for the event ID and for batches that it is in, 200 for others
//   /one          200 after a moment; 429 for calls that come meanwhile
#ifndef EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_FUNCTION_SERVER_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_FUNCTION_SERVER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/http_server.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "tests/unit/dispatcher/await_test.h"

enum {
    TEST_HELD_MAX = 512
};

struct test_call {
    char path[32];
    char event_id[256]; // of a batch all of them, with '+' between them
    char content_type[64];
    char subscription[32];
    char traceparent[64];
    char reason[32]; // of the last attempt's failure
    unsigned attempt;
    int64_t time_us; // wall clock
};

struct function_server {
    struct event_loop *loop; // borrowed
    struct http_server *server;
    uint16_t port;
    pthread_mutex_t lock; // for what follows
    pthread_cond_t changed;
    struct test_call *calls;
    size_t call_count, call_capacity;
    struct http_request *held[TEST_HELD_MAX];
    size_t held_count, held_most;
    bool lets_go;
    atomic_bool gate_is_open;
    unsigned held_status;     // 0 = 200
    struct http_request *one; // of /one, the server's thread alone
    struct event_loop_timer one_timer;
    struct event_loop_task let_go_task;
    sem_t has_let_go;
};

static inline void test_header_text(struct http_request *request, const char *name, char *ret_text,
                                    size_t size) {
    struct bytes value = {0};
    (void)http_request_header(request, name, &value);
    snprintf(ret_text, size, "%.*s", (int)value.size, value.data ? value.data : "");
}

// Of the members of a batch, in which no other id stands.
static inline void test_batch_ids(struct http_request *request, char *ret_text, size_t size) {
    struct bytes body = http_request_body(request);
    char *text = bytes_to_text(body);
    size_t used = 0;
    for (char *at = strstr(text, "\"id\":\""); at; at = strstr(at, "\"id\":\"")) {
        at += 6;
        used += (size_t)snprintf(ret_text + used, size - used, "%s%.*s", used > 0 ? "+" : "",
                                 (int)strcspn(at, "\""), at);
        assert_true(used < size);
    }
    free(text);
}

static inline void test_note_call(struct function_server *functions, struct http_request *request) {
    if (functions->call_count == functions->call_capacity) {
        functions->call_capacity = functions->call_capacity > 0 ? functions->call_capacity * 2 : 64;
        functions->calls =
            memory_resize(functions->calls, functions->call_capacity, sizeof *functions->calls);
    }
    struct test_call *call = &functions->calls[functions->call_count++];
    struct bytes path = http_request_path(request);
    char attempt[16];
    snprintf(call->path, sizeof call->path, "%.*s", (int)path.size, path.data);
    test_header_text(request, "Content-Type", call->content_type, sizeof call->content_type);
    if (strncmp(call->content_type, "application/cloudevents-batch", 29) == 0) {
        test_batch_ids(request, call->event_id, sizeof call->event_id);
    } else {
        test_header_text(request, "ce-id", call->event_id, sizeof call->event_id);
    }
    test_header_text(request, "Event-Gateway-Subscription", call->subscription,
                     sizeof call->subscription);
    test_header_text(request, "traceparent", call->traceparent, sizeof call->traceparent);
    test_header_text(request, "Event-Gateway-Retry-Reason", call->reason, sizeof call->reason);
    call->time_us = clock_wall_us();
    test_header_text(request, "Event-Gateway-Attempt", attempt, sizeof attempt);
    call->attempt = (unsigned)strtoul(attempt, NULL, 10);
}

static inline bool test_has_id(const char *ids, const char *id) {
    size_t size = strlen(id);
    for (const char *at = ids; at; at = strchr(at, '+') ? strchr(at, '+') + 1 : NULL) {
        if (strncmp(at, id, size) == 0 && (at[size] == '\0' || at[size] == '+')) {
            return true;
        }
    }
    return false;
}

static inline unsigned test_status_for(const struct test_call *call) {
    if (strncmp(call->path, "/status/", 8) == 0) {
        return (unsigned)strtoul(call->path + 8, NULL, 10);
    }
    if (strncmp(call->path, "/fail/", 6) == 0) {
        return call->attempt <= strtoul(call->path + 6, NULL, 10) ? 503 : 200;
    }
    if (strncmp(call->path, "/some/", 6) == 0) {
        size_t size = strlen(call->event_id);
        bool is_one = size > 0 && call->event_id[size - 1] == '0';
        return is_one && call->attempt <= strtoul(call->path + 6, NULL, 10) ? 500 : 200;
    }
    if (strncmp(call->path, "/poison/", 8) == 0) {
        return test_has_id(call->event_id, call->path + 8) ? 400 : 200;
    }
    bool is_later = strcmp(call->path, "/later") == 0 && strcmp(call->event_id, "first") == 0;
    return is_later ? 429 : 200;
}

static inline void test_answer(struct http_request *request, unsigned status) {
    static const struct http_header retry_after = {BYTES("Retry-After"), BYTES("3600")};
    bool is_later = bytes_equal_text(http_request_path(request), "/later");
    struct http_response response = {.status = status,
                                     .content_type = "text/plain",
                                     .headers = &retry_after,
                                     .header_count = status == 429 && is_later,
                                     .body = BYTES("what the function said")};
    http_respond(request, &response);
}

static inline void test_answer_one(struct event_loop_timer *timer) {
    struct function_server *functions = CONTAINER_OF(timer, struct function_server, one_timer);
    struct http_request *request = functions->one;
    functions->one = NULL;
    test_answer(request, 200);
}

static inline void test_handle_one(struct function_server *functions,
                                   struct http_request *request) {
    if (functions->one) {
        test_answer(request, 429);
        return;
    }
    functions->one = request;
    functions->one_timer.expired = test_answer_one;
    event_loop_timer_start(functions->loop, &functions->one_timer, 1000);
}

static inline void test_handle(void *context, struct http_request *request) {
    struct function_server *functions = context;
    pthread_mutex_lock(&functions->lock);
    test_note_call(functions, request);
    struct test_call call = functions->calls[functions->call_count - 1];
    bool is_held = strcmp(call.path, "/hold") == 0 && !functions->lets_go;
    if (is_held) {
        assert_true(functions->held_count < TEST_HELD_MAX);
        functions->held[functions->held_count++] = request;
        functions->held_most = functions->held_count > functions->held_most ? functions->held_count
                                                                            : functions->held_most;
    }
    pthread_cond_broadcast(&functions->changed);
    pthread_mutex_unlock(&functions->lock);
    if (strcmp(call.path, "/one") == 0) {
        test_handle_one(functions, request);
    } else if (!is_held) {
        bool is_shut = strcmp(call.path, "/gate") == 0 && !atomic_load(&functions->gate_is_open);
        test_answer(request, is_shut ? 503 : test_status_for(&call));
    }
}

static inline void test_run_let_go(struct event_loop_task *task) {
    struct function_server *functions = CONTAINER_OF(task, struct function_server, let_go_task);
    for (size_t i = 0; i < functions->held_count; i++) {
        test_answer(functions->held[i], functions->held_status > 0 ? functions->held_status : 200);
    }
    pthread_mutex_lock(&functions->lock);
    functions->held_count = 0;
    pthread_mutex_unlock(&functions->lock);
    sem_post(&functions->has_let_go);
}

// Answers what is held; keeps: further calls of /hold are held again.
static inline void test_let_go(struct function_server *functions, bool keeps_holding) {
    pthread_mutex_lock(&functions->lock);
    functions->lets_go = !keeps_holding;
    pthread_mutex_unlock(&functions->lock);
    functions->let_go_task.run = test_run_let_go;
    event_loop_post(functions->loop, &functions->let_go_task);
    while (sem_wait(&functions->has_let_go) != 0) {
    }
}

// How many calls there were of that path (NULL = any) for that event (NULL = any).
static inline size_t test_calls_of(struct function_server *functions, const char *path,
                                   const char *event_id) {
    size_t count = 0;
    for (size_t i = 0; i < functions->call_count; i++) {
        count += (!path || strcmp(functions->calls[i].path, path) == 0) &&
                 (!event_id || strcmp(functions->calls[i].event_id, event_id) == 0);
    }
    return count;
}

static inline size_t test_count_calls(struct function_server *functions, const char *path,
                                      const char *event_id) {
    pthread_mutex_lock(&functions->lock);
    size_t count = test_calls_of(functions, path, event_id);
    pthread_mutex_unlock(&functions->lock);
    return count;
}

static inline void test_await_calls(struct function_server *functions, const char *path,
                                    const char *event_id, size_t count) {
    struct timespec until = test_deadline();
    pthread_mutex_lock(&functions->lock);
    while (test_calls_of(functions, path, event_id) < count) {
        if (pthread_cond_timedwait(&functions->changed, &functions->lock, &until) != 0) {
            size_t calls = test_calls_of(functions, path, event_id);
            pthread_mutex_unlock(&functions->lock);
            fail_msg("%zu calls of %s for %s instead of %zu", calls, path ? path : "all paths",
                     event_id ? event_id : "all events", count);
        }
    }
    pthread_mutex_unlock(&functions->lock);
}

// Waits until each of the events that are numbered [from, end) has come count times.
static inline void test_await_range(struct function_server *functions, const char *path,
                                    size_t from, size_t end, size_t count) {
    for (size_t i = from; i < end; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        test_await_calls(functions, path, id, count);
    }
}

static inline void test_assert_range(struct function_server *functions, const char *path,
                                     size_t from, size_t end, size_t least, size_t most) {
    for (size_t i = from; i < end; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        size_t calls = test_count_calls(functions, path, id);
        if (calls < least || calls > most) {
            fail_msg("event %s came %zu times to %s", id, calls, path);
        }
    }
}

// The n-th call, 0 the first.
static inline struct test_call test_call_at(struct function_server *functions, size_t n) {
    pthread_mutex_lock(&functions->lock);
    assert_true(n < functions->call_count);
    struct test_call call = functions->calls[n];
    pthread_mutex_unlock(&functions->lock);
    return call;
}

// Before the loop runs.
static inline void function_server_start(struct function_server *functions,
                                         struct event_loop *loop) {
    struct error error;
    struct http_server_options options = {
        .name = "functions",
        .address = "127.0.0.1",
        .body_max_bytes = 1 << 20,
        .header_max_bytes = 96 << 10,
        .connections_max = 1000,
        .idle_timeout_ms = 60000,
        .body_total_max_bytes = 64 << 20,
        .handler = test_handle,
        .context = functions,
    };
    functions->loop = loop;
    pthread_mutex_init(&functions->lock, NULL);
    pthread_cond_init(&functions->changed, NULL);
    sem_init(&functions->has_let_go, 0, 0);
    if (http_server_create(loop, &options, &functions->server, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    functions->port = http_server_port(functions->server);
}

// When the loop has stopped; nothing is held any more.
static inline void function_server_destroy(struct function_server *functions) {
    http_server_destroy(functions->server);
    pthread_mutex_destroy(&functions->lock);
    pthread_cond_destroy(&functions->changed);
    sem_destroy(&functions->has_let_go);
    free(functions->calls);
}

#endif
