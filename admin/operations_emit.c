// POST events: what the UI and egctl emit. In any dialect of the Events API; besides, a plain JSON
// object with a type and data, which gets what it lacks.

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "admin/operations_api.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/event_http.h"
#include "core/events/event_record.h"
#include "core/subscriptions/path_pattern.h"

struct emission {
    struct operations_call *call;
    struct event_http_request http;
    struct http_header *headers;
    struct buffer body, path;
    struct event_list events;
    size_t left; // appends inside, and one for the caller
    enum status status;
    struct emitted_event {
        struct emission *emission;
        struct encoded_record encoded;
        struct event_log_append append;
    } * appends;
};

static void emission_destroy(struct emission *emission) {
    for (size_t i = 0; emission->appends && i < emission->events.count; i++) {
        event_record_clear(&emission->appends[i].encoded);
    }
    free(emission->appends);
    free(emission->headers);
    event_list_clear(&emission->events);
    buffer_clear(&emission->body);
    buffer_clear(&emission->path);
    free(emission);
}

// --- Decoding.

struct header_list {
    struct http_header *items;
    size_t count;
};

static bool add_header(void *context, const struct http_header *header) {
    struct header_list *list = context;
    list->items = memory_resize(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = *header;
    return true;
}

static bool is_plain_json(const struct event_http_request *http) {
    struct bytes content_type, ignored;
    return event_http_header(http, "content-type", &content_type) &&
           bytes_start_with_ignoring_case(content_type, BYTES("application/json")) &&
           !event_http_header(http, "event", &ignored) &&
           !event_http_header(http, "ce-specversion", &ignored) &&
           !event_http_header(http, "ce-eventid", &ignored);
}

// What is missing goes in front; the rest stays as it came.
static enum status complete_json(struct emission *emission, struct error *error) {
    struct bytes text = emission->http.body;
    json_t *object = NULL;
    enum status status = json_parse(text, &object, error);
    if (status == STATUS_OK && (!json_is_object(object) || json_object_size(object) == 0)) {
        status = error_set(error, STATUS_INVALID,
                           "the body is not an event: a JSON object with a "
                           "type");
    }
    bool is_legacy = json_object_get(object, "cloudEventsVersion") != NULL;
    if (status == STATUS_OK && !is_legacy) {
        char id[UUID_TEXT_SIZE];
        uuid_create(id);
        const char *const names[] = {"specversion", "id", "source"};
        const char *const values[] = {"1.0", id, "/event-gateway"};
        buffer_append_byte(&emission->body, '{');
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
            if (!json_object_get(object, names[i])) {
                buffer_append_format(&emission->body, "\"%s\":\"%s\",", names[i], values[i]);
            }
        }
        size_t brace = bytes_find(text, '{');
        buffer_append(&emission->body, bytes_slice(text, brace + 1, text.size));
        emission->http.body = buffer_bytes(&emission->body);
    }
    json_decref(object);
    return status;
}

static enum status decode(struct emission *emission, unsigned *ret_http_status,
                          struct error *error) {
    enum event_dialect dialect = EVENT_DIALECT_STRUCTURED;
    enum status status = STATUS_OK;
    *ret_http_status = 400;
    if (is_plain_json(&emission->http)) {
        status = complete_json(emission, error);
    } else {
        status = event_http_dialect(&emission->http, &dialect, ret_http_status, error);
    }
    if (status == STATUS_OK &&
        (dialect == EVENT_DIALECT_INVOKE || dialect == EVENT_DIALECT_REQUEST)) {
        status = error_set(error, STATUS_INVALID,
                           "no event: send a CloudEvent, or JSON with a type and data");
    }
    const struct event_http_options options = {
        .source = BYTES("/event-gateway"),
        .context = {.space = buffer_bytes(&emission->call->space),
                    .method = BYTES("POST"),
                    .path = buffer_bytes(&emission->path),
                    .received_us = clock_wall_us()},
    };
    if (status == STATUS_OK) {
        status = event_http_decode(&emission->http, dialect, &options, &emission->events,
                                   ret_http_status, error);
    }
    for (size_t i = 0; status == STATUS_OK && i < emission->events.count; i++) {
        if (event_type_is_system(emission->events.events[i]->type)) {
            status = error_set(error, STATUS_INVALID,
                               "events of types that begin with gateway. or eventgateway. come "
                               "only from the gateway itself");
        }
    }
    return status;
}

// --- Appending.

static void answer_ids(struct emission *emission) {
    struct operations_call *call = emission->call;
    json_t *list = json_array();
    for (size_t i = 0; i < emission->events.count; i++) {
        struct bytes id = emission->events.events[i]->id;
        json_array_append_new(list, json_stringn(id.data, id.size));
    }
    call->answer = json_pack("{s:o}", "eventIds", list);
    call->answer_status = 202;
    emission_destroy(emission);
    operations_call_answer(call);
}

static void fail(struct emission *emission, enum status status) {
    struct operations_call *call = emission->call;
    struct error error = {0};
    if (status != STATUS_TOO_LARGE) {
        (void)error_set(&error, status, "the event log cannot be written now, try again");
        status = STATUS_UNAVAILABLE;
    } else {
        (void)error_set(&error, status, "an event is too large for the event log");
    }
    emission_destroy(emission);
    operations_call_fail(call, status, &error);
}

static void release(struct emission *emission) {
    if (--emission->left > 0) {
        return;
    }
    if (emission->status == STATUS_OK) {
        answer_ids(emission);
    } else {
        fail(emission, emission->status);
    }
}

static void append_done(struct event_log_append *append) {
    struct emitted_event *emitted = CONTAINER_OF(append, struct emitted_event, append);
    struct emission *emission = emitted->emission;
    if (append->status != STATUS_OK) {
        emission->status = append->status;
    }
    release(emission);
}

static void append_events(struct emission *emission) {
    size_t count = emission->events.count;
    emission->appends = memory_allocate((count + 1) * sizeof *emission->appends);
    emission->left = 1;
    for (size_t i = 0; i < count && emission->status == STATUS_OK; i++) {
        struct emitted_event *emitted = &emission->appends[i];
        emitted->emission = emission;
        event_record_encode(emission->events.events[i], &emitted->encoded);
        emitted->append = (struct event_log_append){
            .stream = EVENT_LOG_EVENTS,
            .record = emitted->encoded.record,
            .loop = emission->call->admin->options.loop,
            .done = append_done,
        };
        enum status status = event_log_append(emission->call->admin->options.log, &emitted->append);
        emission->left += status == STATUS_OK;
        emission->status = status;
    }
    release(emission);
}

void operations_emit(struct operations_call *call) {
    struct emission *emission = memory_allocate(sizeof *emission);
    struct header_list headers = {0};
    struct buffer path = {0};
    struct error error = {0};
    unsigned http_status = 400;
    emission->call = call;
    http_request_each_header(call->request, add_header, &headers);
    emission->headers = headers.items;
    if (!query_param(http_request_query(call->request), "path", &path)) {
        buffer_append_byte(&path, '/');
    }
    path_normalize(buffer_bytes(&path), &emission->path);
    buffer_clear(&path);
    emission->http = (struct event_http_request){
        .method = BYTES("POST"),
        .path = buffer_bytes(&emission->path),
        .headers = headers.items,
        .header_count = headers.count,
        .body = http_request_body(call->request),
    };
    if (decode(emission, &http_status, &error) == STATUS_OK) {
        append_events(emission);
        return;
    }
    emission_destroy(emission);
    admin_answer_error(call->request, CONFIG_SPACES, http_status, 0, bytes_of_text(error.text));
    operations_call_destroy(call);
}
