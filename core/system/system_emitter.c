#include "core/system/system_emitter.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/events/event_record.h"

// Over all loops: so much of the log's buffer may be system events, the rest is the callers'.
#define APPENDS_MAX 4096
#define BYTES_MAX ((size_t)32 * 1024 * 1024)

static struct metric_family events_family = {
    .name = "eventgateway_system_events_total",
    .help = "System events by whether the log took them.",
    .kind = METRIC_COUNTER,
    .label_names = {"type", "result"},
};

struct emission {
    struct event_log_append append;
    struct encoded_record encoded;
    const struct event *event;
    enum system_event kind;
    size_t size;
};

static atomic_size_t appends_inside;
static atomic_size_t bytes_inside;

static void count_end(enum system_event kind, enum status status) {
    static struct log_limit limit;
    uint64_t suppressed = 0;
    const char *result = status == STATUS_OK ? "stored" : "lost";
    metric_add(METRIC(&events_family, system_event_name(kind), result), 1);
    if (status != STATUS_OK && log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_WARNING, "system event not stored", LOG_TEXT("type", system_event_name(kind)),
                 LOG_TEXT("reason", status_name(status)), LOG_NUMBER("more", (int64_t)suppressed));
    }
}

static void emission_destroy(struct emission *emission) {
    atomic_fetch_sub(&appends_inside, 1);
    atomic_fetch_sub(&bytes_inside, emission->size);
    event_record_clear(&emission->encoded);
    event_unref(emission->event);
    free(emission);
}

static void append_done(struct event_log_append *append) {
    struct emission *emission = CONTAINER_OF(append, struct emission, append);
    count_end(emission->kind, append->status);
    emission_destroy(emission);
}

// False when there are too many inside already; then nothing is counted in.
static bool reserve(size_t size) {
    bool has_room = atomic_fetch_add(&appends_inside, 1) < APPENDS_MAX;
    if (atomic_fetch_add(&bytes_inside, size) > BYTES_MAX || !has_room) {
        atomic_fetch_sub(&appends_inside, 1);
        atomic_fetch_sub(&bytes_inside, size);
        return false;
    }
    return true;
}

// Takes the event; NULL: it could not be built, or there is nothing to tell.
static void append_take(const struct system_emitter *emitter, enum system_event kind,
                        const struct event *event) {
    if (!event) {
        return;
    }
    if (!reserve(event->data.size)) {
        count_end(kind, STATUS_FULL);
        event_unref(event);
        return;
    }
    struct emission *emission = memory_allocate(sizeof *emission);
    emission->event = event;
    emission->kind = kind;
    emission->size = event->data.size;
    event_record_encode(event, &emission->encoded);
    emission->append = (struct event_log_append){
        .stream = EVENT_LOG_EVENTS,
        .record = emission->encoded.record,
        .loop = emitter->loop,
        .done = append_done,
    };
    enum status status = event_log_append(emitter->log, &emission->append);
    if (status != STATUS_OK) {
        count_end(kind, status);
        emission_destroy(emission);
    }
}

static struct system_origin origin_of(const struct system_emitter *emitter, struct bytes space) {
    return (struct system_origin){.source = emitter->source,
                                  .space = space,
                                  .is_hosted = emitter->is_hosted,
                                  .now_us = clock_wall_us()};
}

void system_emit_received(const struct system_emitter *emitter, const struct snapshot *snapshot,
                          const struct event *event, struct bytes path,
                          const struct event_http_request *request) {
    if (snapshot_wants_system_event(snapshot, event->context.space, SYSTEM_EVENT_RECEIVED)) {
        struct system_origin origin = origin_of(emitter, event->context.space);
        append_take(emitter, SYSTEM_EVENT_RECEIVED,
                    system_event_received(&origin, event, path, request));
    }
}

void system_emit_invoking(const struct system_emitter *emitter, const struct snapshot *snapshot,
                          const struct system_call *call) {
    if (snapshot_wants_system_event(snapshot, call->space, SYSTEM_FUNCTION_INVOKING)) {
        struct system_origin origin = origin_of(emitter, call->space);
        append_take(emitter, SYSTEM_FUNCTION_INVOKING, system_event_invoking(&origin, call));
    }
}

static const struct event *tell_failure(const struct system_origin *origin,
                                        const struct system_call *call,
                                        const struct invocation_result *result) {
    char text[64];
    if (result->error_text[0] != '\0') {
        return system_event_failed(origin, call, bytes_of_text(result->error_text));
    }
    if (result->status > 0) {
        snprintf(text, sizeof text, "%s: status %u", invocation_outcome_name(result->outcome),
                 result->status);
    } else {
        snprintf(text, sizeof text, "%s", invocation_outcome_name(result->outcome));
    }
    return system_event_failed(origin, call, bytes_of_text(text));
}

void system_emit_outcome(const struct system_emitter *emitter, const struct snapshot *snapshot,
                         const struct system_call *call, const struct invocation_result *result) {
    bool has_succeeded = result->outcome == INVOCATION_SUCCEEDED;
    enum system_event kind = has_succeeded ? SYSTEM_FUNCTION_INVOKED : SYSTEM_FUNCTION_FAILED;
    if (snapshot_wants_system_event(snapshot, call->space, kind)) {
        struct system_origin origin = origin_of(emitter, call->space);
        append_take(emitter, kind,
                    has_succeeded ? system_event_invoked(&origin, call, result->body)
                                  : tell_failure(&origin, call, result));
    }
}

static struct system_subscription described(const struct subscription *subscription) {
    return (struct system_subscription){.space = subscription->space,
                                        .id = subscription->id,
                                        .event_type = subscription->event_type,
                                        .function_id = subscription->function_id};
}

void system_emit_suspended(const struct system_emitter *emitter, const struct snapshot *snapshot,
                           const struct subscription *subscription, const char *reason) {
    if (snapshot_wants_system_event(snapshot, subscription->space, SYSTEM_SUBSCRIPTION_SUSPENDED)) {
        struct system_origin origin = origin_of(emitter, subscription->space);
        struct system_subscription described_one = described(subscription);
        append_take(emitter, SYSTEM_SUBSCRIPTION_SUSPENDED,
                    system_event_suspended(&origin, &described_one, bytes_of_text(reason)));
    }
}

void system_emit_resumed(const struct system_emitter *emitter, const struct snapshot *snapshot,
                         const struct subscription *subscription) {
    if (snapshot_wants_system_event(snapshot, subscription->space, SYSTEM_SUBSCRIPTION_RESUMED)) {
        struct system_origin origin = origin_of(emitter, subscription->space);
        struct system_subscription described_one = described(subscription);
        append_take(emitter, SYSTEM_SUBSCRIPTION_RESUMED,
                    system_event_resumed(&origin, &described_one));
    }
}

void system_emit_deadlettered(const struct system_emitter *emitter, const struct snapshot *snapshot,
                              const struct subscription *subscription, int64_t count,
                              int64_t since_us, struct bytes reason) {
    if (snapshot_wants_system_event(snapshot, subscription->space,
                                    SYSTEM_SUBSCRIPTION_DEADLETTERED)) {
        struct system_origin origin = origin_of(emitter, subscription->space);
        struct system_subscription described_one = described(subscription);
        append_take(emitter, SYSTEM_SUBSCRIPTION_DEADLETTERED,
                    system_event_deadlettered(&origin, &described_one, count, since_us, reason));
    }
}

void system_emit_events_lost(const struct system_emitter *emitter, const struct snapshot *snapshot,
                             const struct subscription *subscription, int32_t partition,
                             int64_t first_offset, int64_t count) {
    if (snapshot_wants_system_event(snapshot, subscription->space,
                                    SYSTEM_SUBSCRIPTION_EVENTS_LOST)) {
        struct system_origin origin = origin_of(emitter, subscription->space);
        struct system_subscription described_one = described(subscription);
        append_take(
            emitter, SYSTEM_SUBSCRIPTION_EVENTS_LOST,
            system_event_events_lost(&origin, &described_one, partition, first_offset, count));
    }
}
