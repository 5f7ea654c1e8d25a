#include "dispatcher/flow.h"

#include "core/base/memory.h"
#include "core/base/rates.h"

#include <assert.h>

// Few enough that whatever comes with the next turn of the loop waits for a millisecond at most,
// and enough that the turn itself costs little beside them.
#define CALLS_PER_TURN 32

static bool serve_waiting(struct event_loop_hook *hook) {
    struct flow *flow = CONTAINER_OF(hook, struct flow, hook);
    struct places_waiter *waiter;
    places_new_turn(flow->places);
    while ((waiter = places_next(flow->places))) {
        flow->resume(CONTAINER_OF(waiter, struct flow_member, place_waiter));
    }
    return places_wants_turn(flow->places);
}

static void serve_throttled(struct event_loop_task *task) {
    struct flow *flow = CONTAINER_OF(task, struct flow, wake_task);
    struct throttle_waiter *waiter;
    while ((waiter = throttles_next(flow->throttles, flow->lane))) {
        flow->resume(CONTAINER_OF(waiter, struct flow_member, throttle_waiter));
    }
}

void flow_init(struct flow *flow, uint32_t calls_max) {
    flow->places = places_create(calls_max, CALLS_PER_TURN);
    flow->hook.before_wait = serve_waiting;
    flow->wake_task.run = serve_throttled;
}

void flow_clear(struct flow *flow) {
    places_destroy(flow->places);
    flow->places = NULL;
}

void flow_start(struct flow *flow) {
    event_loop_hook_add(flow->loop, &flow->hook);
}

void flow_stop(struct flow *flow) {
    event_loop_hook_remove(flow->loop, &flow->hook);
}

void flow_post_wake(struct flow *flow) {
    event_loop_post(flow->loop, &flow->wake_task);
}

static void rate_is_due(struct event_loop_timer *timer) {
    struct flow_member *member = CONTAINER_OF(timer, struct flow_member, rate_timer);
    member->is_rate_waiting = false;
    member->flow->resume(member);
}

void flow_join(struct flow *flow, struct flow_member *member,
               const struct subscription *subscription) {
    member->flow = flow;
    member->share = places_join(flow->places, subscription->space, subscription->id);
    member->rate_timer.expired = rate_is_due;
}

static void leave_line(struct flow_member *member) {
    if (member->is_in_line) {
        member->is_in_line = false;
        rates_leave_line(member->flow->rates, places_space_of(member->share),
                         places_id_of(member->share));
    }
}

void flow_part(struct flow_member *member) {
    struct flow *flow = member->flow;
    if (member->is_rate_waiting) {
        event_loop_timer_stop(flow->loop, &member->rate_timer);
    }
    leave_line(member);
    if (member->place_waiter.is_waiting) {
        places_wait_no_longer(flow->places, member->share, &member->place_waiter);
    }
    if (member->throttle_waiter.throttle) {
        throttles_wait_no_longer(flow->throttles, flow->lane, &member->throttle_waiter);
    }
    places_part(flow->places, member->share);
}

bool flow_is_waiting(const struct flow_member *member) {
    return member->is_rate_waiting || member->place_waiter.is_waiting ||
           member->throttle_waiter.throttle;
}

static bool is_replay(const struct flow_member *member) {
    return member->rate_name.size > 0;
}

void flow_pause(struct flow_member *member, int64_t wait_us) {
    member->is_rate_waiting = true;
    event_loop_timer_start(member->flow->loop, &member->rate_timer, wait_us);
}

static bool pay_own_rate(struct flow_member *member, struct bytes space, uint32_t events) {
    struct flow *flow = member->flow;
    if (!is_replay(member) || member->rate_per_second <= 0 || member->has_paid_own) {
        return true;
    }
    int64_t wait_us = rates_take(flow->rates, space, member->rate_name, member->rate_per_second,
                                 events, event_loop_now_us(flow->loop), RATE_LAST);
    member->has_paid_own = wait_us == 0;
    if (wait_us > 0) {
        flow_pause(member, wait_us);
    }
    return member->has_paid_own;
}

static bool pay_rate(struct flow_member *member, const struct subscription *subscription,
                     uint32_t events) {
    struct flow *flow = member->flow;
    double per_second = subscription->delivery.rate_per_second;
    if (per_second <= 0 || member->has_paid) {
        return true;
    }
    enum rate_turn turn = is_replay(member)    ? RATE_LAST
                          : member->is_in_line ? RATE_AGAIN
                                               : RATE_FIRST;
    int64_t wait_us = rates_take(flow->rates, subscription->space, subscription->id, per_second,
                                 events, event_loop_now_us(flow->loop), turn);
    member->has_paid = wait_us == 0;
    member->is_in_line = wait_us > 0 && turn != RATE_LAST;
    if (wait_us > 0) {
        flow_pause(member, wait_us);
    }
    return member->has_paid;
}

bool flow_enter(struct flow_member *member, const struct subscription *subscription,
                uint32_t events, struct flow_ticket *ret_ticket) {
    struct flow *flow = member->flow;
    struct throttle *throttle;
    assert(!flow_is_waiting(member));
    // What all have to pay comes last: who has paid it goes on as soon as there is a place.
    if (!pay_own_rate(member, subscription->space, events) ||
        !pay_rate(member, subscription, events)) {
        return false;
    }
    if (!places_take(flow->places, member->share)) {
        places_wait(flow->places, member->share, &member->place_waiter);
        return false;
    }
    if (!throttles_enter(flow->throttles, flow->lane, subscription->space,
                         subscription->function_id, &member->throttle_waiter, &throttle)) {
        places_give(flow->places, member->share);
        return false;
    }
    member->has_paid = member->has_paid_own = false;
    *ret_ticket =
        (struct flow_ticket){.throttle = throttle, .started_us = event_loop_now_us(flow->loop)};
    return true;
}

bool flow_leave(struct flow_member *member, const struct flow_ticket *ticket,
                enum throttle_end end) {
    struct flow *flow = member->flow;
    places_give(flow->places, member->share);
    return throttles_leave(flow->throttles, ticket->throttle, end, ticket->started_us,
                           event_loop_now_us(flow->loop));
}

void flow_yield(struct flow_member *member) {
    assert(!flow_is_waiting(member));
    places_wait(member->flow->places, member->share, &member->place_waiter);
}

void flow_resumed(struct flow_member *member) {
    if (!member->is_rate_waiting) {
        leave_line(member);
    }
}
