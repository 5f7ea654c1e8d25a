#include "dispatcher/attempt.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/events/causation_depth.h"
#include "core/events/event.h"
#include "core/functions/invoker.h"
#include "dispatcher/batch.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule.h"
#include "dispatcher/subscriber.h"
#include "dispatcher/subscription_queue.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct event_params params_of(const struct delivery *delivery) {
    return (struct event_params){.items = delivery->params, .count = delivery->param_count};
}

static struct system_call described_call(const struct delivery *delivery,
                                         const struct event_params *params) {
    const struct subscription *subscription = delivery->queue->subscription;
    return (struct system_call){.space = subscription->space,
                                .function_id = subscription->function_id,
                                .event = delivery->taken->event,
                                .params = params};
}

static void tell_begin(const struct delivery *delivery) {
    const struct lane *lane = delivery->queue->partition->lane;
    struct event_params params = params_of(delivery);
    struct system_call call = described_call(delivery, &params);
    system_emit_invoking(&lane->emitter, lane->snapshot, &call);
}

static void tell_outcome(const struct delivery *delivery, const struct invocation_result *result) {
    const struct lane *lane = delivery->queue->partition->lane;
    struct event_params params = params_of(delivery);
    struct system_call call = described_call(delivery, &params);
    system_emit_outcome(&lane->emitter, lane->snapshot, &call, result);
}

static enum throttle_end end_of(const struct invocation_result *result) {
    return result->outcome == INVOCATION_SUCCEEDED ? THROTTLE_SUCCEEDED
           : result->is_throttled                  ? THROTTLE_REFUSED
                                                   : THROTTLE_OTHER;
}

// A partition that hands over may have waited for this one.
static void give_places_back(struct attempt *attempt, enum throttle_end end) {
    struct subscription_queue *queue = attempt->queue;
    assert(queue->in_flight > 0 && queue->partition->running > 0);
    queue->in_flight--;
    queue->partition->running--;
    subscriber_ended(queue->subscriber);
    attempt->ran_beside_others = flow_leave(&queue->flow, &attempt->ticket, end);
    lane_mark(queue->partition->lane, queue->partition);
}

static void attempt_done(void *context, const struct invocation_result *result) {
    struct attempt *attempt = context;
    const struct dispatcher_metrics *metrics = dispatcher_metrics();
    metric_add(metrics->in_flight, -1);
    metric_add(metrics->attempts[result->outcome], 1);
    metric_observe_us(metrics->attempt_time, result->duration_us);
    if (attempt->queue) {
        give_places_back(attempt, end_of(result));
        for (uint32_t i = 0; i < attempt->count; i++) {
            if (attempt->deliveries[i]) {
                tell_outcome(attempt->deliveries[i], result);
            }
        }
        schedule_attempted(attempt, result);
    }
    free(attempt);
}

void attempt_forget(struct delivery *delivery) {
    struct attempt *attempt = delivery->attempt;
    attempt->deliveries[delivery->attempt_index] = NULL;
    attempt->remaining--;
    if (attempt->remaining == 0) {
        give_places_back(attempt, THROTTLE_OTHER);
        subscriber_probe_lost(attempt->queue->subscriber);
        attempt->queue = NULL;
    }
}

static void count_attempt(struct delivery *delivery) {
    delivery->attempts++;
    delivery->last_us = clock_wall_us();
    if (delivery->attempts == 1) {
        delivery->first_us = delivery->last_us;
    }
}

// Of a batch the deepest, so that no chain gets longer by being batched.
static const struct event *deepest_event(const struct attempt *attempt) {
    const struct event *deepest = attempt->deliveries[0]->taken->event;
    for (uint32_t i = 1; i < attempt->count; i++) {
        const struct event *event = attempt->deliveries[i]->taken->event;
        if (causation_depth_of(event) > causation_depth_of(deepest)) {
            deepest = event;
        }
    }
    return deepest;
}

// Returns how many are left.
static size_t drop_empty(struct http_header *headers, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].value.size > 0) {
            headers[kept++] = headers[i];
        }
    }
    return kept;
}

static void invoke(struct attempt *attempt) {
    const struct subscription *subscription = attempt->queue->subscription;
    const struct lane *lane = attempt->queue->partition->lane;
    const struct delivery *first = attempt->deliveries[0];
    char number[16];
    char traceparent[TRACEPARENT_TEXT_SIZE];
    char depth[CAUSATION_DEPTH_TEXT_SIZE];
    snprintf(number, sizeof number, "%u", first->attempts);
    trace_context_write(&first->taken->trace, random_below(UINT64_MAX), traceparent);
    causation_depth_write_next(deepest_event(attempt), depth);
    struct http_header headers[] = {
        {BYTES("Event-Gateway-Attempt"), bytes_of_text(number)},
        {BYTES("Event-Gateway-Subscription"), subscription->id},
        {BYTES("traceparent"), bytes_of_text(traceparent)},
        {BYTES(CAUSATION_DEPTH_HEADER), bytes_of_text(depth)},
        // Only where there is something to say.
        {BYTES("tracestate"), trace_state_of(first->taken->event)},
        {BYTES("Event-Gateway-Retry-Reason"), bytes_of_text(first->reason)},
        {BYTES("Event-Gateway-Replay"), delivery_replay_id(first)},
    };
    struct event_params params = params_of(first);
    struct buffer body = {0};
    struct invocation_options options = {
        .snapshot = lane->snapshot,
        .space = subscription->space,
        .function_id = subscription->function_id,
        .event = first->taken->event,
        .params = &params,
        .event_type = delivery_type(first),
        .headers = headers,
        .header_count = drop_empty(headers, ARRAY_LENGTH(headers)),
        .timeout_ms = subscription->delivery.timeout_ms,
    };
    if (batch_is_wanted(attempt->queue)) {
        batch_write(attempt->deliveries, attempt->count, &body);
        options.event = NULL;
        options.payload = buffer_bytes(&body);
        options.payload_type = BYTES("application/cloudevents-batch+json");
    }
    (void)invoker_invoke(lane->invoker, &options, attempt_done, attempt);
    buffer_clear(&body);
}

void attempt_begin(struct subscription_queue *queue, const struct flow_ticket *ticket,
                   struct delivery *const *deliveries, uint32_t count) {
    struct attempt *attempt = memory_allocate(sizeof *attempt + count * sizeof(struct delivery *));
    attempt->queue = queue;
    attempt->ticket = *ticket;
    attempt->count = attempt->remaining = count;
    queue->in_flight++;
    queue->partition->running++;
    subscriber_begun(queue->subscriber);
    metric_add(dispatcher_metrics()->in_flight, 1);
    for (uint32_t i = 0; i < count; i++) {
        struct delivery *delivery = deliveries[i];
        attempt->deliveries[i] = delivery;
        delivery->attempt = attempt;
        delivery->attempt_index = i;
        delivery->state = DELIVERY_IN_FLIGHT;
        count_attempt(delivery);
        tell_begin(delivery);
    }
    invoke(attempt);
}
