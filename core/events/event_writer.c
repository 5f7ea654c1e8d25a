#include "core/events/event_writer.h"

#include "core/base/json.h"
#include "core/base/text.h"
#include "core/events/event_attribute.h"

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

struct data_walk {
    struct buffer *buffer;
    size_t start;
    const struct event_params *params;
    bool separate_headers;
    struct bytes separate; // egheaders, or empty
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

struct header_search {
    struct bytes name_json;
    struct bytes values;
};

static bool find_header(void *context, const struct json_member *member) {
    struct header_search *search = context;
    if (bytes_equal(member->name_json, search->name_json)) {
        search->values = member->value;
        return false;
    }
    return true;
}

static bool append_header(void *context, const struct json_member *member) {
    struct data_walk *walk = context;
    struct header_search search = {.name_json = member->name_json};
    if (walk->separate.size > 0 &&
        json_each_member(walk->separate, find_header, &search, NULL) != STATUS_OK) {
        search.values = BYTES("");
    }
    buffer_append_byte(walk->buffer, walk->buffer->size == walk->start ? '{' : ',');
    buffer_append(walk->buffer, member->name_json);
    buffer_append_byte(walk->buffer, ':');
    if (search.values.size > 0 && search.values.data[0] == '[') {
        buffer_append(walk->buffer, search.values);
    } else {
        buffer_append_byte(walk->buffer, '[');
        buffer_append(walk->buffer, member->value);
        buffer_append_byte(walk->buffer, ']');
    }
    return true;
}

static void append_separate_headers(const struct data_walk *walk, struct bytes headers) {
    struct data_walk inner = {
        .buffer = walk->buffer, .start = walk->buffer->size, .separate = walk->separate};
    if (json_each_member(headers, append_header, &inner, NULL) != STATUS_OK) {
        walk->buffer->size = inner.start;
        buffer_append(walk->buffer, headers);
        return;
    }
    buffer_append_text(walk->buffer, walk->buffer->size == inner.start ? "{}" : "}");
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

void event_writer_json_data(struct buffer *buffer, const struct event_writing *writing,
                            bool separate_headers) {
    const struct event *event = writing->event;
    const struct event_extension *separate = event_extension(event, EVENT_NAME_HEADERS);
    struct data_walk walk = {
        .buffer = buffer,
        .start = buffer->size,
        .params = writing->params && writing->params->count > 0 ? writing->params : NULL,
        .separate_headers = separate_headers,
        .separate = separate ? separate->value : BYTES(""),
    };
    bool is_request = bytes_equal(event->type, BYTES(EVENT_TYPE_HTTP_REQUEST));
    if (!is_request || !(walk.params || separate_headers) ||
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
