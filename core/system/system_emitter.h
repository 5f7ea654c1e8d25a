// Appends system events (core/events/system_events.h) to the log of events, while somebody
// subscribes to them: what ingest and dispatcher tell of their work. Best effort: an append that
// fails is counted and logged, and nobody waits for one. A plain value, one per loop; everything
// belongs to that loop's thread.
//
// Each system_emit_* is one comparison while nobody subscribes to that type in that space, and does
// nothing for system events and for subscriptions to them.
#ifndef EVENT_GATEWAY_SYSTEM_SYSTEM_EMITTER_H
#define EVENT_GATEWAY_SYSTEM_SYSTEM_EMITTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/event_log/event_log.h"
#include "core/events/system_events.h"
#include "core/functions/invoker.h"
#include "core/registry/snapshot.h"

struct system_emitter {
    struct event_log *log;
    struct event_loop *loop;
    struct bytes source; // "/event-gateway"; lives longer than the emitter
    bool is_hosted;      // a hosted domain is set: paths begin with the space
};

// eventgateway.event.received: once the event was taken.
void system_emit_received(const struct system_emitter *emitter, const struct snapshot *snapshot,
                          const struct event *event, struct bytes path,
                          const struct event_http_request *request);

// eventgateway.function.invoking: when a call begins.
void system_emit_invoking(const struct system_emitter *emitter, const struct snapshot *snapshot,
                          const struct system_call *call);
// eventgateway.function.invoked or .invocationFailed: how it ended.
void system_emit_outcome(const struct system_emitter *emitter, const struct snapshot *snapshot,
                         const struct system_call *call, const struct invocation_result *result);

// eventgateway.subscription.suspended: deliveries stop, because of reason ("circuit open", "410",
// "paused by hand"); .resumed: they go on.
void system_emit_suspended(const struct system_emitter *emitter, const struct snapshot *snapshot,
                           const struct subscription *subscription, const char *reason);
void system_emit_resumed(const struct system_emitter *emitter, const struct snapshot *snapshot,
                         const struct subscription *subscription);
// eventgateway.subscription.deadlettered: count dead letters since since_us (wall clock); the
// caller sees to it that this comes at most once a minute.
void system_emit_deadlettered(const struct system_emitter *emitter, const struct snapshot *snapshot,
                              const struct subscription *subscription, int64_t count,
                              int64_t since_us, struct bytes reason);
// eventgateway.subscription.eventslost: retention passed count offsets from first_offset on.
void system_emit_events_lost(const struct system_emitter *emitter, const struct snapshot *snapshot,
                             const struct subscription *subscription, int32_t partition,
                             int64_t first_offset, int64_t count);

#endif
