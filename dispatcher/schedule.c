#include "dispatcher/schedule.h"

#include "core/base/memory.h"
#include "dispatcher/attempt.h"
#include "dispatcher/batch.h"
#include "dispatcher/cursor.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule_private.h"
#include "dispatcher/subscriber.h"

#include <assert.h>
#include <stdlib.h>

// A replay that lets live deliveries go first looks again after so long.
#define REPLAY_YIELDS_US 5000

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
        schedule_unsubscribe_started(first, NULL);
    } else if (!may_begin) {
        schedule_give_up(first, &why);
    } else {
        schedule_delay_early(first);
    }
    return true;
}

static void batch_waited_long_enough(struct event_loop_timer *timer);

// Whether its subscription takes anything now.
static bool is_open(const struct subscription_queue *queue) {
    return !queue->subscription->is_paused && !(queue->cursor && cursor_holds(queue->cursor)) &&
           subscriber_may_begin(queue->subscriber);
}

// Whether a live delivery of its subscription waits for what this replay is about to take: a place
// on the partition, or whatever the flow gives on the lane.
static bool live_comes_first(const struct subscription_queue *replay) {
    for (const struct subscription_queue *queue = replay->subscriber->queues; queue;
         queue = queue->next_of_subscriber) {
        bool may_begin_beside = queue->partition == replay->partition && !queue->is_batch_waiting;
        if (!queue->replay && queue->waiting.first &&
            (may_begin_beside || flow_is_waiting(&queue->flow)) && is_open(queue)) {
            return true;
        }
    }
    return false;
}

// Begins one call of what waits, when there is room for it.
static bool begin_next(struct subscription_queue *queue) {
    if (subscription_queue_calls(queue) >= queue->subscription->delivery.max_in_flight) {
        return false;
    }
    if (queue->replay && live_comes_first(queue)) {
        flow_pause(&queue->flow, REPLAY_YIELDS_US);
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
    flow_resumed(&queue->flow);
    schedule_drop_if_empty(queue);
}

void schedule_go_on(struct subscription_queue *queue) {
    schedule_pump(queue);
    schedule_drop_if_empty(queue);
}

// Replays have their turns one after the other, from the one behind this queue on.
static void pump_replays_beside(struct subscription_queue *queue) {
    struct subscription_queue *next = queue->next_of_subscriber;
    struct subscription_queue *other;
    do {
        other = next ? next : queue->subscriber->queues;
        next = other->next_of_subscriber;
        if (other->replay && other->partition == queue->partition) {
            schedule_pump(other);
        }
    } while (other != queue);
}

static void drop_empty_beside(struct subscription_queue *queue) {
    const struct partition *partition = queue->partition;
    struct subscription_queue *next;
    for (struct subscription_queue *other = queue->subscriber->queues; other; other = next) {
        next = other->next_of_subscriber;
        if (other->partition == partition) {
            schedule_drop_if_empty(other);
        }
    }
}

void schedule_go_on_beside(struct subscription_queue *queue) {
    if (queue->subscriber->replay_count == 0) {
        schedule_go_on(queue);
        return;
    }
    struct subscription_queue *live =
        queue_table_find(&queue->partition->queues, queue->subscription);
    if (live) {
        schedule_pump(live);
    }
    pump_replays_beside(queue);
    drop_empty_beside(queue);
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
        schedule_delay_early(delivery);
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
