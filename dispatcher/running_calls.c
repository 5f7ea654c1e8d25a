#include "dispatcher/running_calls.h"

#include "core/base/memory.h"
#include "core/events/outcome_record.h"
#include "dispatcher/outcomes.h"
#include "dispatcher/subscriber.h"

#include <assert.h>

#define INTERVAL_US 1000000
// Readers forget what was not told again for three times as long.
#define AGAIN_US 10000000

static void append(struct running_calls *calls, struct subscriber *subscriber) {
    subscriber->calls.previous = calls->last;
    subscriber->calls.next = NULL;
    if (calls->last) {
        calls->last->calls.next = subscriber;
    } else {
        calls->first = subscriber;
    }
    calls->last = subscriber;
}

static void take_out(struct running_calls *calls, struct subscriber *subscriber) {
    struct subscriber *previous = subscriber->calls.previous;
    struct subscriber *next = subscriber->calls.next;
    if (previous) {
        previous->calls.next = next;
    } else {
        calls->first = next;
    }
    if (next) {
        next->calls.previous = previous;
    } else {
        calls->last = previous;
    }
}

static void tell(struct running_calls *calls, struct subscriber *subscriber) {
    const struct in_flight_count count = {.space = subscriber->space,
                                          .subscription_id = subscriber->id,
                                          .lane = calls->lane,
                                          .count = subscriber->calls.count};
    outcomes_note_in_flight(calls->outcomes, &count);
    subscriber->calls.told = subscriber->calls.count;
    subscriber->calls.told_us = event_loop_now_us(calls->loop);
}

static bool is_due(const struct running_calls *calls, const struct subscriber *subscriber) {
    bool is_old = event_loop_now_us(calls->loop) - subscriber->calls.told_us >= AGAIN_US;
    return subscriber->calls.count != subscriber->calls.told ||
           (subscriber->calls.count > 0 && is_old);
}

// What is listed goes once around, so that each has its turn.
static void look(struct running_calls *calls) {
    struct subscriber *end = calls->last;
    struct subscriber *subscriber = NULL;
    size_t told = 0;
    while (calls->first && subscriber != end && told < RUNNING_CALLS_TOLD_MAX) {
        subscriber = calls->first;
        take_out(calls, subscriber);
        if (is_due(calls, subscriber)) {
            tell(calls, subscriber);
            told++;
        }
        subscriber->calls.is_listed = subscriber->calls.count > 0;
        if (subscriber->calls.is_listed) {
            append(calls, subscriber);
        }
    }
}

static void timer_expired(struct event_loop_timer *timer) {
    struct running_calls *calls = CONTAINER_OF(timer, struct running_calls, timer);
    look(calls);
    if (calls->first) {
        event_loop_timer_start(calls->loop, timer, INTERVAL_US);
    }
}

void running_calls_init(struct running_calls *calls) {
    calls->timer.expired = timer_expired;
}

void running_calls_begun(struct running_calls *calls, struct subscriber *subscriber) {
    subscriber->calls.count++;
    if (!subscriber->calls.is_listed) {
        subscriber->calls.is_listed = true;
        append(calls, subscriber);
    }
    if (calls->timer.heap_index == 0) {
        event_loop_timer_start(calls->loop, &calls->timer, INTERVAL_US);
    }
}

// It is listed, and looked at when its turn comes.
void running_calls_ended(struct running_calls *calls, struct subscriber *subscriber) {
    (void)calls;
    assert(subscriber->calls.count > 0 && subscriber->calls.is_listed);
    subscriber->calls.count--;
}

void running_calls_leave(struct running_calls *calls, struct subscriber *subscriber) {
    assert(subscriber->calls.count == 0);
    if (subscriber->calls.told > 0) {
        tell(calls, subscriber);
    }
    if (subscriber->calls.is_listed) {
        take_out(calls, subscriber);
        subscriber->calls.is_listed = false;
    }
    if (!calls->first) {
        event_loop_timer_stop(calls->loop, &calls->timer);
    }
}
