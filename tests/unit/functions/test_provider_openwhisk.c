#include "functions_test.h"

#define ACTION                                                                                     \
    "{\"apiHost\":\"http://127.0.0.1:PORT/\",\"namespace\":\"my org\",\"action\":\"p a/n~1\","     \
    "\"auth\":\"uuid:key\"}"
#define DEFAULT_ACTION                                                                             \
    "{\"apiHost\":\"http://127.0.0.1:PORT\",\"action\":\"hello\",\"auth\":\"uuid:key\","           \
    "\"blocking\":false}"
#define ACTIVATION(fields) "{\"activationId\":\"1\",\"response\":{" fields "}}"

static void call_as_delivery(struct fixture *fixture, const char *id) {
    static const struct http_header attempt = {BYTES("Event-Gateway-Attempt"), BYTES("1")};
    struct invocation_options options = {.headers = &attempt, .header_count = 1};
    fixture_call_with(fixture, id, &options);
}

static void an_action_is_invoked_and_its_result_is_the_answer(void **state) {
    (void)state;
    static const char line[] = "POST /api/v1/namespaces/my%20org/actions/p%20a/n~1?blocking=true\n";
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "openwhisk", ACTION, "cloudevents-binary/1.0");
    fixture_answer(
        &fixture, 200,
        ACTIVATION("\"status\":\"success\",\"success\":true,\"result\":{\"statusCode\":201}"));
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_true(fixture.result.is_function_answer);
    assert_string_equal(fixture.result_body.data, "{\"statusCode\":201}");
    assert_string_equal(fixture.content_type, "application/json");
    assert_memory_equal(fixture.stub.head.data, line, sizeof line - 1);
    assert_string_equal(fixture_header(&fixture, "Authorization"), "Basic dXVpZDprZXk=");
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/json");
    assert_non_null(strstr(fixture.stub.body.data, "\"specversion\":\"1.0\""));
    fixture_close(&fixture);
}

static void a_bare_result_is_the_answer_as_it_is(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "openwhisk", ACTION, NULL);
    fixture_answer(&fixture, 200, "{\"greeting\":\"hi\"}");
    fixture_call(&fixture, "f");
    assert_string_equal(fixture.result_body.data, "{\"greeting\":\"hi\"}");
    fixture_close(&fixture);
}

static void only_deliveries_need_not_wait_for_the_action(void **state) {
    (void)state;
    static const char line[] = "POST /api/v1/namespaces/_/actions/hello?blocking=false\n";
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "openwhisk", DEFAULT_ACTION, NULL);
    fixture_put(&fixture, "g", "openwhisk", ACTION, NULL);
    fixture_answer(&fixture, 202, "{\"activationId\":\"1\"}");
    call_as_delivery(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_memory_equal(fixture.stub.head.data, line, sizeof line - 1);
    // A blocking one that takes longer than a minute goes on over there.
    call_as_delivery(&fixture, "g");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    fixture_call(&fixture, "f");
    assert_non_null(strstr(fixture.stub.head.data, "?blocking=true\n"));
    assert_int_equal(fixture.result.outcome, INVOCATION_TIMED_OUT);
    fixture_close(&fixture);
}

static void an_action_that_fails_says_why(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "openwhisk", ACTION, NULL);
    fixture_answer(&fixture, 502,
                   ACTIVATION("\"status\":\"application error\",\"success\":false,"
                              "\"result\":{\"error\":\"no such user\"}"));
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_int_equal(fixture.result.status, 502);
    assert_false(fixture.result.is_function_answer);
    assert_string_equal(fixture.error_text,
                        "the action failed (application error): \"no such user\"");
    fixture_answer(&fixture, 200, ACTIVATION("\"success\":false"));
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_string_equal(fixture.error_text, "the action failed (?)");
    fixture_close(&fixture);
}

static void what_openwhisk_itself_refuses(void **state) {
    (void)state;
    static const char missing[] = "{\"error\":\"The requested resource does not exist.\"}";
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "openwhisk", ACTION, NULL);
    fixture_answer(&fixture, 401, "{\"error\":\"The supplied authentication is invalid.\"}");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FORBIDDEN);
    assert_non_null(strstr(fixture.error_text, "Please provide a valid key."));
    fixture_answer(&fixture, 404, missing);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.status, 404);
    assert_false(fixture.result.is_function_answer);
    assert_non_null(strstr(fixture.error_text, "does not exist"));
    fixture_answer(&fixture, 429, "{\"error\":\"Too many requests\"}");
    fixture_call(&fixture, "f");
    assert_true(fixture.result.is_throttled);
    fixture_answer(&fixture, 503, "<html>");
    fixture_call(&fixture, "f");
    assert_string_equal(fixture.error_text, "OpenWhisk answered with status 503");
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_action_is_invoked_and_its_result_is_the_answer),
        cmocka_unit_test(a_bare_result_is_the_answer_as_it_is),
        cmocka_unit_test(only_deliveries_need_not_wait_for_the_action),
        cmocka_unit_test(an_action_that_fails_says_why),
        cmocka_unit_test(what_openwhisk_itself_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
