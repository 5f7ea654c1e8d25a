#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_writer.h"

static void note_end(struct event_header_text *headers) {
    if (headers->count == headers->capacity) {
        headers->capacity = headers->capacity > 0 ? headers->capacity * 2 : 32;
        headers->ends = memory_resize(headers->ends, headers->capacity, sizeof *headers->ends);
    }
    headers->ends[headers->count++] = headers->text.size;
}

void event_header_text_add(struct event_header_text *headers, struct bytes name,
                           struct bytes value) {
    buffer_append(&headers->text, name);
    note_end(headers);
    buffer_append(&headers->text, value);
    note_end(headers);
}

void event_header_text_clear(struct event_header_text *headers) {
    buffer_clear(&headers->text);
    free(headers->ends);
    *headers = (struct event_header_text){0};
}

static void add_attribute(struct event_header_text *headers, struct bytes name,
                          struct bytes value) {
    buffer_append(&headers->text, BYTES("ce-"));
    buffer_append(&headers->text, name);
    note_end(headers);
    percent_encode_header_value(value, &headers->text);
    note_end(headers);
}

static void add_attributes(const struct event_writing *writing, struct event_header_text *headers) {
    const struct event *event = writing->event;
    const struct {
        struct bytes name;
        struct bytes value;
    } attributes[] = {{BYTES("specversion"), BYTES("1.0")},    {BYTES("id"), event->id},
                      {BYTES("source"), event->source},        {BYTES("type"), writing->type},
                      {BYTES("subject"), event->subject},      {BYTES("time"), event->time},
                      {BYTES("dataschema"), event->dataschema}};
    for (size_t i = 0; i < ARRAY_LENGTH(attributes); i++) {
        if (attributes[i].value.size > 0) {
            add_attribute(headers, attributes[i].name, attributes[i].value);
        }
    }
    for (size_t i = 0; i < event->extension_count; i++) {
        const struct event_extension *extension = &event->extensions[i];
        if (!event_name_is_reserved(extension->name)) {
            add_attribute(headers, extension->name, extension->value);
        }
    }
}

void event_write_binary(const struct event_writing *writing, struct event_header_text *ret_headers,
                        struct buffer *ret_body) {
    const struct event *event = writing->event;
    // A delivery always says a type; this one means the same as none.
    event_header_text_add(ret_headers, BYTES("Content-Type"),
                          event->datacontenttype.size > 0 ? event->datacontenttype
                                                          : BYTES("application/octet-stream"));
    add_attributes(writing, ret_headers);
    if (event->data_kind == EVENT_DATA_JSON) {
        event_writer_json_data(ret_body, writing, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0);
    } else {
        buffer_append(ret_body, event->data);
    }
}
