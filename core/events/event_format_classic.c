#include "core/base/json.h"
#include "core/events/event_attribute.h"
#include "core/events/event_writer.h"

static void write_data(const struct event_writing *writing, struct buffer *buffer) {
    const struct event *event = writing->event;
    switch (event->data_kind) {
    case EVENT_DATA_NONE:
        buffer_append(buffer, BYTES("\"\""));
        return;
    case EVENT_DATA_JSON:
        event_writer_json_data(buffer, writing, EVENT_FORMAT_CLASSIC);
        return;
    case EVENT_DATA_TEXT:
        json_append_string(event->data, buffer);
        return;
    case EVENT_DATA_BINARY:
        event_writer_base64(buffer, event->data);
        return;
    }
}

void event_write_classic(const struct event_writing *writing, struct buffer *ret_buffer) {
    const struct event *event = writing->event;
    struct bytes type = writing->type;
    if (bytes_equal(type, BYTES(EVENT_TYPE_HTTP_REQUEST))) {
        type = BYTES("http");
    }
    size_t start = ret_buffer->size;
    event_writer_member(ret_buffer, start, "event", type);
    event_writer_member(ret_buffer, start, "id", event->id);
    event_writer_name(ret_buffer, start, "receivedAt");
    buffer_append_format(ret_buffer, "%lld", (long long)(event->context.received_us / 1000));
    event_writer_name(ret_buffer, start, "data");
    write_data(writing, ret_buffer);
    event_writer_member(ret_buffer, start, "dataType",
                        event->datacontenttype.size > 0 ? event->datacontenttype
                                                        : BYTES("application/octet-stream"));
    buffer_append_byte(ret_buffer, '}');
}
