// CloudEvents 0.1 <-> the inner event, so that a 0.1 event that comes in goes out as a 0.1 event
// with the same JSON. What has no place in an event of 1.0 travels as notes, a JSON object in the
// attribute eglegacy that only the 0.1 writer reads (schemas/log-record.md). Pure, any thread.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_LEGACY_H
#define EVENT_GATEWAY_EVENTS_EVENT_LEGACY_H

#include <stdbool.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/events/event_builder.h"

struct event_legacy_notes {
    struct bytes extensions;  // the object as it came, when not all of it became attributes
    struct bytes members;     // an object with the members that became nothing
    bool has_no_content_type; // application/json was only implied
    bool data_is_json;        // a JSON value although the media type is not JSON
    bool data_is_string;      // a string although the media type is neither JSON nor text
};

// A structured event: needs eventType, cloudEventsVersion, source, eventID.
enum status must_check event_legacy_decode_json(struct bytes text, struct event_builder *builder,
                                                struct error *error);
// The members of a 0.1 extensions object become attributes where name and value allow it. What does
// not is noted: the whole object then.
enum status must_check event_legacy_take_extensions(struct bytes object,
                                                    struct event_builder *builder,
                                                    struct event_legacy_notes *notes,
                                                    struct error *error);
// Puts the notes into the event, when there are any.
void event_legacy_write_notes(struct event_builder *builder,
                              const struct event_legacy_notes *notes);
// The notes of an event, lent; all empty when it has none.
void event_legacy_read_notes(const struct event *event, struct event_legacy_notes *ret_notes);

#endif
