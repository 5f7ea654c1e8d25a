#include "functions_test.h"

#include "core/base/clock.h"
#include "core/base/text.h"

#include "google_key.h"

// The stub is Google's token endpoint and the function at once: a function may answer anything.
static void answer_token(struct fixture *fixture, struct buffer *storage, int64_t seconds) {
    struct buffer claims = {0};
    int64_t expires_s = clock_wall_us() / 1000000 + seconds;
    buffer_append_format(&claims, "{\"exp\":%lld}", (long long)expires_s);
    buffer_reset(storage);
    buffer_append_text(storage, "{\"id_token\":\"e30.");
    base64url_encode(buffer_bytes(&claims), storage);
    buffer_append_text(storage, ".c2ln\"}");
    fixture->stub.status = 200;
    fixture->stub.answer = buffer_bytes(storage);
    buffer_clear(&claims);
}

static void put_function(struct fixture *fixture, const char *id) {
    EVP_PKEY *key = EVP_RSA_gen(2048);
    struct buffer account = {0};
    struct buffer provider = {0};
    google_key_write(key, "http://127.0.0.1:PORT/token", &account);
    buffer_append_text(&provider, "{\"url\":\"http://127.0.0.1:PORT/f?a=1\",\"serviceAccount\":");
    json_append_string(buffer_bytes(&account), &provider);
    buffer_append_byte(&provider, '}');
    fixture_put(fixture, id, "gcf", provider.data, NULL);
    EVP_PKEY_free(key);
    buffer_clear(&account);
    buffer_clear(&provider);
}

static void a_public_function_is_called_without_a_token(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "gcf", "{\"url\":\"http://127.0.0.1:PORT/f\"}", NULL);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_string_equal(fixture_header(&fixture, "Authorization"), "");
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/cloudevents+json");
    assert_int_equal(fixture.stub.requests, 1);
    fixture_close(&fixture);
}

static void a_token_is_fetched_once_and_sent_with_each_call(void **state) {
    (void)state;
    struct fixture fixture;
    struct buffer token = {0};
    fixture_open(&fixture);
    put_function(&fixture, "f");
    answer_token(&fixture, &token, 3600);
    for (size_t i = 0; i < 3; i++) {
        fixture_call(&fixture, "f");
        assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
        assert_memory_equal(fixture.stub.head.data, "POST /f?a=1\n", 12);
        assert_memory_equal(fixture_header(&fixture, "Authorization"), "Bearer e30.", 11);
        assert_int_equal(fixture.stub.requests, i + 2);
    }
    buffer_clear(&token);
    fixture_close(&fixture);
}

static void a_token_that_is_about_to_end_is_fetched_anew(void **state) {
    (void)state;
    struct fixture fixture;
    struct buffer token = {0};
    fixture_open(&fixture);
    put_function(&fixture, "f");
    answer_token(&fixture, &token, 200);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.stub.requests, 2);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.stub.requests, 4);
    // When Google is away, what is still good goes on.
    fixture.stub.answer = BYTES("{\"error\":\"internal_failure\"}");
    fixture.stub.status = 500;
    fixture_call(&fixture, "f");
    assert_memory_equal(fixture.stub.head.data, "POST /f?a=1\n", 12);
    buffer_clear(&token);
    fixture_close(&fixture);
}

static void only_one_call_renews_a_token_that_still_holds(void **state) {
    (void)state;
    struct fixture fixture;
    struct buffer token = {0};
    fixture_open(&fixture);
    put_function(&fixture, "f");
    answer_token(&fixture, &token, 200);
    fixture_call(&fixture, "f");
    const struct event *event = fixture_event();
    struct invocation_options options = {.snapshot = fixture_snapshot(&fixture),
                                         .space = BYTES("default"),
                                         .function_id = BYTES("f"),
                                         .event = event,
                                         .timeout_ms = 60000};
    for (size_t i = 0; i < 5; i++) {
        (void)invoker_invoke(fixture.invoker, &options, fixture_report, &fixture);
    }
    event_unref(event);
    while (fixture.reports < 6) {
        event_loop_run(fixture.loop);
        assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    }
    assert_int_equal(fixture.stub.requests, 2 + 5 + 1);
    buffer_clear(&token);
    fixture_close(&fixture);
}

static void without_a_token_nothing_is_called(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    put_function(&fixture, "f");
    fixture.stub.status = 400;
    fixture.stub.answer =
        BYTES("{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FORBIDDEN);
    assert_int_equal(fixture.result.status, 403);
    assert_non_null(strstr(fixture.error_text, "(invalid_grant: Invalid JWT Signature.)"));
    fixture.stub.status = 503;
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_int_equal(fixture.result.status, 503);
    assert_false(fixture.result.is_function_answer);
    fixture_answer(&fixture, 200, "{}");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_int_equal(fixture.result.status, 0);
    assert_string_equal(fixture.error_text,
                        "Google gives no token for the service account: no id_token");
    assert_int_equal(fixture.stub.requests, 3);
    assert_memory_equal(fixture.stub.head.data, "POST /token\n", 12);
    fixture_close(&fixture);
}

static void a_call_is_cancelled_while_its_token_is_fetched(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    put_function(&fixture, "f");
    const struct event *event = fixture_event();
    struct invocation_options options = {.snapshot = fixture_snapshot(&fixture),
                                         .space = BYTES("default"),
                                         .function_id = BYTES("f"),
                                         .event = event,
                                         .timeout_ms = 60000};
    struct invocation *invocation =
        invoker_invoke(fixture.invoker, &options, fixture_report, &fixture);
    event_unref(event);
    invocation_cancel(invocation);
    event_loop_run(fixture.loop);
    assert_int_equal(fixture.result.outcome, INVOCATION_CANCELLED);
    assert_int_equal(invoker_calls_inside(fixture.invoker), 0);
    fixture_close(&fixture);
}

static void the_deadline_holds_for_the_token_too(void **state) {
    (void)state;
    struct invocation_options options = {.timeout_ms = 50};
    struct fixture fixture;
    fixture_open(&fixture);
    put_function(&fixture, "f");
    fixture.stub.is_silent = true;
    fixture_call_with(&fixture, "f", &options);
    assert_int_equal(fixture.result.outcome, INVOCATION_TIMED_OUT);
    fixture_close(&fixture);
}

static void googles_refusal_is_told_from_a_functions_own(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "gcf", "{\"url\":\"http://127.0.0.1:PORT/f\"}", NULL);
    fixture.stub.status = 403;
    fixture_call(&fixture, "f");
    assert_true(fixture.result.is_function_answer);
    fixture.stub.headers[0] = (struct http_header){BYTES("WWW-Authenticate"),
                                                   BYTES("Bearer error=\"insufficient_scope\"")};
    fixture.stub.header_count = 1;
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FORBIDDEN);
    assert_non_null(strstr(fixture.error_text, "grant it the role of an invoker"));
    fixture.stub.status = 401;
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FORBIDDEN);
    assert_int_equal(fixture.result.status, 403);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_public_function_is_called_without_a_token),
        cmocka_unit_test(a_token_is_fetched_once_and_sent_with_each_call),
        cmocka_unit_test(a_token_that_is_about_to_end_is_fetched_anew),
        cmocka_unit_test(only_one_call_renews_a_token_that_still_holds),
        cmocka_unit_test(without_a_token_nothing_is_called),
        cmocka_unit_test(a_call_is_cancelled_while_its_token_is_fetched),
        cmocka_unit_test(the_deadline_holds_for_the_token_too),
        cmocka_unit_test(googles_refusal_is_told_from_a_functions_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
