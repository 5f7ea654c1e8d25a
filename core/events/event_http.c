#include "core/events/event_http.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_http_decode.h"
#include "core/events/event_json.h"

bool event_http_header(const struct event_http_request *request, const char *name,
                       struct bytes *ret_value) {
    struct bytes wanted = bytes_of_text(name);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (header->name.size == wanted.size && bytes_equal_ignoring_case(header->name, wanted)) {
            *ret_value = bytes_trim(header->value);
            return ret_value->size > 0;
        }
    }
    return false;
}

void event_http_set_origin(const struct event_http_options *options,
                           struct event_builder *builder) {
    char id[UUID_TEXT_SIZE];
    uuid_create(id);
    char time[TIMESTAMP_TEXT_SIZE];
    timestamp_format(options->context.received_us, time);
    builder->core[EVENT_ATTRIBUTE_ID] = event_builder_copy(builder, bytes_of_text(id));
    builder->core[EVENT_ATTRIBUTE_TIME] = event_builder_copy(builder, bytes_of_text(time));
    builder->core[EVENT_ATTRIBUTE_SOURCE] = options->source;
}

static bool is_json_format(struct bytes content_type) {
    struct bytes essence = bytes_trim(bytes_slice(content_type, 0, bytes_find(content_type, ';')));
    return bytes_equal_ignoring_case(essence, BYTES("application/cloudevents+json")) ||
           bytes_equal_ignoring_case(essence, BYTES("application/cloudevents-batch+json"));
}

// True when the content type is one of CloudEvents; a batch's begins with the other's.
static bool dialect_of_content_type(struct bytes content_type, enum event_dialect *ret_dialect) {
    if (bytes_start_with_ignoring_case(content_type, BYTES("application/cloudevents-batch"))) {
        *ret_dialect = EVENT_DIALECT_BATCH;
        return true;
    }
    if (bytes_start_with_ignoring_case(content_type, BYTES("application/cloudevents"))) {
        *ret_dialect = EVENT_DIALECT_STRUCTURED;
        return true;
    }
    return false;
}

static bool is_binary_0_1(const struct event_http_request *request) {
    struct bytes value;
    return event_http_header(request, "ce-eventtype", &value) &&
           event_http_header(request, "ce-cloudeventsversion", &value) &&
           event_http_header(request, "ce-source", &value) &&
           event_http_header(request, "ce-eventid", &value);
}

enum status event_http_dialect(const struct event_http_request *request,
                               enum event_dialect *ret_dialect, unsigned *ret_http_status,
                               struct error *error) {
    struct bytes value;
    if (event_http_header(request, "content-type", &value) &&
        dialect_of_content_type(value, ret_dialect)) {
        if (is_json_format(value)) {
            return STATUS_OK;
        }
        *ret_http_status = 415;
        return error_set(error, STATUS_INVALID,
                         "content type \"%.*s\" is not supported, only application/"
                         "cloudevents+json and application/cloudevents-batch+json",
                         SHOWN(value));
    }
    if (event_http_header(request, "ce-specversion", &value)) {
        *ret_dialect = EVENT_DIALECT_BINARY_1_0;
    } else if (is_binary_0_1(request)) {
        *ret_dialect = EVENT_DIALECT_BINARY_0_1;
    } else if (event_http_header(request, "event", &value)) {
        *ret_dialect =
            bytes_equal(value, BYTES("invoke")) ? EVENT_DIALECT_INVOKE : EVENT_DIALECT_CUSTOM;
    } else {
        *ret_dialect = EVENT_DIALECT_REQUEST;
    }
    return STATUS_OK;
}

void event_list_clear(struct event_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        event_unref(list->events[i]);
    }
    free(list->events);
    *list = (struct event_list){0};
}

static void set_context(const struct event_http_options *options, struct event_builder *builder) {
    // Lent, not copied: the options live until the event is built.
    builder->context = options->context;
}

static enum status decode_into(const struct event_http_request *request, enum event_dialect dialect,
                               const struct event_http_options *options,
                               struct event_builder *builder, struct error *error) {
    switch (dialect) {
    case EVENT_DIALECT_STRUCTURED:
        return event_json_decode(request->body, builder, error);
    case EVENT_DIALECT_BINARY_1_0:
        return event_http_decode_binary(request, builder, error);
    case EVENT_DIALECT_BINARY_0_1:
        return event_http_decode_legacy(request, builder, error);
    case EVENT_DIALECT_CUSTOM:
        return event_http_decode_custom(request, options, builder, error);
    case EVENT_DIALECT_REQUEST:
        event_http_decode_request(request, options, builder);
        return STATUS_OK;
    case EVENT_DIALECT_BATCH:
    case EVENT_DIALECT_INVOKE:
        break;
    }
    return error_set(error, STATUS_INVALID, "a call of a function is not an event");
}

static enum status decode_one(const struct event_http_request *request, enum event_dialect dialect,
                              const struct event_http_options *options, struct event_list *list,
                              struct error *error) {
    struct event_builder builder;
    event_builder_init(&builder);
    set_context(options, &builder);
    const struct event *event = NULL;
    enum status status = decode_into(request, dialect, options, &builder, error);
    if (!status) {
        status = event_builder_build(&builder, &event, error);
    }
    if (!status) {
        list->events = memory_allocate(sizeof(const struct event *));
        list->events[0] = event;
        list->count = 1;
    }
    event_builder_clear(&builder);
    return status;
}

struct batch {
    const struct event_http_options *options;
    struct event_list list;
    size_t capacity;
    enum status status;
    struct error *error;
};

static void batch_add(struct batch *batch, const struct event *event) {
    if (batch->list.count == batch->capacity) {
        batch->capacity = batch->capacity > 0 ? batch->capacity * 2 : 16;
        batch->list.events =
            memory_resize(batch->list.events, batch->capacity, sizeof(const struct event *));
    }
    batch->list.events[batch->list.count++] = event;
}

static bool batch_visit(void *context, size_t index, struct bytes value) {
    struct batch *batch = context;
    if (index >= EVENT_BATCH_MAX) {
        batch->status =
            error_set(batch->error, STATUS_TOO_LARGE,
                      "the batch has more than %d events; send it in parts", EVENT_BATCH_MAX);
        return false;
    }
    struct event_builder builder;
    event_builder_init(&builder);
    set_context(batch->options, &builder);
    const struct event *event = NULL;
    batch->status = event_json_decode_1_0(value, &builder, batch->error);
    if (!batch->status) {
        batch->status = event_builder_build(&builder, &event, batch->error);
    }
    event_builder_clear(&builder);
    if (batch->status) {
        error_prefix(batch->error, "event at index %zu of the batch", index);
        return false;
    }
    batch_add(batch, event);
    return true;
}

static enum status decode_batch(const struct event_http_request *request,
                                const struct event_http_options *options, struct event_list *list,
                                struct error *error) {
    if (request->body.size == 0) {
        return error_set(error, STATUS_INVALID, "empty, a JSON array of events expected");
    }
    struct batch batch = {.options = options, .error = error};
    enum status status = json_each_element(request->body, batch_visit, &batch, error);
    if (batch.status) {
        status = batch.status;
    }
    if (status) {
        event_list_clear(&batch.list);
        return status;
    }
    *list = batch.list;
    return STATUS_OK;
}

enum status event_http_decode(const struct event_http_request *request, enum event_dialect dialect,
                              const struct event_http_options *options, struct event_list *ret_list,
                              unsigned *ret_http_status, struct error *error) {
    struct event_list list = {0};
    enum status status = dialect == EVENT_DIALECT_BATCH
                             ? decode_batch(request, options, &list, error)
                             : decode_one(request, dialect, options, &list, error);
    if (status) {
        *ret_http_status = status == STATUS_TOO_LARGE ? 413 : 400;
        return status;
    }
    *ret_list = list;
    return STATUS_OK;
}
