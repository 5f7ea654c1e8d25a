#include "core/events/event_format.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/events/event_writer.h"

static const char *const format_names[] = {
    [EVENT_FORMAT_CLOUDEVENTS_1_0] = "cloudevents/1.0",
    [EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0] = "cloudevents-binary/1.0",
    [EVENT_FORMAT_CLOUDEVENTS_0_1] = "cloudevents/0.1",
    [EVENT_FORMAT_CLASSIC] = "classic",
};

const char *event_format_name(enum event_format format) {
    return format_names[format];
}

enum status event_format_parse(struct bytes name, enum event_format *ret_format) {
    for (size_t i = 0; i < ARRAY_LENGTH(format_names); i++) {
        if (bytes_equal_text(name, format_names[i])) {
            *ret_format = (enum event_format)i;
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

static void write_body(const struct event_writing *writing, enum event_format format,
                       struct event_header_text *headers, struct buffer *body) {
    // Room for all but the largest attributes, so that the body seldom moves while it grows.
    buffer_reserve(body, writing->event->data.size + 512);
    switch (format) {
    case EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0:
        if (writing->event->data.size > 0) {
            event_write_binary(writing, headers, body);
            return;
        }
        break;
    case EVENT_FORMAT_CLOUDEVENTS_0_1:
        event_header_text_add(headers, BYTES("Content-Type"),
                              BYTES("application/cloudevents+json"));
        event_write_legacy(writing, body);
        return;
    case EVENT_FORMAT_CLASSIC:
        event_header_text_add(headers, BYTES("Content-Type"), BYTES("application/json"));
        event_write_classic(writing, body);
        return;
    case EVENT_FORMAT_CLOUDEVENTS_1_0:
        break;
    }
    event_header_text_add(headers, BYTES("Content-Type"), BYTES("application/cloudevents+json"));
    event_write_json(writing, body);
}

// One block: the headers and behind them their text. The body is a block of its own.
static void settle(const struct event_header_text *text, struct buffer *body,
                   struct event_message *ret_message) {
    size_t header_count = text->count / 2;
    size_t headers_size = header_count * sizeof(struct http_header);
    struct http_header *headers = memory_allocate(headers_size + text->text.size);
    char *copy = (char *)headers + headers_size;
    memcpy(copy, text->text.data, text->text.size);
    size_t start = 0;
    for (size_t i = 0; i < header_count; i++) {
        size_t middle = text->ends[2 * i];
        size_t end = text->ends[2 * i + 1];
        headers[i].name = (struct bytes){copy + start, middle - start};
        headers[i].value = (struct bytes){copy + middle, end - middle};
        start = end;
    }
    size_t size = body->size;
    char *owned = buffer_take(body);
    *ret_message = (struct event_message){
        .headers = headers,
        .header_count = header_count,
        .body = {owned, size},
        .storage = owned,
    };
}

void event_format_write(const struct event *event, enum event_format format,
                        const struct event_params *params, struct bytes type,
                        struct event_message *ret_message) {
    struct event_writing writing = {
        .event = event,
        .type = type.size > 0 ? type : event->type,
        .params = params,
    };
    struct event_header_text headers = {0};
    struct buffer body = {0};
    write_body(&writing, format, &headers, &body);
    settle(&headers, &body, ret_message);
    event_header_text_clear(&headers);
}

void event_message_clear(struct event_message *message) {
    free(message->headers);
    free(message->storage);
    *message = (struct event_message){0};
}
