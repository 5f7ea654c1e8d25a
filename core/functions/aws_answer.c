// Reads what AWS services answer: the same few errors in three shapes.

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/functions/aws_call.h"

#define CODE_MAX 80
#define SERVICE_TEXT_MAX 300

enum kind {
    KIND_OTHER,
    KIND_ACCESS_DENIED,
    KIND_BAD_CREDENTIALS,
    KIND_BAD_SIGNATURE,
    KIND_EXPIRED,
    KIND_THROTTLED,
    KIND_MISSING,
    KIND_KEY, // of the service's own encryption: somebody has to repair it, the event is fine
};

static const struct {
    const char *code;
    enum kind kind;
} codes[] = {
    {"AccessDeniedException", KIND_ACCESS_DENIED},
    {"AccessDenied", KIND_ACCESS_DENIED},
    {"UnrecognizedClientException", KIND_BAD_CREDENTIALS},
    {"InvalidClientTokenId", KIND_BAD_CREDENTIALS},
    {"InvalidAccessKeyId", KIND_BAD_CREDENTIALS},
    {"MissingAuthenticationTokenException", KIND_BAD_CREDENTIALS},
    {"MissingAuthenticationToken", KIND_BAD_CREDENTIALS},
    {"NotAuthorized", KIND_BAD_CREDENTIALS},
    {"OptInRequired", KIND_BAD_CREDENTIALS},
    {"InvalidSignatureException", KIND_BAD_SIGNATURE},
    {"SignatureDoesNotMatch", KIND_BAD_SIGNATURE},
    {"IncompleteSignatureException", KIND_BAD_SIGNATURE},
    {"IncompleteSignature", KIND_BAD_SIGNATURE},
    {"RequestExpired", KIND_BAD_SIGNATURE},
    {"ExpiredTokenException", KIND_EXPIRED},
    {"ExpiredToken", KIND_EXPIRED},
    {"TooManyRequestsException", KIND_THROTTLED},
    {"ThrottlingException", KIND_THROTTLED},
    {"Throttling", KIND_THROTTLED},
    {"ThrottledException", KIND_THROTTLED},
    {"RequestThrottled", KIND_THROTTLED},
    {"RequestThrottledException", KIND_THROTTLED},
    {"RequestLimitExceeded", KIND_THROTTLED},
    {"ProvisionedThroughputExceededException", KIND_THROTTLED},
    {"LimitExceededException", KIND_THROTTLED},
    {"KMSThrottlingException", KIND_THROTTLED},
    {"KmsThrottled", KIND_THROTTLED},
    {"OverLimit", KIND_THROTTLED},
    {"ExecutionLimitExceeded", KIND_THROTTLED},
    {"ResourceNotFoundException", KIND_MISSING},
    {"StateMachineDoesNotExist", KIND_MISSING},
    {"StateMachineDeleting", KIND_MISSING},
    {"QueueDoesNotExist", KIND_MISSING},
    {"AWS.SimpleQueueService.NonExistentQueue", KIND_MISSING},
};

static enum kind kind_of(const char *code) {
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        if (strcmp(code, codes[i].code) == 0) {
            return codes[i].kind;
        }
    }
    return strncmp(code, "KMS", 3) == 0 || strncmp(code, "Kms", 3) == 0 ? KIND_KEY : KIND_OTHER;
}

// --- the error's code and text

// "com.amazonaws.sqs#QueueDoesNotExist" and "AccessDeniedException:http://internal/" hold names.
static void copy_code(struct bytes text, char ret_code[CODE_MAX]) {
    size_t size = 0;
    text = bytes_slice(text, 0, bytes_find(text, ':'));
    size_t hash = bytes_find(text, '#');
    if (hash < text.size) {
        text = bytes_slice(text, hash + 1, text.size);
    }
    for (size_t i = 0; i < text.size && size < CODE_MAX - 1; i++) {
        char byte = text.data[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (is_letter || (byte >= '0' && byte <= '9') || byte == '.' || byte == '_') {
            ret_code[size++] = byte;
        }
    }
    ret_code[size] = '\0';
}

// <Code>AccessDenied</Code>: how some services refuse credentials.
static struct bytes find_xml_code(struct bytes body) {
    static const char opening[] = "<Code>";
    const char *start =
        body.size > 0 ? memmem(body.data, body.size, opening, strlen(opening)) : NULL;
    if (!start) {
        return (struct bytes){0};
    }
    struct bytes rest = bytes_slice(body, (size_t)(start - body.data) + strlen(opening), body.size);
    return bytes_slice(rest, 0, bytes_find(rest, '<'));
}

static void find_code(const struct http_answer *answer, const json_t *document,
                      char ret_code[CODE_MAX]) {
    struct bytes code;
    if (!http_answer_header(answer, "X-Amzn-ErrorType", &code)) {
        code = json_member_bytes(document, "__type");
    }
    copy_code(code.size > 0 ? code : find_xml_code(answer->body), ret_code);
}

// AWS says what is wrong with the event there. Not for refused signatures: then it repeats the
// request's headers.
static struct bytes find_text(const json_t *document) {
    static const char *const names[] = {"message", "Message", "errorMessage"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct bytes text = json_member_bytes(document, names[i]);
        if (text.size > 0) {
            return bytes_slice(text, 0, SERVICE_TEXT_MAX);
        }
    }
    return (struct bytes){0};
}

// --- what follows from it

static void forbid(struct provider_call *call, struct invocation_result *result, const char *code,
                   const char *advice, const char *action) {
    (void)error_set(&call->problem, STATUS_FAILED, "Function call failed with %s. %s%s%s", code,
                    advice, action, action[0] != '\0' ? " permission to these credentials." : "");
    result->outcome = INVOCATION_FORBIDDEN;
    result->status = 403;
}

static void apply(struct provider_call *call, const struct aws_service *service, const char *code,
                  struct invocation_result *result) {
    switch (kind_of(code)) {
    case KIND_ACCESS_DENIED:
        forbid(call, result, code,
               "The provided credentials do not have the required IAM permissions to invoke this "
               "function. Please attach the ",
               service->action);
        break;
    case KIND_BAD_CREDENTIALS:
        forbid(call, result, code,
               "The provided credentials are invalid. Please provide valid credentials.", "");
        break;
    case KIND_BAD_SIGNATURE:
        forbid(call, result, code,
               "The provided secret access key does not belong to the access key id, or this "
               "machine's clock is wrong. Please provide valid credentials.",
               "");
        break;
    case KIND_EXPIRED:
        forbid(call, result, code,
               "The provided security token for the function has expired. Please provide an "
               "updated security token or provide permanent credentials.",
               "");
        break;
    case KIND_THROTTLED:
        result->status = 429;
        result->is_throttled = true;
        break;
    case KIND_MISSING:
        result->status = 404;
        break;
    case KIND_KEY:
        result->status = 502;
        break;
    case KIND_OTHER:
        break;
    }
}

static void read_retry_after(const json_t *document, struct invocation_result *result) {
    const json_t *value = json_object_get(document, "retryAfterSeconds");
    char digits[32];
    if (result->retry_after_ms >= 0 || !value) {
        return;
    }
    if (json_is_integer(value)) {
        snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        result->retry_after_ms = retry_after_parse(bytes_of_text(digits), 0);
    } else if (json_is_string(value)) {
        result->retry_after_ms =
            retry_after_parse(json_member_bytes(document, "retryAfterSeconds"), 0);
    }
}

static void describe(struct provider_call *call, const char *code, const json_t *document,
                     unsigned status) {
    struct bytes text = find_text(document);
    (void)error_set(&call->problem, STATUS_FAILED, "AWS answered with status %u%s%s%s%.*s", status,
                    code[0] != '\0' ? ": " : "", code, text.size > 0 ? ": " : "", (int)text.size,
                    text.size > 0 ? text.data : "");
}

void aws_answer_read(struct provider_call *call, const struct aws_service *service,
                     const struct http_answer *answer, struct invocation_result *result) {
    char code[CODE_MAX];
    json_t *document = NULL;
    if (answer->result != HTTP_CALL_ANSWERED || result->outcome == INVOCATION_SUCCEEDED) {
        return;
    }
    if (json_parse(answer->body, &document, NULL) != STATUS_OK) {
        document = NULL;
    }
    // It is the platform that answers, not the function.
    result->is_function_answer = false;
    find_code(answer, document, code);
    describe(call, code, document, answer->status);
    apply(call, service, code, result);
    if (result->outcome != INVOCATION_FORBIDDEN && answer->status == 403 && code[0] == '\0') {
        result->outcome = INVOCATION_FORBIDDEN;
    }
    if (result->is_throttled) {
        read_retry_after(document, result);
    }
    result->error_text = call->problem.text;
    json_decref(document);
}

void aws_answer_take_member(struct provider_call *call, const struct http_answer *answer,
                            const char *name, struct invocation_result *result) {
    json_t *document = NULL;
    if (json_parse(answer->body, &document, NULL) == STATUS_OK) {
        buffer_append(&call->answer, json_member_bytes(document, name));
    }
    result->body = buffer_bytes(&call->answer);
    result->content_type = BYTES("text/plain; charset=utf-8");
    json_decref(document);
}
