// Kinesis, Firehose and SQS against a server that answers as AWS does.
#include "tests/unit/functions/aws_test.h"

static const char *const target_headers[] = {"Content-Type", "X-Amz-Target"};

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

struct accepted {
    const char *provider, *service, *target, *content_type;
    const char *answer, *id; // what the service says, and what of it is the result
};

// An open fixture that has called the provider's function; returns what was sent.
static json_t *call_accepted(struct fixture *fixture, const struct accepted *call) {
    fixture_open(fixture);
    put_all(fixture);
    fixture->stub.answer = bytes_of_text(call->answer);
    fixture_call(fixture, call->provider);
    assert_int_equal(fixture->result.outcome, INVOCATION_SUCCEEDED);
    assert_string_equal(fixture->result_body.data, call->id);
    assert_string_equal(fixture_header(fixture, "X-Amz-Target"), call->target);
    assert_string_equal(fixture_header(fixture, "Content-Type"), call->content_type);
    assert_signed(fixture, call->service, "/", target_headers, 2);
    return sent(fixture);
}

static void kinesis_gets_a_record_and_its_sequence_number_is_the_answer(void **state) {
    (void)state;
    struct fixture fixture;
    json_t *document = call_accepted(
        &fixture, &(struct accepted){.provider = "awskinesis",
                                     .service = "kinesis",
                                     .target = "Kinesis_20131202.PutRecord",
                                     .content_type = "application/x-amz-json-1.1",
                                     .answer = "{\"SequenceNumber\":\"49\",\"ShardId\":\"0\"}",
                                     .id = "49"});
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
    json_t *document =
        call_accepted(&fixture, &(struct accepted){.provider = "awsfirehose",
                                                   .service = "firehose",
                                                   .target = "Firehose_20150804.PutRecord",
                                                   .content_type = "application/x-amz-json-1.1",
                                                   .answer = "{\"RecordId\":\"r-1\"}",
                                                   .id = "r-1"});
    assert_string_equal(member(document, "DeliveryStreamName"), "stream");
    assert_base64_event(member(json_object_get(document, "Record"), "Data"));
    json_decref(document);
    fixture_close(&fixture);
}

static void sqs_gets_a_message_where_its_queue_is_and_its_id_is_the_answer(void **state) {
    (void)state;
    struct fixture fixture;
    json_t *document = call_accepted(
        &fixture, &(struct accepted){.provider = "awssqs",
                                     .service = "sqs",
                                     .target = "AmazonSQS.SendMessage",
                                     .content_type = "application/x-amz-json-1.0",
                                     .answer = "{\"MessageId\":\"m-1\",\"MD5OfMessageBody\":\"x\"}",
                                     .id = "m-1"});
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
        cmocka_unit_test(kinesis_gets_a_record_and_its_sequence_number_is_the_answer),
        cmocka_unit_test(records_that_belong_together_share_a_partition_key),
        cmocka_unit_test(firehose_gets_a_record_and_its_id_is_the_answer),
        cmocka_unit_test(sqs_gets_a_message_where_its_queue_is_and_its_id_is_the_answer),
        cmocka_unit_test(a_fifo_queue_gets_groups_and_takes_no_message_twice),
        cmocka_unit_test(an_answer_without_the_member_is_an_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
