// Streams and queues of AWS as functions: the event becomes a record or a message, and what the
// service calls it becomes the answer, as in the original.

#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/functions/aws_call.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"

static const struct provider_field kinesis_fields[] = {
    {.name = "streamName", .kind = PROVIDER_FIELD_TEXT, .is_required = true, .help = "The stream."},
    AWS_FIELDS,
};
static const struct provider_field firehose_fields[] = {
    {.name = "deliveryStreamName",
     .kind = PROVIDER_FIELD_TEXT,
     .is_required = true,
     .help = "The delivery stream."},
    AWS_FIELDS,
};
static const struct provider_field sqs_fields[] = {
    {.name = "queueUrl",
     .kind = PROVIDER_FIELD_TEXT,
     .is_required = true,
     .help = "The queue; one whose name ends in .fifo gets groups and is free of duplicates."},
    AWS_FIELDS,
};

static const struct aws_service kinesis = {.name = "kinesis", .action = "kinesis:PutRecord"};
static const struct aws_service firehose = {.name = "firehose", .action = "firehose:PutRecord"};
static const struct aws_service sqs = {.name = "sqs", .action = "sqs:SendMessage"};

struct prepared {
    struct aws_target target;
    char *name; // of the stream, or the queue's URL
};

static void forget(void *state) {
    struct prepared *prepared = state;
    aws_target_clear(&prepared->target);
    free(prepared->name);
    free(prepared);
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           const char *name_field, const struct aws_service *service,
                           const char *default_origin, void **ret_prepared, struct error *error) {
    struct aws_target target;
    char *name = NULL;
    enum status status = provider_field_needed_text(invoker, function, name_field, &name, error);
    if (status == STATUS_OK) {
        status = aws_target_prepare(invoker, function, service, default_origin, &target, error);
    }
    if (status != STATUS_OK) {
        free(name);
        return status;
    }
    struct prepared *prepared = memory_allocate(sizeof *prepared);
    *prepared = (struct prepared){.target = target, .name = name};
    *ret_prepared = prepared;
    return STATUS_OK;
}

static void send(struct provider_call *call, const struct prepared *prepared,
                 struct bytes content_type, struct bytes operation, provider_read_answer_fn read) {
    const struct http_header headers[] = {
        {BYTES("Content-Type"), content_type},
        {BYTES("X-Amz-Target"), operation},
    };
    struct aws_message message = {
        .path = BYTES("/"),
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers),
        .body = buffer_bytes(&call->body),
    };
    aws_target_send(&prepared->target, call, &message, read);
}

static void append_digest(struct buffer *buffer, struct bytes first, struct bytes second) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct buffer text = {0};
    // The length in front keeps pairs apart that run together to the same text.
    buffer_append_format(&text, "%zu:", first.size);
    buffer_append(&text, first);
    buffer_append(&text, second);
    EVP_Digest(text.data, text.size, digest, &size, EVP_sha256(), NULL);
    for (unsigned i = 0; i < size; i++) {
        buffer_append_format(buffer, "%02x", digest[i]);
    }
    buffer_clear(&text);
}

// What belongs together keeps its order: the event's partitionkey, else its subject, else nothing
// does. The same in every attempt.
static struct bytes key_of(const struct event *event) {
    const struct event_extension *key = event_extension(event, "partitionkey");
    if (key && key->value.size > 0) {
        return key->value;
    }
    return event->subject.size > 0 ? event->subject : event->id;
}

// --- awskinesis

#define KINESIS_KEY_MAX 256

static enum status prepare_kinesis(struct invoker *invoker, const struct function *function,
                                   void **ret_prepared, struct error *error) {
    return prepare(invoker, function, "streamName", &kinesis, NULL, ret_prepared, error);
}

static void read_kinesis(struct provider_call *call, const struct http_answer *answer,
                         struct invocation_result *result) {
    aws_answer_read(call, &kinesis, answer, result);
    if (result->outcome == INVOCATION_SUCCEEDED) {
        aws_answer_take_member(call, answer, "SequenceNumber", result);
    }
}

static void append_partition_key(struct buffer *body, const struct event *event) {
    char uuid[UUID_TEXT_SIZE];
    struct buffer digest = {0};
    uuid_create(uuid);
    struct bytes key = event ? key_of(event) : bytes_of_text(uuid);
    if (key.size > KINESIS_KEY_MAX) {
        append_digest(&digest, key, (struct bytes){0});
        key = buffer_bytes(&digest);
    }
    json_append_string(key, body);
    buffer_clear(&digest);
}

static void call_kinesis(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    buffer_append_text(&call->body, "{\"StreamName\":");
    json_append_string(bytes_of_text(prepared->name), &call->body);
    buffer_append_text(&call->body, ",\"PartitionKey\":");
    append_partition_key(&call->body, call->event);
    buffer_append_text(&call->body, ",\"Data\":\"");
    base64_encode(call->message->body, &call->body);
    buffer_append_text(&call->body, "\"}");
    send(call, prepared, BYTES("application/x-amz-json-1.1"), BYTES("Kinesis_20131202.PutRecord"),
         read_kinesis);
}

const struct provider provider_aws_kinesis = {
    .type = "awskinesis",
    .missing_text = "Missing required fields for AWS Kinesis function.",
    .sends_body_only = true,
    .fields = kinesis_fields,
    .field_count = ARRAY_LENGTH(kinesis_fields),
    .check = aws_check,
    .prepare = prepare_kinesis,
    .forget = forget,
    .call = call_kinesis,
};

// --- awsfirehose

static enum status prepare_firehose(struct invoker *invoker, const struct function *function,
                                    void **ret_prepared, struct error *error) {
    return prepare(invoker, function, "deliveryStreamName", &firehose, NULL, ret_prepared, error);
}

static void read_firehose(struct provider_call *call, const struct http_answer *answer,
                          struct invocation_result *result) {
    aws_answer_read(call, &firehose, answer, result);
    if (result->outcome == INVOCATION_SUCCEEDED) {
        aws_answer_take_member(call, answer, "RecordId", result);
    }
}

static void call_firehose(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    buffer_append_text(&call->body, "{\"DeliveryStreamName\":");
    json_append_string(bytes_of_text(prepared->name), &call->body);
    buffer_append_text(&call->body, ",\"Record\":{\"Data\":\"");
    base64_encode(call->message->body, &call->body);
    buffer_append_text(&call->body, "\"}}");
    send(call, prepared, BYTES("application/x-amz-json-1.1"), BYTES("Firehose_20150804.PutRecord"),
         read_firehose);
}

const struct provider provider_aws_firehose = {
    .type = "awsfirehose",
    .missing_text = "Missing required fields for AWS Firehose function.",
    .sends_body_only = true,
    .fields = firehose_fields,
    .field_count = ARRAY_LENGTH(firehose_fields),
    .check = aws_check,
    .prepare = prepare_firehose,
    .forget = forget,
    .call = call_firehose,
};

// --- awssqs

#define SQS_GROUP_MAX 128

// "https://host:port" of a queue's URL; NULL when it is not one, or of the old kind whose host does
// not name the service's endpoint.
static char *origin_of_queue(const char *url) {
    struct bytes text = bytes_of_text(url);
    size_t scheme = bytes_start_with_ignoring_case(text, BYTES("http://"))    ? 7
                    : bytes_start_with_ignoring_case(text, BYTES("https://")) ? 8
                                                                              : 0;
    struct bytes host = bytes_slice(text, scheme, text.size);
    host = bytes_slice(host, 0, bytes_find(host, '/'));
    if (scheme == 0 || host.size == 0 || bytes_end_with(host, BYTES("queue.amazonaws.com"))) {
        return NULL;
    }
    return bytes_to_text((struct bytes){url, scheme + host.size});
}

static enum status check_sqs(const json_t *provider, struct error *error) {
    const char *url = json_string_value(json_object_get(provider, "queueUrl"));
    char *origin = origin_of_queue(url);
    bool is_odd = origin && strpbrk(origin, "?#@ \t\r\n");
    free(origin);
    if (is_odd) {
        return error_set(error, STATUS_INVALID, "provider.queueUrl: must be the URL of a queue");
    }
    return aws_check(provider, error);
}

static enum status prepare_sqs(struct invoker *invoker, const struct function *function,
                               void **ret_prepared, struct error *error) {
    char *url = NULL;
    enum status status = provider_field_text(invoker, function, "queueUrl", &url, error);
    if (status != STATUS_OK) {
        return status;
    }
    char *origin = url ? origin_of_queue(url) : NULL;
    status = prepare(invoker, function, "queueUrl", &sqs, origin, ret_prepared, error);
    free(origin);
    free(url);
    return status;
}

static void read_sqs(struct provider_call *call, const struct http_answer *answer,
                     struct invocation_result *result) {
    aws_answer_read(call, &sqs, answer, result);
    if (result->outcome == INVOCATION_SUCCEEDED) {
        aws_answer_take_member(call, answer, "MessageId", result);
    }
}

static bool is_group_name(struct bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~') {
            return false;
        }
    }
    return text.size > 0 && text.size <= SQS_GROUP_MAX;
}

// Groups keep their order, and a second attempt within five minutes is no second message.
static void append_fifo(struct buffer *body, const struct event *event) {
    struct buffer digest = {0};
    struct bytes group = key_of(event);
    if (!is_group_name(group)) {
        append_digest(&digest, group, (struct bytes){0});
        group = buffer_bytes(&digest);
    }
    buffer_append_text(body, ",\"MessageGroupId\":");
    json_append_string(group, body);
    buffer_append_text(body, ",\"MessageDeduplicationId\":\"");
    append_digest(body, event->source, event->id);
    buffer_append_byte(body, '"');
    buffer_clear(&digest);
}

static void call_sqs(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    struct bytes url = bytes_of_text(prepared->name);
    buffer_append_text(&call->body, "{\"QueueUrl\":");
    json_append_string(url, &call->body);
    buffer_append_text(&call->body, ",\"MessageBody\":");
    json_append_string(call->message->body, &call->body);
    if (call->event && bytes_end_with(url, BYTES(".fifo"))) {
        append_fifo(&call->body, call->event);
    }
    buffer_append_byte(&call->body, '}');
    send(call, prepared, BYTES("application/x-amz-json-1.0"), BYTES("AmazonSQS.SendMessage"),
         read_sqs);
}

const struct provider provider_aws_sqs = {
    .type = "awssqs",
    .missing_text = "Missing required fields for AWS SQS function.",
    .sends_body_only = true,
    .fields = sqs_fields,
    .field_count = ARRAY_LENGTH(sqs_fields),
    .check = check_sqs,
    .prepare = prepare_sqs,
    .forget = forget,
    .call = call_sqs,
};
