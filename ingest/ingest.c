#include "ingest/ingest.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/base/text.h"
#include "core/events/causation_depth.h"
#include "core/subscriptions/path_pattern.h"
#include "ingest/ingest_private.h"

static struct metric_family requests_family = {
    .name = "eventgateway_events_requests_total",
    .help = "Requests to the Events API by the status that they were answered with.",
    .kind = METRIC_COUNTER,
    .label_names = {"code"},
};

static struct metric_family received_family = {
    .name = "eventgateway_events_received_total",
    .help = "Events received; a type that is not registered counts as other.",
    .kind = METRIC_COUNTER,
    .label_names = {"space", "type"},
};

static void count_answer(unsigned status) {
    char code[8];
    snprintf(code, sizeof code, "%u", status);
    metric_add(METRIC(&requests_family, code), 1);
}

#define LABEL_MAX 256 // the longest name that can be registered

// A copy that ends in a NUL, cut at the label's size.
static void copy_label(struct bytes name, char ret_label[LABEL_MAX + 1]) {
    size_t size = name.size < LABEL_MAX ? name.size : LABEL_MAX;
    memcpy(ret_label, name.data, size);
    ret_label[size] = '\0';
}

void count_received(const struct intake *intake, const struct event *event) {
    char space_label[LABEL_MAX + 1] = "default";
    char type_label[LABEL_MAX + 1] = "other";
    struct bytes space = intake_type_space(intake);
    // Names from outside become labels only when they are registered, so that nobody can flood the
    // metrics.
    if (snapshot_event_type(intake->snapshot, space, event->type)) {
        copy_label(space, space_label);
        copy_label(event->type, type_label);
    } else if (intake->dialect == EVENT_DIALECT_REQUEST) {
        copy_label(BYTES("http.request"), type_label);
    }
    metric_add(METRIC(&received_family, space_label, type_label), 1);
}

struct bytes intake_type_space(const struct intake *intake) {
    return intake->space.size > 0 ? buffer_bytes(&intake->space) : BYTES("default");
}

static void intake_destroy(struct intake *intake) {
    intake->ingest->requests_inside--;
    event_list_clear(&intake->events);
    snapshot_unref(intake->snapshot);
    buffer_clear(&intake->space);
    buffer_clear(&intake->path);
    free(intake->method);
    free((void *)intake->http.headers);
    free(intake);
}

void intake_answer(struct intake *intake, const struct http_response *response) {
    count_answer(response->status);
    http_respond(intake->request, response);
    intake_destroy(intake);
}

void intake_refuse(struct intake *intake, unsigned status, unsigned retry_after_s,
                   const char *format, ...) {
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    count_answer(status);
    http_respond_error(intake->request, status, retry_after_s, "%s", text);
    intake_destroy(intake);
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

static char *upper_case(struct bytes text) {
    char *upper = bytes_to_text(text);
    for (char *letter = upper; *letter; letter++) {
        *letter = (char)toupper((unsigned char)*letter);
    }
    return upper;
}

static struct intake *intake_create(struct ingest *ingest, struct http_request *request) {
    struct intake *intake = memory_allocate(sizeof *intake);
    intake->ingest = ingest;
    intake->request = request;
    intake->snapshot = registry_snapshot(ingest->options.registry);
    intake->method = upper_case(http_request_method(request));
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
    ingest->requests_inside++;
    return intake;
}

// "team1.example.com:4000" with the hosted domain example.com gives "team1".
static struct bytes space_of_host(const struct intake *intake) {
    const char *domain = intake->ingest->options.hosted_domain;
    struct bytes host;
    if (!domain || !http_request_header(intake->request, "Host", &host)) {
        return (struct bytes){0};
    }
    host = bytes_slice(host, 0, bytes_find(host, ':'));
    size_t domain_size = strlen(domain);
    if (host.size < domain_size + 2 || host.data[host.size - domain_size - 1] != '.') {
        return (struct bytes){0};
    }
    struct bytes tail = bytes_slice(host, host.size - domain_size, domain_size);
    if (!bytes_equal_ignoring_case(tail, bytes_of_text(domain))) {
        return (struct bytes){0};
    }
    return bytes_slice(host, 0, host.size - domain_size - 1);
}

static bool space_is_valid(struct bytes space) {
    for (size_t i = 0; i < space.size; i++) {
        unsigned char letter = (unsigned char)space.data[i];
        if (!isalnum(letter) && letter != '.' && letter != '-' && letter != '_') {
            return false;
        }
    }
    return space.size >= 3;
}

static void set_path(struct intake *intake, struct bytes hosted_space) {
    if (hosted_space.size == 0) {
        path_normalize(intake->http.path, &intake->path);
        return;
    }
    struct buffer full = {0};
    buffer_append_byte(&full, '/');
    buffer_append(&full, hosted_space);
    buffer_append(&full, intake->http.path);
    path_normalize(buffer_bytes(&full), &intake->path);
    buffer_clear(&full);
}

// How much of a text from outside an error message shows.
static int shown_size(struct bytes text) {
    return (int)(text.size > 200 ? 200 : text.size);
}

// Contract 2.2: the host decides, else the Space header, else none. Under a hosted domain the space
// is also the first segment of the path.
static enum status find_space(struct intake *intake, struct error *error) {
    struct bytes hosted = space_of_host(intake);
    struct bytes header = {0};
    if (hosted.size > 0) {
        buffer_append(&intake->space, hosted);
    } else if (http_request_header(intake->request, "Space", &header)) {
        buffer_append(&intake->space, bytes_trim(header));
    }
    if (intake->space.size > 0 && !space_is_valid(buffer_bytes(&intake->space))) {
        return error_set(error, STATUS_INVALID,
                         "space \"%.*s\": at least 3 letters, digits, '.', '-' or '_'",
                         shown_size(buffer_bytes(&intake->space)), intake->space.data);
    }
    if (intake->space.size == 0 && intake->ingest->options.requires_space) {
        return error_set(error, STATUS_INVALID,
                         "no space: name it in the Space header (this gateway requires one)");
    }
    set_path(intake, hosted);
    return STATUS_OK;
}

enum status check_not_system(const struct intake *intake, struct error *error) {
    for (size_t i = 0; i < intake->events.count; i++) {
        struct bytes type = intake->events.events[i]->type;
        if (event_type_is_system(type)) {
            return error_set(error, STATUS_INVALID,
                             "event %zu: type \"%.*s\" is the gateway's own and cannot be sent", i,
                             shown_size(type), type.data);
        }
    }
    return STATUS_OK;
}

static enum status check_registered(const struct intake *intake, struct error *error) {
    if (!intake->ingest->options.requires_registered_types ||
        intake->dialect == EVENT_DIALECT_REQUEST) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < intake->events.count; i++) {
        struct bytes type = intake->events.events[i]->type;
        if (!snapshot_event_type(intake->snapshot, intake_type_space(intake), type)) {
            return error_set(error, STATUS_INVALID, "event %zu: Event Type \"%.*s\" not found.", i,
                             shown_size(type), type.data);
        }
    }
    return STATUS_OK;
}

enum status take_causation_depth(struct intake *intake, struct error *error) {
    struct bytes header;
    enum status status = STATUS_OK;
    if (!http_request_header(intake->request, CAUSATION_DEPTH_HEADER, &header)) {
        return STATUS_OK;
    }
    for (size_t i = 0; status == STATUS_OK && i < intake->events.count; i++) {
        status = causation_depth_take(&intake->events.events[i], header, error);
    }
    return status;
}

void intake_tell_received(const struct intake *intake) {
    for (size_t i = 0; i < intake->events.count; i++) {
        system_emit_received(&intake->ingest->emitter, intake->snapshot, intake->events.events[i],
                             buffer_bytes(&intake->path), &intake->http);
    }
}

static bool something_matches(const struct intake *intake) {
    const struct event *event = intake->events.events[0];
    struct route_query query = {.space = event->context.space,
                                .type = event->type,
                                .method = event->context.method,
                                .path = event->context.path};
    return routes_has_match(snapshot_routes(intake->snapshot), &query);
}

static void deliver(struct intake *intake) {
    if (!call_sync_subscription(intake)) {
        receive_event(intake);
    }
}

static void take_events(struct intake *intake) {
    struct error error;
    unsigned http_status = 400;
    struct event_http_options options = {
        .source = bytes_of_text(intake->ingest->options.source),
        .context = {.space = buffer_bytes(&intake->space),
                    .method = intake->http.method,
                    .path = buffer_bytes(&intake->path),
                    .received_us = clock_wall_us()},
    };
    if (event_http_decode(&intake->http, intake->dialect, &options, &intake->events, &http_status,
                          &error) != STATUS_OK) {
        intake_refuse(intake, http_status, 0, "%s", error.text);
        return;
    }
    if (check_not_system(intake, &error) != STATUS_OK ||
        check_registered(intake, &error) != STATUS_OK ||
        take_causation_depth(intake, &error) != STATUS_OK) {
        intake_refuse(intake, 400, 0, "%s", error.text);
        return;
    }
    if (intake->dialect == EVENT_DIALECT_REQUEST && !something_matches(intake)) {
        intake_refuse(intake, 404, 0, "resource not found");
        return;
    }
    authorize(intake, deliver);
}

static bool custom_event_has_wrong_method(const struct intake *intake) {
    return intake->dialect == EVENT_DIALECT_CUSTOM && strcmp(intake->method, "POST") != 0;
}

void ingest_handle(void *context, struct http_request *request) {
    struct ingest *ingest = context;
    struct intake *intake = intake_create(ingest, request);
    struct error error;
    unsigned http_status = 400;
    if (ingest->is_closed) {
        intake_refuse(intake, 503, 1, "this gateway is shutting down");
        return;
    }
    if (ingest->requests_inside > ingest->options.inside_max_requests) {
        intake_refuse(intake, 503, 1, "too many requests inside");
        return;
    }
    if (event_http_dialect(&intake->http, &intake->dialect, &http_status, &error) != STATUS_OK) {
        intake_refuse(intake, http_status, 0, "%s", error.text);
        return;
    }
    if (custom_event_has_wrong_method(intake)) {
        intake_refuse(intake, 400, 0, "custom event can be emitted only with POST method");
        return;
    }
    if (find_space(intake, &error) != STATUS_OK) {
        intake_refuse(intake, 400, 0, "%s", error.text);
        return;
    }
    if (intake->dialect == EVENT_DIALECT_INVOKE) {
        call_invoked_function(intake);
    } else {
        take_events(intake);
    }
}

static bool turn_ended(struct event_loop_hook *hook) {
    append_received(CONTAINER_OF(hook, struct ingest, turn_end));
    return false;
}

enum status ingest_create(const struct ingest_options *options, struct ingest **ret_ingest,
                          struct error *error) {
    (void)error;
    struct ingest *ingest = memory_allocate(sizeof *ingest);
    ingest->options = *options;
    if (ingest->options.inside_max_requests == 0) {
        ingest->options.inside_max_requests = 10000;
    }
    ingest->emitter = (struct system_emitter){
        .log = options->log,
        .loop = options->loop,
        .source = bytes_of_text(options->source),
        .is_hosted = options->hosted_domain != NULL,
    };
    ingest->last_received = &ingest->first_received;
    ingest->turn_end.before_wait = turn_ended;
    event_loop_hook_add(options->loop, &ingest->turn_end);
    *ret_ingest = ingest;
    return STATUS_OK;
}

void ingest_close_door(struct ingest *ingest) {
    ingest->is_closed = true;
}

void ingest_destroy(struct ingest *ingest) {
    event_loop_hook_remove(ingest->options.loop, &ingest->turn_end);
    free(ingest);
}
