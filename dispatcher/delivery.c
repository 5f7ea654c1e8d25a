#include "dispatcher/delivery.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/cursors/tried_list.h"
#include "core/events/causation_depth.h"
#include "core/events/event.h"
#include "core/registry/replay.h"
#include "core/subscriptions/routes.h"
#include "dispatcher/attempt.h"
#include "dispatcher/cursor.h"
#include "dispatcher/dead_letters.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/lane.h"
#include "dispatcher/parking.h"
#include "dispatcher/partition.h"
#include "dispatcher/schedule_private.h"
#include "dispatcher/subscription_queue.h"

#include <stdlib.h>
#include <string.h>

static size_t own_size(const struct route_match *match) {
    size_t size = sizeof(struct delivery) + match->param_count * sizeof(struct http_header);
    for (size_t i = 0; i < match->param_count; i++) {
        size += match->params[i].name.size + match->params[i].value.size;
    }
    return size;
}

size_t delivery_size(const struct route_match *match, const struct event *event) {
    bool is_ordered = match->subscription->delivery.ordering == ORDERING_KEY;
    return own_size(match) + (is_ordered ? key_order_size(event_key(event)) : 0);
}

static struct bytes copy_behind(char **end, struct bytes bytes) {
    char *copy = *end;
    if (bytes.size > 0) {
        *end = mempcpy(copy, bytes.data, bytes.size);
    }
    return (struct bytes){copy, bytes.size};
}

struct delivery *delivery_create(struct subscription_queue *queue, struct taken_event *taken,
                                 const struct route_match *match) {
    struct delivery *delivery = memory_allocate(own_size(match));
    delivery->state = DELIVERY_WAITING;
    delivery->queue = queue;
    delivery->taken = taken;
    delivery->batch_limit = UINT32_MAX;
    delivery->param_count = match->param_count;
    char *end = (char *)&delivery->params[match->param_count];
    for (size_t i = 0; i < match->param_count; i++) {
        delivery->params[i].name = copy_behind(&end, match->params[i].name);
        delivery->params[i].value = copy_behind(&end, match->params[i].value);
    }
    taken->open_deliveries++;
    return delivery;
}

bool delivery_may_begin(const struct delivery *delivery, enum give_up_reason *ret_reason) {
    const struct taken_event *taken = delivery->taken;
    if (taken->expires_us != INT64_MAX && clock_wall_us() >= taken->expires_us) {
        *ret_reason = GIVE_UP_EXPIRED;
        return false;
    }
    if (causation_depth_of(taken->event) > CAUSATION_DEPTH_MAX) {
        *ret_reason = GIVE_UP_TOO_DEEP;
        return false;
    }
    return true;
}

bool delivery_is_early(const struct delivery *delivery) {
    int64_t not_before_us = delivery->taken->not_before_us;
    return not_before_us > 0 && not_before_us > clock_wall_us();
}

struct bytes delivery_replay_id(const struct delivery *delivery) {
    const struct replay *replay = delivery->queue->replay;
    return replay ? replay->id : bytes_of_text(delivery->taken->replay_id);
}

// A system event has two spellings, and each subscriber gets the one that it asked for.
struct bytes delivery_type(const struct delivery *delivery) {
    return event_type_is_system(delivery->taken->event->type)
               ? delivery->queue->subscription->event_type
               : (struct bytes){0};
}

struct delivery_list *delivery_list_of(const struct delivery *delivery) {
    struct subscription_queue *queue = delivery->queue;
    return delivery->state == DELIVERY_WAITING ? &queue->waiting
           : delivery->state == DELIVERY_HELD  ? &queue->held
                                               : &queue->started;
}

_Static_assert(TRIED_REASON_SIZE == sizeof((struct delivery){0}.reason), "of one text");

void delivery_tried(const struct delivery *delivery, struct tried *ret_tried) {
    // Of a first call that runs nothing is known yet: why it failed is noted when it has.
    bool is_first = delivery->state == DELIVERY_IN_FLIGHT && delivery->attempts == 1 &&
                    delivery->reason[0] == '\0';
    *ret_tried = (struct tried){.offset = delivery->taken->place.offset,
                                .attempts = is_first ? 0 : delivery->attempts,
                                .first_us = delivery->first_us,
                                .last_us = delivery->last_us,
                                .status = delivery->last_status};
    memcpy(ret_tried->reason, delivery->reason, sizeof ret_tried->reason);
}

void delivery_go_on(struct delivery *delivery, const struct tried *tried) {
    if (tried->attempts > 0) {
        delivery->attempts = tried->attempts;
        delivery->first_us = tried->first_us;
        delivery->last_us = tried->last_us;
        delivery->last_status = tried->status;
        memcpy(delivery->reason, tried->reason, sizeof delivery->reason);
    }
}

// Somebody else, or a cursor, will deliver it.
static void tell_forgotten(const struct delivery *delivery) {
    const struct subscription_queue *queue = delivery->queue;
    struct partition *partition = queue->partition;
    struct cursor *cursor = delivery->taken->cursor ? delivery->taken->cursor : queue->cursor;
    bool is_handing_over = partition->state == PARTITION_HANDING_OVER;
    if (partition->tier == PARTITION_OF_EVENTS && is_handing_over && !delivery->taken->cursor) {
        live_record_forgotten(partition, delivery);
    } else if (cursor) {
        cursor_keep_tried(cursor, delivery);
    }
}

void delivery_forget(struct delivery *delivery) {
    tell_forgotten(delivery);
    switch (delivery->state) {
    case DELIVERY_IN_FLIGHT:
        // Its call is let run to its end: cut off half-way it would do no less.
        attempt_forget(delivery);
        break;
    case DELIVERY_RETRY_WAIT:
        schedule_stop_waiting(delivery);
        break;
    case DELIVERY_PARKING:
        parking_post_forget(delivery->parking);
        break;
    case DELIVERY_DEAD_LETTERING:
        dead_letter_post_forget(delivery->post);
        break;
    case DELIVERY_WAITING:
    case DELIVERY_HELD:
    case DELIVERY_FINISHED:
        break;
    }
    subscription_queue_leave_order(delivery->queue, delivery);
    free(delivery);
}
