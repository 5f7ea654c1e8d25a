// A log record that is being written: the event's part, and room for what a dead letter adds. One
// thread.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_RECORD_WRITER_H
#define EVENT_GATEWAY_EVENTS_EVENT_RECORD_WRITER_H

#include <stddef.h>

#include "core/base/bytes.h"
#include "core/events/event_record.h"

struct event_record_writer {
    struct http_header *headers; // one block with the text behind it
    size_t count;
    char *text; // what is free of it
};

// Writes the event's headers and leaves room for more.
struct event_record_writer event_record_start(const struct event *event, size_t more_headers,
                                              size_t more_text);
// Both are lent.
void event_record_add(struct event_record_writer *writer, struct bytes name, struct bytes value);
void event_record_finish(const struct event_record_writer *writer, const struct event *event,
                         struct encoded_record *ret_encoded);

#endif
