#include "core/base/json.h"
#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_format.h"
#include "core/events/event_writer.h"

static void write_data(const struct event_writing *writing, size_t start, struct buffer *buffer) {
    const struct event *event = writing->event;
    switch (event->data_kind) {
    case EVENT_DATA_NONE:
        return;
    case EVENT_DATA_JSON:
        event_writer_name(buffer, start, "data");
        event_writer_json_data(buffer, writing, EVENT_FORMAT_CLOUDEVENTS_1_0);
        return;
    case EVENT_DATA_TEXT:
        event_writer_member(buffer, start, "data", event->data);
        return;
    case EVENT_DATA_BINARY:
        event_writer_name(buffer, start, "data_base64");
        event_writer_base64(buffer, event->data);
        return;
    }
}

static void write_attributes(const struct event_writing *writing, size_t start, bool is_stored,
                             struct buffer *buffer) {
    const struct event *event = writing->event;
    const struct {
        const char *name;
        struct bytes value;
    } optional[] = {{"subject", event->subject},
                    {"time", event->time},
                    {"datacontenttype", event->datacontenttype},
                    {"dataschema", event->dataschema}};
    buffer_append(buffer, BYTES("{\"specversion\":\"1.0\""));
    event_writer_member(buffer, start, "id", event->id);
    event_writer_member(buffer, start, "source", event->source);
    event_writer_member(buffer, start, "type", writing->type);
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        if (optional[i].value.size > 0) {
            event_writer_member(buffer, start, optional[i].name, optional[i].value);
        }
    }
    for (size_t i = 0; i < event->extension_count; i++) {
        if (is_stored || !event_name_is_reserved(event->extensions[i].name)) {
            event_writer_extension(buffer, start, &event->extensions[i]);
        }
    }
}

void event_write_json(const struct event_writing *writing, struct buffer *ret_buffer) {
    size_t start = ret_buffer->size;
    write_attributes(writing, start, false, ret_buffer);
    write_data(writing, start, ret_buffer);
    buffer_append_byte(ret_buffer, '}');
}

void event_write_stored_json(const struct event_writing *writing, struct buffer *ret_buffer) {
    char received[TIMESTAMP_TEXT_SIZE];
    size_t start = ret_buffer->size;
    write_attributes(writing, start, true, ret_buffer);
    timestamp_format(writing->event->context.received_us, received);
    event_writer_member(ret_buffer, start, EVENT_NAME_RECEIVED_TIME, bytes_of_text(received));
    write_data(writing, start, ret_buffer);
    buffer_append_byte(ret_buffer, '}');
}

void event_format_append_json(const struct event *event, struct buffer *ret_buffer) {
    struct event_writing writing = {.event = event, .type = event->type};
    event_write_json(&writing, ret_buffer);
}
