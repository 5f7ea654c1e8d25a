#include "dispatcher/retention_watch.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/event_log/event_log.h"
#include "dispatcher/cursor.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

#include <stdlib.h>

#define SOON_US 100000
#define INTERVAL_MAX_MS 60000
#define INTERVAL_MIN_MS 1000
#define LINES_PER_SECOND 10

static struct metric_family risk_family = {
    .name = "eventgateway_retention_at_risk",
    .help = "Positions of this node, live ones of partitions and those of detached subscriptions, "
            "at which the oldest event has reached 80 % of the log's retention.",
    .kind = METRIC_GAUGE,
    .label_names = {"position"},
};

struct retention_look {
    struct event_log_time_query query;
    struct retention_watch *watch; // NULL: it was stopped
};

// What one look has found.
struct findings {
    int64_t risk_offset; // what lies below is that old
    int64_t live, detached;
};

static struct metric *metric_of_live(void) {
    return METRIC(&risk_family, "live");
}

static struct metric *metric_of_detached(void) {
    return METRIC(&risk_family, "detached");
}

static void show(struct retention_watch *watch, int64_t live, int64_t detached) {
    metric_add(metric_of_live(), live - watch->live);
    metric_add(metric_of_detached(), detached - watch->detached);
    watch->live = live;
    watch->detached = detached;
}

static void warn(const struct partition *partition, const struct subscription *subscription,
                 int64_t position) {
    static struct log_limit limit;
    uint64_t suppressed;
    if (log_limit_allows(&limit, LINES_PER_SECOND, &suppressed)) {
        log_line(LOG_WARNING, "the log's retention threatens events that are not delivered",
                 LOG_BYTES("space", subscription ? subscription->space : BYTES("")),
                 LOG_BYTES("subscription", subscription ? subscription->id : BYTES("(all)")),
                 LOG_NUMBER("partition", partition->number), LOG_NUMBER("position", position),
                 LOG_NUMBER("retention_ms", event_log_keeps_ms(partition->lane->log)),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static void look_at_queue(void *context, struct subscription_queue *queue) {
    struct findings *findings = context;
    struct cursor *cursor = queue->cursor;
    if (!cursor || queue->replay || cursor->state == CURSOR_STARTING) {
        return;
    }
    int64_t position = cursor_progress_position(&cursor->progress);
    bool was_at_risk = cursor->is_at_risk;
    cursor->is_at_risk = position < findings->risk_offset && position < cursor->until;
    findings->detached += cursor->is_at_risk;
    if (cursor->is_at_risk && !was_at_risk) {
        warn(queue->partition, queue->subscription, position);
    }
}

static void look_at_partition(struct partition *partition, struct findings *findings) {
    int64_t position = offset_tracker_position(&partition->tracker);
    bool was_at_risk = partition->is_at_risk;
    partition->is_at_risk = position < findings->risk_offset;
    findings->live += partition->is_at_risk;
    if (partition->is_at_risk && !was_at_risk) {
        warn(partition, NULL, position);
    }
    queue_table_each(&partition->queues, look_at_queue, findings);
}

// query NULL: the log keeps everything, and nothing is at risk.
static void look_at_all(struct retention_watch *watch, const struct event_log_time_query *query) {
    struct findings findings = {0};
    for (struct partition *partition = watch->lane->partitions; partition;
         partition = partition->next) {
        bool is_known =
            !query || (partition->number >= 0 && (size_t)partition->number < query->count);
        if (partition->tier == PARTITION_OF_EVENTS && partition_is_fed(partition) && is_known) {
            findings.risk_offset = query ? query->offsets[partition->number] : 0;
            look_at_partition(partition, &findings);
        }
    }
    show(watch, findings.live, findings.detached);
}

static void start_timer(struct retention_watch *watch) {
    int64_t wait_ms = event_log_keeps_ms(watch->lane->log) / 50;
    wait_ms = wait_ms < INTERVAL_MIN_MS ? INTERVAL_MIN_MS : wait_ms;
    wait_ms = wait_ms > INTERVAL_MAX_MS ? INTERVAL_MAX_MS : wait_ms;
    event_loop_timer_start(watch->lane->loop, &watch->timer, wait_ms * 1000);
}

static void look_done(struct event_log_time_query *query) {
    struct retention_look *look = CONTAINER_OF(query, struct retention_look, query);
    if (look->watch) {
        look->watch->look = NULL;
        if (query->status == STATUS_OK) {
            look_at_all(look->watch, query);
        }
    }
    event_log_time_query_clear(query);
    free(look);
}

static void timer_expired(struct event_loop_timer *timer) {
    struct retention_watch *watch = CONTAINER_OF(timer, struct retention_watch, timer);
    int64_t keeps_ms = event_log_keeps_ms(watch->lane->log);
    start_timer(watch);
    if (watch->look) {
        return;
    }
    if (keeps_ms == 0) {
        look_at_all(watch, NULL); // What was at risk under an earlier retention is so no more.
        return;
    }
    struct retention_look *look = memory_allocate(sizeof *look);
    look->watch = watch;
    look->query =
        (struct event_log_time_query){.stream = EVENT_LOG_EVENTS,
                                      .time_ms = clock_wall_us() / 1000 - keeps_ms / 5 * 4,
                                      .loop = watch->lane->loop,
                                      .done = look_done};
    if (event_log_find_time(watch->lane->log, &look->query) == STATUS_OK) {
        watch->look = look;
    } else {
        free(look);
    }
}

void retention_watch_start(struct retention_watch *watch) {
    watch->timer.expired = timer_expired;
    (void)metric_of_live(); // Shown from the start, as zero.
    (void)metric_of_detached();
    start_timer(watch);
}

void retention_watch_soon(struct retention_watch *watch) {
    event_loop_timer_start(watch->lane->loop, &watch->timer, SOON_US);
}

void retention_watch_stop(struct retention_watch *watch) {
    event_loop_timer_stop(watch->lane->loop, &watch->timer);
    if (watch->look) {
        watch->look->watch = NULL; // The log's answer frees it.
        watch->look = NULL;
    }
    show(watch, 0, 0);
}
