#include "dispatcher/laggards.h"

#include "core/base/memory.h"
#include "core/registry/snapshot.h"
#include "dispatcher/cursor.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/subscriber.h"
#include "dispatcher/subscription_queue.h"

// Who got an answer within this time counts as being served.
#define SERVED_US INT64_C(5000000)
#define MUCH_MORE 4

static const char reason_slow[] = CURSOR_REASON_SLOW;

// What the live position waits for.
static size_t live_count(const struct subscription_queue *queue) {
    size_t count = queue->held.count + queue->waiting.count + queue->started.count;
    size_t own = queue->cursor ? queue->cursor->progress.count : 0;
    return count > own ? count - own : 0;
}

struct survey {
    const struct partition *partition;
    int64_t now_us;
    size_t least; // deliveries of one who is served
    size_t limit; // who has that many, holds the window
};

static size_t count_on(const struct subscriber *subscriber, const struct partition *partition) {
    for (const struct subscription_queue *queue = subscriber->queues; queue;
         queue = queue->next_of_subscriber) {
        if (queue->partition == partition && !queue->replay) {
            return queue->cursor ? SIZE_MAX : live_count(queue);
        }
    }
    return 0;
}

static void find_least(void *context, struct subscriber *subscriber) {
    struct survey *survey = context;
    if (subscriber->is_known && subscriber->last_call_us > 0 &&
        survey->now_us - subscriber->last_call_us < SERVED_US) {
        size_t count = count_on(subscriber, survey->partition);
        survey->least = count < survey->least ? count : survey->least;
    }
}

static void detach_if_above(void *context, struct subscription_queue *queue) {
    const struct survey *survey = context;
    if (live_count(queue) >= survey->limit) {
        cursor_detach(queue, reason_slow);
    }
}

static bool others_are_there(const struct partition *partition) {
    size_t count;
    (void)snapshot_subscriptions(partition->lane->snapshot, &count);
    return count > 1;
}

static void look(struct partition *partition) {
    struct lane *lane = partition->lane;
    struct survey survey = {
        .partition = partition, .now_us = event_loop_now_us(lane->loop), .least = SIZE_MAX};
    size_t events = atomic_load(&partition->window.events);
    survey.limit = events / 2 + 1;
    bool is_full_for_long = survey.now_us - partition->full_since_us >= LAGGARDS_FULL_US;
    if (!is_full_for_long) {
        subscribers_each(lane, find_least, &survey);
        if (survey.least > survey.limit / MUCH_MORE) {
            return;
        }
    }
    if (others_are_there(partition)) {
        queue_table_each(&partition->queues, detach_if_above, &survey);
    }
}

static void look_again(struct event_loop_timer *timer) {
    struct partition *partition = CONTAINER_OF(timer, struct partition, laggard_timer);
    if (partition->state == PARTITION_FED && atomic_load(&partition->window.is_paused)) {
        look(partition);
        event_loop_timer_start(partition->lane->loop, timer, LAGGARDS_LOOK_US);
    } else {
        partition->full_since_us = 0;
    }
}

void laggards_watch(struct partition *partition) {
    if (!atomic_load_explicit(&partition->window.is_paused, memory_order_relaxed) ||
        partition->laggard_timer.heap_index != 0) {
        return;
    }
    partition->full_since_us = event_loop_now_us(partition->lane->loop);
    partition->laggard_timer.expired = look_again;
    event_loop_timer_start(partition->lane->loop, &partition->laggard_timer, LAGGARDS_LOOK_US);
}
