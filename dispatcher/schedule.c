#include "dispatcher/schedule.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/events/event.h"
#include "core/events/event_record.h"
#include "dispatcher/attempt.h"
#include "dispatcher/batch.h"
#include "dispatcher/cursor.h"
#include "dispatcher/dead_letter_notices.h"
#include "dispatcher/dead_letters.h"
#include "dispatcher/delivery_outcome.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/retry_policy.h"
#include "dispatcher/schedule_private.h"
#include "dispatcher/subscriber.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_KEPT_BYTES 4096
#define GIVEN_UP_LINES_PER_SECOND 10

// Why a delivery is given up, and what is known of its last attempt.
struct give_up {
    enum give_up_reason reason;
    const struct invocation_result *result; // of the last attempt; NULL: none led to it
};

void schedule_drop_if_empty(struct subscription_queue *queue) {
    queue_table_drop_if_empty(&queue->partition->queues, queue);
}

void schedule_leave_started(struct delivery *delivery) {
    struct partition *partition = delivery->queue->partition;
    struct taken_event *taken = delivery->taken;
    delivery_list_remove(&delivery->queue->started, delivery);
    delivery->state = DELIVERY_FINISHED;
    subscription_queue_leave_order(delivery->queue, delivery);
    free(delivery);
    partition_delivery_finished(partition, taken);
}

static void finish_started(struct delivery *delivery, enum delivery_end end) {
    metric_add(dispatcher_metrics()->deliveries[end], 1);
    if (delivery->taken->cursor) {
        cursor_count(delivery->taken->cursor, end == DELIVERY_END_DELIVERED);
    }
    schedule_leave_started(delivery);
}

void schedule_call_ended(struct partition *partition) {
    assert(partition->running > 0);
    partition->running--;
    lane_mark(partition->lane, partition);
}

static void dead_letter_stored(void *context) {
    struct delivery *delivery = context;
    struct subscription_queue *queue = delivery->queue;
    struct lane *lane = queue->partition->lane;
    dead_letter_notices_add(lane->notices, lane, queue->subscription,
                            dead_letter_post_reason(delivery->post));
    schedule_call_ended(queue->partition);
    finish_started(delivery, DELIVERY_END_DEAD_LETTERED);
    schedule_pump(queue); // The next one of its key may go.
    schedule_drop_if_empty(queue);
}

static void write_reason(const struct delivery *delivery, const struct give_up *why, char *ret_text,
                         size_t size) {
    const char *name = give_up_reason_name(why->reason);
    if (why->result && why->result->error_text[0] != '\0') {
        snprintf(ret_text, size, "%s: %s", name, why->result->error_text);
    } else if (delivery->last_status > 0) {
        snprintf(ret_text, size, "%s: status %u", name, delivery->last_status);
    } else {
        snprintf(ret_text, size, "%s", name);
    }
}

static void log_given_up(const struct delivery *delivery, const char *reason) {
    const struct subscription *subscription = delivery->queue->subscription;
    uint64_t suppressed;
    if (log_limit_allows(&delivery->queue->partition->lane->given_up_limit,
                         GIVEN_UP_LINES_PER_SECOND, &suppressed)) {
        log_line(LOG_WARNING, "delivery given up", LOG_BYTES("space", subscription->space),
                 LOG_BYTES("subscription", subscription->id),
                 LOG_BYTES("function", subscription->function_id),
                 LOG_BYTES("event", delivery->taken->event->id), LOG_TEXT("reason", reason),
                 LOG_NUMBER("attempts", delivery->attempts),
                 LOG_NUMBER("status", delivery->last_status),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static void start_dead_letter(struct delivery *delivery, const struct give_up *why,
                              const char *reason) {
    const struct subscription *subscription = delivery->queue->subscription;
    struct partition *partition = delivery->queue->partition;
    if (delivery->attempts == 0) {
        delivery->first_us = delivery->last_us = clock_wall_us();
    }
    struct dead_letter letter = {
        .subscription_id = subscription->id,
        .function_id = subscription->function_id,
        .space = subscription->space,
        .reason = bytes_of_text(reason),
        .attempts = delivery->attempts,
        .first_us = delivery->first_us,
        .last_us = delivery->last_us,
        .last_status = delivery->last_status,
        .last_answer =
            why->result ? bytes_slice(why->result->body, 0, ANSWER_KEPT_BYTES) : (struct bytes){0},
        .partition = delivery->taken->partition_number,
        .offset = delivery->taken->offset,
    };
    delivery->state = DELIVERY_DEAD_LETTERING;
    partition->running++;
    delivery->post = dead_letter_post_start(partition->lane->log, partition->lane->loop, &letter,
                                            delivery->taken->event, dead_letter_stored, delivery);
}

// In the started list.
static void give_up(struct delivery *delivery, const struct give_up *why) {
    char reason[512];
    write_reason(delivery, why, reason, sizeof reason);
    log_given_up(delivery, reason);
    bool has_dead_letter = delivery->queue->subscription->delivery.has_dead_letter;
    struct delivery_note note = {.kind = has_dead_letter ? OUTCOME_DEAD_LETTERED : OUTCOME_DROPPED,
                                 .result = why->result,
                                 .reason = bytes_of_text(reason)};
    delivery_note_outcome(delivery, &note);
    if (has_dead_letter) {
        start_dead_letter(delivery, why, reason);
    } else {
        finish_started(delivery, DELIVERY_END_DROPPED);
    }
}

static void begin_call(struct subscription_queue *queue, uint32_t limit,
                       const struct flow_ticket *ticket) {
    struct delivery *single = NULL;
    struct delivery **taken =
        limit > 1 ? memory_allocate(limit * sizeof(struct delivery *)) : &single;
    uint32_t count = batch_take(queue, limit, taken);
    if (taken[0]->attempts == 0) {
        retry_budget_begun(places_retry_budget(queue->flow.share), queue->waiting.first != NULL,
                           event_loop_now_us(queue->partition->lane->loop));
    }
    attempt_begin(queue, ticket, taken, count);
    if (limit > 1) {
        free(taken);
    }
}

static void unsubscribe_started(struct delivery *delivery, const struct invocation_result *result) {
    delivery_note_outcome(delivery,
                          &(struct delivery_note){.kind = OUTCOME_UNSUBSCRIBED, .result = result});
    finish_started(delivery, DELIVERY_END_UNSUBSCRIBED);
}

// In the started list. It may be gone afterwards, so what is told of it is taken down before.
static void delay(struct delivery *delivery, int64_t due_us, struct delivery_note *note) {
    note->kind = schedule_delays_in_log(delivery, due_us) ? OUTCOME_PARKED : OUTCOME_RETRY;
    note->next_attempt_us = due_us;
    delivery_note_outcome(delivery, note);
    schedule_delay(delivery, due_us);
}

// In the started list: the event asked for later delivery.
static void delay_early(struct delivery *delivery) {
    delay(delivery, delivery->taken->not_before_us,
          &(struct delivery_note){.reason = BYTES("delivernotbefore")});
}

// The first that waits cannot be called, for good or now, and is out of the way.
static bool passes_over_first(struct subscription_queue *queue) {
    struct delivery *first = queue->waiting.first;
    struct give_up why = {.result = NULL};
    bool may_begin = delivery_may_begin(first, &why.reason);
    if (may_begin && !queue->is_gone && !delivery_is_early(first)) {
        return false;
    }
    delivery_list_remove(&queue->waiting, first);
    delivery_list_append(&queue->started, first);
    if (queue->is_gone) {
        unsubscribe_started(first, NULL);
    } else if (!may_begin) {
        give_up(first, &why);
    } else {
        delay_early(first);
    }
    return true;
}

static void batch_waited_long_enough(struct event_loop_timer *timer);

// Whether its subscription takes anything now.
static bool is_open(const struct subscription_queue *queue) {
    return !queue->subscription->is_paused && !(queue->cursor && cursor_holds(queue->cursor)) &&
           subscriber_may_begin(queue->subscriber);
}

// Begins one call of what waits, when there is room for it.
static bool begin_next(struct subscription_queue *queue) {
    if (queue->in_flight >= queue->subscription->delivery.max_in_flight) {
        return false;
    }
    uint32_t limit = batch_limit(queue);
    size_t there = queue->waiting.count + queue->held.count;
    struct flow_ticket ticket;
    if (!batch_is_ready(queue, limit, batch_waited_long_enough) ||
        !flow_enter(&queue->flow, queue->subscription, there < limit ? (uint32_t)there : limit,
                    &ticket)) {
        return false;
    }
    begin_call(queue, limit, &ticket);
    return true;
}

// Begins what waits, as far as there is room, and not more than so many calls.
static void pump_some(struct subscription_queue *queue, uint32_t calls_max) {
    // A partition that hands over has forgotten what waited.
    assert(!queue->waiting.first || partition_is_fed(queue->partition));
    uint32_t calls = 0;
    while (queue->waiting.first && !flow_is_waiting(&queue->flow) &&
           (queue->is_gone || is_open(queue))) {
        if (passes_over_first(queue)) {
            continue;
        }
        if (calls == calls_max) {
            flow_yield(&queue->flow);
        } else if (!begin_next(queue)) {
            return;
        }
        calls++;
    }
}

void schedule_pump(struct subscription_queue *queue) {
    pump_some(queue, UINT32_MAX);
}

static void batch_waited_long_enough(struct event_loop_timer *timer) {
    struct subscription_queue *queue = CONTAINER_OF(timer, struct subscription_queue, batch_timer);
    queue->is_batch_waiting = false;
    queue->is_batch_due = true;
    schedule_pump(queue);
    schedule_drop_if_empty(queue);
}

void schedule_resume(struct flow_member *member) {
    struct subscription_queue *queue = CONTAINER_OF(member, struct subscription_queue, flow);
    pump_some(queue, 1);
    schedule_drop_if_empty(queue);
}

void schedule_go_on(struct subscription_queue *queue) {
    schedule_pump(queue);
    schedule_drop_if_empty(queue);
}

void schedule_suspend(struct subscription_queue *queue, const char *reason) {
    if (queue->partition->tier == PARTITION_OF_EVENTS) {
        cursor_detach(queue, reason);
    } else if (partition_is_fed(queue->partition)) {
        schedule_postpone_waiting(queue);
    }
}

void schedule_suspend_if_wanted(struct subscription_queue *queue) {
    if (queue->cursor && queue->cursor->state != CURSOR_ATTACHING) {
        return;
    }
    const char *reason = subscriber_wants_detached(queue->subscriber, queue->subscription);
    if (reason) {
        schedule_suspend(queue, reason);
    }
}

void schedule_add(struct delivery *delivery) {
    struct subscription_queue *queue = delivery->queue;
    bool is_ordered = queue->subscription->delivery.ordering == ORDERING_KEY;
    if (delivery_is_early(delivery) && !is_ordered) {
        delivery_list_append(&queue->started, delivery);
        delay_early(delivery);
    } else {
        subscription_queue_add(queue, delivery); // One that is early waits when its turn has come.
        schedule_suspend_if_wanted(queue);
        schedule_pump(queue);
    }
    schedule_drop_if_empty(queue);
}

void schedule_add_parked(struct delivery *delivery, int64_t look_us) {
    delivery_list_append(&delivery->queue->started, delivery);
    schedule_look_again(delivery, look_us);
}

static struct retry_verdict judge(const struct delivery *delivery,
                                  const struct invocation_result *result) {
    const struct taken_event *taken = delivery->taken;
    int64_t now_us = clock_wall_us();
    struct attempt_outcome outcome = {
        .outcome = result->outcome,
        .status = result->status,
        .is_throttled = result->is_throttled,
        .retry_after_ms = result->retry_after_ms,
    };
    // An event that asked for later delivery is as young then as others when they are received.
    int64_t received_us = taken->event->context.received_us;
    int64_t born_us = received_us > taken->not_before_us ? received_us : taken->not_before_us;
    // What is replayed is old already: its age counts from its first attempt.
    if (delivery_replay_id(delivery).size > 0 && delivery->first_us > born_us) {
        born_us = delivery->first_us;
    }
    struct attempt_situation situation = {
        .attempt = delivery->attempts,
        .age_ms = (now_us - born_us) / 1000,
        .expires_in_ms = taken->expires_us == INT64_MAX ? RETRY_NEVER_EXPIRES
                                                        : (taken->expires_us - now_us) / 1000,
        .random = random_below(UINT64_MAX),
    };
    return retry_policy_decide(&delivery->queue->subscription->delivery.retry, &outcome,
                               &situation);
}

// It was in a call with others of its key that come before it.
static void hold(struct delivery *delivery) {
    struct subscription_queue *queue = delivery->queue;
    delivery_list_remove(&queue->started, delivery);
    delivery->state = DELIVERY_HELD;
    delivery_list_append(&queue->held, delivery);
}

static void keep_reason(struct delivery *delivery, const struct invocation_result *result) {
    if (result->status > 0) {
        snprintf(delivery->reason, sizeof delivery->reason, "status %u", result->status);
    } else {
        snprintf(delivery->reason, sizeof delivery->reason, "%s",
                 invocation_outcome_name(result->outcome));
    }
}

// The pause is the circuit's. The event is the next probe too, since some functions fail on first
// sight; the one after that is another, since some events fail for ever.
static void wait_again(struct delivery *delivery) {
    struct subscription_queue *queue = delivery->queue;
    delivery_list_remove(&queue->started, delivery);
    delivery->state = DELIVERY_WAITING;
    if (delivery->attempts % 2 == 1) {
        delivery_list_prepend(&queue->waiting, delivery);
    } else {
        delivery_list_append(&queue->waiting, delivery);
    }
}

static bool is_suspended(const struct subscription_queue *queue) {
    return queue->partition->tier == PARTITION_OF_EVENTS &&
           queue->subscriber->circuit.state != CIRCUIT_CLOSED;
}

static void retry(struct delivery *delivery, int64_t wait_ms,
                  const struct invocation_result *result) {
    int64_t due_us;
    if (__builtin_mul_overflow(wait_ms, 1000, &due_us) ||
        __builtin_add_overflow(due_us, clock_wall_us(), &due_us)) {
        due_us = INT64_MAX;
    }
    const char *reason = result->error_text[0] ? result->error_text : delivery->reason;
    if (partition_is_fed(delivery->queue->partition) && !key_order_is_first(&delivery->order)) {
        hold(delivery);
    } else if (partition_is_fed(delivery->queue->partition) && is_suspended(delivery->queue)) {
        delivery_note_outcome(delivery, &(struct delivery_note){.kind = OUTCOME_RETRY,
                                                                .result = result,
                                                                .reason = bytes_of_text(reason)});
        wait_again(delivery);
    } else {
        delay(delivery, due_us,
              &(struct delivery_note){.result = result, .reason = bytes_of_text(reason)});
    }
}

// The function is gone: the event stays undelivered until the subscription is resumed.
static void put_back(struct delivery *delivery, const struct invocation_result *result) {
    struct subscription_queue *queue = delivery->queue;
    struct delivery_note note = {
        .kind = OUTCOME_RETRY, .result = result, .reason = BYTES("the function is gone")};
    delivery_note_outcome(delivery, &note);
    if (!partition_is_fed(queue->partition)) {
        delivery_list_remove(&queue->started, delivery);
        delivery->state = DELIVERY_WAITING;
        delivery_forget(delivery);
        return;
    }
    if (key_order_is_first(&delivery->order)) {
        wait_again(delivery);
    } else {
        hold(delivery);
    }
    subscriber_gone(queue->subscriber, queue->subscription);
}

// An attempt has failed for good, or for now.
static void follow_failure(struct delivery *delivery, const struct retry_verdict *verdict,
                           const struct invocation_result *result) {
    keep_reason(delivery, result);
    if (delivery->queue->is_gone) {
        unsubscribe_started(delivery, result);
    } else if (verdict->step == RETRY_GIVE_UP && verdict->reason == GIVE_UP_GONE) {
        put_back(delivery, result);
    } else if (verdict->step == RETRY_GIVE_UP) {
        give_up(delivery, &(struct give_up){.reason = verdict->reason, .result = result});
    } else {
        retry(delivery, verdict->wait_ms, result);
    }
}

// What the end of a call says about the function. What fails again says nothing new: an event that
// fails for ever, alone with others like it, must not suspend those that come.
static void tell_subscriber(const struct delivery *delivery, const struct invocation_result *result,
                            const struct retry_verdict *verdict) {
    bool is_refused = verdict->step == RETRY_GIVE_UP &&
                      (verdict->reason == GIVE_UP_FINAL_STATUS || verdict->reason == GIVE_UP_GONE);
    bool is_old_news =
        delivery->attempts > 1 && delivery->queue->subscriber->circuit.state == CIRCUIT_CLOSED;
    enum circuit_result means = CIRCUIT_FAILURE;
    if (result->outcome == INVOCATION_SUCCEEDED || is_refused) {
        means = CIRCUIT_SUCCESS;
    } else if (result->outcome == INVOCATION_CANCELLED || is_old_news) {
        means = CIRCUIT_NOTHING;
    } else if (result->is_throttled) {
        // One of several that is refused asks for fewer at a time, which the throttle sees to.
        bool is_one_too_many = result->status != 503 && delivery->attempt->ran_beside_others &&
                               delivery->queue->subscriber->circuit.state == CIRCUIT_CLOSED;
        means = is_one_too_many ? CIRCUIT_NOTHING : CIRCUIT_THROTTLED;
    }
    subscriber_called(delivery->queue->subscriber, delivery, result, means);
}

// A batch has failed and nobody knows for which of its events, so none is given up for it, but one
// whose life is over: they go again in halves. All wait equally long, so that they come together.
static void follow_batch_failure(struct attempt *attempt, const struct retry_verdict *verdicts,
                                 const struct invocation_result *result) {
    int64_t wait_ms = 0;
    for (uint32_t i = 0; i < attempt->count && wait_ms == 0; i++) {
        wait_ms = verdicts[i].step == RETRY_WAIT ? verdicts[i].wait_ms : 0;
    }
    for (uint32_t i = 0; i < attempt->count; i++) {
        struct delivery *delivery = attempt->deliveries[i];
        struct retry_verdict verdict = verdicts[i];
        if (!delivery) {
            continue;
        }
        if (verdict.step == RETRY_GIVE_UP && verdict.reason != GIVE_UP_EXPIRED &&
            verdict.reason != GIVE_UP_GONE) {
            verdict = (struct retry_verdict){.step = RETRY_WAIT};
        } else if (verdict.step == RETRY_WAIT) {
            verdict.wait_ms = wait_ms;
        }
        // To say that it is too much is no word about the events, unless it was the last word.
        if (!result->is_throttled || verdicts[i].step == RETRY_GIVE_UP) {
            delivery->batch_limit = (attempt->count + 1) / 2;
        }
        follow_failure(delivery, &verdict, result);
    }
}

static void finish_delivered(struct delivery *delivery, const struct invocation_result *result) {
    delivery_note_outcome(delivery,
                          &(struct delivery_note){.kind = OUTCOME_DELIVERED, .result = result});
    finish_started(delivery, DELIVERY_END_DELIVERED);
}

static void follow_batch(struct attempt *attempt, const struct invocation_result *result) {
    struct retry_verdict *verdicts = memory_allocate(attempt->count * sizeof *verdicts);
    bool is_delivered = false;
    bool is_told = false;
    for (uint32_t i = 0; i < attempt->count; i++) {
        struct delivery *delivery = attempt->deliveries[i];
        if (delivery) {
            delivery->last_status = result->status;
            verdicts[i] = judge(delivery, result);
            is_delivered = verdicts[i].step == RETRY_DELIVERED;
            if (!is_told) {
                tell_subscriber(delivery, result, &verdicts[i]);
                is_told = true;
            }
        }
    }
    for (uint32_t i = 0; is_delivered && i < attempt->count; i++) {
        if (attempt->deliveries[i]) {
            finish_delivered(attempt->deliveries[i], result);
        }
    }
    if (!is_delivered) {
        follow_batch_failure(attempt, verdicts, result);
    }
    free(verdicts);
}

static void follow_single(struct delivery *delivery, const struct invocation_result *result) {
    delivery->last_status = result->status;
    struct retry_verdict verdict = judge(delivery, result);
    tell_subscriber(delivery, result, &verdict);
    if (verdict.step == RETRY_DELIVERED) {
        finish_delivered(delivery, result);
    } else {
        follow_failure(delivery, &verdict, result);
    }
}

void schedule_attempted(struct attempt *attempt, const struct invocation_result *result) {
    struct subscription_queue *queue = attempt->queue;
    if (attempt->count > 1) {
        follow_batch(attempt, result);
    } else {
        follow_single(attempt->deliveries[0], result);
    }
    schedule_pump(queue);
    schedule_drop_if_empty(queue);
}

static void unsubscribe_all(struct delivery_list *list) {
    while (list->first) {
        struct delivery *delivery = list->first;
        delivery_list_remove(list, delivery);
        delivery_list_append(&delivery->queue->started, delivery);
        unsubscribe_started(delivery, NULL);
    }
}

// What has not begun, or failed and waits, is finished; calls and dead letters go on.
static void unsubscribe(struct subscription_queue *queue) {
    queue->is_gone = true;
    if (queue->cursor) {
        cursor_doom(queue->cursor);
    }
    unsubscribe_all(&queue->held); // First: those who wait for others are not let go.
    unsubscribe_all(&queue->waiting);
    struct delivery *next;
    for (struct delivery *delivery = queue->started.first; delivery; delivery = next) {
        next = delivery->next;
        if (delivery->state == DELIVERY_RETRY_WAIT) {
            schedule_stop_waiting(delivery);
            unsubscribe_started(delivery, NULL);
        }
    }
}

static void renew(struct subscription_queue *queue, const struct subscription *subscription) {
    queue->is_gone = false;
    subscription_queue_set(queue, subscription);
    if (subscription->delivery.ordering == ORDERING_NONE) {
        subscription_queue_end_order(queue);
    }
    if (!partition_is_fed(queue->partition)) {
        return;
    }
    if (queue->waiting.first || queue->started.first) {
        schedule_suspend_if_wanted(queue);
    }
    if (queue->cursor) {
        cursor_go_on(queue->cursor);
    }
    schedule_pump(queue);
}

void schedule_renew(struct subscription_queue *queue, const struct subscription *subscription) {
    // One of the same id that was created meanwhile is another one.
    if (!subscription || !bytes_equal(subscription->created, queue->subscription->created)) {
        unsubscribe(queue);
    }
    if (subscription) {
        renew(queue, subscription);
    }
    schedule_drop_if_empty(queue);
}

static void forget_list(struct delivery_list *list) {
    while (list->first) {
        struct delivery *delivery = list->first;
        delivery_list_remove(list, delivery);
        delivery_forget(delivery);
    }
}

static bool is_idle(const struct delivery *delivery, const struct cursor *cursor) {
    return delivery->taken->cursor == cursor &&
           (delivery->state == DELIVERY_HELD || delivery->state == DELIVERY_WAITING ||
            delivery->state == DELIVERY_RETRY_WAIT);
}

void schedule_forget_idle(struct subscription_queue *queue, const struct cursor *cursor,
                          void (*forgotten)(void *context, struct taken_event *taken),
                          void *context) {
    // What is held first: so nothing that is to be forgotten is let go by what it waits for.
    struct delivery_list *lists[] = {&queue->held, &queue->waiting, &queue->started};
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        struct delivery *next;
        for (struct delivery *delivery = lists[i]->first; delivery; delivery = next) {
            struct taken_event *taken = delivery->taken;
            next = delivery->next;
            if (is_idle(delivery, cursor)) {
                delivery_list_remove(lists[i], delivery);
                delivery_forget(delivery);
                forgotten(context, taken);
            }
        }
    }
}

void schedule_forget_waiting(struct subscription_queue *queue) {
    forget_list(&queue->held); // First: those who wait for others are not let go.
    forget_list(&queue->waiting);
    struct delivery *next;
    for (struct delivery *delivery = queue->started.first; delivery; delivery = next) {
        next = delivery->next;
        if (delivery->state == DELIVERY_RETRY_WAIT) {
            delivery_list_remove(&queue->started, delivery);
            delivery_forget(delivery);
        }
    }
    schedule_drop_if_empty(queue);
}

void schedule_forget_all(struct subscription_queue *queue) {
    forget_list(&queue->held);
    forget_list(&queue->waiting);
    forget_list(&queue->started);
    schedule_drop_if_empty(queue);
}
