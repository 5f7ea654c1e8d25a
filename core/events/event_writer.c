#include "core/events/event_writer.h"

#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_record.h"

void event_writer_name(struct buffer *buffer, size_t start, const char *name) {
    buffer_append_byte(buffer, buffer->size == start ? '{' : ',');
    buffer_append_byte(buffer, '"');
    buffer_append_text(buffer, name);
    buffer_append(buffer, BYTES("\":"));
}

void event_writer_member(struct buffer *buffer, size_t start, const char *name, struct bytes text) {
    event_writer_name(buffer, start, name);
    json_append_string(text, buffer);
}

void event_writer_extension(struct buffer *buffer, size_t start,
                            const struct event_extension *extension) {
    buffer_append_byte(buffer, buffer->size == start ? '{' : ',');
    buffer_append_byte(buffer, '"');
    buffer_append(buffer, extension->name);
    buffer_append(buffer, BYTES("\":"));
    if (extension->kind == EVENT_VALUE_STRING) {
        json_append_string(extension->value, buffer);
    } else {
        buffer_append(buffer, extension->value);
    }
}

void event_writer_base64(struct buffer *buffer, struct bytes data) {
    buffer_append_byte(buffer, '"');
    base64_encode(data, buffer);
    buffer_append_byte(buffer, '"');
}

// Headers that came more than once, with their values in an array: the members of egheaders.
struct separate_headers {
    struct json_member *items;
    size_t count;
    size_t capacity;
    size_t next;
};

struct data_walk {
    const struct event *event;
    struct buffer *buffer;
    size_t start;
    const struct event_params *params;
    bool separate_headers;
    struct separate_headers separate;
    bool has_params;
};

static void append_params(struct buffer *buffer, const struct event_params *params) {
    size_t start = buffer->size;
    for (size_t i = 0; i < params->count; i++) {
        buffer_append_byte(buffer, buffer->size == start ? '{' : ',');
        json_append_string(params->items[i].name, buffer);
        buffer_append_byte(buffer, ':');
        json_append_string(params->items[i].value, buffer);
    }
    buffer_append_byte(buffer, '}');
}

static bool collect_separate(void *context, const struct json_member *member) {
    struct separate_headers *separate = context;
    if (separate->count == separate->capacity) {
        separate->capacity = separate->capacity > 0 ? separate->capacity * 2 : 16;
        separate->items =
            memory_resize(separate->items, separate->capacity, sizeof *separate->items);
    }
    separate->items[separate->count++] = *member;
    return true;
}

static bool append_header(void *context, const struct json_member *member) {
    struct data_walk *walk = context;
    struct separate_headers *separate = &walk->separate;
    buffer_append_byte(walk->buffer, walk->buffer->size == walk->start ? '{' : ',');
    buffer_append(walk->buffer, member->name_json);
    buffer_append_byte(walk->buffer, ':');
    // Both are in the same order, so one look is enough.
    if (separate->next < separate->count &&
        bytes_equal(separate->items[separate->next].name_json, member->name_json)) {
        buffer_append(walk->buffer, separate->items[separate->next++].value);
    } else {
        buffer_append_byte(walk->buffer, '[');
        buffer_append(walk->buffer, member->value);
        buffer_append_byte(walk->buffer, ']');
    }
    return true;
}

static void append_separate_headers(const struct data_walk *walk, struct bytes headers) {
    struct data_walk inner = {.buffer = walk->buffer, .start = walk->buffer->size};
    const struct event_extension *extension = event_extension(walk->event, EVENT_NAME_HEADERS);
    if (extension && json_each_member(extension->value, collect_separate, &inner.separate, NULL)) {
        inner.separate.count = 0;
    }
    if (json_each_member(headers, append_header, &inner, NULL) != STATUS_OK) {
        walk->buffer->size = inner.start;
        buffer_append(walk->buffer, headers);
    } else {
        buffer_append_text(walk->buffer, walk->buffer->size == inner.start ? "{}" : "}");
    }
    free(inner.separate.items);
}

static bool append_data_member(void *context, const struct json_member *member) {
    struct data_walk *walk = context;
    buffer_append_byte(walk->buffer, walk->buffer->size == walk->start ? '{' : ',');
    buffer_append(walk->buffer, member->name_json);
    buffer_append_byte(walk->buffer, ':');
    if (walk->params && bytes_equal(member->name_json, BYTES("\"params\""))) {
        append_params(walk->buffer, walk->params);
        walk->has_params = true;
    } else if (walk->separate_headers && bytes_equal(member->name_json, BYTES("\"headers\"")) &&
               member->value.data[0] == '{') {
        append_separate_headers(walk, member->value);
    } else {
        buffer_append(walk->buffer, member->value);
    }
    return true;
}

static void append_request_data(struct buffer *buffer, const struct event_writing *writing,
                                bool separate_headers) {
    const struct event *event = writing->event;
    struct data_walk walk = {
        .event = event,
        .buffer = buffer,
        .start = buffer->size,
        .params = writing->params && writing->params->count > 0 ? writing->params : NULL,
        .separate_headers = separate_headers,
    };
    if (!(walk.params || separate_headers) ||
        json_each_member(event->data, append_data_member, &walk, NULL) != STATUS_OK) {
        // Not an object, which anybody may send under this type: nothing to put in.
        buffer->size = walk.start;
        buffer_append(buffer, event->data);
        return;
    }
    if (walk.params && !walk.has_params) {
        event_writer_name(buffer, walk.start, "params");
        append_params(buffer, walk.params);
    }
    buffer_append_text(buffer, buffer->size == walk.start ? "{}" : "}");
}

struct system_walk {
    struct buffer *buffer;
    size_t start;
    enum event_format format;
};

// A system event within a system event is no gateway's work: it stays as it is, so that nothing can
// nest without end.
static void append_told_event(const struct system_walk *walk, struct bytes value) {
    const struct event *event = NULL;
    if (event_record_decode_json(value, &event, NULL) != STATUS_OK ||
        event_type_is_system(event->type)) {
        buffer_append(walk->buffer, value);
        event_unref(event);
        return;
    }
    struct event_writing writing = {.event = event, .type = event->type};
    switch (walk->format) {
    case EVENT_FORMAT_CLOUDEVENTS_0_1:
        event_write_legacy(&writing, walk->buffer);
        break;
    case EVENT_FORMAT_CLASSIC:
        event_write_classic(&writing, walk->buffer);
        break;
    case EVENT_FORMAT_CLOUDEVENTS_1_0:
    case EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0:
        event_write_json(&writing, walk->buffer);
        break;
    }
    event_unref(event);
}

static bool append_system_member(void *context, const struct json_member *member) {
    struct system_walk *walk = context;
    buffer_append_byte(walk->buffer, walk->buffer->size == walk->start ? '{' : ',');
    buffer_append(walk->buffer, member->name_json);
    buffer_append_byte(walk->buffer, ':');
    if (bytes_equal(member->name_json, BYTES("\"event\""))) {
        append_told_event(walk, member->value);
    } else {
        buffer_append(walk->buffer, member->value);
    }
    return true;
}

static void append_system_data(struct buffer *buffer, const struct event *event,
                               enum event_format format) {
    struct system_walk walk = {.buffer = buffer, .start = buffer->size, .format = format};
    if (json_each_member(event->data, append_system_member, &walk, NULL) != STATUS_OK) {
        buffer->size = walk.start;
        buffer_append(buffer, event->data);
    } else {
        buffer_append_text(buffer, buffer->size == walk.start ? "{}" : "}");
    }
}

void event_writer_json_data(struct buffer *buffer, const struct event_writing *writing,
                            enum event_format format) {
    const struct event *event = writing->event;
    if (bytes_equal(event->type, BYTES(EVENT_TYPE_HTTP_REQUEST))) {
        append_request_data(buffer, writing, format == EVENT_FORMAT_CLASSIC);
    } else if (event_type_is_system(event->type)) {
        append_system_data(buffer, event, format);
    } else {
        buffer_append(buffer, event->data);
    }
}
