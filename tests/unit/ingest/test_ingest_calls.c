// Functions that ingest calls while a request waits: invoke, synchronous subscriptions,
// authorizers.
#include "core/events/trace_context.h"
#include "tests/unit/ingest/ingest_test.h"

#define INVOKE "Event: invoke\r\nFunction-ID: f\r\n"

static void an_invoke_is_answered_by_the_function_and_recorded_as_handled(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "{\"made\":\"here\"}";
    expect(state, "POST /", INVOKE, "x", 200, "{\"made\":\"here\"}");
    const struct event *event = stored_event(fixture, 0);
    assert_true(bytes_equal_text(event->type, "invoke"));
    assert_true(bytes_equal_text(event->context.sync, "invoke,f"));
    event_unref(event);
}

static void an_invoke_of_nothing_says_so(void **state) {
    expect(state, "POST /", "Event: invoke\r\nFunction-ID: g\r\n", "", 500,
           "unable to look up registered function");
    expect(state, "POST /", "Event: invoke\r\n", "", 400, "Function-ID");
    expect(state, "POST /", INVOKE "Space: other\r\n", "", 500, "unable to look up");
}

static void a_sync_subscription_answers_with_what_the_function_says(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer =
        "{\"statusCode\":418,\"headers\":{\"X-Pot\":\"tea\"},\"body\":\"short\"}";
    char value[16] = "";
    struct raw_answer answer = read_answer(send_request(fixture, "GET /sync/ada", "", ""));
    assert_true(raw_header(&answer, "X-Pot", value, sizeof value));
    assert_string_equal(value, "tea");
    check_answer(answer, "GET /sync/ada", 418, "short");
    assert_non_null(strstr(fixture->called_with.data, "\"params\":{\"name\":\"ada\"}"));
    const struct event *event = stored_event(fixture, 0);
    assert_true(bytes_equal_text(event->context.sync, "sync-1"));
    event_unref(event);
}

static void an_answer_that_cannot_be_read_or_a_failed_call_is_500(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "no JSON";
    expect(state, "GET /sync/a", "", "", 500, "HTTP response object malformed");
    fixture->function_status = 502;
    expect(state, "GET /sync/a", "", "", 500, "Function call failed. Please check logs.");
    expect(state, "POST /", INVOKE, "", 500, "Function call failed. Please check logs.");
}

static void an_answer_does_not_wait_for_the_log(void **state) {
    struct ingest_fixture *fixture = *state;
    event_log_memory_hold_appends(fixture->log, true);
    expect(state, "POST /", INVOKE, "", 200, "{}");
    event_log_memory_hold_appends(fixture->log, false);
    event_log_memory_set_away(fixture->log, true);
    expect(state, "POST /", INVOKE, "", 200, "{}");
}

static int start_recording(void **state, enum record_sync record_sync) {
    struct ingest_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->options.record_sync = record_sync;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static int durable_setup(void **state) {
    return start_recording(state, RECORD_SYNC_DURABLE);
}

static int off_setup(void **state) {
    return start_recording(state, RECORD_SYNC_OFF);
}

static void a_durable_recording_is_waited_for(void **state) {
    struct ingest_fixture *fixture = *state;
    char byte;
    fixture->function_answer = "{\"made\":\"early\"}";
    event_log_memory_hold_appends(fixture->log, true);
    int fd = send_request(fixture, "POST /", INVOKE, "");
    int other = send_request(fixture, "POST /", INVOKE, "");
    recorder_await_received(&fixture->recorder, 2);
    assert_true(recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0);
    event_log_memory_hold_appends(fixture->log, false);
    check_answer(read_answer(fd), "invoke", 200, "{\"made\":\"early\"}");
    check_answer(read_answer(other), "invoke", 200, "{\"made\":\"early\"}");
}

static void a_recording_that_fails_leaves_the_caller_his_answer(void **state) {
    struct ingest_fixture *fixture = *state;
    event_log_memory_fail_append(fixture->log, EVENT_LOG_EVENTS, 1, 1, STATUS_TIMEOUT);
    expect(state, "POST /", INVOKE, "", 200, "{}");
    event_log_memory_set_away(fixture->log, true);
    expect(state, "POST /", INVOKE, "", 200, "{}");
}

static void each_of_many_calls_is_recorded(void **state) {
    struct ingest_fixture *fixture = *state;
    for (size_t i = 0; i < 20; i++) {
        expect(state, "POST /", INVOKE, "", 200, "{}");
    }
    recorder_await_received(&fixture->recorder, 20);
    expect_stored(state, 20);
}

static void recording_can_be_switched_off(void **state) {
    expect(state, "POST /", INVOKE, "", 200, "{}");
    expect(state, "GET /sync/a", "", "", 200, NULL);
    expect_stored(state, 0);
}

#define GUARDED "Event: guarded\r\n"

static void an_authorizer_that_grants_marks_the_event(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer =
        "{\"authorization\":{\"principalId\":\"ada\",\"context\":{\"role\":\"admin\"}}}";
    expect(state, "POST /door?k=v", GUARDED "Authorization: Bearer t\r\n", "", 202, NULL);
    assert_non_null(strstr(fixture->called_with.data, "\"request\":{\"path\":\"/door\""));
    assert_non_null(strstr(fixture->called_with.data, "\"Authorization\":\"Bearer t\""));
    const struct event *event = stored_event(fixture, 0);
    assert_true(bytes_equal_text(event_extension(event, "authid")->value, "ada"));
    assert_true(
        bytes_equal_text(event_extension(event, "authclaims")->value, "{\"role\":\"admin\"}"));
    event_unref(event);
}

static void whatever_else_an_authorizer_says_refuses_the_event(void **state) {
    static const struct {
        unsigned status;
        const char *answer;
        const char *part;
    } cases[] = {
        {200, "{\"error\":{\"message\":\"not today\"}}", "not today"},
        {200, "{\"error\":{},\"authorization\":{\"principalId\":\"ada\"}}", "not authorized"},
        {200, "{}", "malformed"},
        {200, "", "malformed"},
        {200, "yes", "malformed"},
        {200, "{\"authorization\":true}", "malformed"},
        {200, "{\"authorization\":{\"principalId\":1}}", "malformed"},
        {200, "{\"authorization\":{\"context\":\"x\"}}", "malformed"},
        {500, "{\"authorization\":{\"principalId\":\"ada\"}}", "failed"},
        {403, "{\"authorization\":{\"principalId\":\"ada\"}}", "failed"},
    };
    struct ingest_fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        fixture->function_status = cases[i].status;
        fixture->function_answer = cases[i].answer;
        expect(state, "POST /", GUARDED, "", 403, cases[i].part);
    }
    expect_stored(state, 0);
}

static void every_event_of_a_batch_is_asked_about(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "{\"authorization\":{\"principalId\":\"ada\"}}";
    expect(state, "POST /", "Content-Type: application/cloudevents-batch+json\r\n",
           "[{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"guarded\","
           "\"authid\":\"eve\"},"
           "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/s\",\"type\":\"known\"},"
           "{\"specversion\":\"1.0\",\"id\":\"3\",\"source\":\"/s\",\"type\":\"guarded\"}]",
           202, NULL);
    assert_int_equal(fixture->calls, 2);
    const struct event *event = stored_event(fixture, 0);
    assert_true(bytes_equal_text(event_extension(event, "authid")->value, "ada"));
    event_unref(event);
}

static void end_calls(void *context) {
    struct ingest_fixture *fixture = context;
    struct error error;
    struct invoker_options options = {.targets = fixture->targets};
    ingest_close_door(fixture->ingest);
    invoker_destroy(fixture->invoker);
    assert_int_equal(invoker_create(fixture->loop, &options, &fixture->invoker, &error), STATUS_OK);
}

static void calls_that_the_end_cuts_off_are_answered(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_holds = true;
    int fd = send_request(fixture, "POST /", GUARDED, "");
    sem_wait(&fixture->is_held);
    event_loop_call(fixture->loop, end_calls, fixture);
    check_answer(read_answer(fd), "guarded", 503, "shutting down");
}

static void a_call_whose_caller_leaves_is_cancelled(void **state) {
    static const char *const lines[] = {"GET /sync/a", "POST /", "POST /"};
    static const char *const headers[] = {"", INVOKE, GUARDED};
    struct ingest_fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        fixture->function_holds = true;
        int fd = send_request(fixture, lines[i], headers[i], "");
        sem_wait(&fixture->is_held);
        close(fd);
        sem_wait(&fixture->caller_has_left); // The function's connection was closed in turn.
        fixture->function_holds = false;
        release_function(fixture);
    }
    expect(state, "POST /", INVOKE, "", 200, "{}");
}

static int impatient_setup(void **state) {
    struct ingest_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->options.sync_timeout_ms = 50;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static void a_function_that_is_too_slow_is_given_up(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_holds = true;
    int fd = send_request(fixture, "POST /", INVOKE, "");
    sem_wait(&fixture->is_held);
    check_answer(read_answer(fd), "invoke", 500, "Function call failed. Please check logs.");
    sem_wait(&fixture->caller_has_left);
    release_function(fixture);
    fd = send_request(fixture, "POST /", GUARDED, "");
    sem_wait(&fixture->is_held);
    check_answer(read_answer(fd), "guarded", 403, "the authorizer failed");
    sem_wait(&fixture->caller_has_left);
    release_function(fixture);
}

static void an_invoke_must_be_a_post(void **state) {
    expect(state, "GET /", INVOKE, "", 400, "custom event can be emitted only with POST method");
}

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define TRACE_HEADERS "traceparent: 00-" TRACE "-00f067aa0ba902b7-01\r\ntracestate: a=1\r\n"

static void a_call_is_a_span_of_the_requests_trace(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "GET /sync/a", TRACE_HEADERS "tracestate: b=2\r\n", "", 200, NULL);
    const char *head = fixture->called_head.data;
    assert_non_null(strcasestr(head, "traceparent: 00-" TRACE "-"));
    assert_null(strcasestr(head, "00f067aa0ba902b7"));
    assert_non_null(strcasestr(head, "tracestate: a=1,b=2\n"));
    const struct event *event = stored_event(fixture, 0);
    assert_true(bytes_start_with(event->context.traceparent, BYTES("00-" TRACE "-")));
    assert_true(bytes_equal_text(event->context.tracestate, "a=1,b=2"));
    event_unref(event);
}

// What deliveries of the same event go on with is what the call was a span of.
static void a_call_without_a_trace_begins_one_that_its_record_keeps(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /", INVOKE "traceparent: rubbish\r\ntracestate: a=1\r\n", "", 200, "{}");
    const struct event *event = stored_event(fixture, 0);
    struct buffer line = {0};
    buffer_append_text(&line, "traceparent: ");
    buffer_append(&line, event->context.traceparent);
    assert_int_equal(event->context.traceparent.size, TRACEPARENT_TEXT_SIZE - 1);
    assert_non_null(strcasestr(fixture->called_head.data, line.data));
    assert_int_equal(event->context.tracestate.size, 0);
    assert_null(strcasestr(fixture->called_head.data, "tracestate"));
    buffer_clear(&line);
    event_unref(event);
}

static void the_producers_own_trace_stays_in_the_event(void **state) {
    struct ingest_fixture *fixture = *state;
    static const char own[] = "00-11111111111111111111111111111111-2222222222222222-00";
    expect(state, "POST /",
           TRACE_HEADERS "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n"
                         "ce-traceparent: 00-11111111111111111111111111111111-"
                         "2222222222222222-00\r\n",
           "", 202, NULL);
    const struct event *event = stored_event(fixture, 0);
    assert_true(bytes_equal_text(event_extension(event, "traceparent")->value, own));
    assert_true(bytes_equal_text(event->context.traceparent, "00-" TRACE "-00f067aa0ba902b7-01"));
    event_unref(event);
}

static void an_authorizer_sees_the_path_parameters(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "{\"error\":{}}";
    expect(state, "GET /guarded/ada",
           "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: guarded\r\n", "", 403,
           "not authorized");
    assert_non_null(strstr(fixture->called_with.data, "\"params\":{\"name\":\"ada\"}"));
}

static void an_invoke_that_carries_a_guarded_event_is_asked_about(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "{\"error\":{\"message\":\"not today\"}}";
    expect(state, "POST /", INVOKE "Content-Type: application/json\r\n",
           "{\"eventType\":\"guarded\",\"cloudEventsVersion\":\"0.1\",\"source\":\"/s\","
           "\"eventID\":\"1\"}",
           403, "not today");
    expect_stored(state, 0);
}

#define CACHED "Event: cached\r\n"

static void an_authorizers_answers_are_kept_by_authorization(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "{\"authorization\":{\"principalId\":\"ada\"}}";
    expect(state, "POST /", CACHED "Authorization: Bearer a\r\n", "", 202, NULL);
    expect(state, "POST /x", CACHED "Authorization: Bearer a\r\n", "", 202, NULL);
    assert_int_equal(fixture->calls, 1);
    const struct event *event = stored_event(fixture, 1);
    assert_true(bytes_equal_text(event_extension(event, "authid")->value, "ada"));
    event_unref(event);
    fixture->function_answer = "{\"error\":{\"message\":\"not you\"}}";
    expect(state, "POST /", CACHED "Authorization: Bearer b\r\n", "", 403, "not you");
    expect(state, "POST /", CACHED "Authorization: Bearer b\r\n", "", 403, "not you");
    assert_int_equal(fixture->calls, 2);
    // Without one it may be anybody.
    expect(state, "POST /", CACHED, "", 403, "not you");
    expect(state, "POST /", CACHED, "", 403, "not you");
    assert_int_equal(fixture->calls, 4);
}

static void an_authorizers_failure_is_not_kept(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_status = 500;
    expect(state, "POST /", CACHED "Authorization: Bearer a\r\n", "", 403, "failed");
    fixture->function_status = 200;
    expect(state, "POST /", CACHED "Authorization: Bearer a\r\n", "", 403, "malformed");
    fixture->function_answer = "{\"authorization\":{}}";
    expect(state, "POST /", CACHED "Authorization: Bearer a\r\n", "", 202, NULL);
    assert_int_equal(fixture->calls, 3);
}

static void an_authorizer_that_is_not_registered_refuses(void **state) {
    expect(state, "POST /", "Event: orphaned\r\n", "", 403, "not registered");
    expect_stored(state, 0);
}

static void a_caller_that_leaves_harms_nobody(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_holds = true;
    int fd = send_request(fixture, "GET /sync/a", "", "");
    sem_wait(&fixture->is_held);
    close(fd);
    fixture->function_holds = false;
    release_function(fixture);
    expect(state, "POST /", INVOKE, "", 200, "{}");
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(an_invoke_is_answered_by_the_function_and_recorded_as_handled),
        FIXTURE_TEST(an_invoke_of_nothing_says_so),
        FIXTURE_TEST(a_sync_subscription_answers_with_what_the_function_says),
        FIXTURE_TEST(an_answer_that_cannot_be_read_or_a_failed_call_is_500),
        FIXTURE_TEST(an_answer_does_not_wait_for_the_log),
        WITH(durable_setup, a_durable_recording_is_waited_for),
        WITH(durable_setup, a_recording_that_fails_leaves_the_caller_his_answer),
        WITH(fixture_setup, each_of_many_calls_is_recorded),
        WITH(off_setup, recording_can_be_switched_off),
        FIXTURE_TEST(an_authorizer_that_grants_marks_the_event),
        FIXTURE_TEST(whatever_else_an_authorizer_says_refuses_the_event),
        FIXTURE_TEST(every_event_of_a_batch_is_asked_about),
        FIXTURE_TEST(calls_that_the_end_cuts_off_are_answered),
        FIXTURE_TEST(a_caller_that_leaves_harms_nobody),
        FIXTURE_TEST(a_call_whose_caller_leaves_is_cancelled),
        WITH(impatient_setup, a_function_that_is_too_slow_is_given_up),
        FIXTURE_TEST(an_invoke_must_be_a_post),
        FIXTURE_TEST(a_call_is_a_span_of_the_requests_trace),
        FIXTURE_TEST(a_call_without_a_trace_begins_one_that_its_record_keeps),
        FIXTURE_TEST(the_producers_own_trace_stays_in_the_event),
        FIXTURE_TEST(an_authorizer_sees_the_path_parameters),
        FIXTURE_TEST(an_invoke_that_carries_a_guarded_event_is_asked_about),
        FIXTURE_TEST(an_authorizers_answers_are_kept_by_authorization),
        FIXTURE_TEST(an_authorizers_failure_is_not_kept),
        FIXTURE_TEST(an_authorizer_that_is_not_registered_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
