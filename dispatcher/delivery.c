#include "dispatcher/delivery.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/events/causation_depth.h"
#include "core/events/event.h"
#include "core/functions/invoker.h"
#include "core/subscriptions/routes.h"
#include "dispatcher/dead_letters.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule.h"
#include "dispatcher/subscription_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t delivery_size(const struct route_match *match) {
    size_t size = sizeof(struct delivery) + match->param_count * sizeof(struct http_header);
    for (size_t i = 0; i < match->param_count; i++) {
        size += match->params[i].name.size + match->params[i].value.size;
    }
    return size;
}

static struct bytes copy_behind(char **end, struct bytes bytes) {
    char *copy = *end;
    if (bytes.size > 0) {
        *end = mempcpy(copy, bytes.data, bytes.size);
    }
    return (struct bytes){copy, bytes.size};
}

struct delivery *delivery_create(struct subscription_queue *queue, struct taken_event *taken,
                                 const struct route_match *match) {
    struct delivery *delivery = memory_allocate(delivery_size(match));
    delivery->state = DELIVERY_WAITING;
    delivery->queue = queue;
    delivery->taken = taken;
    delivery->param_count = match->param_count;
    char *end = (char *)&delivery->params[match->param_count];
    for (size_t i = 0; i < match->param_count; i++) {
        delivery->params[i].name = copy_behind(&end, match->params[i].name);
        delivery->params[i].value = copy_behind(&end, match->params[i].value);
    }
    taken->open_deliveries++;
    return delivery;
}

bool delivery_is_expired(const struct delivery *delivery) {
    int64_t expires_us = delivery->taken->expires_us;
    return expires_us != INT64_MAX && clock_wall_us() >= expires_us;
}

static struct system_call described_call(const struct delivery *delivery,
                                         const struct event_params *params) {
    const struct subscription *subscription = delivery->queue->subscription;
    return (struct system_call){.space = subscription->space,
                                .function_id = subscription->function_id,
                                .event = delivery->taken->event,
                                .params = params};
}

static struct event_params params_of(const struct delivery *delivery) {
    return (struct event_params){.items = delivery->params, .count = delivery->param_count};
}

static void tell_outcome(const struct delivery *delivery, const struct invocation_result *result) {
    const struct lane *lane = delivery->queue->partition->lane;
    struct event_params params = params_of(delivery);
    struct system_call call = described_call(delivery, &params);
    system_emit_outcome(&lane->emitter, lane->snapshot, &call, result);
}

static void attempt_done(void *context, const struct invocation_result *result) {
    struct delivery *delivery = context;
    const struct dispatcher_metrics *metrics = dispatcher_metrics();
    metric_add(metrics->in_flight, -1);
    metric_add(metrics->attempts[result->outcome], 1);
    metric_observe_us(metrics->attempt_time, result->duration_us);
    if (!delivery->queue) {
        free(delivery);
        return;
    }
    tell_outcome(delivery, result);
    schedule_attempted(delivery, result);
}

// A system event has two spellings, and each subscriber gets the one that it asked for.
static struct bytes type_for(const struct subscription *subscription, const struct event *event) {
    return event_type_is_system(event->type) ? subscription->event_type : (struct bytes){0};
}

static void count_attempt(struct delivery *delivery) {
    delivery->attempts++;
    delivery->last_us = clock_wall_us();
    if (delivery->attempts == 1) {
        delivery->first_us = delivery->last_us;
    }
    metric_add(dispatcher_metrics()->in_flight, 1);
}

void delivery_begin_attempt(struct delivery *delivery) {
    const struct subscription *subscription = delivery->queue->subscription;
    const struct lane *lane = delivery->queue->partition->lane;
    const struct taken_event *taken = delivery->taken;
    delivery->state = DELIVERY_IN_FLIGHT;
    count_attempt(delivery);
    char attempt[16];
    char traceparent[TRACEPARENT_TEXT_SIZE];
    char depth[CAUSATION_DEPTH_TEXT_SIZE];
    snprintf(attempt, sizeof attempt, "%u", delivery->attempts);
    trace_context_write(&taken->trace, random_below(UINT64_MAX), traceparent);
    causation_depth_write_next(taken->event, depth);
    struct bytes tracestate = trace_state_of(taken->event);
    const struct http_header headers[] = {
        {BYTES("Event-Gateway-Attempt"), bytes_of_text(attempt)},
        {BYTES("Event-Gateway-Subscription"), subscription->id},
        {BYTES("traceparent"), bytes_of_text(traceparent)},
        {BYTES(CAUSATION_DEPTH_HEADER), bytes_of_text(depth)},
        {BYTES("tracestate"), tracestate},
    };
    struct event_params params = params_of(delivery);
    struct system_call call = described_call(delivery, &params);
    struct invocation_options options = {
        .snapshot = lane->snapshot,
        .space = subscription->space,
        .function_id = subscription->function_id,
        .event = taken->event,
        .params = &params,
        .event_type = type_for(subscription, taken->event),
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers) - (tracestate.size == 0),
        .timeout_ms = subscription->delivery.timeout_ms,
    };
    system_emit_invoking(&lane->emitter, lane->snapshot, &call);
    (void)invoker_invoke(lane->invoker, &options, attempt_done, delivery);
}

void delivery_forget(struct delivery *delivery) {
    struct event_loop *loop = delivery->queue->partition->lane->loop;
    switch (delivery->state) {
    case DELIVERY_IN_FLIGHT:
        // Its call is let run to its end: cut off half-way it would do no less.
        delivery->queue = NULL;
        delivery->taken = NULL;
        return;
    case DELIVERY_RETRY_WAIT:
        event_loop_timer_stop(loop, &delivery->timer);
        metric_add(dispatcher_metrics()->retries_waiting, -1);
        break;
    case DELIVERY_DEAD_LETTERING:
        dead_letter_post_forget(delivery->post);
        break;
    case DELIVERY_WAITING:
    case DELIVERY_FINISHED:
        break;
    }
    free(delivery);
}
