// AWS Lambda, and what all AWS providers make of credentials and refusals, against a server that
// answers as AWS does.
#include "tests/unit/functions/aws_test.h"

static const char *const lambda_headers[] = {"Content-Type", "X-Amz-Invocation-Type"};

static void lambda_gets_the_event_as_its_payload(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "awslambda", LAMBDA, NULL);
    fixture.stub.answer = BYTES("{\"statusCode\":200}");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_true(fixture.result.is_function_answer);
    assert_string_equal(fixture.result_body.data, "{\"statusCode\":200}");
    assert_memory_equal(fixture.stub.head.data, "POST /2015-03-31/functions/hello/invocations\n",
                        45);
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/json");
    assert_string_equal(fixture_header(&fixture, "X-Amz-Invocation-Type"), "RequestResponse");
    assert_non_null(strstr(fixture.stub.body.data, "\"specversion\":\"1.0\""));
    assert_signed(&fixture, "lambda", "/2015-03-31/functions/hello/invocations", lambda_headers, 2);
    fixture_close(&fixture);
}

static void an_arn_is_sent_encoded_and_a_path_of_the_endpoint_stays(void **state) {
    (void)state;
    static const char path[] = "/lambda/2015-03-31/functions/"
                               "arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af%3A7/invocations";
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "awslambda",
                "{\"arn\":\"arn:aws:lambda:eu-west-1:1:function:f:7\",\"region\":\"eu-west-1\","
                "\"awsAccessKeyId\":\"AKID\",\"awsSecretAccessKey\":\"secret\","
                "\"awsSessionToken\":\"session\",\"endpoint\":\"http://127.0.0.1:PORT/lambda/\"}",
                NULL);
    fixture_call(&fixture, "f");
    assert_memory_equal(fixture.stub.head.data + 5, path, strlen(path));
    assert_signed(&fixture, "lambda", path, lambda_headers, 2);
    fixture_close(&fixture);
}

static void a_format_with_attributes_in_headers_becomes_the_structured_one(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "awslambda", LAMBDA, "cloudevents-binary/1.0");
    fixture_call(&fixture, "f");
    assert_non_null(strstr(fixture.stub.body.data, "\"type\":\"order.placed\""));
    fixture_close(&fixture);
}

static void only_deliveries_are_queued_by_lambda(void **state) {
    (void)state;
    static const struct http_header headers[] = {{BYTES("Event-Gateway-Attempt"), BYTES("1")}};
    struct invocation_options delivery = {.headers = headers, .header_count = 1};
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "awslambda",
                "{\"arn\":\"hello\",\"invocationType\":\"Event\"," KEYS "}", NULL);
    fixture.stub.status = 202;
    fixture_call_with(&fixture, "f", &delivery);
    assert_string_equal(fixture_header(&fixture, "X-Amz-Invocation-Type"), "Event");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    fixture_call(&fixture, "f");
    assert_string_equal(fixture_header(&fixture, "X-Amz-Invocation-Type"), "RequestResponse");
    fixture_close(&fixture);
}

static void a_failing_lambda_function_is_a_failure_although_its_status_is_200(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "awslambda", LAMBDA, NULL);
    fixture.stub.headers[0] =
        (struct http_header){BYTES("X-Amz-Function-Error"), BYTES("Unhandled")};
    fixture.stub.header_count = 1;
    fixture.stub.answer = BYTES("{\"errorMessage\":\"no stock\",\"errorType\":\"ShopError\"}");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_false(fixture.result.is_function_answer);
    assert_string_equal(fixture.error_text, "the function failed (Unhandled): ShopError: no stock");
    fixture.stub.answer = BYTES("not JSON");
    fixture_call(&fixture, "f");
    assert_string_equal(fixture.error_text, "the function failed (Unhandled)");
    fixture_close(&fixture);
}

struct refusal {
    const char *provider; // type
    unsigned status;
    const char *error_type; // header; NULL = none
    const char *body;
    enum invocation_outcome outcome;
    unsigned wanted_status;
    bool is_throttled;
    const char *text; // NULL = any
};

static void assert_refusal(struct fixture *fixture, const struct refusal *refusal) {
    fixture->stub.status = refusal->status;
    fixture->stub.header_count = refusal->error_type ? 1 : 0;
    fixture->stub.headers[0] =
        (struct http_header){BYTES("X-Amzn-ErrorType"), bytes_of_text(refusal->error_type)};
    fixture->stub.answer = bytes_of_text(refusal->body);
    fixture_call(fixture, refusal->provider);
    if (fixture->result.outcome != refusal->outcome ||
        fixture->result.status != refusal->wanted_status ||
        fixture->result.is_throttled != refusal->is_throttled ||
        fixture->result.is_function_answer ||
        (refusal->text && strcmp(fixture->error_text, refusal->text) != 0)) {
        fail_msg("%s: %s, %u, %s", refusal->body, invocation_outcome_name(fixture->result.outcome),
                 fixture->result.status, fixture->error_text);
    }
}

static void refused_credentials_are_forbidden_and_the_text_says_what_to_do(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {"awslambda", 403, "AccessDeniedException:http://internal.amazon.com/coral/",
         "{\"Message\":\"User: x is not authorized\"}", INVOCATION_FORBIDDEN, 403, false,
         "Function call failed with AccessDeniedException. The provided credentials do not have "
         "the "
         "required IAM permissions to invoke this function. Please attach the "
         "lambda:invokeFunction "
         "permission to these credentials."},
        {"awslambda", 403, "UnrecognizedClientException", "{}", INVOCATION_FORBIDDEN, 403, false,
         "Function call failed with UnrecognizedClientException. The provided credentials are "
         "invalid. Please provide valid credentials."},
        {"awslambda", 403, "ExpiredTokenException", "{}", INVOCATION_FORBIDDEN, 403, false,
         "Function call failed with ExpiredTokenException. The provided security token for the "
         "function has expired. Please provide an updated security token or provide permanent "
         "credentials."},
        // The message repeats what was signed, so it is not shown.
        {"awslambda", 403, "InvalidSignatureException",
         "{\"message\":\"The Canonical String should have been x-amz-security-token:session\"}",
         INVOCATION_FORBIDDEN, 403, false,
         "Function call failed with InvalidSignatureException. The provided secret access key does "
         "not belong to the access key id, or this machine's clock is wrong. Please provide valid "
         "credentials."},
        {"awslambda", 403, NULL, "nonsense", INVOCATION_FORBIDDEN, 403, false,
         "AWS answered with status 403"},
        {"awskinesis", 400, NULL, "{\"__type\":\"ExpiredTokenException\"}", INVOCATION_FORBIDDEN,
         403, false, NULL},
        {"awssqs", 403, NULL,
         "<?xml version=\"1.0\"?><ErrorResponse><Error><Code>AccessDenied</Code></Error>"
         "</ErrorResponse>",
         INVOCATION_FORBIDDEN, 403, false,
         "Function call failed with AccessDenied. The provided credentials do not have the "
         "required "
         "IAM permissions to invoke this function. Please attach the sqs:SendMessage permission to "
         "these credentials."},
    };
    struct fixture fixture;
    fixture_open(&fixture);
    put_all(&fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        assert_refusal(&fixture, &refusals[i]);
    }
    fixture_close(&fixture);
}

static void throttling_and_missing_things_get_the_status_that_retries_understand(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {"awslambda", 429, "TooManyRequestsException", "{}", INVOCATION_FAILED, 429, true,
         "AWS answered with status 429: TooManyRequestsException"},
        {"awslambda", 404, "ResourceNotFoundException",
         "{\"Message\":\"Function not found\",\"Type\":\"User\"}", INVOCATION_FAILED, 404, false,
         "AWS answered with status 404: ResourceNotFoundException: Function not found"},
        {"awslambda", 500, "ServiceException", "{}", INVOCATION_FAILED, 500, false, NULL},
        {"awslambda", 413, "RequestTooLargeException", "{}", INVOCATION_FAILED, 413, false, NULL},
        {"awskinesis", 400, NULL,
         "{\"__type\":\"com.amazonaws.kinesis#ProvisionedThroughputExceededException\","
         "\"message\":\"Slow down\"}",
         INVOCATION_FAILED, 429, true,
         "AWS answered with status 400: ProvisionedThroughputExceededException: Slow down"},
        {"awskinesis", 400, NULL, "{\"__type\":\"ResourceNotFoundException\"}", INVOCATION_FAILED,
         404, false, NULL},
        {"awskinesis", 400, NULL, "{\"__type\":\"KMSDisabledException\"}", INVOCATION_FAILED, 502,
         false, NULL},
        {"awskinesis", 400, NULL, "{\"__type\":\"ValidationException\",\"message\":\"too big\"}",
         INVOCATION_FAILED, 400, false,
         "AWS answered with status 400: ValidationException: too big"},
        {"awsfirehose", 503, NULL, "{\"__type\":\"ServiceUnavailableException\"}",
         INVOCATION_FAILED, 503, true, NULL},
        {"awssqs", 400, NULL, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\"}",
         INVOCATION_FAILED, 404, false, NULL},
    };
    struct fixture fixture;
    fixture_open(&fixture);
    put_all(&fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        assert_refusal(&fixture, &refusals[i]);
    }
    fixture_close(&fixture);
}

static void the_wait_of_a_throttled_call_is_in_a_header_or_in_the_body(void **state) {
    (void)state;
    static const char *const bodies[] = {"{\"retryAfterSeconds\":\"4\"}",
                                         "{\"retryAfterSeconds\":4}"};
    struct fixture fixture;
    fixture_open(&fixture);
    put_all(&fixture);
    fixture.stub.status = 429;
    fixture.stub.headers[0] =
        (struct http_header){BYTES("X-Amzn-ErrorType"), BYTES("TooManyRequestsException")};
    fixture.stub.headers[1] = (struct http_header){BYTES("Retry-After"), BYTES("9")};
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        fixture.stub.answer = bytes_of_text(bodies[i]);
        fixture.stub.header_count = 1;
        fixture_call(&fixture, "awslambda");
        assert_int_equal(fixture.result.retry_after_ms, 4000);
        fixture.stub.header_count = 2;
        fixture_call(&fixture, "awslambda");
        assert_int_equal(fixture.result.retry_after_ms, 9000);
    }
    fixture_close(&fixture);
}

static void without_credentials_nothing_is_sent_and_the_text_names_both_ways(void **state) {
    (void)state;
    struct fixture fixture;
    unsetenv("AWS_ACCESS_KEY_ID");
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "awslambda",
                "{\"arn\":\"f\",\"region\":\"eu-west-1\",\"endpoint\":\"http://127.0.0.1:PORT\"}",
                NULL);
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_non_null(strstr(fixture.error_text, "awsSecretAccessKey"));
    assert_non_null(strstr(fixture.error_text, "AWS_SECRET_ACCESS_KEY"));
    assert_int_equal(fixture.stub.requests, 0);
    fixture_close(&fixture);
}

static void the_environments_credentials_are_the_default(void **state) {
    (void)state;
    struct fixture fixture;
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_SESSION_TOKEN", "session", 1);
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "awslambda",
                "{\"arn\":\"f\",\"region\":\"eu-west-1\",\"endpoint\":\"http://127.0.0.1:PORT\"}",
                NULL);
    fixture_call(&fixture, "f");
    assert_signed(&fixture, "lambda", "/2015-03-31/functions/f/invocations", lambda_headers, 2);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_SESSION_TOKEN");
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lambda_gets_the_event_as_its_payload),
        cmocka_unit_test(an_arn_is_sent_encoded_and_a_path_of_the_endpoint_stays),
        cmocka_unit_test(a_format_with_attributes_in_headers_becomes_the_structured_one),
        cmocka_unit_test(only_deliveries_are_queued_by_lambda),
        cmocka_unit_test(a_failing_lambda_function_is_a_failure_although_its_status_is_200),
        cmocka_unit_test(refused_credentials_are_forbidden_and_the_text_says_what_to_do),
        cmocka_unit_test(throttling_and_missing_things_get_the_status_that_retries_understand),
        cmocka_unit_test(the_wait_of_a_throttled_call_is_in_a_header_or_in_the_body),
        cmocka_unit_test(without_credentials_nothing_is_sent_and_the_text_names_both_ways),
        cmocka_unit_test(the_environments_credentials_are_the_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
