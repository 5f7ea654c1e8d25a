#include "core/base/json.h"
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
        event_writer_json_data(buffer, writing, false);
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

void event_write_json(const struct event_writing *writing, struct buffer *ret_buffer) {
    const struct event *event = writing->event;
    const struct {
        const char *name;
        struct bytes value;
    } optional[] = {{"subject", event->subject},
                    {"time", event->time},
                    {"datacontenttype", event->datacontenttype},
                    {"dataschema", event->dataschema}};
    size_t start = ret_buffer->size;
    buffer_append(ret_buffer, BYTES("{\"specversion\":\"1.0\""));
    event_writer_member(ret_buffer, start, "id", event->id);
    event_writer_member(ret_buffer, start, "source", event->source);
    event_writer_member(ret_buffer, start, "type", writing->type);
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        if (optional[i].value.size > 0) {
            event_writer_member(ret_buffer, start, optional[i].name, optional[i].value);
        }
    }
    for (size_t i = 0; i < event->extension_count; i++) {
        if (!event_name_is_reserved(event->extensions[i].name)) {
            event_writer_extension(ret_buffer, start, &event->extensions[i]);
        }
    }
    write_data(writing, start, ret_buffer);
    buffer_append_byte(ret_buffer, '}');
}

void event_format_append_json(const struct event *event, struct buffer *ret_buffer) {
    struct event_writing writing = {.event = event, .type = event->type};
    event_write_json(&writing, ret_buffer);
}
