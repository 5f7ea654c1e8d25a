#include "dispatcher/batch.h"

#include "core/base/memory.h"
#include "core/events/event.h"
#include "core/events/event_format.h"
#include "core/functions/invoker.h"
#include "core/registry/snapshot.h"
#include "dispatcher/delivery.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

bool batch_is_wanted(const struct subscription_queue *queue) {
    const struct subscription *subscription = queue->subscription;
    const struct lane *lane = queue->partition->lane;
    if (subscription->delivery.batch_max_events <= 1) {
        return false;
    }
    const struct function *function =
        snapshot_function(lane->snapshot, subscription->space, subscription->function_id);
    return function && invoker_takes_batches(lane->invoker, function);
}

uint32_t batch_limit(const struct subscription_queue *queue) {
    uint32_t wanted = queue->subscription->delivery.batch_max_events;
    const struct delivery *first = queue->waiting.first;
    if (first->batch_limit < wanted) {
        wanted = first->batch_limit;
    }
    return wanted > 1 && batch_is_wanted(queue) ? wanted : 1;
}

bool batch_is_ready(struct subscription_queue *queue, uint32_t limit,
                    void (*expired)(struct event_loop_timer *timer)) {
    // Of what is held some may wait for a call that runs; then the batch is smaller than it could
    // be.
    if (limit == 1 || queue->is_batch_due || queue->waiting.count + queue->held.count >= limit) {
        return true;
    }
    if (!queue->is_batch_waiting) {
        queue->is_batch_waiting = true;
        queue->batch_timer.expired = expired;
        event_loop_timer_start(queue->partition->lane->loop, &queue->batch_timer,
                               queue->subscription->delivery.batch_max_wait_ms * 1000);
    }
    return false;
}

struct taking {
    struct subscription_queue *queue;
    struct delivery **deliveries;
    uint32_t count, limit;
    uint32_t batch_limit; // of all of them
    size_t bytes;
};

static bool fits(const struct taking *taking, const struct delivery *delivery) {
    enum give_up_reason reason;
    return taking->count == 0 ||
           (taking->count < taking->limit && delivery->batch_limit == taking->batch_limit &&
            taking->bytes + delivery->taken->bytes <= BATCH_BYTES_MAX &&
            delivery_may_begin(delivery, &reason) && !delivery_is_early(delivery));
}

static void take(struct taking *taking, struct delivery_list *list, struct delivery *delivery) {
    delivery_list_remove(list, delivery);
    delivery_list_append(&taking->queue->started, delivery);
    taking->deliveries[taking->count++] = delivery;
    taking->bytes += delivery->taken->bytes;
}

// Those behind the first of a key, as long as they fit.
static void take_followers(struct taking *taking, const struct delivery *first) {
    struct key_order_entry *entry = first->order.next;
    while (entry) {
        struct delivery *delivery = CONTAINER_OF(entry, struct delivery, order);
        if (delivery->state != DELIVERY_HELD || !fits(taking, delivery)) {
            return;
        }
        take(taking, &taking->queue->held, delivery);
        entry = entry->next;
    }
}

uint32_t batch_take(struct subscription_queue *queue, uint32_t limit,
                    struct delivery **ret_deliveries) {
    struct delivery *first = queue->waiting.first;
    struct taking taking = {.queue = queue,
                            .deliveries = ret_deliveries,
                            .limit = limit,
                            .batch_limit = first->batch_limit};
    while (first && fits(&taking, first)) {
        take(&taking, &queue->waiting, first);
        if (limit > 1) {
            take_followers(&taking, first);
        }
        first = taking.count < limit ? queue->waiting.first : NULL;
    }
    queue->is_batch_due = false;
    if (queue->is_batch_waiting) {
        queue->is_batch_waiting = false;
        event_loop_timer_stop(queue->partition->lane->loop, &queue->batch_timer);
    }
    return taking.count;
}

void batch_write(struct delivery *const *deliveries, uint32_t count, struct buffer *ret_body) {
    for (uint32_t i = 0; i < count; i++) {
        const struct delivery *delivery = deliveries[i];
        struct event_params params = {.items = delivery->params, .count = delivery->param_count};
        struct event_message message;
        event_format_write(delivery->taken->event, EVENT_FORMAT_CLOUDEVENTS_1_0, &params,
                           delivery_type(delivery), &message);
        buffer_append_byte(ret_body, i == 0 ? '[' : ',');
        buffer_append(ret_body, message.body);
        event_message_clear(&message);
    }
    buffer_append_byte(ret_body, ']');
}
