#include "core/functions/invoker.h"
#include "core/functions/provider_call.h"

#include "functions_test.h"

static void a_function_gets_the_event_as_a_post_and_its_answer_comes_back(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/in?a=b\"}", NULL);
    fixture.stub.answer = BYTES("{\"done\":true}");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_int_equal(fixture.result.status, 200);
    assert_true(fixture.result.is_function_answer);
    assert_int_equal(fixture.result.retry_after_ms, -1);
    assert_string_equal(fixture.error_text, "");
    assert_string_equal(fixture.content_type, "application/json");
    assert_string_equal(fixture.result_body.data, "{\"done\":true}");
    assert_memory_equal(fixture.stub.head.data, "POST /in?a=b\n", 13);
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/cloudevents+json");
    assert_string_equal(fixture_header(&fixture, "User-Agent"),
                        "event-gateway/" EVENT_GATEWAY_VERSION);
    assert_body_json(
        &fixture, "{\"specversion\":\"1.0\",\"id\":\"id-1\",\"source\":\"/shop\",\"type\":\"order."
                  "placed\",\"datacontenttype\":\"application/json\",\"data\":{\"amount\":7}}");
    fixture_close(&fixture);
}

static void the_functions_format_goes_before_the_default(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}",
                "cloudevents-binary/1.0");
    fixture_call(&fixture, "f");
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/json");
    assert_string_equal(fixture_header(&fixture, "ce-id"), "id-1");
    assert_string_equal(fixture.stub.body.data, "{\"amount\":7}");
    fixture_close(&fixture);
}

static void the_callers_headers_and_event_type_go_along(void **state) {
    (void)state;
    static const struct http_header headers[] = {
        {BYTES("Event-Gateway-Attempt"), BYTES("3")},
        {BYTES("traceparent"), BYTES("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
    };
    struct invocation_options options = {.headers = headers,
                                         .header_count = ARRAY_LENGTH(headers),
                                         .event_type = BYTES("gateway.event.received")};
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    fixture_call_with(&fixture, "f", &options);
    assert_string_equal(fixture_header(&fixture, "Event-Gateway-Attempt"), "3");
    assert_string_equal(fixture_header(&fixture, "traceparent"),
                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_non_null(strstr(fixture.stub.body.data, "\"type\":\"gateway.event.received\""));
    fixture_close(&fixture);
}

static void a_payload_is_sent_as_it_is(void **state) {
    (void)state;
    struct invocation_options options = {.payload = BYTES("{\"event\":1}")};
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    fixture_call_with(&fixture, "f", &options);
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/json");
    assert_string_equal(fixture.stub.body.data, "{\"event\":1}");
    fixture_close(&fixture);
}

static void a_status_beyond_2xx_is_a_failure_that_the_function_answered(void **state) {
    (void)state;
    static const unsigned statuses[] = {400, 404, 500};
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        fixture.stub.status = statuses[i];
        fixture_call(&fixture, "f");
        assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
        assert_int_equal(fixture.result.status, statuses[i]);
        assert_true(fixture.result.is_function_answer);
        assert_false(fixture.result.is_throttled);
    }
    assert_string_equal(fixture.error_text, "answered with status 500");
    fixture_close(&fixture);
}

static void a_redirect_is_a_failure_and_not_followed(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    fixture.stub.status = 302;
    fixture.stub.headers[0] = (struct http_header){BYTES("Location"), BYTES("/elsewhere")};
    fixture.stub.header_count = 1;
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_int_equal(fixture.result.status, 302);
    assert_false(fixture.result.is_function_answer);
    assert_int_equal(fixture.stub.requests, 1);
    fixture_close(&fixture);
}

static void too_many_requests_and_unavailable_are_throttling_with_retry_after(void **state) {
    (void)state;
    static const unsigned statuses[] = {429, 503};
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    fixture.stub.headers[0] = (struct http_header){BYTES("Retry-After"), BYTES("12")};
    fixture.stub.header_count = 1;
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        fixture.stub.status = statuses[i];
        fixture_call(&fixture, "f");
        assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
        assert_true(fixture.result.is_throttled);
        assert_int_equal(fixture.result.retry_after_ms, 12000);
    }
    fixture_close(&fixture);
}

static void an_unknown_function_is_reported_later_and_by_name(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_call(&fixture, "ghost");
    assert_int_equal(fixture.result.outcome, INVOCATION_NO_FUNCTION);
    assert_string_equal(fixture.error_text, "Function \"ghost\" not found.");
    fixture_close(&fixture);
}

static void a_provider_that_is_not_there_is_reported(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "abacus", "{}", NULL);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_string_equal(fixture.error_text, "provider abacus not supported");
    fixture_close(&fixture);
}

static void an_address_that_is_not_allowed_is_forbidden_and_no_url_is_told(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open_with(&fixture, "", NULL);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/?token=geheim\"}", NULL);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FORBIDDEN);
    assert_int_equal(fixture.result.status, 0);
    assert_null(strstr(fixture.error_text, "geheim"));
    assert_int_equal(fixture.stub.requests, 0);
    fixture_close(&fixture);
}

static void a_closed_port_is_unreachable(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    // Nobody can listen on port 1 without being root, and nobody does.
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:1/?token=geheim\"}", NULL);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_UNREACHABLE);
    assert_null(strstr(fixture.error_text, "geheim"));
    assert_false(fixture.result.is_function_answer);
    fixture_close(&fixture);
}

static void the_functions_own_deadline_holds_when_it_is_shorter(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\",\"timeoutMs\":30}",
                NULL);
    fixture.stub.is_silent = true;
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_TIMED_OUT);
    fixture_close(&fixture);
}

static void the_callers_deadline_holds_when_it_is_shorter(void **state) {
    (void)state;
    struct invocation_options options = {.timeout_ms = 30};
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\",\"timeoutMs\":60000}",
                NULL);
    fixture.stub.is_silent = true;
    fixture_call_with(&fixture, "f", &options);
    assert_int_equal(fixture.result.outcome, INVOCATION_TIMED_OUT);
    fixture_close(&fixture);
}

static void an_answer_beyond_the_limit_is_a_failure(void **state) {
    (void)state;
    struct fixture fixture;
    size_t size = (size_t)6 * 1024 * 1024 + 1;
    char *large = memory_allocate(size);
    memset(large, 'x', size);
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    fixture.stub.answer = (struct bytes){large, size};
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_false(fixture.result.is_function_answer);
    fixture_close(&fixture);
    free(large);
}

static void a_changed_function_is_prepared_anew(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/old\"}", NULL);
    fixture_call(&fixture, "f");
    assert_memory_equal(fixture.stub.head.data, "POST /old\n", 10);
    fixture_change(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/new\"}", NULL);
    fixture_call(&fixture, "f");
    assert_memory_equal(fixture.stub.head.data, "POST /new\n", 10);
    fixture_close(&fixture);
}

static void a_cancelled_call_is_reported_once_as_cancelled(void **state) {
    (void)state;
    struct fixture fixture;
    const struct event *event = fixture_event();
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    const char *const ids[] = {"f", "ghost"};
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        struct invocation_options options = {
            .snapshot = fixture_snapshot(&fixture),
            .space = BYTES("default"),
            .function_id = bytes_of_text(ids[i]),
            .event = event,
            .timeout_ms = 60000,
        };
        struct invocation *invocation =
            invoker_invoke(fixture.invoker, &options, fixture_report, &fixture);
        invocation_cancel(invocation);
        invocation_cancel(invocation);
        assert_int_equal(fixture.reports, i);
        event_loop_run(fixture.loop);
        assert_int_equal(fixture.reports, i + 1);
        assert_int_equal(fixture.result.outcome, INVOCATION_CANCELLED);
    }
    event_unref(event);
    fixture_close(&fixture);
}

static void the_end_of_the_invoker_reports_every_call(void **state) {
    (void)state;
    struct fixture fixture;
    const struct event *event = fixture_event();
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    const char *const ids[] = {"f", "ghost", "f"};
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        struct invocation_options options = {
            .snapshot = fixture_snapshot(&fixture),
            .space = BYTES("default"),
            .function_id = bytes_of_text(ids[i]),
            .event = event,
            .timeout_ms = 60000,
        };
        (void)invoker_invoke(fixture.invoker, &options, fixture_report, &fixture);
    }
    event_unref(event);
    assert_int_equal(invoker_calls_inside(fixture.invoker), 3);
    invoker_destroy(fixture.invoker);
    fixture.invoker = NULL;
    assert_int_equal(fixture.reports, 3);
    fixture_close(&fixture);
}

static void retry_after_is_seconds_or_a_date_and_a_day_at_the_most(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "http", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    fixture.stub.status = 503;
    fixture.stub.header_count = 1;
    static const struct {
        const char *text;
        int64_t wait_ms;
    } cases[] = {
        {"0", 0},
        {" 7 ", 7000},
        {"86401", 86400000},
        {"99999999999999999999999999", 86400000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 86400000},
        {"Fri, 31 Foo 9999 23:59:59 GMT", -1},
        {"Fri, 99 Dec 9999 23:59:59 GMT", -1},
        {"soon", -1},
        {"-1", -1},
        {"1.5", -1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        fixture.stub.headers[0] =
            (struct http_header){BYTES("Retry-After"), bytes_of_text(cases[i].text)};
        fixture_call(&fixture, "f");
        if (fixture.result.retry_after_ms != cases[i].wait_ms) {
            fail_msg("%s: %lld", cases[i].text, (long long)fixture.result.retry_after_ms);
        }
    }
    fixture_close(&fixture);
}

static void every_outcome_has_its_own_name(void **state) {
    (void)state;
    for (int i = 0; i <= INVOCATION_CANCELLED; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(invocation_outcome_name((enum invocation_outcome)i),
                                    invocation_outcome_name((enum invocation_outcome)j));
        }
    }
}

static void nobody_is_asked_again_before_the_date(void **state) {
    (void)state;
    const struct bytes date = BYTES("Thu, 26 Nov 2026 00:00:00 GMT");
    const int64_t date_us = INT64_C(1795651200000000);
    assert_int_equal(retry_after_parse(date, date_us - 1500), 2);
    assert_int_equal(retry_after_parse(date, date_us - 1), 1);
    assert_int_equal(retry_after_parse(date, date_us), 0);
    assert_int_equal(retry_after_parse(date, date_us + 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_gets_the_event_as_a_post_and_its_answer_comes_back),
        cmocka_unit_test(the_functions_format_goes_before_the_default),
        cmocka_unit_test(the_callers_headers_and_event_type_go_along),
        cmocka_unit_test(a_payload_is_sent_as_it_is),
        cmocka_unit_test(a_status_beyond_2xx_is_a_failure_that_the_function_answered),
        cmocka_unit_test(a_redirect_is_a_failure_and_not_followed),
        cmocka_unit_test(too_many_requests_and_unavailable_are_throttling_with_retry_after),
        cmocka_unit_test(an_unknown_function_is_reported_later_and_by_name),
        cmocka_unit_test(a_provider_that_is_not_there_is_reported),
        cmocka_unit_test(an_address_that_is_not_allowed_is_forbidden_and_no_url_is_told),
        cmocka_unit_test(a_closed_port_is_unreachable),
        cmocka_unit_test(the_functions_own_deadline_holds_when_it_is_shorter),
        cmocka_unit_test(the_callers_deadline_holds_when_it_is_shorter),
        cmocka_unit_test(an_answer_beyond_the_limit_is_a_failure),
        cmocka_unit_test(a_changed_function_is_prepared_anew),
        cmocka_unit_test(a_cancelled_call_is_reported_once_as_cancelled),
        cmocka_unit_test(the_end_of_the_invoker_reports_every_call),
        cmocka_unit_test(retry_after_is_seconds_or_a_date_and_a_day_at_the_most),
        cmocka_unit_test(nobody_is_asked_again_before_the_date),
        cmocka_unit_test(every_outcome_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
