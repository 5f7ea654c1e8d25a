// A dispatcher in miniature for its tests: a log and a registry in memory, worker loops with
// invokers, and a real HTTP server whose paths say how the functions behave. Waiting is by
// condition, with a limit that only a broken program reaches.
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
#ifndef EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_DISPATCHER_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_DISPATCHER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/http_server.h"
#include "core/base/memory.h"
#include "core/base/target_rules.h"
#include "core/base/text.h"
#include "core/event_log/event_log_kinds.h"
#include "core/events/event_record.h"
#include "core/registry/registry_store.h"
#include "dispatcher/dispatcher.h"
#include "dispatcher/dispatcher_metrics.h"
#include "tests/support/log_recorder.h"

enum {
    TEST_WORKERS_MAX = 2,
    TEST_HELD_MAX = 512,
    TEST_AWAIT_SECONDS = 60
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

// Every wait is in memory.
static const struct retry_tiers no_parking = {.park_after_ms = INT64_MAX,
                                              .wait_ms = {1000, 2000, 3000, 4000}};

struct dispatcher_test {
    struct event_log *log;
    struct registry *registry;
    struct target_rules *targets;
    struct test_loop workers[TEST_WORKERS_MAX];
    struct invoker *invokers[TEST_WORKERS_MAX];
    size_t worker_count;
    struct dispatcher *dispatcher;
    struct dispatcher_options options; // what start_dispatcher uses besides the above

    struct test_loop server_loop;
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

static inline struct timespec test_deadline(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TEST_AWAIT_SECONDS;
    return until;
}

// --- The function server.

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

static inline void test_note_call(struct dispatcher_test *test, struct http_request *request) {
    if (test->call_count == test->call_capacity) {
        test->call_capacity = test->call_capacity > 0 ? test->call_capacity * 2 : 64;
        test->calls = memory_resize(test->calls, test->call_capacity, sizeof *test->calls);
    }
    struct test_call *call = &test->calls[test->call_count++];
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
    struct dispatcher_test *test = CONTAINER_OF(timer, struct dispatcher_test, one_timer);
    struct http_request *request = test->one;
    test->one = NULL;
    test_answer(request, 200);
}

static inline void test_handle_one(struct dispatcher_test *test, struct http_request *request) {
    if (test->one) {
        test_answer(request, 429);
        return;
    }
    test->one = request;
    test->one_timer.expired = test_answer_one;
    event_loop_timer_start(test->server_loop.loop, &test->one_timer, 1000);
}

static inline void test_handle(void *context, struct http_request *request) {
    struct dispatcher_test *test = context;
    pthread_mutex_lock(&test->lock);
    test_note_call(test, request);
    struct test_call call = test->calls[test->call_count - 1];
    bool is_held = strcmp(call.path, "/hold") == 0 && !test->lets_go;
    if (is_held) {
        assert_true(test->held_count < TEST_HELD_MAX);
        test->held[test->held_count++] = request;
        test->held_most = test->held_count > test->held_most ? test->held_count : test->held_most;
    }
    pthread_cond_broadcast(&test->changed);
    pthread_mutex_unlock(&test->lock);
    if (strcmp(call.path, "/one") == 0) {
        test_handle_one(test, request);
    } else if (!is_held) {
        bool is_shut = strcmp(call.path, "/gate") == 0 && !atomic_load(&test->gate_is_open);
        test_answer(request, is_shut ? 503 : test_status_for(&call));
    }
}

static inline void test_run_let_go(struct event_loop_task *task) {
    struct dispatcher_test *test = CONTAINER_OF(task, struct dispatcher_test, let_go_task);
    for (size_t i = 0; i < test->held_count; i++) {
        test_answer(test->held[i], test->held_status > 0 ? test->held_status : 200);
    }
    pthread_mutex_lock(&test->lock);
    test->held_count = 0;
    pthread_mutex_unlock(&test->lock);
    sem_post(&test->has_let_go);
}

// Answers what is held; keeps: further calls of /hold are held again.
static inline void test_let_go(struct dispatcher_test *test, bool keeps_holding) {
    pthread_mutex_lock(&test->lock);
    test->lets_go = !keeps_holding;
    pthread_mutex_unlock(&test->lock);
    test->let_go_task.run = test_run_let_go;
    event_loop_post(test->server_loop.loop, &test->let_go_task);
    while (sem_wait(&test->has_let_go) != 0) {
    }
}

// How many calls there were of that path (NULL = any) for that event (NULL = any).
static inline size_t test_calls_of(struct dispatcher_test *test, const char *path,
                                   const char *event_id) {
    size_t count = 0;
    for (size_t i = 0; i < test->call_count; i++) {
        count += (!path || strcmp(test->calls[i].path, path) == 0) &&
                 (!event_id || strcmp(test->calls[i].event_id, event_id) == 0);
    }
    return count;
}

static inline size_t test_count_calls(struct dispatcher_test *test, const char *path,
                                      const char *event_id) {
    pthread_mutex_lock(&test->lock);
    size_t count = test_calls_of(test, path, event_id);
    pthread_mutex_unlock(&test->lock);
    return count;
}

static inline void test_await_calls(struct dispatcher_test *test, const char *path,
                                    const char *event_id, size_t count) {
    struct timespec until = test_deadline();
    pthread_mutex_lock(&test->lock);
    while (test_calls_of(test, path, event_id) < count) {
        if (pthread_cond_timedwait(&test->changed, &test->lock, &until) != 0) {
            size_t calls = test_calls_of(test, path, event_id);
            pthread_mutex_unlock(&test->lock);
            fail_msg("%zu calls of %s for %s instead of %zu", calls, path ? path : "all paths",
                     event_id ? event_id : "all events", count);
        }
    }
    pthread_mutex_unlock(&test->lock);
}

// The n-th call, 0 the first.
static inline struct test_call test_call_at(struct dispatcher_test *test, size_t n) {
    pthread_mutex_lock(&test->lock);
    assert_true(n < test->call_count);
    struct test_call call = test->calls[n];
    pthread_mutex_unlock(&test->lock);
    return call;
}

// Waits until a metric has reached a value. There is nothing to be told by, so it looks again and
// again.
static inline void test_await_metric(struct metric *metric, int64_t value) {
    struct timespec until = test_deadline();
    struct timespec now;
    do {
        if (metric_value(metric) >= value) {
            return;
        }
        sched_yield();
        clock_gettime(CLOCK_REALTIME, &now);
    } while (now.tv_sec < until.tv_sec);
    fail_msg("a metric is %lld instead of %lld", (long long)metric_value(metric), (long long)value);
}

// --- The registry.

struct test_change {
    struct registry_change change;
    sem_t done;
};

static inline void test_change_done(struct registry_change *change) {
    sem_post(&CONTAINER_OF(change, struct test_change, change)->done);
}

// document NULL = delete. Over when every snapshot that is taken from now on has it.
static inline void test_put(struct dispatcher_test *test, enum resource_kind kind, const char *id,
                            const char *document) {
    const struct snapshot *snapshot = registry_snapshot(test->registry);
    struct registry_edit edit = {.kind = kind,
                                 .space = BYTES("default"),
                                 .id = bytes_of_text(id),
                                 .document = bytes_of_text(document)};
    struct test_change change = {.change = {.edits = &edit,
                                            .edit_count = 1,
                                            .based_on = snapshot_revision(snapshot),
                                            .loop = test->server_loop.loop,
                                            .done = test_change_done}};
    snapshot_unref(snapshot);
    sem_init(&change.done, 0, 0);
    registry_apply(test->registry, &change.change);
    while (sem_wait(&change.done) != 0) {
    }
    sem_destroy(&change.done);
    if (change.change.status != STATUS_OK) {
        fail_msg("%s: %s", id, change.change.error.text);
    }
}

static inline void test_put_function(struct dispatcher_test *test, const char *id,
                                     const char *path) {
    char document[512];
    snprintf(document, sizeof document,
             "{\"space\":\"default\",\"functionId\":\"%s\",\"type\":\"http\",\"eventFormat\":"
             "\"cloudevents-binary/1.0\",\"provider\":{\"url\":\"http://127.0.0.1:%u%s\"}}",
             id, test->port, path);
    test_put(test, RESOURCE_FUNCTION, id, document);
}

// delivery: JSON of the member, or NULL for the defaults.
static inline void test_put_subscription(struct dispatcher_test *test, const char *id,
                                         const char *function_id, const char *event_type,
                                         const char *delivery) {
    char document[1024];
    snprintf(document, sizeof document,
             "{\"space\":\"default\",\"subscriptionId\":\"%s\",\"type\":\"async\",\"eventType\":"
             "\"%s\",\"functionId\":\"%s\",\"method\":\"POST\",\"path\":\"/\","
             "\"created\":\"2026-11-25T00:00:00Z\",\"delivery\":%s}",
             id, event_type, function_id, delivery ? delivery : "{}");
    test_put(test, RESOURCE_SUBSCRIPTION, id, document);
}

// A function at that path and a subscription to "test", both called id.
static inline void test_subscribe(struct dispatcher_test *test, const char *id, const char *path,
                                  const char *delivery) {
    test_put_function(test, id, path);
    test_put_subscription(test, id, id, "test", delivery);
}

// --- The log.

struct test_event {
    const char *id;
    const char *type; // NULL = "test"
    const char *sync;
    const char *extension_name, *extension_value;
    int64_t received_us; // 0 = now
};

static inline void test_set(struct event_builder *builder, const char *name, const char *value) {
    event_builder_set(builder, bytes_of_text(name), bytes_of_text(value), EVENT_VALUE_STRING);
}

static inline const struct event *test_build(const struct test_event *event) {
    struct event_builder *builder = event_builder_create();
    test_set(builder, "id", event->id);
    test_set(builder, "source", "/test");
    test_set(builder, "type", event->type ? event->type : "test");
    if (event->extension_name) {
        test_set(builder, event->extension_name, event->extension_value);
    }
    event_builder_set_data(builder, BYTES("data"), EVENT_DATA_BINARY);
    struct event_context context = {.space = BYTES("default"),
                                    .method = BYTES("POST"),
                                    .path = BYTES("/"),
                                    .sync = bytes_of_text(event->sync),
                                    .received_us =
                                        event->received_us ? event->received_us : clock_wall_us()};
    event_builder_set_context(builder, &context);
    const struct event *built;
    struct error error;
    if (event_builder_finish_take(builder, &built, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return built;
}

static inline void test_append(struct dispatcher_test *test, enum event_log_stream stream,
                               const struct record *record) {
    struct append_answer answer = append_and_wait(test->log, &test->server_loop, stream, record);
    assert_int_equal(answer.status, STATUS_OK);
}

static inline void test_emit(struct dispatcher_test *test, const struct test_event *event) {
    const struct event *built = test_build(event);
    struct encoded_record encoded;
    event_record_encode(built, &encoded);
    test_append(test, EVENT_LOG_EVENTS, &encoded.record);
    event_record_clear(&encoded);
    event_unref(built);
}

static inline void test_emit_id(struct dispatcher_test *test, const char *id) {
    test_emit(test, &(struct test_event){.id = id});
}

static inline void test_emit_numbers(struct dispatcher_test *test, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        test_emit_id(test, id);
    }
}

// What the group has committed on partition 0; the dispatcher is closed.
static inline int64_t test_committed_of(struct dispatcher_test *test, enum event_log_stream stream,
                                        const char *group) {
    // It releases nothing, so it changes nothing.
    struct recorder recorder = {0};
    recorder_start(&recorder, test->log, stream, group, 1);
    recorder_await_assigned(&recorder, (size_t)event_log_partition_count(test->log, stream));
    int64_t start = recorder.start[0];
    recorder_close(&recorder);
    recorder_clear(&recorder);
    return start;
}

static inline int64_t test_committed(struct dispatcher_test *test) {
    return test_committed_of(test, EVENT_LOG_EVENTS, test->options.group);
}

// The stream from its beginning is read by this recorder; await with recorder_await_received.
static inline void test_read_stream(struct dispatcher_test *test, struct recorder *recorder,
                                    enum event_log_stream stream) {
    *recorder = (struct recorder){.releases = true};
    recorder_start(recorder, test->log, stream, "stream-test", 0);
}

static inline void test_read_dead_letters(struct dispatcher_test *test, struct recorder *recorder) {
    test_read_stream(test, recorder, EVENT_LOG_DEAD_LETTERS);
}

static inline void test_stop_reading(struct recorder *recorder) {
    recorder_close(recorder);
    recorder_clear(recorder);
}

// --- The whole.

static inline void test_start_dispatcher(struct dispatcher_test *test) {
    struct dispatcher_worker workers[TEST_WORKERS_MAX];
    struct error error;
    for (size_t i = 0; i < test->worker_count; i++) {
        workers[i] =
            (struct dispatcher_worker){.loop = test->workers[i].loop, .invoker = test->invokers[i]};
    }
    struct dispatcher_options options = test->options;
    options.log = test->log;
    options.registry = test->registry;
    options.workers = workers;
    options.worker_count = test->worker_count;
    if (dispatcher_create(&options, &test->dispatcher, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

// What is in flight may finish.
static inline void test_close_dispatcher(struct dispatcher_test *test) {
    dispatcher_close(test->dispatcher, 60000);
    dispatcher_destroy(test->dispatcher);
    test->dispatcher = NULL;
}

// Nothing is waited for.
static inline void test_crash_dispatcher(struct dispatcher_test *test) {
    dispatcher_destroy(test->dispatcher);
    test->dispatcher = NULL;
}

static inline void test_start_server(struct dispatcher_test *test) {
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
        .context = test,
    };
    if (event_loop_create("functions", &test->server_loop.loop, &error) != STATUS_OK ||
        http_server_create(test->server_loop.loop, &options, &test->server, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    test->port = http_server_port(test->server);
    test->server_loop.thread = event_loop_thread_start(test->server_loop.loop);
}

static inline void test_start_worker(struct dispatcher_test *test, size_t index) {
    struct error error;
    struct invoker_options options = {.targets = test->targets,
                                      .default_format = EVENT_FORMAT_CLOUDEVENTS_1_0};
    if (event_loop_create("worker", &test->workers[index].loop, &error) != STATUS_OK ||
        invoker_create(test->workers[index].loop, &options, &test->invokers[index], &error) !=
            STATUS_OK) {
        fail_msg("%s", error.text);
    }
    test->workers[index].thread = event_loop_thread_start(test->workers[index].loop);
}

static inline struct dispatcher_test *test_create(size_t worker_count, int32_t partitions) {
    struct dispatcher_test *test = memory_allocate(sizeof *test);
    struct event_log_memory_options log_options = {.partitions = partitions};
    struct registry_options registry_options = {0};
    struct error error;
    pthread_mutex_init(&test->lock, NULL);
    pthread_cond_init(&test->changed, NULL);
    sem_init(&test->has_let_go, 0, 0);
    test->worker_count = worker_count;
    test->options.group = "test-dispatcher";
    if (event_log_memory_create(&log_options, &test->log, &error) != STATUS_OK ||
        registry_store_memory_create(&registry_options.store, &error) != STATUS_OK ||
        registry_create(&registry_options, &test->registry, &error) != STATUS_OK ||
        target_rules_create("127.0.0.0/8", &test->targets, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    test_start_server(test);
    for (size_t i = 0; i < worker_count; i++) {
        test_start_worker(test, i);
    }
    return test;
}

static inline void test_destroy(struct dispatcher_test *test) {
    dispatcher_destroy(test->dispatcher);
    event_log_close(test->log, 0);
    for (size_t i = 0; i < test->worker_count; i++) {
        event_loop_stop(test->workers[i].loop);
        event_loop_thread_join(test->workers[i].thread);
        invoker_destroy(test->invokers[i]);
        event_loop_destroy(test->workers[i].loop);
    }
    test_let_go(test, false);
    event_loop_stop(test->server_loop.loop);
    event_loop_thread_join(test->server_loop.thread);
    http_server_destroy(test->server);
    event_loop_destroy(test->server_loop.loop);
    registry_destroy(test->registry);
    event_log_destroy(test->log);
    target_rules_destroy(test->targets);
    pthread_mutex_destroy(&test->lock);
    pthread_cond_destroy(&test->changed);
    sem_destroy(&test->has_let_go);
    free(test->calls);
    free(test);
}

#endif
