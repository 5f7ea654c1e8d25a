#include "ingest/function_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct invocation_result success(const char *body) {
    return (struct invocation_result){.outcome = INVOCATION_SUCCEEDED,
                                      .status = 200,
                                      .is_function_answer = true,
                                      .content_type = BYTES("text/x-answer"),
                                      .body = bytes_of_text(body),
                                      .error_text = ""};
}

static void expect_text(const struct function_answer *answer, unsigned status, const char *text) {
    assert_int_equal(answer->response.status, status);
    assert_true(bytes_equal_text(answer->response.body, text));
}

static void the_answer_of_an_invoke_is_the_body_as_it_is(void **state) {
    (void)state;
    struct function_answer answer;
    struct invocation_result result = success("any bytes");
    function_answer_of_invoke(&result, &answer);
    expect_text(&answer, 200, "any bytes");
    assert_string_equal(answer.response.content_type, "text/x-answer");
    function_answer_clear(&answer);
}

static void a_function_that_answers_4xx_is_heard_by_an_invoke(void **state) {
    (void)state;
    struct function_answer answer;
    struct invocation_result result = success("not found");
    result.outcome = INVOCATION_FAILED;
    result.status = 404;
    function_answer_of_invoke(&result, &answer);
    expect_text(&answer, 200, "not found");
    function_answer_clear(&answer);
}

static void a_failed_call_is_a_500_that_keeps_the_reason_to_itself(void **state) {
    (void)state;
    static const enum invocation_outcome failures[] = {INVOCATION_TIMED_OUT, INVOCATION_UNREACHABLE,
                                                       INVOCATION_CANCELLED};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        struct function_answer answer;
        struct invocation_result result = {.outcome = failures[i],
                                           .error_text = "connect to 10.0.0.1 failed"};
        function_answer_of_subscription(&result, &answer);
        expect_text(&answer, 500, "Function call failed. Please check logs.");
        function_answer_clear(&answer);
    }
}

static void a_function_error_of_5xx_is_a_failed_call(void **state) {
    (void)state;
    struct function_answer answer;
    struct invocation_result result = success("stack trace");
    result.outcome = INVOCATION_FAILED;
    result.status = 500;
    function_answer_of_invoke(&result, &answer);
    expect_text(&answer, 500, "Function call failed. Please check logs.");
    function_answer_clear(&answer);
}

static void denied_access_says_what_to_do(void **state) {
    (void)state;
    struct function_answer answer;
    struct invocation_result result = {.outcome = INVOCATION_FORBIDDEN,
                                       .status = 403,
                                       .error_text = "access denied: check the keys"};
    function_answer_of_subscription(&result, &answer);
    expect_text(&answer, 500, "access denied: check the keys");
    function_answer_clear(&answer);
}

static void a_refused_target_is_not_shown_to_the_caller(void **state) {
    (void)state;
    struct function_answer answer;
    struct invocation_result result = {.outcome = INVOCATION_FORBIDDEN,
                                       .error_text = "10.0.0.1 is not allowed"};
    function_answer_of_subscription(&result, &answer);
    expect_text(&answer, 500, "Function call failed. Please check logs.");
    function_answer_clear(&answer);
}

static void a_response_object_becomes_the_response(void **state) {
    (void)state;
    struct function_answer answer;
    struct invocation_result result = success("{\"statusCode\":201,\"headers\":{\"X-A\":\"1\","
                                              "\"content-length\":\"99\"},\"body\":\"hi\"}");
    function_answer_of_subscription(&result, &answer);
    expect_text(&answer, 201, "hi");
    assert_int_equal(answer.response.header_count, 1);
    assert_true(bytes_equal_text(answer.response.headers[0].name, "X-A"));
    function_answer_clear(&answer);
}

static void a_body_may_be_an_object_or_base64(void **state) {
    (void)state;
    struct function_answer answer;
    struct invocation_result object = success("{\"body\":{\"a\":[1,2]}}");
    function_answer_of_subscription(&object, &answer);
    expect_text(&answer, 200, "{\"a\":[1,2]}");
    assert_string_equal(answer.response.content_type, "application/json");
    function_answer_clear(&answer);
    struct invocation_result typed =
        success("{\"body\":[1],\"headers\":{\"content-type\":\"application/x\"}}");
    function_answer_of_subscription(&typed, &answer);
    expect_text(&answer, 200, "[1]");
    assert_null(answer.response.content_type);
    function_answer_clear(&answer);
    struct invocation_result base64 = success("{\"body\":\"aGk=\",\"isBase64Encoded\":true}");
    function_answer_of_subscription(&base64, &answer);
    expect_text(&answer, 200, "hi");
    function_answer_clear(&answer);
}

static void what_is_no_response_object_is_malformed(void **state) {
    (void)state;
    static const char *const malformed[] = {
        "",
        "not json",
        "[1]",
        "\"text\"",
        "{\"statusCode\":\"200\"}",
        "{\"statusCode\":99}",
        "{\"statusCode\":1000}",
        "{\"headers\":[]}",
        "{\"headers\":{\"a\":1}}",
        "{\"headers\":{\"a\":\"x\\r\\nSet-Cookie: y\"}}",
        "{\"headers\":{\"a\\nb\":\"x\"}}",
        "{\"headers\":{\"Transfer-Encoding: chunked, a\":\"x\"}}",
        "{\"headers\":{\"a b\":\"x\"}}",
        "{\"headers\":{\"a\":\"x\\u0000y\"}}",
        "{\"body\":\"%%\",\"isBase64Encoded\":true}",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        struct function_answer answer;
        struct invocation_result result = success(malformed[i]);
        function_answer_of_subscription(&result, &answer);
        expect_text(&answer, 500, "HTTP response object malformed");
        assert_int_equal(answer.response.header_count, 0);
        function_answer_clear(&answer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_of_an_invoke_is_the_body_as_it_is),
        cmocka_unit_test(a_function_that_answers_4xx_is_heard_by_an_invoke),
        cmocka_unit_test(a_failed_call_is_a_500_that_keeps_the_reason_to_itself),
        cmocka_unit_test(a_function_error_of_5xx_is_a_failed_call),
        cmocka_unit_test(denied_access_says_what_to_do),
        cmocka_unit_test(a_refused_target_is_not_shown_to_the_caller),
        cmocka_unit_test(a_response_object_becomes_the_response),
        cmocka_unit_test(a_body_may_be_an_object_or_base64),
        cmocka_unit_test(what_is_no_response_object_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
