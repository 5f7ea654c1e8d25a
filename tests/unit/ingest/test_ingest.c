// The asynchronous way through ingest: what is stored before it is acknowledged, and what is
// refused.
#include "tests/unit/ingest/ingest_test.h"

#include "core/base/clock.h"
#include "core/base/text.h"

#define BATCH "Content-Type: application/cloudevents-batch+json\r\n"
#define STRUCTURED "Content-Type: application/cloudevents+json\r\n"
#define CUSTOM "Event: known\r\nContent-Type: application/json\r\n"

static void an_event_is_acknowledged_with_its_id_and_stored_as_it_came(void **state) {
    struct ingest_fixture *fixture = *state;
    char id[64] = "";
    struct raw_answer answer =
        read_answer(send_request(fixture, "POST /a/b", CUSTOM "Space: team1\r\n", "{\"a\":1}"));
    assert_int_equal(answer.status, 202);
    assert_true(raw_header(&answer, "Event-Id", id, sizeof id));
    raw_answer_clear(&answer);
    const struct event *event = stored_event(fixture, 0);
    assert_true(bytes_equal_text(event->id, id));
    assert_true(bytes_equal_text(event->type, "known"));
    assert_true(bytes_equal_text(event->source, "/gateway"));
    assert_true(bytes_equal_text(event->data, "{\"a\":1}"));
    assert_true(bytes_equal_text(event->context.space, "team1"));
    assert_true(bytes_equal_text(event->context.path, "/a/b"));
    event_unref(event);
}

static bool has_bytes(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void the_answer_waits_until_the_log_has_confirmed(void **state) {
    struct ingest_fixture *fixture = *state;
    event_log_memory_hold_appends(fixture->log, true);
    int fd = send_request(fixture, "POST /", CUSTOM, "{}");
    recorder_await_received(&fixture->recorder, 1); // It is stored, and not yet confirmed.
    assert_false(has_bytes(fd));
    event_log_memory_hold_appends(fixture->log, false);
    check_answer(read_answer(fd), "POST /", 202, NULL);
}

static void what_the_log_did_not_confirm_is_never_acknowledged(void **state) {
    static const struct {
        enum status fault;
        int status;
        const char *part;
    } cases[] = {{STATUS_UNAVAILABLE, 503, "cannot be written"},
                 {STATUS_TIMEOUT, 503, "cannot be written"},
                 {STATUS_FAILED, 503, "cannot be written"},
                 {STATUS_FULL, 503, "buffer is full"},
                 {STATUS_TOO_LARGE, 413, "larger than the event log takes"}};
    struct ingest_fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        event_log_memory_fail_append(fixture->log, EVENT_LOG_EVENTS, 1, 1, cases[i].fault);
        expect(state, "POST /", CUSTOM, "{}", cases[i].status, cases[i].part);
    }
    event_log_memory_set_away(fixture->log, true);
    expect(state, "POST /", CUSTOM, "{}", 503, "cannot be written");
    event_log_memory_set_away(fixture->log, false);
    expect(state, "POST /", CUSTOM, "{}", 202, NULL);
}

static void a_refusal_that_passes_says_when_to_come_back(void **state) {
    struct ingest_fixture *fixture = *state;
    char value[16] = "";
    event_log_memory_fail_append(fixture->log, EVENT_LOG_EVENTS, 1, 1, STATUS_UNAVAILABLE);
    struct raw_answer answer = read_answer(send_request(fixture, "POST /", CUSTOM, "{}"));
    assert_int_equal(answer.status, 503);
    assert_true(raw_header(&answer, "Retry-After", value, sizeof value));
    raw_answer_clear(&answer);
}

#define FIRST "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"known\"}"

static void a_batch_is_acknowledged_when_all_of_it_is_stored(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /", BATCH, "[" FIRST "," FIRST "]", 202, NULL);
    event_log_memory_fail_append(fixture->log, EVENT_LOG_EVENTS, 2, 1, STATUS_TIMEOUT);
    expect(state, "POST /", BATCH, "[" FIRST "," FIRST "," FIRST "]", 503, "cannot be written");
}

static void a_batch_with_one_bad_event_stores_nothing(void **state) {
    expect(state, "POST /", BATCH, "[" FIRST ",{\"specversion\":\"1.0\"}]", 400, "index 1");
    expect(state, "POST /", BATCH,
           "[" FIRST ",{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/s\",\"type\":"
           "\"gateway.event.received\"}]",
           400, "event 1");
    expect_stored(state, 0);
}

static void types_of_the_gateway_itself_cannot_be_sent(void **state) {
    static const char forged[] = "{\"cloudEventsVersion\":\"0.1\",\"eventID\":\"1\",\"source\":"
                                 "\"/s\",\"eventType\":\"gateway.event.received\"}";
    expect(state, "POST /", "Event: gateway.event.received\r\n", "", 400, "gateway's own");
    expect(state, "POST /", "Event: eventgateway.any\r\n", "", 400, "gateway's own");
    expect(state, "POST /", STRUCTURED, forged, 400, "gateway's own");
    expect(state, "POST /", CUSTOM, forged, 400, "gateway's own");
    expect(state, "POST /", "Event: invoke\r\nFunction-ID: f\r\nContent-Type: application/json\r\n",
           forged, 400, "gateway's own");
    expect_stored(state, 0);
}

static void a_client_cannot_say_that_an_event_was_handled(void **state) {
    expect(state, "POST /",
           "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\nce-egsync: x\r\n", "",
           400, "reserved");
    expect_stored(state, 0);
}

static void an_event_may_ask_for_delivery_within_seven_days(void **state) {
    static const char later[] = "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\n"
                                "ce-type: t\r\nce-delivernotbefore: %s\r\n";
    static const struct {
        int64_t ahead_s;
        unsigned status;
    } cases[] = {{7 * 86400 - 600, 202}, {7 * 86400 + 600, 400}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char time[TIMESTAMP_TEXT_SIZE];
        char headers[256];
        timestamp_format(clock_wall_us() + cases[i].ahead_s * 1000000, time);
        snprintf(headers, sizeof headers, later, time);
        expect(state, "POST /", headers, "", cases[i].status,
               cases[i].status == 400 ? "event 0: delivernotbefore" : NULL);
    }
    expect_stored(state, 1);
}

static void a_custom_event_is_posted(void **state) {
    expect(state, "PUT /", CUSTOM, "{}", 400, "custom event can be emitted only with POST method");
    expect_stored(state, 0);
}

static void a_request_that_nothing_takes_is_404_and_not_stored(void **state) {
    expect(state, "GET /nothing", "", "", 404, "resource not found");
    expect(state, "POST /sync/a", "", "", 404, "resource not found");
    expect_stored(state, 0);
}

static void a_request_under_an_async_subscription_is_stored(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /async/?q=1", "", "x", 202, NULL);
    const struct event *event = stored_event(fixture, 0);
    assert_true(bytes_equal_text(event->type, "http.request"));
    assert_int_equal(event->context.sync.size, 0);
    event_unref(event);
}

static void unsupported_formats_and_malformed_events_say_what_is_wrong(void **state) {
    expect(state, "POST /", "Content-Type: application/cloudevents+avro\r\n", "x", 415, "avro");
    expect(state, "POST /", STRUCTURED, "{", 400, "{\"errors\":[{\"message\":\"");
    expect(state, "POST /", "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\n", "", 400,
           "type");
    expect(state, "POST /", "Event: known\r\nSpace: a b\r\n", "", 400, "space");
    expect(state, "POST /", "Event: known\r\nSpace: ab\r\n", "", 400, "at least 3");
}

static int hosted_setup(void **state) {
    struct ingest_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->options.hosted_domain = "example.com";
    fixture->options.requires_space = true;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static void expect_space_and_path(void **state, const char *headers, const char *space,
                                  const char *path, size_t index) {
    expect(state, "POST /a", headers, "", 202, NULL);
    const struct event *event = stored_event(*state, index);
    assert_true(bytes_equal_text(event->context.space, space));
    assert_true(bytes_equal_text(event->context.path, path));
    event_unref(event);
}

static void the_host_under_the_hosted_domain_names_the_space(void **state) {
    expect_space_and_path(state, "Host: team1.example.com:4000\r\nEvent: e\r\n", "team1",
                          "/team1/a", 0);
    expect_space_and_path(state, "Host: team1.EXAMPLE.com\r\nSpace: other\r\nEvent: e\r\n", "team1",
                          "/team1/a", 1);
    expect_space_and_path(state, "Host: elsewhere.org\r\nSpace: other\r\nEvent: e\r\n", "other",
                          "/a", 2);
}

static void an_event_without_a_space_is_refused_where_one_is_required(void **state) {
    expect(state, "POST /", "Host: example.com\r\nEvent: e\r\n", "", 400, "no space");
    expect(state, "POST /", "Host: badexample.com\r\nEvent: e\r\n", "", 400, "no space");
    expect(state, "POST /", "Host: x!y.example.com\r\nEvent: e\r\n", "", 400, "space");
}

static int registered_setup(void **state) {
    struct ingest_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->options.requires_registered_types = true;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static void only_registered_types_pass_where_that_is_required(void **state) {
    expect(state, "POST /", "Event: unknown\r\n", "", 400, "Event Type \\\"unknown\\\" not found.");
    expect(state, "POST /", CUSTOM, "{}", 202, NULL);
    expect(state, "POST /async", "", "", 202, NULL);
    expect(state, "POST /", "Event: invoke\r\nFunction-ID: f\r\n", "", 200, "{}");
}

static int narrow_setup(void **state) {
    struct ingest_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->options.inside_max_requests = 1;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static void more_requests_than_may_be_inside_are_refused(void **state) {
    struct ingest_fixture *fixture = *state;
    event_log_memory_hold_appends(fixture->log, true);
    int fd = send_request(fixture, "POST /", CUSTOM, "{}");
    recorder_await_received(&fixture->recorder, 1);
    expect(state, "POST /", CUSTOM, "{}", 503, "too many requests inside");
    event_log_memory_hold_appends(fixture->log, false);
    check_answer(read_answer(fd), "POST /", 202, NULL);
    expect(state, "POST /", CUSTOM, "{}", 202, NULL);
}

// Two in five minutes: no machine is so slow that the second could pass.
static int limited_setup(void **state) {
    struct ingest_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->options.rates = rates_create(1);
    fixture->options.space_events_per_second = 1.0 / 150;
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

static void assert_comes_back_in(struct raw_answer answer, int least_s, int most_s) {
    char value[16] = "";
    assert_int_equal(answer.status, 429);
    assert_non_null(strstr(answer.body.data, "the space \\\"team1\\\" sends more than"));
    assert_true(raw_header(&answer, "Retry-After", value, sizeof value));
    assert_in_range(strtol(value, NULL, 10), least_s, most_s);
    raw_answer_clear(&answer);
}

static void a_space_that_sends_too_much_is_told_when_to_come_back(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /", CUSTOM "Space: team1\r\n", "{}", 202, NULL);
    for (int i = 0; i < 3; i++) {
        assert_comes_back_in(
            read_answer(send_request(fixture, "POST /", CUSTOM "Space: team1\r\n", "{}")), 1, 150);
    }
    // The others are none of its business, and made-up ones have one part together.
    expect(state, "POST /", CUSTOM "Space: made-up-1\r\n", "{}", 202, NULL);
    expect(state, "POST /", CUSTOM "Space: made-up-2\r\n", "{}", 429,
           "with all others that nothing");
    expect(state, "POST /", CUSTOM "Space: team2\r\n", "{}", 202, NULL);
    expect(state, "POST /", CUSTOM, "{}", 202, NULL);
    expect(state, "POST /", CUSTOM "Space: default\r\n", "{}", 429, "the space");
    // Nothing of what was refused is stored.
    expect(state, "POST /", "Event: end.of.test\r\nSpace: team3\r\n", "", 202, NULL);
    const struct event *last = stored_event(fixture, 4);
    assert_true(bytes_equal_text(last->type, "end.of.test"));
    event_unref(last);
}

static void each_event_of_a_batch_counts(void **state) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /", BATCH "Space: team1\r\n", "[" FIRST "," FIRST "," FIRST "]", 202, NULL);
    assert_comes_back_in(
        read_answer(send_request(fixture, "POST /", CUSTOM "Space: team1\r\n", "{}")), 301, 450);
}

// Else anybody could use up the part of a space.
static void what_authorizers_refuse_does_not_count(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "{\"error\":{\"message\":\"not today\"}}";
    expect(state, "POST /", "Event: guarded\r\n", "", 403, "not today");
    expect(state, "POST /", "Event: guarded\r\n", "", 403, "not today");
    fixture->function_answer = "{\"authorization\":{\"principalId\":\"ada\"}}";
    expect(state, "POST /", "Event: guarded\r\n", "", 202, NULL);
    expect(state, "POST /", "Event: guarded\r\n", "", 429, "sends more than");
}

static void close_door(void *context) {
    struct ingest_fixture *fixture = context;
    ingest_close_door(fixture->ingest);
}

static void a_draining_gateway_answers_what_is_inside_and_refuses_the_rest(void **state) {
    struct ingest_fixture *fixture = *state;
    event_log_memory_hold_appends(fixture->log, true);
    int fd = send_request(fixture, "POST /", CUSTOM, "{}");
    recorder_await_received(&fixture->recorder, 1);
    event_loop_call(fixture->loop, close_door, fixture);
    expect(state, "POST /", CUSTOM, "{}", 503, "shutting down");
    event_log_memory_hold_appends(fixture->log, false);
    check_answer(read_answer(fd), "POST /", 202, NULL);
}

static void a_client_that_leaves_harms_nobody(void **state) {
    struct ingest_fixture *fixture = *state;
    event_log_memory_hold_appends(fixture->log, true);
    int fd = send_request(fixture, "POST /", CUSTOM, "{}");
    recorder_await_received(&fixture->recorder, 1);
    close(fd);
    event_log_memory_hold_appends(fixture->log, false);
    expect(state, "POST /", CUSTOM, "{}", 202, NULL);
}

static int gathering_setup(void **state) {
    struct ingest_fixture *fixture = memory_allocate(sizeof *fixture);
    *state = fixture;
    fixture->gather_us = 20000;
    fixture_start(fixture);
    return 0;
}

static void events_are_gathered_when_the_log_advises_it(void **state) {
    struct ingest_fixture *fixture = *state;
    int fds[3];
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        fds[i] = send_request(fixture, "POST /", CUSTOM, "{}");
    }
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        check_answer(read_answer(fds[i]), "POST /", 202, NULL);
    }
    recorder_await_received(&fixture->recorder, 3);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(an_event_is_acknowledged_with_its_id_and_stored_as_it_came),
        FIXTURE_TEST(the_answer_waits_until_the_log_has_confirmed),
        FIXTURE_TEST(what_the_log_did_not_confirm_is_never_acknowledged),
        FIXTURE_TEST(a_refusal_that_passes_says_when_to_come_back),
        FIXTURE_TEST(a_batch_is_acknowledged_when_all_of_it_is_stored),
        FIXTURE_TEST(a_batch_with_one_bad_event_stores_nothing),
        FIXTURE_TEST(types_of_the_gateway_itself_cannot_be_sent),
        FIXTURE_TEST(a_client_cannot_say_that_an_event_was_handled),
        FIXTURE_TEST(an_event_may_ask_for_delivery_within_seven_days),
        FIXTURE_TEST(a_custom_event_is_posted),
        FIXTURE_TEST(a_request_that_nothing_takes_is_404_and_not_stored),
        FIXTURE_TEST(a_request_under_an_async_subscription_is_stored),
        FIXTURE_TEST(unsupported_formats_and_malformed_events_say_what_is_wrong),
        WITH(hosted_setup, the_host_under_the_hosted_domain_names_the_space),
        WITH(hosted_setup, an_event_without_a_space_is_refused_where_one_is_required),
        WITH(registered_setup, only_registered_types_pass_where_that_is_required),
        WITH(narrow_setup, more_requests_than_may_be_inside_are_refused),
        WITH(limited_setup, a_space_that_sends_too_much_is_told_when_to_come_back),
        WITH(limited_setup, each_event_of_a_batch_counts),
        WITH(limited_setup, what_authorizers_refuse_does_not_count),
        FIXTURE_TEST(a_draining_gateway_answers_what_is_inside_and_refuses_the_rest),
        FIXTURE_TEST(a_client_that_leaves_harms_nobody),
        WITH(gathering_setup, events_are_gathered_when_the_log_advises_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
