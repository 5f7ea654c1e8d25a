// System events (contract 2.7, schemas/system-events.md): what the gateway tells about its own
// work. Here they are told from others and built; who appends them is core/system. Pure, any
// thread.
//
// The loop guard: of a system event no system event is made, and nothing is told of a subscription
// to system events. Chains that go through functions end by their depth: causation_depth.h.
#ifndef EVENT_GATEWAY_EVENTS_SYSTEM_EVENTS_H
#define EVENT_GATEWAY_EVENTS_SYSTEM_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/events/event.h"
#include "core/events/event_format.h"
#include "core/events/event_http.h"

enum system_event {
    SYSTEM_EVENT_RECEIVED,
    SYSTEM_FUNCTION_INVOKING,
    SYSTEM_FUNCTION_INVOKED,
    SYSTEM_FUNCTION_FAILED,
    SYSTEM_SUBSCRIPTION_SUSPENDED,
    SYSTEM_SUBSCRIPTION_RESUMED,
    SYSTEM_SUBSCRIPTION_DEADLETTERED,
    SYSTEM_SUBSCRIPTION_EVENTS_LOST,
    SYSTEM_EVENT_COUNT,
};
// "eventgateway.event.received": the type that they have in the log.
const char *system_event_name(enum system_event kind);
// Either spelling, "gateway..." too; false for every other type.
bool system_event_parse(struct bytes type, enum system_event *ret_kind);

// Where and when a system event happens.
struct system_origin {
    struct bytes source; // the gateway's own: --source
    struct bytes space;  // empty = it concerns an event without a space
    bool is_hosted;      // its path is "/{space}" and not "/"
    int64_t now_us;      // since 1970
};

// A call of a function for an event. A weighted function is named itself, not the chosen member.
struct system_call {
    struct bytes space, function_id;
    const struct event *event;
    const struct event_params *params; // NULL = none
};

struct system_subscription {
    struct bytes space, id, event_type, function_id;
};

// Each gives one reference, or NULL when there is nothing to tell (the event is a system event
// itself) or the event cannot be built.
const struct event *system_event_received(const struct system_origin *origin,
                                          const struct event *event, struct bytes path,
                                          const struct event_http_request *request);
const struct event *system_event_invoking(const struct system_origin *origin,
                                          const struct system_call *call);
// Of the result at most SYSTEM_RESULT_MAX bytes.
#define SYSTEM_RESULT_MAX ((size_t)256 * 1024)
const struct event *system_event_invoked(const struct system_origin *origin,
                                         const struct system_call *call, struct bytes result);
const struct event *system_event_failed(const struct system_origin *origin,
                                        const struct system_call *call, struct bytes error);
// reason: "circuit open", "410", "paused", for people.
const struct event *system_event_suspended(const struct system_origin *origin,
                                           const struct system_subscription *subscription,
                                           struct bytes reason);
const struct event *system_event_resumed(const struct system_origin *origin,
                                         const struct system_subscription *subscription);
// count dead letters since since_us; reason: the last one's.
const struct event *system_event_deadlettered(const struct system_origin *origin,
                                              const struct system_subscription *subscription,
                                              int64_t count, int64_t since_us, struct bytes reason);
// Retention has removed count offsets from first_offset on before they were delivered.
const struct event *system_event_events_lost(const struct system_origin *origin,
                                             const struct system_subscription *subscription,
                                             int32_t partition, int64_t first_offset,
                                             int64_t count);

#endif
