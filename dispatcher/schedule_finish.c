// The end of a delivery: takes it out of its queue and its partition, and counts how it ended.
#include "dispatcher/schedule_private.h"

#include "dispatcher/cursor.h"
#include "dispatcher/delivery_outcome.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"

#include <assert.h>
#include <stdlib.h>

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

void schedule_finish_started(struct delivery *delivery, enum delivery_end end) {
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

void schedule_unsubscribe_started(struct delivery *delivery,
                                  const struct invocation_result *result) {
    delivery_note_outcome(delivery,
                          &(struct delivery_note){.kind = OUTCOME_UNSUBSCRIBED, .result = result});
    schedule_finish_started(delivery, DELIVERY_END_UNSUBSCRIBED);
}
