#include "dispatcher/dead_letter_notices.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/events/event.h"
#include "dispatcher/lane.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256
#define REASON_MAX 255

// What was not told yet of a subscription. It is there from its first dead letter until an interval
// has passed without one.
struct tally {
    int64_t count;
    int64_t since_us; // wall clock, of the first that is counted
    size_t reason_size;
    char reason[REASON_MAX];
};

struct notice {
    struct notice *next; // in its bucket
    struct dead_letter_notices *notices;
    const struct subscription *subscription; // a reference
    struct lane *lane;                       // which has the timer, and alone frees it
    struct event_loop_timer timer;
    struct tally tally; // under the lock
};

struct dead_letter_notices {
    int64_t interval_us;
    pthread_mutex_t lock; // for the buckets and the tallies
    struct notice *buckets[BUCKETS];
};

struct dead_letter_notices *dead_letter_notices_create(int64_t interval_us) {
    struct dead_letter_notices *notices = memory_allocate(sizeof *notices);
    notices->interval_us = interval_us;
    pthread_mutex_init(&notices->lock, NULL);
    return notices;
}

void dead_letter_notices_destroy(struct dead_letter_notices *notices) {
    if (notices) {
        pthread_mutex_destroy(&notices->lock);
        free(notices);
    }
}

static void tally_add(struct tally *tally, struct bytes reason) {
    if (tally->count++ == 0) {
        tally->since_us = clock_wall_us();
    }
    tally->reason_size = reason.size < REASON_MAX ? reason.size : REASON_MAX;
    if (tally->reason_size > 0) {
        memcpy(tally->reason, reason.data, tally->reason_size);
    }
}

static struct tally tally_take(struct tally *tally) {
    struct tally taken = *tally;
    *tally = (struct tally){0};
    return taken;
}

static void tell(const struct lane *lane, const struct subscription *subscription,
                 const struct tally *tally) {
    if (tally->count > 0) {
        system_emit_deadlettered(&lane->emitter, lane->snapshot, subscription, tally->count,
                                 tally->since_us,
                                 (struct bytes){tally->reason, tally->reason_size});
    }
}

static struct notice **bucket_of(struct dead_letter_notices *notices, struct bytes id) {
    return &notices->buckets[bytes_hash(id) % BUCKETS];
}

// The link that leads to the notice, or to NULL.
static struct notice **find(struct dead_letter_notices *notices,
                            const struct subscription *subscription) {
    struct notice **link = bucket_of(notices, subscription->id);
    while (*link && !(bytes_equal((*link)->subscription->id, subscription->id) &&
                      bytes_equal((*link)->subscription->space, subscription->space))) {
        link = &(*link)->next;
    }
    return link;
}

static void notice_destroy(struct notice *notice) {
    subscription_unref(notice->subscription);
    free(notice);
}

static void interval_is_over(struct event_loop_timer *timer) {
    struct notice *notice = CONTAINER_OF(timer, struct notice, timer);
    struct dead_letter_notices *notices = notice->notices;
    pthread_mutex_lock(&notices->lock);
    struct tally tally = tally_take(&notice->tally);
    if (tally.count == 0) {
        *find(notices, notice->subscription) = notice->next;
    }
    pthread_mutex_unlock(&notices->lock);
    if (tally.count == 0) {
        notice_destroy(notice);
        return;
    }
    tell(notice->lane, notice->subscription, &tally);
    event_loop_timer_start(notice->lane->loop, &notice->timer, notices->interval_us);
}

static struct notice *notice_create(struct dead_letter_notices *notices, struct lane *lane,
                                    const struct subscription *subscription) {
    struct notice *notice = memory_allocate(sizeof *notice);
    notice->notices = notices;
    notice->subscription = subscription_ref(subscription);
    notice->lane = lane;
    notice->timer.expired = interval_is_over;
    return notice;
}

void dead_letter_notices_add(struct dead_letter_notices *notices, struct lane *lane,
                             const struct subscription *subscription, struct bytes reason) {
    struct tally first = {0};
    struct notice *made = NULL;
    // Of a subscription to system events nothing is ever told (system_events.h).
    if (event_type_is_system(subscription->event_type) ||
        !snapshot_wants_system_event(lane->snapshot, subscription->space,
                                     SYSTEM_SUBSCRIPTION_DEADLETTERED)) {
        return;
    }
    pthread_mutex_lock(&notices->lock);
    struct notice **link = find(notices, subscription);
    if (*link) {
        tally_add(&(*link)->tally, reason);
    } else {
        made = *link = notice_create(notices, lane, subscription);
        tally_add(&first, reason);
    }
    pthread_mutex_unlock(&notices->lock);
    if (made) {
        tell(lane, subscription, &first);
        event_loop_timer_start(lane->loop, &made->timer, notices->interval_us);
    }
}

void dead_letter_notices_leave(struct dead_letter_notices *notices, struct lane *lane) {
    struct notice *left = NULL;
    pthread_mutex_lock(&notices->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        struct notice **link = &notices->buckets[i];
        while (*link) {
            struct notice *notice = *link;
            if (notice->lane != lane) {
                link = &notice->next;
                continue;
            }
            *link = notice->next;
            notice->next = left;
            left = notice;
        }
    }
    pthread_mutex_unlock(&notices->lock);
    while (left) {
        struct notice *notice = left;
        left = notice->next;
        event_loop_timer_stop(lane->loop, &notice->timer);
        tell(lane, notice->subscription, &notice->tally);
        notice_destroy(notice);
    }
}
