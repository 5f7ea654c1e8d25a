// How many events led to an event: the extension causationdepth. A system event has one more than
// the event that it tells of; an event that a function emits in response has what the function was
// called with in the header Event-Gateway-Causation-Depth, when the function passes it on. So a
// chain that runs in a circle ends. Pure, any thread.
#ifndef EVENT_GATEWAY_EVENTS_CAUSATION_DEPTH_H
#define EVENT_GATEWAY_EVENTS_CAUSATION_DEPTH_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/events/event.h"

// An event with more is not handed to any function.
#define CAUSATION_DEPTH_MAX 16
#define CAUSATION_DEPTH_EXTENSION "causationdepth"
#define CAUSATION_DEPTH_HEADER "Event-Gateway-Causation-Depth"

// Absent, or no whole number above 0: 0.
uint32_t causation_depth_of(const struct event *event);

// The depth of what is emitted in response to the event: the header of its deliveries.
#define CAUSATION_DEPTH_TEXT_SIZE 16
void causation_depth_write_next(const struct event *event,
                                char ret_text[CAUSATION_DEPTH_TEXT_SIZE]);

// Replaces *event by a copy with the depth that the header of its request says, unless its own is
// greater. STATUS_INVALID: that is no whole number; *event stays.
enum status must_check causation_depth_take(const struct event **event, struct bytes header,
                                            struct error *error);

#endif
