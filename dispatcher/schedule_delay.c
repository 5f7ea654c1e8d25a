// Deliveries that wait: in memory by a timer, or parked in eg.retry.*.
#include "dispatcher/schedule_private.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "dispatcher/cursor.h"
#include "dispatcher/delivery_outcome.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/parking.h"
#include "dispatcher/subscriber.h"

// A retry that has to let first attempts pass asks again after about so long.
#define LATER_US 500000
// What is parked within so much time goes to the log together: a hundredth of the wait from which
// on deliveries are parked, and of the usual one at the most.
#define GATHER_SHARE 100
#define GATHER_MAX_MS 50
// What waits for a time of the wall clock looks at that clock so often: it may have been put right.
#define LOOK_MAX_MS 5000

static void park(struct delivery *delivery);

static int64_t milliseconds_until(int64_t due_us) {
    int64_t left_us = due_us - clock_wall_us();
    return left_us > 0 ? left_us / 1000 + 1 : 0;
}

static void become_waiting(struct delivery *delivery) {
    struct subscription_queue *queue = delivery->queue;
    delivery_list_remove(&queue->started, delivery);
    delivery->state = DELIVERY_WAITING;
    delivery_list_append(&queue->waiting, delivery);
}

// A subscription that cannot keep up with what comes due must not hold the tier's window.
static bool is_too_much_due(const struct subscription_queue *queue) {
    const struct partition *partition = queue->partition;
    return partition->tier != PARTITION_OF_EVENTS &&
           queue->waiting.count >= partition->window.events_max / 4;
}

// Parked again without an attempt.
static void postpone(struct delivery *delivery) {
    int64_t wait_ms = delivery->queue->partition->lane->tiers->wait_ms[0];
    delivery->due_us =
        clock_wall_us() + (wait_ms + (int64_t)random_below((uint64_t)wait_ms + 1)) * 1000;
    park(delivery);
}

// Its subscription takes nothing for now.
static bool is_suspended(const struct subscription_queue *queue) {
    return queue->partition->tier != PARTITION_OF_EVENTS &&
           subscriber_wants_detached(queue->subscriber, queue->subscription) != NULL;
}

void schedule_postpone_waiting(struct subscription_queue *queue) {
    while (queue->waiting.first) {
        struct delivery *delivery = queue->waiting.first;
        delivery_list_remove(&queue->waiting, delivery);
        delivery_list_append(&queue->started, delivery);
        postpone(delivery);
    }
}

// What waits in order is not held up: its key waits with it.
static bool may_retry(const struct delivery *delivery) {
    const struct subscription_queue *queue = delivery->queue;
    return delivery->attempts == 0 || queue->subscription->delivery.ordering == ORDERING_KEY ||
           retry_budget_take(places_retry_budget(queue->flow.share),
                             event_loop_now_us(queue->partition->lane->loop));
}

static void wait_us(struct delivery *delivery, int64_t wait_us);
static void delay_until(struct delivery *delivery, int64_t due_us);

static bool is_asked_for(const struct delivery *delivery) {
    return delivery->due_us > 0 && delivery->due_us == delivery->taken->not_before_us;
}

// By the clock that nobody sets, unless it is a time of the wall clock that the event asks for.
static int64_t left_of_wait_us(const struct delivery *delivery) {
    if (delivery->due_us == 0) {
        return 0;
    }
    return is_asked_for(delivery)
               ? delivery->due_us - clock_wall_us()
               : delivery->due_loop_us - event_loop_now_us(delivery->queue->partition->lane->loop);
}

static void timer_expired(struct event_loop_timer *timer) {
    struct delivery *delivery = CONTAINER_OF(timer, struct delivery, timer);
    struct subscription_queue *queue = delivery->queue;
    schedule_stop_waiting(delivery);
    int64_t left_us = left_of_wait_us(delivery);
    if (left_us > 0) {
        delay_until(delivery, clock_wall_us() + left_us);
    } else if (is_too_much_due(queue) || is_suspended(queue)) {
        postpone(delivery);
    } else if (!may_retry(delivery)) {
        wait_us(delivery, LATER_US / 2 + (int64_t)random_below(LATER_US));
    } else {
        become_waiting(delivery);
        schedule_pump(queue);
    }
    schedule_drop_if_empty(queue);
}

static void wait_us(struct delivery *delivery, int64_t wait_us) {
    struct partition *partition = delivery->queue->partition;
    delivery->state = DELIVERY_RETRY_WAIT;
    partition->delayed++;
    if (delivery->taken->cursor) {
        delivery->taken->cursor->delayed++;
    }
    metric_add(dispatcher_metrics()->retries_waiting, 1);
    delivery->timer.expired = timer_expired;
    event_loop_timer_start(partition->lane->loop, &delivery->timer, wait_us);
}

void schedule_stop_waiting(struct delivery *delivery) {
    struct partition *partition = delivery->queue->partition;
    event_loop_timer_stop(partition->lane->loop, &delivery->timer);
    partition->delayed--;
    if (delivery->taken->cursor) {
        delivery->taken->cursor->delayed--;
    }
    metric_add(dispatcher_metrics()->retries_waiting, -1);
}

void schedule_look_again(struct delivery *delivery, int64_t look_us) {
    int64_t left_us = look_us - clock_wall_us();
    wait_us(delivery, left_us > 0 ? left_us : 0);
}

// The whole wait in memory. The wall clock is not asked again, since somebody may set it back; but
// for a time that the event asks for it is.
static void wait_in_memory(struct delivery *delivery) {
    int64_t wait_ms = milliseconds_until(delivery->due_us);
    if (is_asked_for(delivery)) {
        wait_ms = wait_ms < LOOK_MAX_MS ? wait_ms : LOOK_MAX_MS;
    } else {
        delivery->due_us = 0;
    }
    wait_us(delivery, wait_ms < INT64_MAX / 1000 ? wait_ms * 1000 : INT64_MAX);
}

static void is_parked(void *context) {
    struct delivery *delivery = context;
    struct subscription_queue *queue = delivery->queue;
    schedule_call_ended(queue->partition);
    if (delivery->taken->cursor) {
        cursor_count(delivery->taken->cursor, false);
    }
    schedule_leave_started(delivery);
    schedule_drop_if_empty(queue);
}

static void cannot_be_parked(void *context) {
    struct delivery *delivery = context;
    struct subscription_queue *queue = delivery->queue;
    schedule_call_ended(queue->partition);
    if (partition_is_fed(queue->partition)) {
        wait_in_memory(delivery);
    } else {
        delivery_list_remove(&queue->started, delivery);
        delivery->state = DELIVERY_WAITING;
        delivery_forget(delivery);
        schedule_drop_if_empty(queue);
    }
}

static int64_t gather_us(const struct retry_tiers *tiers) {
    int64_t wait_ms = tiers->park_after_ms / GATHER_SHARE;
    return (wait_ms < GATHER_MAX_MS ? wait_ms : GATHER_MAX_MS) * 1000;
}

static void park(struct delivery *delivery) {
    const struct subscription *subscription = delivery->queue->subscription;
    const struct taken_event *taken = delivery->taken;
    struct partition *partition = delivery->queue->partition;
    const struct lane *lane = partition->lane;
    char traceparent[TRACEPARENT_TEXT_SIZE];
    trace_context_write(&taken->trace, random_below(UINT64_MAX), traceparent);
    struct parked_delivery parked = {
        .subscription_id = subscription->id,
        .space = subscription->space,
        .function_id = subscription->function_id,
        .due_us = delivery->due_us,
        .attempts = delivery->attempts,
        .first_us = delivery->first_us,
        .last_us = delivery->last_us,
        .last_status = delivery->last_status,
        .reason = bytes_of_text(delivery->reason),
        .replay_id = delivery_replay_id(delivery),
        .traceparent = bytes_of_text(traceparent),
        .partition = taken->partition_number,
        .offset = taken->offset,
    };
    struct parking_options options = {
        .log = lane->log,
        .loop = lane->loop,
        .stream = retry_tier_stream(
            retry_tiers_choose(lane->tiers, milliseconds_until(delivery->due_us))),
        .gather_us = gather_us(lane->tiers),
        .parked = &parked,
        .event = taken->event,
        .stored = is_parked,
        .refused = cannot_be_parked,
        .context = delivery,
    };
    delivery->state = DELIVERY_PARKING;
    partition->running++;
    delivery->parking = parking_post_start(&options);
}

static bool is_crowded(const struct delivery *delivery) {
    const struct partition *partition = delivery->queue->partition;
    const struct cursor *cursor = delivery->taken->cursor;
    return (partition->tier == PARTITION_OF_EVENTS &&
            partition->delayed >= partition->window.events_max / 4) ||
           (cursor && cursor_is_crowded(cursor));
}

// A share that always fails must leave the window, or what a cursor may have in memory, to the
// others, so when too many wait in memory short waits are parked too. Of eg.retry.* itself only
// what is due soon waits in memory.
static bool delays_in_log(const struct delivery *delivery, int64_t due_us) {
    const struct subscription_queue *queue = delivery->queue;
    const struct partition *partition = queue->partition;
    // In eg.retry.* already it is out of order.
    bool may_be_parked = queue->subscription->delivery.ordering == ORDERING_NONE ||
                         partition->tier != PARTITION_OF_EVENTS;
    return may_be_parked && (milliseconds_until(due_us) > partition->lane->tiers->park_after_ms ||
                             is_crowded(delivery));
}

static void delay_until(struct delivery *delivery, int64_t due_us) {
    delivery->due_us = due_us;
    if (delays_in_log(delivery, due_us)) {
        park(delivery);
    } else if (partition_is_fed(delivery->queue->partition)) {
        wait_in_memory(delivery);
    } else {
        delivery_list_remove(&delivery->queue->started, delivery);
        delivery->state = DELIVERY_WAITING;
        delivery_forget(delivery);
    }
}

void schedule_delay(struct delivery *delivery, int64_t due_us, struct delivery_note *note) {
    note->kind = delays_in_log(delivery, due_us) ? OUTCOME_PARKED : OUTCOME_RETRY;
    note->next_attempt_us = due_us;
    delivery_note_outcome(delivery, note); // Before: the delivery may be gone afterwards.
    delay_until(delivery, due_us);
}

void schedule_delay_early(struct delivery *delivery) {
    schedule_delay(delivery, delivery->taken->not_before_us,
                   &(struct delivery_note){.reason = BYTES("delivernotbefore")});
}
