#include "core/events/event_record.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_json.h"
#include "core/events/event_record_writer.h"

void event_record_add(struct event_record_writer *writer, struct bytes name, struct bytes value) {
    writer->headers[writer->count++] = (struct http_header){.name = name, .value = value};
}

static void add_if_there(struct event_record_writer *writer, struct bytes name,
                         struct bytes value) {
    if (value.size > 0) {
        event_record_add(writer, name, value);
    }
}

// "name=integer,other=boolean": headers carry no types.
static size_t types_size(const struct event *event) {
    size_t size = 0;
    for (size_t i = 0; i < event->extension_count; i++) {
        if (event->extensions[i].kind != EVENT_VALUE_STRING) {
            size += event->extensions[i].name.size + strlen("=boolean,");
        }
    }
    return size;
}

static struct bytes write_types(const struct event *event, char *text) {
    char *next = text;
    for (size_t i = 0; i < event->extension_count; i++) {
        const struct event_extension *extension = &event->extensions[i];
        if (extension->kind != EVENT_VALUE_STRING) {
            const char *kind = extension->kind == EVENT_VALUE_BOOLEAN ? "=boolean" : "=integer";
            if (next != text) {
                *next++ = ',';
            }
            next = mempcpy(next, extension->name.data, extension->name.size);
            next = mempcpy(next, kind, strlen("=boolean"));
        }
    }
    return (struct bytes){text, (size_t)(next - text)};
}

static void add_extensions(struct event_record_writer *writer, const struct event *event) {
    for (size_t i = 0; i < event->extension_count; i++) {
        const struct event_extension *extension = &event->extensions[i];
        // The builder puts "ce_" in front of every extension's name, so nothing is copied here.
        struct bytes name = {extension->name.data - strlen("ce_"),
                             extension->name.size + strlen("ce_")};
        event_record_add(writer, name, extension->value);
    }
}

static void add_context(struct event_record_writer *writer, const struct event_context *context) {
    add_if_there(writer, BYTES("ce_" EVENT_NAME_SPACE), context->space);
    add_if_there(writer, BYTES("ce_" EVENT_NAME_METHOD), context->method);
    add_if_there(writer, BYTES("ce_" EVENT_NAME_PATH), context->path);
    add_if_there(writer, BYTES("ce_" EVENT_NAME_SYNC), context->sync);
    add_if_there(writer, BYTES("ce_" EVENT_NAME_TRACEPARENT), context->traceparent);
    add_if_there(writer, BYTES("ce_" EVENT_NAME_TRACESTATE), context->tracestate);
    timestamp_format(context->received_us, writer->text);
    struct bytes time = bytes_of_text(writer->text);
    writer->text += TIMESTAMP_TEXT_SIZE;
    event_record_add(writer, BYTES("ce_" EVENT_NAME_RECEIVED_TIME), time);
}

#define STANDARD_HEADERS 16

struct event_record_writer event_record_start(const struct event *event, size_t more_headers,
                                              size_t more_text) {
    size_t header_count = STANDARD_HEADERS + event->extension_count + more_headers;
    size_t headers_size = header_count * sizeof(struct http_header);
    size_t types = types_size(event);
    struct http_header *headers = malloc(headers_size + TIMESTAMP_TEXT_SIZE + types + more_text);
    if (!headers) {
        abort();
    }
    struct event_record_writer writer = {.headers = headers,
                                         .text = (char *)headers + headers_size};
    event_record_add(&writer, BYTES("ce_specversion"), BYTES("1.0"));
    event_record_add(&writer, BYTES("ce_id"), event->id);
    event_record_add(&writer, BYTES("ce_source"), event->source);
    event_record_add(&writer, BYTES("ce_type"), event->type);
    add_if_there(&writer, BYTES("ce_subject"), event->subject);
    add_if_there(&writer, BYTES("ce_time"), event->time);
    add_if_there(&writer, BYTES("ce_dataschema"), event->dataschema);
    add_if_there(&writer, BYTES("content-type"), event->datacontenttype);
    add_extensions(&writer, event);
    add_context(&writer, &event->context);
    if (types > 0) {
        struct bytes text = write_types(event, writer.text);
        writer.text += types;
        event_record_add(&writer, BYTES("ce_" EVENT_NAME_TYPES), text);
    }
    return writer;
}

void event_record_finish(const struct event_record_writer *writer, const struct event *event,
                         struct encoded_record *ret_encoded) {
    *ret_encoded = (struct encoded_record){
        .record = {.key = event_key(event),
                   .headers = writer->headers,
                   .header_count = writer->count,
                   .value = event->data,
                   .has_value = event->data_kind != EVENT_DATA_NONE},
        .storage = writer->headers,
    };
}

void event_record_encode(const struct event *event, struct encoded_record *ret_encoded) {
    struct event_record_writer writer = event_record_start(event, 0, 0);
    event_record_finish(&writer, event, ret_encoded);
}

void event_record_clear(struct encoded_record *encoded) {
    free(encoded->storage);
    *encoded = (struct encoded_record){0};
}
