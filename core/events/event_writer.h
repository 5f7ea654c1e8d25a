// What the writers of the event formats share. Pure, any thread.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_WRITER_H
#define EVENT_GATEWAY_EVENTS_EVENT_WRITER_H

#include <stdbool.h>

#include "core/base/bytes.h"
#include "core/events/event.h"
#include "core/events/event_format.h"

// What is written: the event with the type that the receiver should see, and its path parameters.
struct event_writing {
    const struct event *event;
    struct bytes type;
    const struct event_params *params; // NULL = none
};

// ,"name":"text" -- or with { when the buffer ends where it began.
void event_writer_member(struct buffer *buffer, size_t start, const char *name, struct bytes text);
// The same without a value: what follows is up to the caller.
void event_writer_name(struct buffer *buffer, size_t start, const char *name);
// An extension as a member, booleans and integers as such.
void event_writer_extension(struct buffer *buffer, size_t start,
                            const struct event_extension *extension);
// A JSON string of the data in base64.
void event_writer_base64(struct buffer *buffer, struct bytes data);
// The data of a JSON event as that format has it: an http.request gets its params, and in the
// classic format each header's values in an array; the event that a system event tells of is in the
// same format.
void event_writer_json_data(struct buffer *buffer, const struct event_writing *writing,
                            enum event_format format);

void event_write_json(const struct event_writing *writing, struct buffer *ret_buffer);
// The same with the gateway's own attributes that belong to the event: what
// event_record_decode_json reads.
void event_write_stored_json(const struct event_writing *writing, struct buffer *ret_buffer);
void event_write_legacy(const struct event_writing *writing, struct buffer *ret_buffer);
void event_write_classic(const struct event_writing *writing, struct buffer *ret_buffer);

// Headers of a message, grown one by one: the text of all of them, and where each ends.
struct event_header_text {
    struct buffer text; // name, value, name, value ...
    size_t *ends;
    size_t count;
    size_t capacity;
};
void event_header_text_add(struct event_header_text *headers, struct bytes name,
                           struct bytes value);
void event_header_text_clear(struct event_header_text *headers);
// Content-Type and the attributes in percent-encoding, and the data as it is. For events with data
// only: a delivery always has a body, so the others go structured.
void event_write_binary(const struct event_writing *writing, struct event_header_text *ret_headers,
                        struct buffer *ret_body);

#endif
