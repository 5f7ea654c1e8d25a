#include "dispatcher/retry_partition.h"

#include "core/base/clock.h"
#include "core/events/event.h"
#include "core/registry/snapshot.h"
#include "core/subscriptions/routes.h"
#include "dispatcher/delivery.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/schedule.h"

#include <stdio.h>

// One record while its delivery is made.
struct taking {
    struct partition *partition;
    struct taken_event *taken;
    const struct taken_record *record;
    const struct subscription *subscription;
    bool is_added;
};

// How far somebody has set the clock back since, at the least. What is parked would wait for so
// much longer.
static int64_t set_back_us(const struct taken_record *record) {
    int64_t stored_us;
    if (__builtin_mul_overflow(record->stored_ms, 1000, &stored_us)) {
        return 0;
    }
    int64_t now_us = clock_wall_us();
    return stored_us > now_us ? stored_us - now_us : 0;
}

// What the event itself asks for is a time of the wall clock, whatever that is set to. Every other
// wait is of so many seconds.
static void set_due(struct delivery *delivery, int64_t due_us, int64_t clock_back_us) {
    bool is_asked_for = due_us == delivery->taken->not_before_us;
    delivery->due_us = is_asked_for ? due_us : due_us - clock_back_us;
    delivery->due_loop_us = delivery->due_us - clock_wall_us() +
                            event_loop_now_us(delivery->queue->partition->lane->loop);
}

static void resume(struct delivery *delivery, const struct parked_delivery *parked) {
    delivery->attempts = parked->attempts;
    delivery->first_us = parked->first_us;
    delivery->last_us = parked->last_us;
    delivery->last_status = parked->last_status;
    if (parked->attempts > 0) {
        delivery->batch_limit =
            1; // It has failed; what it was in a batch with must not wait for it.
    }
    snprintf(delivery->reason, sizeof delivery->reason, "%.*s", (int)parked->reason.size,
             parked->reason.data);
}

static void add_delivery(void *context, const struct route_match *match) {
    struct taking *taking = context;
    if (match->subscription != taking->subscription) {
        return;
    }
    struct partition *partition = taking->partition;
    const struct parked_delivery *parked = &taking->record->parked->delivery;
    struct subscription_queue *queue =
        queue_table_get(&partition->queues, partition, match->subscription);
    struct delivery *delivery = delivery_create(queue, taking->taken, match);
    taken_event_charge(taking->taken, delivery_size(match, taking->taken->event));
    int64_t clock_back_us = set_back_us(taking->record);
    resume(delivery, parked);
    set_due(delivery, parked->due_us, clock_back_us);
    taking->is_added = true;
    schedule_add_parked(delivery,
                        retry_tiers_look_us(partition->lane->tiers, (size_t)partition->tier,
                                            taking->record->stored_ms - clock_back_us / 1000,
                                            delivery->due_us));
}

static void set_origin(struct taken_event *taken, const struct parked_delivery *parked) {
    taken->partition_number = parked->partition;
    taken->offset = parked->offset;
    if (parked->replay_id.size > 0) {
        taken->replay_id = bytes_to_text(parked->replay_id);
    }
    struct trace_context trace;
    if (trace_context_read(parked->traceparent, &trace)) {
        taken->trace = trace;
    }
}

static void drop(const struct taking *taking, const struct parked_delivery *parked) {
    const struct event *event = taking->taken->event;
    struct outcome outcome = {
        .event_id = event->id,
        .event_source = event->source,
        .partition = parked->partition,
        .offset = parked->offset,
        .space = parked->space,
        .subscription_id = parked->subscription_id,
        .kind = OUTCOME_UNSUBSCRIBED,
        .attempt = parked->attempts,
    };
    outcomes_note(&taking->partition->lane->outcomes, &outcome);
    metric_add(dispatcher_metrics()->deliveries[DELIVERY_END_UNSUBSCRIBED], 1);
}

// Every subscription that matches is visited for the parameters of its path: the one that the
// delivery is for takes it.
static void match(struct taking *taking) {
    const struct event *event = taking->taken->event;
    struct route_query query = {.space = event->context.space,
                                .type = event->type,
                                .method = event->context.method,
                                .path = event->context.path};
    const struct snapshot *snapshot = taking->partition->lane->snapshot;
    const struct parked_delivery *parked = &taking->record->parked->delivery;
    taking->subscription = snapshot_subscription(snapshot, parked->space, parked->subscription_id);
    if (taking->subscription) {
        routes_match_async(snapshot_routes(snapshot), &query, add_delivery, taking);
    }
    if (!taking->is_added) {
        drop(taking, parked);
    }
}

void retry_partition_take(struct partition *partition, const struct taken_record *record) {
    struct taking taking = {.partition = partition, .record = record};
    taking.taken = partition_take_event(partition, record);
    if (taking.taken) {
        set_origin(taking.taken, &record->parked->delivery);
        match(&taking);
        partition_delivery_finished(partition, taking.taken);
    }
    taken_parked_destroy(record->parked);
}
