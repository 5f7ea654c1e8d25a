// Gives a delivery up: says why, and where the subscription asks for it writes a dead letter.
#include "dispatcher/schedule_private.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/events/event.h"
#include "dispatcher/dead_letter_notices.h"
#include "dispatcher/dead_letters.h"
#include "dispatcher/delivery_outcome.h"
#include "dispatcher/lane.h"

#include <stdio.h>

#define ANSWER_KEPT_BYTES 4096
#define GIVEN_UP_LINES_PER_SECOND 10

static void dead_letter_stored(void *context) {
    struct delivery *delivery = context;
    struct subscription_queue *queue = delivery->queue;
    struct lane *lane = queue->partition->lane;
    dead_letter_notices_add(lane->notices, lane, queue->subscription,
                            dead_letter_post_reason(delivery->post));
    schedule_call_ended(queue->partition);
    schedule_finish_started(delivery, DELIVERY_END_DEAD_LETTERED);
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

void schedule_give_up(struct delivery *delivery, const struct give_up *why) {
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
        schedule_finish_started(delivery, DELIVERY_END_DROPPED);
    }
}
