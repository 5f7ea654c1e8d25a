// Names and values of attributes: what the decoders and writers of this box have in common. Pure,
// any thread.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_ATTRIBUTE_H
#define EVENT_GATEWAY_EVENTS_EVENT_ATTRIBUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/events/event_builder.h"

// Attributes that only the gateway writes, into the log; beside them all that begin with "egdl" or
// "egrt".
// Their meaning is described in schemas/log-record.md.
#define EVENT_NAME_SPACE "egspace"
#define EVENT_NAME_METHOD "egmethod"
#define EVENT_NAME_PATH "egpath"
#define EVENT_NAME_SYNC "egsync"
#define EVENT_NAME_TRACEPARENT "egtraceparent"
#define EVENT_NAME_TRACESTATE "egtracestate"
#define EVENT_NAME_RECEIVED_TIME "egreceivedtime"
#define EVENT_NAME_TYPES "egtypes"
#define EVENT_NAME_HEADERS "egheaders"
#define EVENT_NAME_LEGACY "eglegacy"

#define EVENT_TYPE_HTTP_REQUEST "http.request"

// Arguments for "%.*s": as much of it as an error text should repeat.
#define SHOWN(bytes) (int)((bytes).size < 80 ? (bytes).size : 80), (bytes).data

// EVENT_ATTRIBUTE_COUNT when it is not one of the standard ones.
enum event_attribute event_attribute_of(struct bytes name);
bool event_name_is_valid(struct bytes name); // [a-z0-9]+
bool event_name_is_reserved(struct bytes name);
// The CloudEvents String: valid UTF-8 without control characters and noncharacters.
bool event_text_is_clean(struct bytes text);
bool event_uri_is_absolute(struct bytes uri); // with a scheme and something behind it
// "true" or "false"; an integer of 32 bits without needless characters.
bool event_value_is_boolean(struct bytes value);
bool event_value_is_integer(struct bytes value);

#endif
