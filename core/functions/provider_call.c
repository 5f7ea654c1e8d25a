#include "core/functions/provider_call.h"

#include <stdarg.h>
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

void provider_call_read(const struct http_answer *answer, struct invocation_result *result) {
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
    provider_call_read(answer, &result);
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

static size_t copy_headers(struct http_header *to, const struct http_header *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
    return count;
}

void provider_call_post(struct provider_call *call, const struct provider_post *post,
                        provider_read_answer_fn read) {
    const struct event_message *message = call->message;
    size_t most = message->header_count + call->header_count + post->header_count + 1;
    struct http_header *headers = memory_allocate(most * sizeof *headers);
    size_t count = copy_headers(headers, message->headers, message->header_count);
    headers[count++] = (struct http_header){BYTES("User-Agent"), BYTES(PROVIDER_USER_AGENT)};
    count += copy_headers(headers + count, call->headers, call->header_count);
    count += copy_headers(headers + count, post->headers, post->header_count);
    struct http_call_options options = {
        .method = "POST",
        .url = post->url,
        .headers = headers,
        .header_count = count,
        .body = message->body,
        .timeout_ms = provider_call_timeout(call, post->timeout_ms),
        .answer_max_bytes = call->answer_max_bytes,
    };
    provider_call_send(call, &options, read);
    free(headers);
}

struct bytes provider_call_header(const struct provider_call *call, const char *name) {
    for (size_t i = 0; i < call->header_count; i++) {
        if (bytes_equal_text(call->headers[i].name, name)) {
            return call->headers[i].value;
        }
    }
    return (struct bytes){0};
}

bool provider_call_is_delivery(const struct provider_call *call) {
    return provider_call_header(call, "Event-Gateway-Attempt").size > 0; // Only they have attempts.
}

void provider_call_forbid(struct provider_call *call, struct invocation_result *result,
                          const char *text) {
    provider_call_fail(call, result, "%s", text);
    result->outcome = INVOCATION_FORBIDDEN;
    result->status = 403;
}

void provider_call_fail(struct provider_call *call, struct invocation_result *result,
                        const char *format, ...) {
    va_list arguments;
    char text[sizeof call->problem.text];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)error_set(&call->problem, STATUS_FAILED, "%s", text);
    result->outcome = INVOCATION_FAILED;
    result->is_function_answer = false;
    result->error_text = call->problem.text;
}

void provider_call_refuse(struct provider_call *call, const struct error *error) {
    struct invocation_result result = {
        .outcome = INVOCATION_FAILED, .retry_after_ms = -1, .error_text = error->text};
    provider_call_finish(call, &result);
}
