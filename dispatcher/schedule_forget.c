// What is not to be delivered any more, or not here: of a subscription that was deleted or changed,
// of a partition that goes, of a position that a cursor takes over or reads again.
#include "dispatcher/schedule.h"

#include "core/base/memory.h"
#include "dispatcher/cursor.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule_private.h"

static void unsubscribe_all(struct delivery_list *list) {
    while (list->first) {
        struct delivery *delivery = list->first;
        delivery_list_remove(list, delivery);
        delivery_list_append(&delivery->queue->started, delivery);
        schedule_unsubscribe_started(delivery, NULL);
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
            schedule_unsubscribe_started(delivery, NULL);
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
