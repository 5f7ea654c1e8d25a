// A function of AWS Lambda: the event is its payload.

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/functions/aws_call.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"

static const struct provider_field fields[] = {
    {.name = "arn",
     .kind = PROVIDER_FIELD_TEXT,
     .is_required = true,
     .help = "A name, a name with a version or alias (NAME:7), or an ARN of either."},
    AWS_FIELDS,
    {.name = "invocationType",
     .kind = PROVIDER_FIELD_TEXT,
     .help = "RequestResponse (default): a delivery waits for the function. Event: it ends when "
             "Lambda has queued it; synchronous calls wait all the same."},
};

static const struct aws_service service = {.name = "lambda", .action = "lambda:invokeFunction"};

struct prepared {
    struct aws_target target;
    char *path;
    bool is_queued; // invocationType Event
};

static enum status check(const json_t *provider, struct error *error) {
    const char *type = json_string_value(json_object_get(provider, "invocationType"));
    if (type && type[0] != '\0' && strcmp(type, "RequestResponse") != 0 &&
        strcmp(type, "Event") != 0) {
        return error_set(error, STATUS_INVALID,
                         "provider.invocationType: must be RequestResponse or Event");
    }
    return aws_check(provider, error);
}

static void forget(void *state) {
    struct prepared *prepared = state;
    aws_target_clear(&prepared->target);
    free(prepared->path);
    free(prepared);
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error) {
    struct aws_target target;
    char *type = NULL;
    char *arn = NULL;
    enum status status = provider_field_needed_text(invoker, function, "arn", &arn, error);
    if (status == STATUS_OK) {
        status = provider_field_text(invoker, function, "invocationType", &type, error);
    }
    if (status == STATUS_OK) {
        status = aws_target_prepare(invoker, function, &service, NULL, &target, error);
    }
    if (status == STATUS_OK) {
        struct prepared *prepared = memory_allocate(sizeof *prepared);
        struct buffer path = {0};
        buffer_append_text(&path, "/2015-03-31/functions/");
        aws_encode(bytes_of_text(arn), false, &path);
        buffer_append_text(&path, "/invocations");
        prepared->target = target;
        prepared->path = buffer_take(&path);
        prepared->is_queued = type && strcmp(type, "Event") == 0;
        *ret_prepared = prepared;
    }
    free(type);
    free(arn);
    return status;
}

// A failing function is status 200 with a header, and {errorMessage, errorType} as the body.
static void read_function_error(struct provider_call *call, const struct http_answer *answer,
                                struct bytes kind, struct invocation_result *result) {
    json_t *document = NULL;
    if (json_parse(answer->body, &document, NULL) != STATUS_OK) {
        document = NULL;
    }
    const char *type = json_string_value(json_object_get(document, "errorType"));
    const char *message = json_string_value(json_object_get(document, "errorMessage"));
    provider_call_fail(call, result, "the function failed (%.*s)%s%.100s%s%.300s",
                       (int)(kind.size > 50 ? 50 : kind.size), kind.data, type ? ": " : "",
                       type ? type : "", message ? ": " : "", message ? message : "");
    json_decref(document);
}

static void read(struct provider_call *call, const struct http_answer *answer,
                 struct invocation_result *result) {
    struct bytes kind;
    aws_answer_read(call, &service, answer, result);
    if (result->outcome == INVOCATION_SUCCEEDED &&
        http_answer_header(answer, "X-Amz-Function-Error", &kind)) {
        read_function_error(call, answer, kind, result);
    }
}

static void call(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    const struct http_header headers[] = {
        {BYTES("Content-Type"), BYTES("application/json")},
        {BYTES("X-Amz-Invocation-Type"), prepared->is_queued && provider_call_is_delivery(call)
                                             ? BYTES("Event")
                                             : BYTES("RequestResponse")},
    };
    struct aws_message message = {
        .path = bytes_of_text(prepared->path),
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers),
        .body = call->message->body,
    };
    aws_target_send(&prepared->target, call, &message, read);
}

const struct provider provider_aws_lambda = {
    .type = "awslambda",
    .missing_text = "Missing required fields for AWS Lambda function.",
    .sends_body_only = true,
    .fields = fields,
    .field_count = ARRAY_LENGTH(fields),
    .check = check,
    .prepare = prepare,
    .forget = forget,
    .call = call,
};
