// What an event says about when it is delivered, in its extensions delivernotbefore and expirytime
// (RFC 3339). Pure, any thread.
#ifndef EVENT_GATEWAY_EVENTS_DELIVERY_TIMES_H
#define EVENT_GATEWAY_EVENTS_DELIVERY_TIMES_H

#include <stdint.h>

#include "core/base/status.h"
#include "core/events/event.h"

#define DELIVERY_DELAY_MAX_US (7 * 86400 * (int64_t)1000000)

// Microseconds since 1970. What is no time counts as not said: an event that lies in the log is not
// lost because of it.
int64_t event_not_before_us(const struct event *event); // 0 = at once
int64_t event_expires_us(const struct event *event);    // INT64_MAX = never
// For events that come in: STATUS_INVALID when delivernotbefore is no time, or lies further ahead
// than DELIVERY_DELAY_MAX_US.
enum status must_check event_delivery_times_check(const struct event *event, int64_t now_us,
                                                  struct error *error);

#endif
