#include "core/functions/provider_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/memory.h"

int64_t provider_call_timeout(const struct provider_call *call, int64_t own_ms) {
    bool is_own = own_ms > 0 && (call->timeout_ms <= 0 || own_ms < call->timeout_ms);
    return is_own ? own_ms : call->timeout_ms;
}

// One HTTP request of a call, until its answer.
struct sending {
    struct provider_call *call;
    provider_read_answer_fn read;
};

static enum invocation_outcome outcome_of(const struct http_answer *answer) {
    switch (answer->result) {
    case HTTP_CALL_ANSWERED:
        return answer->status >= 200 && answer->status < 300 ? INVOCATION_SUCCEEDED
                                                             : INVOCATION_FAILED;
    case HTTP_CALL_TIMED_OUT:
        return INVOCATION_TIMED_OUT;
    case HTTP_CALL_FORBIDDEN:
        return INVOCATION_FORBIDDEN;
    case HTTP_CALL_CANCELLED:
        return INVOCATION_CANCELLED;
    case HTTP_CALL_ANSWER_TOO_LARGE:
        return INVOCATION_FAILED;
    case HTTP_CALL_UNREACHABLE:
    case HTTP_CALL_CUT_OFF:
        break;
    }
    return INVOCATION_UNREACHABLE;
}

static void read_common(const struct http_answer *answer, struct invocation_result *result) {
    struct bytes value;
    result->outcome = outcome_of(answer);
    result->status = answer->result == HTTP_CALL_ANSWERED ? answer->status : 0;
    result->is_function_answer =
        answer->result == HTTP_CALL_ANSWERED && (answer->status < 300 || answer->status >= 400);
    result->is_throttled = result->status == 429 || result->status == 503;
    result->retry_after_ms = -1;
    result->headers = answer->headers;
    result->header_count = answer->header_count;
    result->body = answer->body;
    result->error_text = answer->error_text;
    if (http_answer_header(answer, "Retry-After", &value)) {
        result->retry_after_ms = retry_after_parse(value, clock_wall_us());
    }
    if (http_answer_header(answer, "Content-Type", &value)) {
        result->content_type = value;
    }
}

static void answered(void *context, const struct http_answer *answer) {
    struct sending *sending = context;
    struct provider_call *call = sending->call;
    provider_read_answer_fn read = sending->read;
    struct invocation_result result = {.duration_us = answer->duration_us};
    char text[64];
    free(sending);
    call->http_call = NULL;
    read_common(answer, &result);
    if (result.outcome == INVOCATION_FAILED && answer->result == HTTP_CALL_ANSWERED) {
        snprintf(text, sizeof text, "answered with status %u", answer->status);
        result.error_text = text;
    }
    if (read) {
        read(call, answer, &result);
    }
    provider_call_finish(call, &result);
}

void provider_call_send(struct provider_call *call, const struct http_call_options *options,
                        provider_read_answer_fn read) {
    struct error error = {0};
    struct sending *sending = memory_allocate(sizeof *sending);
    *sending = (struct sending){.call = call, .read = read};
    if (http_client_send(call->client, options, answered, sending, &call->http_call, &error) !=
        STATUS_OK) {
        free(sending);
        // The URL may hold what only its owner should read.
        if (strncmp(error.text, "URL ", 4) == 0) {
            (void)error_set(&error, STATUS_INVALID, "the function's URL is not well-formed");
        }
        provider_call_refuse(call, &error);
    }
}

void provider_call_refuse(struct provider_call *call, const struct error *error) {
    struct invocation_result result = {
        .outcome = INVOCATION_FAILED, .retry_after_ms = -1, .error_text = error->text};
    provider_call_finish(call, &result);
}
