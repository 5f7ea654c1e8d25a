// What follows when a call has ended: delivered, tried again, or given up, for each of its
// deliveries; and what it says about the function.
#include "dispatcher/schedule.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/events/event.h"
#include "dispatcher/attempt.h"
#include "dispatcher/cursor.h"
#include "dispatcher/delivery_outcome.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/retry_policy.h"
#include "dispatcher/schedule_private.h"
#include "dispatcher/subscriber.h"

#include <stdio.h>
#include <stdlib.h>

// The wall clock as it would go if nobody had set it since the event was read.
static int64_t even_now_us(const struct delivery *delivery) {
    return event_loop_now_us(delivery->queue->partition->lane->loop) +
           delivery->taken->wall_ahead_us;
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
        .age_ms = (even_now_us(delivery) - born_us) / 1000,
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
        schedule_delay(delivery, due_us,
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

// That it was tried is to be known after a crash, too.
static void tell_tried(const struct delivery *delivery) {
    if (delivery->taken->cursor) {
        cursor_note_news(delivery->taken->cursor);
    } else {
        delivery->queue->partition->live.fresh++;
    }
}

// An attempt has failed for good, or for now.
static void follow_failure(struct delivery *delivery, const struct retry_verdict *verdict,
                           const struct invocation_result *result) {
    keep_reason(delivery, result);
    tell_tried(delivery);
    if (delivery->queue->is_gone) {
        schedule_unsubscribe_started(delivery, result);
    } else if (verdict->step == RETRY_GIVE_UP && verdict->reason == GIVE_UP_GONE) {
        put_back(delivery, result);
    } else if (verdict->step == RETRY_GIVE_UP) {
        schedule_give_up(delivery, &(struct give_up){.reason = verdict->reason, .result = result});
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
    schedule_finish_started(delivery, DELIVERY_END_DELIVERED);
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
    schedule_go_on_beside(queue);
}
