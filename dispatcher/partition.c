#include "dispatcher/partition.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/events/delivery_times.h"
#include "core/events/event.h"
#include "core/registry/snapshot.h"
#include "core/subscriptions/routes.h"
#include "dispatcher/delivery.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/rates.h"
#include "dispatcher/retry_partition.h"
#include "dispatcher/schedule.h"

#include <assert.h>
#include <stdlib.h>

struct partition *partition_create(struct lane *lane, const struct partition_options *options) {
    struct partition *partition = memory_allocate(sizeof *partition);
    partition->lane = lane;
    partition->reader = options->reader;
    partition->number = options->number;
    partition->tier = options->tier;
    bool is_of_events = options->tier == PARTITION_OF_EVENTS;
    partition->backlog = is_of_events ? lane->backlog : lane->parked[options->tier];
    partition->committed = options->start_offset;
    offset_tracker_init(&partition->tracker, options->start_offset);
    window_init(&partition->window, is_of_events ? &lane->budget : &lane->parked_budget,
                options->window_max_events, options->reader, options->number);
    return partition;
}

void partition_start(struct partition *partition) {
    partition->state = PARTITION_FED;
    lane_add(partition->lane, partition);
    lane_refresh(partition->lane);
    if (partition->tier == PARTITION_OF_EVENTS) {
        rates_add_partitions(partition->lane->flow.rates, 1);
    }
    backlog_set(partition->backlog, partition->number, partition, partition->committed);
}

bool partition_is_fed(const struct partition *partition) {
    return partition->state == PARTITION_FED;
}

static void taken_destroy(struct taken_event *taken) {
    window_give(&taken->partition->window, 1, taken->bytes);
    event_unref(taken->event);
    free(taken);
}

static void take_event_over(struct partition *partition, struct taken_event *taken) {
    offset_tracker_finish(&partition->tracker, &taken->place);
    if (partition->tier == PARTITION_OF_EVENTS) {
        const struct dispatcher_metrics *metrics = dispatcher_metrics();
        metric_add(metrics->events_processed, 1);
        metric_observe_us(metrics->processing_time,
                          clock_wall_us() - taken->event->context.received_us);
    }
    lane_mark(partition->lane, partition);
    taken_destroy(taken);
}

void taken_parked_destroy(struct taken_parked *parked) {
    if (parked) {
        buffer_clear(&parked->storage);
        free(parked);
    }
}

void partition_charge(struct partition *partition, struct taken_event *taken, size_t size) {
    taken->bytes += size;
    window_charge(&partition->window, size);
}

void partition_delivery_finished(struct partition *partition, struct taken_event *taken) {
    assert(taken->open_deliveries > 0);
    taken->open_deliveries--;
    if (taken->open_deliveries == 0) {
        take_event_over(partition, taken);
    }
}

static void add_delivery(void *context, const struct route_match *match) {
    struct taken_event *taken = context;
    struct partition *partition = taken->partition;
    if (bytes_equal(match->subscription->id, taken->event->context.sync)) {
        return; // It has handled the event while the caller waited.
    }
    struct subscription_queue *queue =
        queue_table_get(&partition->queues, partition, match->subscription);
    size_t size = delivery_size(match);
    if (match->subscription->delivery.ordering == ORDERING_KEY) {
        size += key_order_size(event_key(taken->event));
    }
    partition_charge(partition, taken, size);
    schedule_add(delivery_create(queue, taken, match));
}

static void match_event(struct partition *partition, struct taken_event *taken) {
    const struct event *event = taken->event;
    struct route_query query = {.space = event->context.space,
                                .type = event->type,
                                .method = event->context.method,
                                .path = event->context.path};
    routes_match_async(snapshot_routes(partition->lane->snapshot), &query, add_delivery, taken);
    partition_delivery_finished(partition, taken);
}

struct taken_event *partition_take_event(struct partition *partition,
                                         const struct taken_record *record) {
    struct taken_event *taken = memory_allocate(sizeof *taken);
    taken->place.offset = record->offset;
    taken->partition = partition;
    taken->event = record->event;
    taken->bytes = record->bytes;
    taken->expires_us = event_expires_us(record->event);
    taken->not_before_us = event_not_before_us(record->event);
    taken->partition_number = partition->number;
    taken->offset = record->offset;
    taken->trace =
        trace_context_of(record->event, random_below(UINT64_MAX), random_below(UINT64_MAX));
    if (!offset_tracker_seen(&partition->tracker, &taken->place)) {
        taken_destroy(taken); // The log gave it twice.
        return NULL;
    }
    // Held while its deliveries are made: one that is dropped at once must not end the event.
    taken->open_deliveries = 1;
    return taken;
}

static void take_record(struct partition *partition, const struct taken_record *record) {
    if (partition->tier != PARTITION_OF_EVENTS) {
        retry_partition_take(partition, record);
        return;
    }
    struct taken_event *taken = partition_take_event(partition, record);
    if (taken) {
        match_event(partition, taken);
    }
}

void partition_take(struct partition *partition, const struct taken_record *records, size_t count) {
    assert(partition->state == PARTITION_FED);
    lane_refresh(partition->lane);
    lane_mark(partition->lane, partition);
    for (size_t i = 0; i < count; i++) {
        if (records[i].event) {
            take_record(partition, &records[i]);
        } else {
            offset_tracker_pass(&partition->tracker, records[i].offset + 1);
            window_give(&partition->window, 1, records[i].bytes);
        }
    }
}

void partition_skip_to(struct partition *partition, int64_t offset) {
    offset_tracker_pass(&partition->tracker, offset);
    lane_mark(partition->lane, partition);
}

static void renew_queue(void *context, struct subscription_queue *queue) {
    const struct snapshot *snapshot = context;
    schedule_renew(queue, snapshot_subscription(snapshot, queue->subscription->space,
                                                queue->subscription->id));
}

void partition_configuration_changed(struct partition *partition) {
    queue_table_each(&partition->queues, renew_queue, (void *)partition->lane->snapshot);
}

static void forget_waiting(void *context, struct subscription_queue *queue) {
    (void)context;
    schedule_forget_waiting(queue);
}

static void forget_all(void *context, struct subscription_queue *queue) {
    (void)context;
    schedule_forget_all(queue);
}

void partition_destroy(struct partition *partition) {
    queue_table_each(&partition->queues, forget_all, NULL);
    queue_table_clear(&partition->queues);
    // What was forgotten is still in the tracker, which is how its offset was not committed.
    while (partition->tracker.first) {
        struct taken_event *taken =
            CONTAINER_OF(partition->tracker.first, struct taken_event, place);
        offset_tracker_finish(&partition->tracker, &taken->place);
        taken_destroy(taken);
    }
    event_loop_timer_stop(partition->lane->loop, &partition->hand_over_timer);
    backlog_remove(partition->backlog, partition->number, partition);
    if (partition->tier == PARTITION_OF_EVENTS) {
        rates_add_partitions(partition->lane->flow.rates, -1);
    }
    lane_remove(partition->lane, partition);
    free(partition);
}

static void release(struct partition *partition) {
    event_log_reader_release(partition->reader, partition->number,
                             offset_tracker_position(&partition->tracker));
    partition_destroy(partition);
}

static void hand_over_is_due(struct event_loop_timer *timer) {
    release(CONTAINER_OF(timer, struct partition, hand_over_timer));
}

void partition_revoke(struct partition *partition, int64_t hand_over_us) {
    partition->state = PARTITION_HANDING_OVER;
    queue_table_each(&partition->queues, forget_waiting, NULL);
    partition->hand_over_timer.expired = hand_over_is_due;
    event_loop_timer_start(partition->lane->loop, &partition->hand_over_timer, hand_over_us);
    lane_mark(partition->lane, partition);
}

void partition_settle(struct partition *partition) {
    int64_t position = offset_tracker_position(&partition->tracker);
    if (position > partition->committed) {
        partition->committed = position;
        event_log_reader_commit(partition->reader, partition->number, position);
        backlog_set(partition->backlog, partition->number, partition, position);
    }
    if (partition->state == PARTITION_HANDING_OVER && partition->running == 0) {
        release(partition);
    }
}
