// Event -> what a function receives: the four event formats of the contract, section 2.6. Pure, any
// thread.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_FORMAT_H
#define EVENT_GATEWAY_EVENTS_EVENT_FORMAT_H

#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/http_server.h"
#include "core/base/status.h"
#include "core/events/event.h"

enum event_format {
    EVENT_FORMAT_CLOUDEVENTS_1_0,        // "cloudevents/1.0"
    EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, // "cloudevents-binary/1.0"
    EVENT_FORMAT_CLOUDEVENTS_0_1,        // "cloudevents/0.1"
    EVENT_FORMAT_CLASSIC,                // "classic"
};
const char *event_format_name(enum event_format format);
enum status must_check event_format_parse(struct bytes name, enum event_format *ret_format);

// Path parameters that the subscription's pattern took from the path.
struct event_params {
    const struct http_header *items; // name -> value, decoded
    size_t count;
};

// The encoded message. Header bytes point into storage; event and params must outlive nothing.
struct event_message {
    struct http_header *headers; // Content-Type, and ce-* in binary format
    size_t header_count;
    struct bytes body;
    void *storage;
};
// params go into the data of an http.request event (member "params"), else they are ignored. type,
// when not empty, replaces the event's type (system events have two spellings).
void event_format_write(const struct event *event, enum event_format format,
                        const struct event_params *params, struct bytes type,
                        struct event_message *ret_message);
void event_message_clear(struct event_message *message);

// The CloudEvents 1.0 JSON object alone, appended: for batches, API answers and dead letters.
void event_format_append_json(const struct event *event, struct buffer *ret_buffer);

#endif
