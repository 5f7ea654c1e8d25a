// A dispatcher in miniature for its tests: a log and a registry in memory, worker loops with
// invokers, and the functions that it calls (function_server_test.h). What is put into the log and
// read from it: dispatcher_log_test.h.
#ifndef EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_DISPATCHER_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_DISPATCHER_TEST_H

#include "core/base/target_rules.h"
#include "core/event_log/event_log_kinds.h"
#include "core/registry/registry_store.h"
#include "dispatcher/dispatcher.h"
#include "dispatcher/dispatcher_metrics.h"
#include "tests/support/log_recorder.h"
#include "tests/unit/dispatcher/function_server_test.h"

enum {
    TEST_WORKERS_MAX = 2
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
    struct dispatcher_options options; // what test_start_dispatcher uses besides the above
    struct test_loop server_loop;      // the functions'; log and registry answer on it, too
    struct function_server functions;
};

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
             id, test->functions.port, path);
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
    if (event_loop_create("functions", &test->server_loop.loop, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    function_server_start(&test->functions, test->server_loop.loop);
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
    test_let_go(&test->functions, false);
    event_loop_stop(test->server_loop.loop);
    event_loop_thread_join(test->server_loop.thread);
    function_server_destroy(&test->functions);
    event_loop_destroy(test->server_loop.loop);
    registry_destroy(test->registry);
    event_log_destroy(test->log);
    target_rules_destroy(test->targets);
    free(test);
}

#endif
