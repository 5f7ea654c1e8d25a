// The log of a dispatcher under test: events that are put into it, what the dispatcher has
// committed, and what lies in its streams.
#ifndef EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_DISPATCHER_LOG_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_DISPATCHER_LOG_TEST_H

#include "core/base/clock.h"
#include "core/events/event_record.h"
#include "tests/unit/dispatcher/dispatcher_test.h"

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

// Events whose ids are the numbers [from, end).
static inline void test_emit_range(struct dispatcher_test *test, size_t from, size_t end) {
    for (size_t i = from; i < end; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        test_emit_id(test, id);
    }
}

static inline void test_emit_numbers(struct dispatcher_test *test, size_t count) {
    test_emit_range(test, 0, count);
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

#endif
