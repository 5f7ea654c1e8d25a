#include "functions_test.h"

#define LOGIC_APP                                                                                  \
    "{\"url\":\"http://127.0.0.1:PORT/workflows/1/triggers/manual/paths/invoke"                    \
    "?api-version=2016-10-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=a-_b%2Bc\"}"

static void a_function_gets_the_event_with_its_key(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "azurefunction",
                "{\"url\":\"http://127.0.0.1:PORT/api/f?a=%2F\",\"key\":\"k==\"}", NULL);
    fixture_put(&fixture, "g", "azurefunction", "{\"url\":\"http://127.0.0.1:PORT/api/g\"}",
                "cloudevents-binary/1.0");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_memory_equal(fixture.stub.head.data, "POST /api/f?a=%2F\n", 18);
    assert_string_equal(fixture_header(&fixture, "x-functions-key"), "k==");
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/cloudevents+json");
    fixture_call(&fixture, "g");
    assert_string_equal(fixture_header(&fixture, "x-functions-key"), "");
    assert_string_equal(fixture_header(&fixture, "ce-id"), "id-1");
    assert_string_equal(fixture.stub.body.data, "{\"amount\":7}");
    fixture_close(&fixture);
}

static void the_callers_headers_reach_azure(void **state) {
    (void)state;
    static const struct http_header headers[] = {
        {BYTES("Event-Gateway-Attempt"), BYTES("2")},
        {BYTES("traceparent"), BYTES("00-1-2-03")},
    };
    struct invocation_options options = {.headers = headers, .header_count = 2};
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "azurefunction", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    fixture_put(&fixture, "l", "azurelogicapp", LOGIC_APP, NULL);
    fixture_call_with(&fixture, "f", &options);
    assert_string_equal(fixture_header(&fixture, "Event-Gateway-Attempt"), "2");
    fixture_call_with(&fixture, "l", &options);
    assert_string_equal(fixture_header(&fixture, "traceparent"), "00-1-2-03");
    fixture_close(&fixture);
}

static void what_lacks_its_address_is_not_called(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "azurefunction", "{\"app\":\"a\"}", NULL);
    fixture_put(&fixture, "l", "azurelogicapp", "{}", NULL);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_string_equal(
        fixture.error_text,
        "Missing required fields for Azure function: either url, or app and function.");
    fixture_call(&fixture, "l");
    assert_string_equal(fixture.error_text, "provider.url: is missing");
    assert_int_equal(fixture.stub.requests, 0);
    fixture_close(&fixture);
}

static void a_key_that_the_host_refuses_is_told_from_a_function_that_says_401(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "azurefunction", "{\"url\":\"http://127.0.0.1:PORT/\"}", NULL);
    fixture_answer(&fixture, 401, "");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FORBIDDEN);
    assert_int_equal(fixture.result.status, 403);
    assert_false(fixture.result.is_function_answer);
    assert_non_null(strstr(fixture.error_text, "Please provide a valid key."));
    fixture_answer(&fixture, 401, "{\"who\":\"are you\"}");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_int_equal(fixture.result.status, 401);
    assert_true(fixture.result.is_function_answer);
    fixture_close(&fixture);
}

static void a_signed_url_is_used_as_it_is(void **state) {
    (void)state;
    static const char line[] = "POST /workflows/1/triggers/manual/paths/invoke"
                               "?api-version=2016-10-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0"
                               "&sig=a-_b%2Bc\n";
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "l", "azurelogicapp", LOGIC_APP, NULL);
    fixture_answer(&fixture, 202, "");
    fixture_call(&fixture, "l");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_memory_equal(fixture.stub.head.data, line, sizeof line - 1);
    fixture_close(&fixture);
}

static void errors_of_logic_apps_are_told_from_a_workflows_answers(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "l", "azurelogicapp", LOGIC_APP, NULL);
    fixture_answer(&fixture, 401,
                   "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}");
    fixture_call(&fixture, "l");
    assert_int_equal(fixture.result.outcome, INVOCATION_FORBIDDEN);
    assert_null(strstr(fixture.error_text, "sig="));
    fixture_answer(&fixture, 404,
                   "{\"error\":{\"code\":\"WorkflowNotFound\",\"message\":\"gone\"}}");
    fixture_call(&fixture, "l");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_int_equal(fixture.result.status, 404);
    assert_false(fixture.result.is_function_answer);
    assert_string_equal(fixture.error_text,
                        "Logic Apps answered with status 404: WorkflowNotFound: gone");
    fixture_answer(&fixture, 409, "{\"taken\":true}");
    fixture_call(&fixture, "l");
    assert_true(fixture.result.is_function_answer);
    fixture_answer(&fixture, 429,
                   "{\"error\":{\"code\":\"WorkflowTriggerThrottled\",\"message\":\"x\"}}");
    fixture_call(&fixture, "l");
    assert_true(fixture.result.is_throttled);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_gets_the_event_with_its_key),
        cmocka_unit_test(the_callers_headers_reach_azure),
        cmocka_unit_test(what_lacks_its_address_is_not_called),
        cmocka_unit_test(a_key_that_the_host_refuses_is_told_from_a_function_that_says_401),
        cmocka_unit_test(a_signed_url_is_used_as_it_is),
        cmocka_unit_test(errors_of_logic_apps_are_told_from_a_workflows_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
