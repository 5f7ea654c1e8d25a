#include "tests/unit/functions/aws_test.h"

#define MACHINE(more)                                                                              \
    "{\"stateMachineArn\":\"arn:aws:states:eu-west-1:1:stateMachine:m\",\"region\":\"eu-west-1\"," \
    "\"awsAccessKeyId\":\"AKID\",\"awsSecretAccessKey\":\"secret\","                               \
    "\"endpoint\":\"http://127.0.0.1:PORT\"" more "}"

static void open_with_machines(struct fixture *fixture) {
    fixture_open(fixture);
    fixture_put(fixture, "standard", "awsstepfunctions", MACHINE(""), NULL);
    fixture_put(fixture, "express", "awsstepfunctions", MACHINE(",\"express\":true"), NULL);
}

static const char *text_of(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static void call_as_delivery(struct fixture *fixture, const char *id, const char *subscription,
                             const char *replay) {
    const struct http_header headers[] = {
        {BYTES("Event-Gateway-Attempt"), BYTES("1")},
        {BYTES("Event-Gateway-Subscription"), bytes_of_text(subscription)},
        {BYTES("Event-Gateway-Replay"), bytes_of_text(replay)},
    };
    struct invocation_options options = {.headers = headers,
                                         .header_count = replay[0] != '\0' ? 3 : 2};
    fixture_call_with(fixture, id, &options);
}

static void an_execution_begins_with_the_event_as_its_input(void **state) {
    (void)state;
    struct fixture fixture;
    json_t *input = NULL;
    open_with_machines(&fixture);
    fixture.stub.answer = BYTES("{\"executionArn\":\"arn:e\",\"startDate\":1.5}");
    fixture_call(&fixture, "standard");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_string_equal(fixture.result_body.data, "arn:e");
    assert_string_equal(fixture_header(&fixture, "X-Amz-Target"),
                        "AWSStepFunctions.StartExecution");
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/x-amz-json-1.0");
    assert_non_null(strstr(fixture_header(&fixture, "Authorization"), "/eu-west-1/states/"));
    json_t *document = sent(&fixture);
    assert_string_equal(text_of(document, "stateMachineArn"),
                        "arn:aws:states:eu-west-1:1:stateMachine:m");
    assert_null(text_of(document, "name"));
    assert_int_equal(json_parse(bytes_of_text(text_of(document, "input")), &input, NULL),
                     STATUS_OK);
    assert_string_equal(text_of(input, "id"), "id-1");
    json_decref(input);
    json_decref(document);
    fixture_close(&fixture);
}

static void copy_name(struct fixture *fixture, const char *subscription, const char *replay,
                      char ret_name[81]) {
    call_as_delivery(fixture, "standard", subscription, replay);
    json_t *document = sent(fixture);
    snprintf(ret_name, 81, "%s", text_of(document, "name"));
    json_decref(document);
}

static void executions_are_named_after_their_delivery(void **state) {
    (void)state;
    char names[4][81];
    struct fixture fixture;
    open_with_machines(&fixture);
    copy_name(&fixture, "s1", "", names[0]);
    copy_name(&fixture, "s1", "", names[1]);
    copy_name(&fixture, "s2", "", names[2]);
    copy_name(&fixture, "s1", "r1", names[3]);
    assert_string_equal(names[0], names[1]);
    assert_string_not_equal(names[0], names[2]);
    assert_string_not_equal(names[0], names[3]);
    assert_int_equal(strspn(names[0], "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(names[0]));
    fixture_close(&fixture);
}

static void an_execution_that_an_earlier_attempt_began_is_a_success(void **state) {
    (void)state;
    struct fixture fixture;
    open_with_machines(&fixture);
    fixture.stub.status = 400;
    fixture.stub.answer = BYTES("{\"__type\":\"com.amazonaws.swf.service.v2.model#"
                                "ExecutionAlreadyExists\",\"message\":\"x\"}");
    call_as_delivery(&fixture, "standard", "s1", "");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_string_equal(fixture.error_text, "");
    fixture.stub.answer = BYTES("{\"__type\":\"StateMachineDoesNotExist\"}");
    call_as_delivery(&fixture, "standard", "s1", "");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_int_equal(fixture.result.status, 404);
    fixture.stub.answer = BYTES("{\"__type\":\"ExecutionLimitExceeded\"}");
    call_as_delivery(&fixture, "standard", "s1", "");
    assert_true(fixture.result.is_throttled);
    fixture.stub.answer = BYTES("{\"__type\":\"InvalidExecutionInput\"}");
    call_as_delivery(&fixture, "standard", "s1", "");
    assert_int_equal(fixture.result.status, 400);
    fixture_close(&fixture);
}

static void the_output_of_an_express_execution_is_the_answer(void **state) {
    (void)state;
    struct fixture fixture;
    open_with_machines(&fixture);
    fixture.stub.answer =
        BYTES("{\"status\":\"SUCCEEDED\",\"output\":\"{\\\"statusCode\\\":201}\"}");
    fixture_call(&fixture, "express");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_string_equal(fixture.result_body.data, "{\"statusCode\":201}");
    assert_string_equal(fixture.content_type, "application/json");
    assert_string_equal(fixture_header(&fixture, "X-Amz-Target"),
                        "AWSStepFunctions.StartSyncExecution");
    fixture_close(&fixture);
}

static void an_express_execution_that_fails_is_a_failure_although_its_status_is_200(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"status\":\"FAILED\",\"error\":\"E\",\"cause\":\"why\"}",
         "the execution failed (FAILED): E: why"},
        {"{\"status\":\"TIMED_OUT\"}", "the execution failed (TIMED_OUT)"},
        {"{}", "the execution failed (?)"},
        {"<html>", "the execution failed (?)"},
    };
    struct fixture fixture;
    open_with_machines(&fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        fixture.stub.answer = bytes_of_text(cases[i][0]);
        fixture_call(&fixture, "express");
        assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
        assert_false(fixture.result.is_function_answer);
        assert_string_equal(fixture.error_text, cases[i][1]);
    }
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_execution_begins_with_the_event_as_its_input),
        cmocka_unit_test(executions_are_named_after_their_delivery),
        cmocka_unit_test(an_execution_that_an_earlier_attempt_began_is_a_success),
        cmocka_unit_test(the_output_of_an_express_execution_is_the_answer),
        cmocka_unit_test(an_express_execution_that_fails_is_a_failure_although_its_status_is_200),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
