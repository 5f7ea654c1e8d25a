// A state machine of AWS Step Functions: the event is the input of an execution.

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/functions/aws_call.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"
#include "core/functions/webhook_signature.h"

static const struct provider_field fields[] = {
    {.name = "stateMachineArn",
     .kind = PROVIDER_FIELD_TEXT,
     .is_required = true,
     .help = "The state machine, with its version or alias if it has one."},
    AWS_FIELDS,
    {.name = "express",
     .kind = PROVIDER_FIELD_BOOLEAN,
     .help = "true: an express state machine, whose output is waited for and becomes the answer. "
             "false (default): the call ends when the execution has begun; its ARN is the answer."},
};

static const struct aws_service standard = {.name = "states", .action = "states:StartExecution"};
static const struct aws_service express = {
    .name = "states", .host = "sync-states", .action = "states:StartSyncExecution"};

struct prepared {
    struct aws_target target;
    char *arn;
    bool is_express;
};

static void forget(void *state) {
    struct prepared *prepared = state;
    aws_target_clear(&prepared->target);
    free(prepared->arn);
    free(prepared);
}

static enum status prepare(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error) {
    bool is_express = json_is_true(json_object_get(function->provider, "express"));
    struct aws_target target;
    char *arn = NULL;
    enum status status =
        provider_field_needed_text(invoker, function, "stateMachineArn", &arn, error);
    if (status == STATUS_OK) {
        status = aws_target_prepare(invoker, function, is_express ? &express : &standard, NULL,
                                    &target, error);
    }
    if (status != STATUS_OK) {
        free(arn);
        return status;
    }
    struct prepared *prepared = memory_allocate(sizeof *prepared);
    *prepared = (struct prepared){.target = target, .arn = arn, .is_express = is_express};
    *ret_prepared = prepared;
    return STATUS_OK;
}

// --- answers

static bool is_error(const json_t *document, const char *code) {
    const char *type = json_string_value(json_object_get(document, "__type"));
    const char *hash = type ? strchr(type, '#') : NULL;
    return type && strcmp(hash ? hash + 1 : type, code) == 0;
}

// An attempt before this one began the execution, and only its answer was lost.
static bool has_begun(const struct http_answer *answer) {
    json_t *document = NULL;
    if (answer->result != HTTP_CALL_ANSWERED || answer->status != 400 ||
        json_parse(answer->body, &document, NULL) != STATUS_OK) {
        return false;
    }
    bool begun = is_error(document, "ExecutionAlreadyExists");
    json_decref(document);
    return begun;
}

static void read_standard(struct provider_call *call, const struct http_answer *answer,
                          struct invocation_result *result) {
    if (has_begun(answer)) {
        result->outcome = INVOCATION_SUCCEEDED;
        result->status = 200;
        result->body = (struct bytes){0};
        result->error_text = "";
        return;
    }
    aws_answer_read(call, &standard, answer, result);
    if (result->outcome == INVOCATION_SUCCEEDED) {
        aws_answer_take_member(call, answer, "executionArn", result);
    }
}

// An execution that fails is status 200, with its status in the body.
static void read_express(struct provider_call *call, const struct http_answer *answer,
                         struct invocation_result *result) {
    json_t *document = NULL;
    aws_answer_read(call, &express, answer, result);
    if (result->outcome != INVOCATION_SUCCEEDED) {
        return;
    }
    if (json_parse(answer->body, &document, NULL) != STATUS_OK) {
        document = NULL;
    }
    const char *status = json_string_value(json_object_get(document, "status"));
    const char *error = json_string_value(json_object_get(document, "error"));
    const char *cause = json_string_value(json_object_get(document, "cause"));
    if (status && strcmp(status, "SUCCEEDED") == 0) {
        aws_answer_take_member(call, answer, "output", result);
        result->content_type = BYTES("application/json");
    } else {
        provider_call_fail(call, result, "the execution failed (%.20s)%s%.100s%s%.300s",
                           status ? status : "?", error ? ": " : "", error ? error : "",
                           cause ? ": " : "", cause ? cause : "");
    }
    json_decref(document);
}

// --- the call

// The same for each attempt of a delivery, so that there is one execution of it; another one for a
// replay.
static void append_name(struct buffer *body, const struct provider_call *call) {
    char id[WEBHOOK_ID_SIZE];
    struct buffer delivery = {0};
    buffer_append(&delivery, provider_call_header(call, "Event-Gateway-Subscription"));
    buffer_append_byte(&delivery, '/');
    buffer_append(&delivery, provider_call_header(call, "Event-Gateway-Replay"));
    webhook_id_write(call->event->source, call->event->id, buffer_bytes(&delivery), id);
    buffer_append_format(body, ",\"name\":\"%s\"", id);
    buffer_clear(&delivery);
}

static void call(struct provider_call *call, const void *state) {
    const struct prepared *prepared = state;
    const struct http_header headers[] = {
        {BYTES("Content-Type"), BYTES("application/x-amz-json-1.0")},
        {BYTES("X-Amz-Target"), prepared->is_express ? BYTES("AWSStepFunctions.StartSyncExecution")
                                                     : BYTES("AWSStepFunctions.StartExecution")},
    };
    buffer_append_text(&call->body, "{\"stateMachineArn\":");
    json_append_string(bytes_of_text(prepared->arn), &call->body);
    buffer_append_text(&call->body, ",\"input\":");
    json_append_string(call->message->body, &call->body);
    if (call->event && !prepared->is_express && provider_call_is_delivery(call)) {
        append_name(&call->body, call);
    }
    buffer_append_byte(&call->body, '}');
    struct aws_message message = {
        .path = BYTES("/"),
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers),
        .body = buffer_bytes(&call->body),
    };
    aws_target_send(&prepared->target, call, &message,
                    prepared->is_express ? read_express : read_standard);
}

const struct provider provider_aws_step_functions = {
    .type = "awsstepfunctions",
    .missing_text = "Missing required fields for AWS Step Functions state machine.",
    .sends_body_only = true,
    .fields = fields,
    .field_count = ARRAY_LENGTH(fields),
    .check = aws_check,
    .prepare = prepare,
    .forget = forget,
    .call = call,
};
