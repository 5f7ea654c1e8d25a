// One request on its way through ingest: what it is made of, the function that it waits for, and
// its end.

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/subscriptions/routes.h"
#include "ingest/access_log.h"
#include "ingest/ingest_private.h"

// What nginx calls a request whose client closed before it was answered.
#define CLIENT_HAS_LEFT 499

static struct metric_family requests_family = {
    .name = "eventgateway_events_requests_total",
    .help = "Requests to the Events API by the status that they were answered with; 499: their "
            "clients left while a function was called.",
    .kind = METRIC_COUNTER,
    .label_names = {"code"},
};

static struct metric_family received_family = {
    .name = "eventgateway_events_received_total",
    .help = "Events received; a type that is not registered counts as other, and so does a space "
            "that holds nothing.",
    .kind = METRIC_COUNTER,
    .label_names = {"space", "type"},
};

#define LABEL_MAX 256 // the longest name that can be registered

// A copy that ends in a NUL, cut at the label's size.
bool intake_space_is_known(const struct intake *intake) {
    struct bytes space = intake_type_space(intake);
    return bytes_equal_text(space, "default") || snapshot_has_space(intake->snapshot, space);
}

static void copy_label(struct bytes name, char ret_label[LABEL_MAX + 1]) {
    size_t size = name.size < LABEL_MAX ? name.size : LABEL_MAX;
    memcpy(ret_label, name.data, size);
    ret_label[size] = '\0';
}

void count_received(const struct intake *intake, const struct event *event) {
    char space_label[LABEL_MAX + 1] = "other";
    char type_label[LABEL_MAX + 1] = "other";
    struct bytes space = intake_type_space(intake);
    // Names from outside become labels only when they are registered, so that nobody can flood the
    // metrics.
    if (intake_space_is_known(intake)) {
        copy_label(space, space_label);
    }
    if (snapshot_event_type(intake->snapshot, space, event->type)) {
        copy_label(event->type, type_label);
    } else if (intake->dialect == EVENT_DIALECT_REQUEST) {
        copy_label(BYTES("http.request"), type_label);
    }
    metric_add(METRIC(&received_family, space_label, type_label), 1);
}

struct bytes intake_type_space(const struct intake *intake) {
    return intake->space.size > 0 ? buffer_bytes(&intake->space) : BYTES("default");
}

struct route_query intake_route_query(const struct intake *intake) {
    const struct event *event = intake->events.events[0];
    return (struct route_query){.space = event->context.space,
                                .type = event->type,
                                .method = event->context.method,
                                .path = event->context.path};
}

enum status intake_decode(struct intake *intake, enum event_dialect dialect,
                          unsigned *ret_http_status, struct error *error) {
    struct event_http_options options = {
        .source = bytes_of_text(intake->ingest->options.source),
        .context = {.space = buffer_bytes(&intake->space),
                    .method = intake->http.method,
                    .path = buffer_bytes(&intake->path),
                    .traceparent = bytes_of_text(intake->traceparent),
                    .tracestate = buffer_bytes(&intake->tracestate),
                    .received_us = clock_wall_us()},
    };
    return event_http_decode(&intake->http, dialect, &options, &intake->events, ret_http_status,
                             error);
}

void intake_tell_received(const struct intake *intake) {
    for (size_t i = 0; i < intake->events.count; i++) {
        system_emit_received(&intake->ingest->emitter, intake->snapshot, intake->events.events[i],
                             buffer_bytes(&intake->path), &intake->http);
    }
}

static void intake_destroy(struct intake *intake) {
    intake->ingest->requests_inside--;
    event_list_clear(&intake->events);
    snapshot_unref(intake->snapshot);
    buffer_clear(&intake->space);
    buffer_clear(&intake->path);
    buffer_clear(&intake->tracestate);
    free(intake->method);
    free((void *)intake->http.headers);
    free(intake);
}

static void count_answer(unsigned status) {
    char code[8];
    snprintf(code, sizeof code, "%u", status);
    metric_add(METRIC(&requests_family, code), 1);
}

static void finish(struct intake *intake, const struct http_response *response) {
    unsigned status = intake->client_has_left ? CLIENT_HAS_LEFT : response->status;
    count_answer(status);
    if (intake->ingest->options.logs_access) {
        access_log_write(intake, status, response->body.size);
    }
    http_respond(intake->request, response);
    intake_destroy(intake);
}

void intake_answer(struct intake *intake, const struct http_response *response) {
    if (!intake->cors.is_there) {
        finish(intake, response);
        return;
    }
    struct http_response answer = *response;
    struct http_header *headers =
        memory_allocate((response->header_count + CORS_HEADERS_MAX) * sizeof(struct http_header));
    answer.headers = headers;
    answer.header_count = cors_answer_join(&intake->cors, response, headers);
    finish(intake, &answer);
    free(headers);
}

void intake_refuse(struct intake *intake, unsigned status, unsigned retry_after_s,
                   const char *format, ...) {
    char text[1200];
    char seconds[16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(seconds, sizeof seconds, "%u", retry_after_s);
    struct http_header retry_after = {BYTES("Retry-After"), bytes_of_text(seconds)};
    struct buffer body = {0};
    buffer_append_text(&body, "{\"errors\":[{\"message\":");
    json_append_string(bytes_of_text(text), &body);
    buffer_append_text(&body, "}]}");
    struct http_response response = {
        .status = status,
        .content_type = "application/json",
        .headers = &retry_after,
        .header_count = retry_after_s > 0 ? 1 : 0,
        .body = buffer_bytes(&body),
    };
    intake_answer(intake, &response);
    buffer_clear(&body);
}

struct header_collector {
    struct http_header *headers;
    size_t count;
    size_t capacity;
};

static bool collect_header(void *context, const struct http_header *header) {
    struct header_collector *collector = context;
    if (collector->count == collector->capacity) {
        collector->capacity = collector->capacity > 0 ? collector->capacity * 2 : 16;
        collector->headers =
            memory_resize(collector->headers, collector->capacity, sizeof *collector->headers);
    }
    collector->headers[collector->count++] = *header;
    return true;
}

char *upper_case_of(struct bytes text) {
    char *upper = bytes_to_text(text);
    for (char *letter = upper; *letter; letter++) {
        *letter = (char)toupper((unsigned char)*letter);
    }
    return upper;
}

// A list may come in several headers.
static void read_tracestate(struct intake *intake) {
    for (size_t i = 0; i < intake->http.header_count; i++) {
        const struct http_header *header = &intake->http.headers[i];
        struct bytes value = bytes_trim(header->value);
        if (value.size > 0 && bytes_equal_ignoring_case(header->name, BYTES("tracestate"))) {
            buffer_append_text(&intake->tracestate, intake->tracestate.size > 0 ? "," : "");
            buffer_append(&intake->tracestate, value);
        }
    }
    if (!trace_state_is_valid(buffer_bytes(&intake->tracestate))) {
        buffer_reset(&intake->tracestate);
    }
}

// A traceparent of a later version is kept as far as this one goes.
static void read_trace(struct intake *intake) {
    struct bytes value;
    struct trace_context trace;
    if (!event_http_header(&intake->http, "traceparent", &value) ||
        !trace_context_read(value, &trace)) {
        return;
    }
    memcpy(intake->traceparent, value.data, TRACEPARENT_TEXT_SIZE - 1);
    memcpy(intake->traceparent, "00", 2);
    read_tracestate(intake);
}

struct intake *intake_create(struct ingest *ingest, struct http_request *request) {
    struct intake *intake = memory_allocate(sizeof *intake);
    intake->ingest = ingest;
    intake->request = request;
    intake->snapshot = registry_snapshot(ingest->options.registry);
    intake->method = upper_case_of(http_request_method(request));
    struct header_collector collector = {0};
    http_request_each_header(request, collect_header, &collector);
    intake->http = (struct event_http_request){
        .method = bytes_of_text(intake->method),
        .path = http_request_path(request),
        .query = http_request_query(request),
        .headers = collector.headers,
        .header_count = collector.count,
        .body = http_request_body(request),
    };
    read_trace(intake);
    ingest->requests_inside++;
    return intake;
}

void intake_begin_span(struct intake *intake, const struct event *event) {
    struct trace_context trace;
    if (!trace_context_read(bytes_of_text(intake->traceparent), &trace)) {
        trace = trace_context_of(event, random_below(UINT64_MAX), random_below(UINT64_MAX));
    }
    trace_context_write(&trace, random_below(UINT64_MAX), intake->traceparent);
}

static void client_left(void *context) {
    struct intake *intake = context;
    intake->client_has_left = true;
    invocation_cancel(intake->invocation);
}

static void call_deadline_expired(struct event_loop_timer *timer) {
    struct intake *intake = CONTAINER_OF(timer, struct intake, call_deadline);
    intake->call_is_late = true;
    invocation_cancel(intake->invocation);
}

static void call_ended(void *context, const struct invocation_result *result) {
    struct intake *intake = context;
    struct invocation_result final = *result;
    intake->invocation = NULL;
    event_loop_timer_stop(intake->ingest->options.loop, &intake->call_deadline);
    http_request_on_client_left(intake->request, NULL, NULL);
    if (intake->call_is_late && result->outcome == INVOCATION_CANCELLED) {
        final.outcome = INVOCATION_TIMED_OUT;
        final.error_text = "no answer in time";
    }
    intake->call_is_late = false;
    intake->call_done(intake->call_context, &final);
}

void intake_call(struct intake *intake, const struct invocation_options *options,
                 invocation_done_fn done, void *context) {
    intake->call_done = done;
    intake->call_context = context;
    intake->call_deadline.expired = call_deadline_expired;
    intake->invocation =
        invoker_invoke(intake->ingest->options.invoker, options, call_ended, intake);
    event_loop_timer_start(intake->ingest->options.loop, &intake->call_deadline,
                           options->timeout_ms * 1000);
    http_request_on_client_left(intake->request, client_left, intake);
}
