// The CloudEvents JSON format -> event_builder: of HTTP requests and of log records in structured
// mode. What is built borrows from the text. Pure, any thread.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_JSON_H
#define EVENT_GATEWAY_EVENTS_EVENT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/json.h"
#include "core/base/status.h"
#include "core/events/event_builder.h"

// One JSON event of the version that it names: specversion 1.0 or cloudEventsVersion (0.1).
enum status must_check event_json_decode(struct bytes text, struct event_builder *builder,
                                         struct error *error);
// Version 1.0 only: the elements of a batch.
enum status must_check event_json_decode_1_0(struct bytes text, struct event_builder *builder,
                                             struct error *error);

// Walks the members of an object, names undone, and refuses a name that comes twice. visit fills
// the error and returns its status, which ends the walk.
struct event_json_member {
    struct bytes name;
    struct bytes name_json; // with quotes, as it came
    struct bytes value;     // as it came
};
typedef enum status (*event_json_member_fn)(void *context, const struct event_json_member *member,
                                            struct error *error);
enum status must_check event_json_each_member(struct bytes text, struct event_builder *builder,
                                              event_json_member_fn visit, void *context,
                                              struct error *error);
bool event_json_is_string(struct bytes value);
bool event_json_is_null(struct bytes value);
// The text of a string literal; it lives as long as the literal and the builder.
enum status must_check event_json_string(struct event_builder *builder, struct bytes literal,
                                         struct bytes *ret_text);
// The same into the builder's data buffer, for what can be large.
enum status must_check event_json_data_string(struct event_builder *builder, struct bytes literal,
                                              struct bytes *ret_text);
// Appends the same JSON in printable ASCII and without blanks: what an attribute can hold.
void event_json_append_ascii(struct bytes json, struct buffer *ret_buffer);

#endif
