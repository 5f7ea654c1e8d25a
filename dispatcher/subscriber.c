#include "dispatcher/subscriber.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/registry/snapshot.h"
#include "dispatcher/cursor.h"
#include "dispatcher/delivery.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/open_circuits.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule.h"
#include "dispatcher/subscription_queue.h"
#include "dispatcher/suspension.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_BUCKETS 64
#define LOOK_US 1000000 // a look for a probe at most

static const char reason_circuit[] = CURSOR_REASON_CIRCUIT;
static const char reason_paused[] = CURSOR_REASON_PAUSED;
static const char reason_gone[] = CURSOR_REASON_GONE;

static struct subscriber **bucket_of(const struct subscriber_table *table, uint64_t hash) {
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void grow(struct subscriber_table *table) {
    struct subscriber_table bigger = {
        .bucket_count = table->bucket_count > 0 ? table->bucket_count * 2 : FIRST_BUCKETS,
        .count = table->count};
    bigger.buckets = memory_allocate(bigger.bucket_count * sizeof(struct subscriber *));
    for (size_t i = 0; i < table->bucket_count; i++) {
        while (table->buckets[i]) {
            struct subscriber *subscriber = table->buckets[i];
            table->buckets[i] = subscriber->next;
            struct subscriber **bucket = bucket_of(&bigger, subscriber->hash);
            subscriber->next = *bucket;
            *bucket = subscriber;
        }
    }
    free(table->buckets);
    *table = bigger;
}

static void probe_is_due(struct event_loop_timer *timer);

static struct subscriber *create(struct lane *lane, const struct subscription *subscription,
                                 uint64_t hash) {
    struct subscriber *subscriber = memory_allocate(sizeof *subscriber);
    struct buffer text = {0};
    buffer_append(&text, subscription->space);
    buffer_append(&text, subscription->id);
    subscriber->text = buffer_take(&text);
    subscriber->space = (struct bytes){subscriber->text, subscription->space.size};
    subscriber->id =
        (struct bytes){subscriber->text + subscription->space.size, subscription->id.size};
    subscriber->lane = lane;
    subscriber->hash = hash;
    subscriber->is_known = true;
    subscriber->probe_timer.expired = probe_is_due;
    return subscriber;
}

static struct subscriber *find_or_create(struct lane *lane, const struct subscription *subscription,
                                         uint64_t hash) {
    struct subscriber_table *table = &lane->subscribers;
    if (table->count >= table->bucket_count) {
        grow(table);
    }
    struct subscriber **bucket = bucket_of(table, hash);
    for (struct subscriber *subscriber = *bucket; subscriber; subscriber = subscriber->next) {
        if (subscriber->hash == hash && bytes_equal(subscriber->id, subscription->id) &&
            bytes_equal(subscriber->space, subscription->space)) {
            return subscriber;
        }
    }
    struct subscriber *subscriber = create(lane, subscription, hash);
    subscriber->next = *bucket;
    *bucket = subscriber;
    table->count++;
    return subscriber;
}

void subscriber_join(struct lane *lane, struct subscription_queue *queue) {
    struct subscriber *subscriber = find_or_create(lane, queue->subscription, queue->hash);
    queue->subscriber = subscriber;
    queue->previous_of_subscriber = NULL;
    queue->next_of_subscriber = subscriber->queues;
    if (subscriber->queues) {
        subscriber->queues->previous_of_subscriber = queue;
    }
    subscriber->queues = queue;
    subscriber->replay_count += queue->replay != NULL;
}

static bool is_open(const struct subscriber *subscriber) {
    return subscriber->circuit.state != CIRCUIT_CLOSED;
}

// True: on no lane it is open any more.
static bool count_closed(const struct subscriber *subscriber) {
    metric_add(dispatcher_metrics()->circuits_open, -1);
    return open_circuits_closed(subscriber->lane->circuits, subscriber->space, subscriber->id);
}

static void destroy(struct subscriber *subscriber) {
    event_loop_timer_stop(subscriber->lane->loop, &subscriber->probe_timer);
    if (subscriber->suspension) {
        suspension_forget(subscriber->suspension);
    }
    if (is_open(subscriber)) {
        (void)count_closed(subscriber);
    }
    running_calls_leave(&subscriber->lane->calls, subscriber);
    free(subscriber->text);
    free(subscriber);
}

static void drop(struct subscriber *subscriber) {
    struct subscriber_table *table = &subscriber->lane->subscribers;
    struct subscriber **link = bucket_of(table, subscriber->hash);
    while (*link != subscriber) {
        link = &(*link)->next;
    }
    *link = subscriber->next;
    table->count--;
    destroy(subscriber);
}

void subscriber_part(struct subscription_queue *queue) {
    struct subscriber *subscriber = queue->subscriber;
    subscriber->replay_count -= queue->replay != NULL;
    if (queue->previous_of_subscriber) {
        queue->previous_of_subscriber->next_of_subscriber = queue->next_of_subscriber;
    } else {
        subscriber->queues = queue->next_of_subscriber;
    }
    if (queue->next_of_subscriber) {
        queue->next_of_subscriber->previous_of_subscriber = queue->previous_of_subscriber;
    }
    if (!subscriber->queues && !subscriber->is_known && !subscriber->suspension) {
        drop(subscriber);
    }
}

void subscribers_each(struct lane *lane, void (*visit)(void *context, struct subscriber *),
                      void *context) {
    for (size_t i = 0; i < lane->subscribers.bucket_count; i++) {
        struct subscriber *next;
        for (struct subscriber *subscriber = lane->subscribers.buckets[i]; subscriber;
             subscriber = next) {
            next = subscriber->next;
            visit(context, subscriber);
        }
    }
}

static void look_up(void *context, struct subscriber *subscriber) {
    const struct snapshot *snapshot = context;
    subscriber->is_known = snapshot_subscription(snapshot, subscriber->space, subscriber->id);
    if (!subscriber->is_known && !subscriber->queues && !subscriber->suspension) {
        drop(subscriber);
    }
}

void subscribers_configuration_changed(struct lane *lane) {
    subscribers_each(lane, look_up, (void *)lane->snapshot);
}

static void drop_rest(void *context, struct subscriber *subscriber) {
    (void)context;
    assert(!subscriber->queues);
    drop(subscriber);
}

void subscribers_clear(struct lane *lane) {
    subscribers_each(lane, drop_rest, NULL);
    free(lane->subscribers.buckets);
    lane->subscribers = (struct subscriber_table){0};
}

// For an event to probe with.
static bool looks(const struct subscriber *subscriber) {
    for (const struct subscription_queue *queue = subscriber->queues; queue;
         queue = queue->next_of_subscriber) {
        if (queue->cursor && queue->cursor->look_from >= 0) {
            return true;
        }
    }
    return false;
}

static bool circuit_lets(const struct subscriber *subscriber) {
    return circuit_allows(&subscriber->circuit, event_loop_now_us(subscriber->lane->loop));
}

bool subscriber_may_begin(const struct subscriber *subscriber) {
    return !subscriber->suspension && circuit_lets(subscriber) &&
           !(is_open(subscriber) && looks(subscriber));
}

void subscriber_begun(struct subscriber *subscriber) {
    circuit_begun(&subscriber->circuit);
    running_calls_begun(&subscriber->lane->calls, subscriber);
}

void subscriber_ended(struct subscriber *subscriber) {
    running_calls_ended(&subscriber->lane->calls, subscriber);
}

void subscriber_probe_lost(struct subscriber *subscriber) {
    circuit_probe_lost(&subscriber->circuit);
}

const char *subscriber_wants_detached(const struct subscriber *subscriber,
                                      const struct subscription *subscription) {
    if (subscription->is_paused) {
        return reason_paused;
    }
    if (subscriber->suspension) {
        return reason_gone;
    }
    bool waits_for_probe =
        subscriber->circuit.state == CIRCUIT_OPEN && !subscriber_may_begin(subscriber);
    return waits_for_probe ? reason_circuit : NULL;
}

static void go_on_all(struct subscriber *subscriber, const struct subscription_queue *but) {
    struct subscription_queue *next;
    for (struct subscription_queue *queue = subscriber->queues; queue; queue = next) {
        next = queue->next_of_subscriber;
        if (queue->cursor) {
            cursor_go_on(queue->cursor);
        }
        if (queue != but) {
            schedule_go_on(queue);
        }
    }
}

static void start_probe_timer(struct subscriber *subscriber) {
    struct event_loop *loop = subscriber->lane->loop;
    int64_t wait_us = subscriber->circuit.probe_us - event_loop_now_us(loop);
    event_loop_timer_start(loop, &subscriber->probe_timer, wait_us > 0 ? wait_us : 0);
}

static bool start_looks(struct subscriber *subscriber) {
    bool looks = false;
    for (struct subscription_queue *queue = subscriber->queues; queue;
         queue = queue->next_of_subscriber) {
        looks |= queue->cursor && cursor_look_for_probe(queue->cursor);
    }
    return looks;
}

static void end_looks(struct subscriber *subscriber) {
    for (struct subscription_queue *queue = subscriber->queues; queue;
         queue = queue->next_of_subscriber) {
        if (queue->cursor) {
            cursor_end_look(queue->cursor);
        }
    }
}

void subscriber_look_ended(struct subscriber *subscriber, struct subscription_queue *found) {
    if (found) {
        end_looks(subscriber);
    }
    if (looks(subscriber)) {
        return;
    }
    if (subscriber->circuit.state == CIRCUIT_OPEN) {
        event_loop_timer_stop(subscriber->lane->loop, &subscriber->probe_timer);
    }
    if (found) {
        schedule_go_on(found);
    }
    go_on_all(subscriber, NULL);
}

// The log takes its time: the probe is what there is.
static void end_late_looks(struct subscriber *subscriber) {
    end_looks(subscriber);
    go_on_all(subscriber, NULL);
}

static void probe_is_due(struct event_loop_timer *timer) {
    struct subscriber *subscriber = CONTAINER_OF(timer, struct subscriber, probe_timer);
    if (subscriber->circuit.state != CIRCUIT_OPEN || subscriber->suspension) {
        return; // When a suspension ends all go on.
    }
    if (!circuit_lets(subscriber)) {
        start_probe_timer(subscriber); // The loop's time is that of the turn's begin.
    } else if (looks(subscriber)) {
        end_late_looks(subscriber);
    } else if (circuit_wants_untried(&subscriber->circuit) && start_looks(subscriber)) {
        event_loop_timer_start(subscriber->lane->loop, timer, LOOK_US);
    } else {
        go_on_all(subscriber, NULL);
    }
}

static void suspend_all(struct subscriber *subscriber) {
    for (struct subscription_queue *queue = subscriber->queues; queue;
         queue = queue->next_of_subscriber) {
        schedule_suspend(queue, reason_circuit);
    }
}

static void tell_opened(const struct subscriber *subscriber,
                        const struct subscription *subscription) {
    log_line(LOG_WARNING, "circuit opened: calls of the function fail",
             LOG_BYTES("space", subscriber->space), LOG_BYTES("subscription", subscriber->id),
             LOG_NUMBER("status", subscriber->last_status),
             LOG_TEXT("reason", subscriber->last_error));
    system_emit_suspended(&subscriber->lane->emitter, subscriber->lane->snapshot, subscription,
                          reason_circuit);
}

static void opened(struct subscriber *subscriber, const struct subscription *subscription) {
    metric_add(dispatcher_metrics()->circuits_open, 1);
    bool is_first =
        open_circuits_opened(subscriber->lane->circuits, subscriber->space, subscriber->id);
    if (is_first) {
        tell_opened(subscriber, subscription);
    }
    suspend_all(subscriber);
}

// What came in the hope that it goes well does not wait for the next one.
static void suspend_what_waits(struct subscriber *subscriber) {
    for (struct subscription_queue *queue = subscriber->queues; queue;
         queue = queue->next_of_subscriber) {
        schedule_suspend_if_wanted(queue);
    }
}

static void tell_closed(const struct subscriber *subscriber,
                        const struct subscription *subscription) {
    log_line(LOG_INFO, "circuit closed: the function answers again",
             LOG_BYTES("space", subscriber->space), LOG_BYTES("subscription", subscriber->id));
    system_emit_resumed(&subscriber->lane->emitter, subscriber->lane->snapshot, subscription);
}

static void closed(struct subscriber *subscriber, const struct subscription_queue *but) {
    event_loop_timer_stop(subscriber->lane->loop, &subscriber->probe_timer);
    end_looks(subscriber);
    if (count_closed(subscriber)) {
        tell_closed(subscriber, but->subscription);
    }
    go_on_all(subscriber, but);
}

static void note_result(struct subscriber *subscriber, const struct invocation_result *result) {
    subscriber->last_call_us = event_loop_now_us(subscriber->lane->loop);
    if (result->outcome == INVOCATION_SUCCEEDED) {
        subscriber->last_success_us = clock_wall_us();
    } else if (result->outcome != INVOCATION_CANCELLED) {
        subscriber->last_failure_us = clock_wall_us();
        subscriber->last_status = result->status;
        snprintf(subscriber->last_error, sizeof subscriber->last_error, "%s",
                 result->error_text[0] ? result->error_text
                                       : invocation_outcome_name(result->outcome));
    }
}

void subscriber_called(struct subscriber *subscriber, const struct delivery *delivery,
                       const struct invocation_result *result, enum circuit_result means) {
    const struct taken_event *taken = delivery->taken;
    note_result(subscriber, result);
    struct circuit_call call = {
        .result = means,
        .event = (uint64_t)taken->place.offset ^ ((uint64_t)taken->partition->number << 48),
        .now_us = event_loop_now_us(subscriber->lane->loop),
        .retry_after_us = result->retry_after_ms > 0 && result->retry_after_ms < INT32_MAX
                              ? result->retry_after_ms * 1000
                              : 0,
        .random = random_below(UINT64_MAX),
    };
    bool was_probed = subscriber->circuit.state == CIRCUIT_PROBING;
    if (circuit_called(&subscriber->circuit, &call)) {
        if (is_open(subscriber)) {
            opened(subscriber, delivery->queue->subscription);
        } else {
            closed(subscriber, delivery->queue);
        }
    } else if (was_probed && subscriber->circuit.state == CIRCUIT_OPEN) {
        suspend_what_waits(subscriber);
    }
    if (subscriber->circuit.state == CIRCUIT_OPEN) {
        start_probe_timer(subscriber);
    }
}

static void is_suspended(void *context) {
    struct subscriber *subscriber = context;
    subscriber->suspension = NULL;
    go_on_all(subscriber, NULL);
    if (!subscriber->queues && !subscriber->is_known) {
        drop(subscriber);
    }
}

void subscriber_gone(struct subscriber *subscriber, const struct subscription *subscription) {
    if (!subscriber->suspension && !subscription->is_paused) {
        subscriber->suspension =
            suspension_start(subscriber->lane, subscription, is_suspended, subscriber);
    }
    suspend_what_waits(subscriber);
}
