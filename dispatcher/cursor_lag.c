#include "dispatcher/cursor_lag.h"

#include "core/base/bytes.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/event_log/event_log.h"
#include "dispatcher/cursor.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

#define INTERVAL_US 1000000

static struct metric_family lag_family = {
    .name = "eventgateway_subscription_lag",
    .help = "Records between a detached subscription's position and the end of the log, over the "
            "partitions of this node; 0 = at the live position again.",
    .kind = METRIC_GAUGE,
    .label_names = {"space", "subscription"},
};

static struct metric *metric_of_subscription(const struct subscription *subscription) {
    struct buffer space = {0};
    struct buffer id = {0};
    buffer_append(&space, subscription->space);
    buffer_append_byte(&space, '\0');
    buffer_append(&id, subscription->id);
    buffer_append_byte(&id, '\0');
    struct metric *metric = METRIC(&lag_family, space.data, id.data);
    buffer_clear(&space);
    buffer_clear(&id);
    return metric;
}

static void show(struct cursor *cursor, int64_t lag) {
    metric_add(cursor->lag.metric, lag - cursor->lag.shown);
    cursor->lag.shown = lag;
}

// The reader's word for the end can be older than what was taken already.
static int64_t lag_of(const struct cursor *cursor) {
    const struct partition *partition = cursor->partition;
    int64_t end = event_log_reader_end_offset(partition->reader, partition->number);
    int64_t taken = partition->tracker.next_offset;
    int64_t lag = (end > taken ? end : taken) - cursor_progress_position(&cursor->progress);
    return lag > 0 ? lag : 0;
}

static void look(struct event_loop_timer *timer) {
    struct cursor *cursor = CONTAINER_OF(timer, struct cursor, lag.timer);
    show(cursor, cursor->state == CURSOR_STARTING ? 0 : lag_of(cursor));
    event_loop_timer_start(cursor->partition->lane->loop, timer, INTERVAL_US);
}

void cursor_lag_start(struct cursor *cursor) {
    cursor->lag.metric = metric_of_subscription(cursor->queue->subscription);
    cursor->lag.timer.expired = look;
    event_loop_timer_start(cursor->partition->lane->loop, &cursor->lag.timer, 0);
}

void cursor_lag_stop(struct cursor *cursor) {
    if (cursor->lag.metric) {
        show(cursor, 0);
        event_loop_timer_stop(cursor->partition->lane->loop, &cursor->lag.timer);
    }
}
