#include "dispatcher/schedule.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/events/causation_depth.h"
#include "core/events/event.h"
#include "core/events/event_record.h"
#include "dispatcher/dead_letter_notices.h"
#include "dispatcher/dead_letters.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/retry_policy.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_KEPT_BYTES 4096
#define GIVEN_UP_LINES_PER_SECOND 10

// Why a delivery is given up, and what is known of its last attempt.
struct give_up {
    enum give_up_reason reason;
    const char *error_text;
    struct bytes answer;
};

static void drop_if_empty(struct subscription_queue *queue) {
    queue_table_drop_if_empty(&queue->partition->queues, queue);
}

// Out of its list already.
static void finish(struct delivery *delivery, enum delivery_end end) {
    struct partition *partition = delivery->queue->partition;
    struct taken_event *taken = delivery->taken;
    metric_add(dispatcher_metrics()->deliveries[end], 1);
    delivery->state = DELIVERY_FINISHED;
    free(delivery);
    partition_delivery_finished(partition, taken);
}

static void finish_started(struct delivery *delivery, enum delivery_end end) {
    delivery_list_remove(&delivery->queue->started, delivery);
    finish(delivery, end);
}

// A partition that hands over may have waited for this one.
static void call_ended(struct partition *partition) {
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
    call_ended(queue->partition);
    finish_started(delivery, DELIVERY_END_DEAD_LETTERED);
    drop_if_empty(queue);
}

static void write_reason(const struct delivery *delivery, const struct give_up *why, char *ret_text,
                         size_t size) {
    const char *name = give_up_reason_name(why->reason);
    if (why->error_text[0] != '\0') {
        snprintf(ret_text, size, "%s: %s", name, why->error_text);
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
        .last_answer = bytes_slice(why->answer, 0, ANSWER_KEPT_BYTES),
        .partition = partition->number,
        .offset = delivery->taken->place.offset,
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
    if (delivery->queue->subscription->delivery.has_dead_letter) {
        start_dead_letter(delivery, why, reason);
    } else {
        finish_started(delivery, DELIVERY_END_DROPPED);
    }
}

static void begin(struct subscription_queue *queue, struct delivery *delivery) {
    delivery_list_remove(&queue->waiting, delivery);
    delivery_list_append(&queue->started, delivery);
    if (delivery_is_expired(delivery)) {
        give_up(delivery, &(struct give_up){.reason = GIVE_UP_EXPIRED, .error_text = ""});
        return;
    }
    if (causation_depth_of(delivery->taken->event) > CAUSATION_DEPTH_MAX) {
        give_up(delivery, &(struct give_up){.reason = GIVE_UP_TOO_DEEP, .error_text = ""});
        return;
    }
    queue->in_flight++;
    queue->partition->running++;
    delivery_begin_attempt(delivery);
}

// Begins what waits, as far as there is room.
static void pump(struct subscription_queue *queue) {
    // A partition that hands over has forgotten what waited.
    assert(!queue->waiting.first || partition_is_fed(queue->partition));
    while (queue->waiting.first && queue->in_flight < queue->subscription->delivery.max_in_flight) {
        begin(queue, queue->waiting.first);
    }
}

void schedule_add(struct delivery *delivery) {
    struct subscription_queue *queue = delivery->queue;
    delivery_list_append(&queue->waiting, delivery);
    pump(queue);
    drop_if_empty(queue);
}

static void wait_is_over(struct event_loop_timer *timer) {
    struct delivery *delivery = CONTAINER_OF(timer, struct delivery, timer);
    struct subscription_queue *queue = delivery->queue;
    metric_add(dispatcher_metrics()->retries_waiting, -1);
    delivery_list_remove(&queue->started, delivery);
    delivery->state = DELIVERY_WAITING;
    delivery_list_append(&queue->waiting, delivery);
    pump(queue);
    drop_if_empty(queue);
}

static void wait_for_retry(struct delivery *delivery, int64_t wait_ms) {
    int64_t wait_us;
    if (__builtin_mul_overflow(wait_ms, 1000, &wait_us)) {
        wait_us = INT64_MAX;
    }
    delivery->state = DELIVERY_RETRY_WAIT;
    metric_add(dispatcher_metrics()->retries_waiting, 1);
    delivery->timer.expired = wait_is_over;
    event_loop_timer_start(delivery->queue->partition->lane->loop, &delivery->timer, wait_us);
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
    struct attempt_situation situation = {
        .attempt = delivery->attempts,
        .age_ms = (now_us - taken->event->context.received_us) / 1000,
        .expires_in_ms = taken->expires_us == INT64_MAX ? RETRY_NEVER_EXPIRES
                                                        : (taken->expires_us - now_us) / 1000,
        .random = random_below(UINT64_MAX),
    };
    return retry_policy_decide(&delivery->queue->subscription->delivery.retry, &outcome,
                               &situation);
}

// An attempt has failed for good, or for now.
static void follow_failure(struct delivery *delivery, const struct retry_verdict *verdict,
                           const struct invocation_result *result) {
    struct subscription_queue *queue = delivery->queue;
    if (queue->is_gone) {
        finish_started(delivery, DELIVERY_END_UNSUBSCRIBED);
    } else if (verdict->step == RETRY_GIVE_UP) {
        give_up(delivery, &(struct give_up){.reason = verdict->reason,
                                            .error_text = result->error_text,
                                            .answer = result->body});
    } else if (partition_is_fed(queue->partition)) {
        wait_for_retry(delivery, verdict->wait_ms);
    } else {
        delivery_list_remove(&queue->started, delivery);
        delivery->state = DELIVERY_WAITING;
        delivery_forget(delivery);
    }
}

void schedule_attempted(struct delivery *delivery, const struct invocation_result *result) {
    struct subscription_queue *queue = delivery->queue;
    assert(delivery->state == DELIVERY_IN_FLIGHT && queue->in_flight > 0);
    queue->in_flight--;
    call_ended(queue->partition);
    delivery->last_status = result->status;
    struct retry_verdict verdict = judge(delivery, result);
    if (verdict.step == RETRY_DELIVERED) {
        finish_started(delivery, DELIVERY_END_DELIVERED);
    } else {
        follow_failure(delivery, &verdict, result);
    }
    pump(queue);
    drop_if_empty(queue);
}

// What has not begun, or failed and waits, is finished; calls and dead letters go on.
static void unsubscribe(struct subscription_queue *queue) {
    queue->is_gone = true;
    while (queue->waiting.first) {
        struct delivery *delivery = queue->waiting.first;
        delivery_list_remove(&queue->waiting, delivery);
        finish(delivery, DELIVERY_END_UNSUBSCRIBED);
    }
    struct delivery *next;
    for (struct delivery *delivery = queue->started.first; delivery; delivery = next) {
        next = delivery->next;
        if (delivery->state == DELIVERY_RETRY_WAIT) {
            event_loop_timer_stop(queue->partition->lane->loop, &delivery->timer);
            metric_add(dispatcher_metrics()->retries_waiting, -1);
            finish_started(delivery, DELIVERY_END_UNSUBSCRIBED);
        }
    }
}

void schedule_renew(struct subscription_queue *queue, const struct subscription *subscription) {
    if (!subscription) {
        unsubscribe(queue);
    } else {
        queue->is_gone = false;
        subscription_queue_set(queue, subscription);
        pump(queue);
    }
    drop_if_empty(queue);
}

void schedule_forget_waiting(struct subscription_queue *queue) {
    while (queue->waiting.first) {
        struct delivery *delivery = queue->waiting.first;
        delivery_list_remove(&queue->waiting, delivery);
        delivery_forget(delivery);
    }
    struct delivery *next;
    for (struct delivery *delivery = queue->started.first; delivery; delivery = next) {
        next = delivery->next;
        if (delivery->state == DELIVERY_RETRY_WAIT) {
            delivery_list_remove(&queue->started, delivery);
            delivery_forget(delivery);
        }
    }
    drop_if_empty(queue);
}

void schedule_forget_all(struct subscription_queue *queue) {
    struct delivery_list *lists[] = {&queue->waiting, &queue->started};
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        while (lists[i]->first) {
            struct delivery *delivery = lists[i]->first;
            delivery_list_remove(lists[i], delivery);
            delivery_forget(delivery);
        }
    }
    drop_if_empty(queue);
}
