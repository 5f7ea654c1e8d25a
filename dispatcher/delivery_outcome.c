#include "dispatcher/delivery_outcome.h"

#include "core/events/event.h"
#include "core/functions/invoker.h"
#include "dispatcher/delivery.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/subscription_queue.h"

void delivery_note_outcome(const struct delivery *delivery, const struct delivery_note *note) {
    const struct taken_event *taken = delivery->taken;
    const struct subscription *subscription = delivery->queue->subscription;
    const struct invocation_result *result = note->result;
    struct outcome outcome = {
        .event_id = taken->event->id,
        .event_source = taken->event->source,
        .partition = taken->partition_number,
        .offset = taken->offset,
        .space = subscription->space,
        .subscription_id = subscription->id,
        .kind = note->kind,
        .attempt = delivery->attempts,
        .reason = note->reason,
        .next_attempt_us = note->next_attempt_us,
    };
    if (result) {
        outcome.status = result->status;
        outcome.duration_us = result->duration_us;
    }
    if (result && note->kind != OUTCOME_DELIVERED) {
        outcome.answer = result->body;
    }
    outcomes_note(&taken->partition->lane->outcomes, &outcome);
}
