// What ingest tells of its work while somebody listens, and where chains of calls end.
#include "tests/unit/ingest/ingest_test.h"

#define INVOKE "Event: invoke\r\nFunction-ID: f\r\n"
#define DEPTH "Event-Gateway-Causation-Depth: "

static int start_listening(void **state, enum record_sync record_sync) {
    struct ingest_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->options.record_sync = record_sync;
    fixture->has_listeners = true;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static int setup(void **state) {
    return start_listening(state, RECORD_SYNC_ASYNC);
}

static int unrecorded_setup(void **state) {
    return start_listening(state, RECORD_SYNC_OFF);
}

// The event of that type among the first count in the log, which must be there once.
static const struct event *event_of(struct ingest_fixture *fixture, size_t count,
                                    const char *type) {
    const struct event *found = NULL;
    recorder_await_received(&fixture->recorder, count);
    for (size_t i = 0; i < count; i++) {
        const struct event *event = stored_event(fixture, i);
        if (!bytes_equal_text(event->type, type)) {
            event_unref(event);
            continue;
        }
        assert_null(found);
        found = event;
    }
    if (!found) {
        fail_msg("no %s among %zu events", type, count);
    }
    return found;
}

static void assert_told(struct ingest_fixture *fixture, size_t count, const char *type,
                        const char *part) {
    const struct event *event = event_of(fixture, count, type);
    char *data = bytes_to_text(event->data);
    if (!strstr(data, part)) {
        fail_msg("%s: \"%s\" is not in %s", type, part, data);
    }
    assert_true(bytes_equal_text(event->source, "/gateway"));
    free(data);
    event_unref(event);
}

static void a_stored_event_is_told_as_received(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /shop", "Event: t\r\nSpace: default\r\nAuthorization: x\r\n", "{}", 202,
           NULL);
    assert_told(fixture, 2, "eventgateway.event.received", "\"path\":\"/shop\"");
    assert_told(fixture, 2, "eventgateway.event.received", "\"Authorization\":\"*****\"");
}

static void each_event_of_a_batch_is_told(void **state) {
    struct ingest_fixture *fixture = *state;
    size_t told = 0;
    expect(state, "POST /", "Content-Type: application/cloudevents-batch+json\r\n",
           "[{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"},"
           "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/s\",\"type\":\"t\"}]",
           202, NULL);
    recorder_await_received(&fixture->recorder, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct event *event = stored_event(fixture, i);
        told += bytes_equal_text(event->type, "eventgateway.event.received");
        event_unref(event);
    }
    assert_int_equal(told, 2);
}

static void an_event_that_was_refused_is_not_told(void **state) {
    struct ingest_fixture *fixture = *state;
    event_log_memory_fail_append(fixture->log, EVENT_LOG_EVENTS, 1, 1, STATUS_TIMEOUT);
    expect(state, "POST /", "Event: t\r\n", "", 503, "event log");
    expect_stored(state, 0);
}

static void a_call_is_told_from_its_beginning_to_its_end(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "{\"statusCode\":200}";
    expect(state, "GET /sync/ada", "", "", 200, NULL);
    assert_told(fixture, 4, "eventgateway.event.received", "\"path\":\"/sync/ada\"");
    assert_told(fixture, 4, "eventgateway.function.invoking", "\"params\":{\"name\":\"ada\"}");
    assert_told(fixture, 4, "eventgateway.function.invoked", "\"params\":{\"name\":\"ada\"}");
    assert_told(fixture, 4, "eventgateway.function.invoked",
                "\"result\":\"eyJzdGF0dXNDb2RlIjoyMDB9\"");
    assert_told(fixture, 4, "eventgateway.function.invoked", "\"functionId\":\"f\"");
}

static void a_call_that_fails_is_told(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_status = 502;
    expect(state, "POST /", INVOKE, "", 500, "Function call failed");
    assert_told(fixture, 4, "eventgateway.function.invocationFailed", "502");
}

static void a_call_is_told_also_when_it_is_not_recorded(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /", INVOKE, "", 200, "{}");
    assert_told(fixture, 3, "eventgateway.event.received", "\"type\":\"invoke\"");
    assert_told(fixture, 3, "eventgateway.function.invoking", "\"type\":\"invoke\"");
    assert_told(fixture, 3, "eventgateway.function.invoked", "\"type\":\"invoke\"");
}

static void what_cannot_be_told_keeps_nobody_waiting(void **state) {
    struct ingest_fixture *fixture = *state;
    event_log_memory_set_away(fixture->log, true);
    expect(state, "POST /", INVOKE, "", 200, "{}");
}

static void the_depth_of_a_request_is_its_events(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /", "Event: t\r\n" DEPTH "5\r\n", "", 202, NULL);
    const struct event *event = event_of(fixture, 2, "t");
    assert_true(bytes_equal_text(event_extension(event, "causationdepth")->value, "5"));
    event_unref(event);
    event = event_of(fixture, 2, "eventgateway.event.received");
    assert_true(bytes_equal_text(event_extension(event, "causationdepth")->value, "6"));
    event_unref(event);
    expect(state, "POST /", "Event: t\r\n" DEPTH "x\r\n", "", 400, "whole number");
    expect(state, "POST /", INVOKE DEPTH "-1\r\n", "", 400, "whole number");
}

static void calls_that_run_in_a_circle_are_refused(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /", INVOKE DEPTH "17\r\n", "", 508, "loop");
    expect(state, "GET /sync/a", DEPTH "17\r\n", "", 508, "loop");
    assert_int_equal(fixture->calls, 0);
    expect(state, "POST /", INVOKE DEPTH "16\r\n", "", 200, "{}");
    assert_int_equal(fixture->calls, 1);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(setup, a_stored_event_is_told_as_received),
        WITH(setup, each_event_of_a_batch_is_told),
        WITH(setup, an_event_that_was_refused_is_not_told),
        WITH(setup, a_call_is_told_from_its_beginning_to_its_end),
        WITH(setup, a_call_that_fails_is_told),
        WITH(unrecorded_setup, a_call_is_told_also_when_it_is_not_recorded),
        WITH(setup, what_cannot_be_told_keeps_nobody_waiting),
        WITH(setup, the_depth_of_a_request_is_its_events),
        WITH(setup, calls_that_run_in_a_circle_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
