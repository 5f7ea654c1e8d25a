// The four AWS providers against a server that answers as AWS does.

#include "core/functions/aws_sign.h"

#include "functions_test.h"

#include "core/base/text.h"

#define KEYS                                                                                       \
    "\"region\":\"eu-west-1\",\"awsAccessKeyId\":\"AKID\",\"awsSecretAccessKey\":\"secret\","      \
    "\"awsSessionToken\":\"session\",\"endpoint\":\"http://127.0.0.1:PORT\""
#define LAMBDA "{\"arn\":\"hello\"," KEYS "}"

// The request is signed as it arrived: the same headers, the same body, the time that it names.
static void assert_signed(const struct fixture *fixture, const char *service, const char *path,
                          const char *const *names, size_t count) {
    struct aws_signer_options options = {.access_key_id = "AKID",
                                         .secret_access_key = "secret",
                                         .session_token = "session",
                                         .region = "eu-west-1",
                                         .service = service};
    struct aws_signer *signer = aws_signer_create(&options);
    struct aws_signature signature;
    struct http_header headers[4];
    char values[4][200];
    char host[64];
    char date[64];
    char time[64];
    int64_t now_us = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(values[i], sizeof values[i], "%s", fixture_header(fixture, names[i]));
        headers[i] = (struct http_header){bytes_of_text(names[i]), bytes_of_text(values[i])};
    }
    snprintf(host, sizeof host, "%s", fixture_header(fixture, "Host"));
    snprintf(date, sizeof date, "%s", fixture_header(fixture, "X-Amz-Date"));
    snprintf(time, sizeof time, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", date, date + 4, date + 6,
             date + 9, date + 11, date + 13);
    assert_int_equal(timestamp_parse(bytes_of_text(time), &now_us), STATUS_OK);
    struct aws_request request = {
        .method = "POST",
        .host = bytes_of_text(host),
        .path = bytes_of_text(path),
        .headers = headers,
        .header_count = count,
        .body = buffer_bytes(&fixture->stub.body),
    };
    aws_sign(signer, &request, now_us, &signature);
    assert_string_equal(fixture_header(fixture, "Authorization"), signature.authorization.data);
    assert_string_equal(fixture_header(fixture, "X-Amz-Security-Token"), "session");
    aws_signature_clear(&signature);
    aws_signer_destroy(signer);
}

static const char *const lambda_headers[] = {"Content-Type", "X-Amz-Invocation-Type"};
static const char *const target_headers[] = {"Content-Type", "X-Amz-Target"};

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

static void put_all(struct fixture *fixture) {
    fixture_put(fixture, "awslambda", "awslambda", LAMBDA, NULL);
    fixture_put(fixture, "awskinesis", "awskinesis", "{\"streamName\":\"stream\"," KEYS "}", NULL);
    fixture_put(fixture, "awsfirehose", "awsfirehose",
                "{\"deliveryStreamName\":\"stream\"," KEYS "}", NULL);
    fixture_put(
        fixture, "awssqs", "awssqs",
        "{\"queueUrl\":\"http://127.0.0.1:PORT/123456789012/queue\",\"region\":\"eu-west-1\","
        "\"awsAccessKeyId\":\"AKID\",\"awsSecretAccessKey\":\"secret\","
        "\"awsSessionToken\":\"session\"}",
        NULL);
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

static json_t *sent(const struct fixture *fixture) {
    json_t *document = NULL;
    assert_int_equal(json_parse(buffer_bytes(&fixture->stub.body), &document, NULL), STATUS_OK);
    return document;
}

static const char *member(const json_t *document, const char *name) {
    const char *text = json_string_value(json_object_get(document, name));
    assert_non_null(text);
    return text;
}

static void assert_is_event(struct bytes text) {
    json_t *event = NULL;
    assert_int_equal(json_parse(text, &event, NULL), STATUS_OK);
    assert_string_equal(member(event, "id"), "id-1");
    json_decref(event);
}

static void assert_base64_event(const char *encoded) {
    struct buffer text = {0};
    assert_int_equal(base64_decode(bytes_of_text(encoded), &text), STATUS_OK);
    assert_is_event(buffer_bytes(&text));
    buffer_clear(&text);
}

static void kinesis_gets_a_record_and_its_sequence_number_is_the_answer(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    put_all(&fixture);
    fixture.stub.answer = BYTES("{\"SequenceNumber\":\"49\",\"ShardId\":\"0\"}");
    fixture_call(&fixture, "awskinesis");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_string_equal(fixture.result_body.data, "49");
    assert_string_equal(fixture_header(&fixture, "X-Amz-Target"), "Kinesis_20131202.PutRecord");
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/x-amz-json-1.1");
    assert_signed(&fixture, "kinesis", "/", target_headers, 2);
    json_t *document = sent(&fixture);
    assert_string_equal(member(document, "StreamName"), "stream");
    assert_string_equal(member(document, "PartitionKey"), "id-1");
    assert_base64_event(member(document, "Data"));
    json_decref(document);
    fixture_close(&fixture);
}

static void call_with_attribute(struct fixture *fixture, const char *id, const char *name,
                                const char *value) {
    struct event_builder *builder = fixture_event_builder();
    const struct event *event = NULL;
    event_builder_set(builder, bytes_of_text(name), bytes_of_text(value), EVENT_VALUE_STRING);
    assert_int_equal(event_builder_finish_take(builder, &event, NULL), STATUS_OK);
    struct invocation_options options = {.event = event};
    fixture_call_with(fixture, id, &options);
    event_unref(event);
}

static void records_that_belong_together_share_a_partition_key(void **state) {
    (void)state;
    static const char *const names[] = {"partitionkey", "subject"};
    struct fixture fixture;
    fixture_open(&fixture);
    put_all(&fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        call_with_attribute(&fixture, "awskinesis", names[i], "customer-7");
        json_t *document = sent(&fixture);
        assert_string_equal(member(document, "PartitionKey"), "customer-7");
        json_decref(document);
    }
    char large[301];
    memset(large, 'k', 300);
    large[300] = '\0';
    call_with_attribute(&fixture, "awskinesis", "partitionkey", large);
    json_t *document = sent(&fixture);
    assert_int_equal(strlen(member(document, "PartitionKey")), 64);
    json_decref(document);
    fixture_close(&fixture);
}

static void firehose_gets_a_record_and_its_id_is_the_answer(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    put_all(&fixture);
    fixture.stub.answer = BYTES("{\"RecordId\":\"r-1\"}");
    fixture_call(&fixture, "awsfirehose");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_string_equal(fixture.result_body.data, "r-1");
    assert_string_equal(fixture_header(&fixture, "X-Amz-Target"), "Firehose_20150804.PutRecord");
    assert_signed(&fixture, "firehose", "/", target_headers, 2);
    json_t *document = sent(&fixture);
    assert_string_equal(member(document, "DeliveryStreamName"), "stream");
    assert_base64_event(member(json_object_get(document, "Record"), "Data"));
    json_decref(document);
    fixture_close(&fixture);
}

static void sqs_gets_a_message_where_its_queue_is_and_its_id_is_the_answer(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    put_all(&fixture);
    fixture.stub.answer = BYTES("{\"MessageId\":\"m-1\",\"MD5OfMessageBody\":\"x\"}");
    fixture_call(&fixture, "awssqs");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_string_equal(fixture.result_body.data, "m-1");
    assert_string_equal(fixture_header(&fixture, "X-Amz-Target"), "AmazonSQS.SendMessage");
    assert_string_equal(fixture_header(&fixture, "Content-Type"), "application/x-amz-json-1.0");
    assert_signed(&fixture, "sqs", "/", target_headers, 2);
    json_t *document = sent(&fixture);
    assert_non_null(strstr(member(document, "QueueUrl"), "/123456789012/queue"));
    assert_null(json_object_get(document, "MessageGroupId"));
    assert_is_event(bytes_of_text(member(document, "MessageBody")));
    json_decref(document);
    fixture_close(&fixture);
}

static void a_fifo_queue_gets_groups_and_takes_no_message_twice(void **state) {
    (void)state;
    char deduplication[100];
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "awssqs",
                "{\"queueUrl\":\"http://127.0.0.1:PORT/1/q.fifo\"," KEYS "}", NULL);
    call_with_attribute(&fixture, "f", "subject", "customer-7");
    json_t *document = sent(&fixture);
    assert_string_equal(member(document, "MessageGroupId"), "customer-7");
    snprintf(deduplication, sizeof deduplication, "%s", member(document, "MessageDeduplicationId"));
    json_decref(document);
    call_with_attribute(&fixture, "f", "subject", "two words");
    document = sent(&fixture);
    assert_int_equal(strlen(member(document, "MessageGroupId")), 64);
    assert_string_equal(member(document, "MessageDeduplicationId"), deduplication);
    json_decref(document);
    fixture_close(&fixture);
}

static void an_answer_without_the_member_is_an_empty_one(void **state) {
    (void)state;
    static const char *const answers[] = {"{}", "[]", "nonsense", "{\"SequenceNumber\":5}"};
    struct fixture fixture;
    fixture_open(&fixture);
    put_all(&fixture);
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        fixture.stub.answer = bytes_of_text(answers[i]);
        fixture_call(&fixture, "awskinesis");
        assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
        assert_int_equal(fixture.result_body.size, 0);
    }
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
        cmocka_unit_test(kinesis_gets_a_record_and_its_sequence_number_is_the_answer),
        cmocka_unit_test(records_that_belong_together_share_a_partition_key),
        cmocka_unit_test(firehose_gets_a_record_and_its_id_is_the_answer),
        cmocka_unit_test(sqs_gets_a_message_where_its_queue_is_and_its_id_is_the_answer),
        cmocka_unit_test(a_fifo_queue_gets_groups_and_takes_no_message_twice),
        cmocka_unit_test(an_answer_without_the_member_is_an_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
