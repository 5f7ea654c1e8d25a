#include "dispatcher/dispatcher.h"

#include "core/base/memory.h"
#include "dispatcher/dead_letter_notices.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/feed.h"
#include "dispatcher/lane.h"
#include "dispatcher/open_circuits.h"
#include "dispatcher/partition.h"
#include "core/base/rates.h"
#include "dispatcher/schedule.h"
#include "dispatcher/throttles.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

#define WINDOW_MAX_EVENTS 4096
#define WINDOW_MAX_BYTES ((size_t)256 << 20)
#define HAND_OVER_MS 5000
// A call costs about 50 KiB while it runs.
#define CALLS_MAX_PER_LANE 1024
#define NOTICE_INTERVAL_MS 60000

// Of all lanes together, and of one partition: what waits needs no large window.
#define PARKED_MAX_BYTES ((size_t)64 << 20)
#define PARKED_WINDOW_MAX_EVENTS 1024

enum {
    FEED_COUNT = 1 + RETRY_TIER_COUNT // of eg.events, and of each tier of eg.retry.*
};

struct dispatcher {
    struct feed feeds[FEED_COUNT];
    struct backlog *backlogs[FEED_COUNT];
    size_t feed_count; // that have a reader
    struct retry_tiers tiers;
    char *node;
    struct lane *lanes;
    size_t lane_count;
    struct registry *registry;
    struct registry_listener listener;
    struct throttles *throttles;
    struct rates *rates;
    struct dead_letter_notices *notices;
    struct open_circuits *circuits;
    sem_t reader_closed;
    sem_t lane_stopped;
    bool is_stopped;
};

static void configuration_changed(struct registry_listener *listener,
                                  const struct snapshot *snapshot) {
    (void)snapshot; // Each lane takes the newest when its turn comes.
    struct dispatcher *dispatcher = CONTAINER_OF(listener, struct dispatcher, listener);
    for (size_t i = 0; i < dispatcher->lane_count; i++) {
        lane_post_change(&dispatcher->lanes[i]);
    }
}

static void count_partition(void *context, int32_t partition) {
    (void)partition;
    ++*(int64_t *)context;
}

static void collect_backlog(void *context) {
    struct dispatcher *dispatcher = context;
    const struct dispatcher_metrics *metrics = dispatcher_metrics();
    int64_t partitions = 0;
    backlog_each_partition(dispatcher->backlogs[0], count_partition, &partitions);
    metric_set(metrics->partitions, partitions);
    metric_set(metrics->functions_throttled, (int64_t)throttles_count(dispatcher->throttles));
    for (size_t i = 0; i < FEED_COUNT; i++) {
        struct metric *metric = i == 0 ? metrics->backlog : metrics->parked_now[i - 1];
        metric_set(metric, backlog_count(dispatcher->backlogs[i], dispatcher->feeds[i].reader));
    }
}

static void wake_lane(void *context, size_t lane) {
    struct dispatcher *dispatcher = context;
    flow_post_wake(&dispatcher->lanes[lane].flow);
}

static void create_flow(struct dispatcher *dispatcher, const struct dispatcher_options *options,
                        size_t index) {
    size_t calls_max = options->calls_max / options->worker_count;
    struct lane *lane = &dispatcher->lanes[index];
    lane->flow = (struct flow){
        .loop = lane->loop,
        .lane = index,
        .throttles = dispatcher->throttles,
        .rates = dispatcher->rates,
        .resume = schedule_resume,
    };
    flow_init(&lane->flow, options->calls_max == 0 ? CALLS_MAX_PER_LANE
                           : calls_max > 0         ? (uint32_t)calls_max
                                                   : 1);
}

static void create_lanes(struct dispatcher *dispatcher, const struct dispatcher_options *options) {
    size_t bytes_max = options->window_max_bytes > 0 ? options->window_max_bytes : WINDOW_MAX_BYTES;
    dispatcher->lane_count = options->worker_count;
    dispatcher->lanes = memory_allocate(options->worker_count * sizeof *dispatcher->lanes);
    for (size_t i = 0; i < dispatcher->lane_count; i++) {
        struct lane *lane = &dispatcher->lanes[i];
        lane->loop = options->workers[i].loop;
        lane->invoker = options->workers[i].invoker;
        lane->log = options->log;
        lane->registry = options->registry;
        lane->backlog = dispatcher->backlogs[0];
        lane->notices = dispatcher->notices;
        lane->circuits = dispatcher->circuits;
        lane->emitter = (struct system_emitter){
            .log = options->log,
            .loop = lane->loop,
            .source = bytes_of_text(options->source ? options->source : "/event-gateway"),
            .is_hosted = options->is_hosted,
        };
        for (size_t tier = 0; tier < RETRY_TIER_COUNT; tier++) {
            lane->parked[tier] = dispatcher->backlogs[1 + tier];
        }
        lane->tiers = &dispatcher->tiers;
        lane->outcomes.log = options->log;
        lane->outcomes.loop = lane->loop;
        lane->outcomes.recording = options->recording;
        lane->outcomes.node = bytes_of_text(dispatcher->node);
        lane->calls.loop = lane->loop;
        lane->calls.outcomes = &lane->outcomes;
        lane->calls.lane = (uint32_t)i;
        lane->parked_budget.bytes_max = PARKED_MAX_BYTES / dispatcher->lane_count;
        lane->budget.bytes_max = bytes_max / dispatcher->lane_count;
        create_flow(dispatcher, options, i);
        lane_init(lane);
    }
}

// A partition is released while the reader still waits for it.
static int64_t release_after_us(int64_t hand_over_ms) {
    return hand_over_ms * 1000 - (hand_over_ms < 5000 ? hand_over_ms * 100 : 500000);
}

static void free_dispatcher(struct dispatcher *dispatcher) {
    dead_letter_notices_destroy(dispatcher->notices);
    open_circuits_destroy(dispatcher->circuits);
    for (size_t i = 0; i < FEED_COUNT; i++) {
        feed_clear(&dispatcher->feeds[i]);
        backlog_destroy(dispatcher->backlogs[i]);
    }
    free(dispatcher->node);
    sem_destroy(&dispatcher->reader_closed);
    sem_destroy(&dispatcher->lane_stopped);
    for (size_t i = 0; i < dispatcher->lane_count; i++) {
        flow_clear(&dispatcher->lanes[i].flow);
    }
    throttles_destroy(dispatcher->throttles);
    rates_destroy(dispatcher->rates);
    free(dispatcher->lanes);
    free(dispatcher);
}

static void wait_for(sem_t *semaphore, size_t count) {
    for (size_t i = 0; i < count; i++) {
        while (sem_wait(semaphore) != 0) {
            assert(errno == EINTR);
        }
    }
}

// The readers take the partitions away one by one, and each hands over as in a rebalance.
static void close_feeds(struct dispatcher *dispatcher, int64_t deadline_us) {
    for (size_t i = 0; i < dispatcher->feed_count; i++) {
        struct feed *feed = &dispatcher->feeds[i];
        if (deadline_us < atomic_load(&feed->hand_over_us)) {
            atomic_store(&feed->hand_over_us, deadline_us);
        }
        feed_close(feed);
    }
    wait_for(&dispatcher->reader_closed, dispatcher->feed_count);
}

// What is left on the loops afterwards are calls and appends that free themselves.
static void stop_lanes(struct dispatcher *dispatcher) {
    throttles_close(dispatcher->throttles);
    for (size_t i = 0; i < dispatcher->lane_count; i++) {
        lane_post_stop(&dispatcher->lanes[i], &dispatcher->lane_stopped);
    }
    wait_for(&dispatcher->lane_stopped, dispatcher->lane_count);
}

static void destroy_readers(struct dispatcher *dispatcher) {
    for (size_t i = 0; i < dispatcher->feed_count; i++) {
        event_log_reader_destroy(dispatcher->feeds[i].reader);
        dispatcher->feeds[i].reader = NULL;
    }
}

static size_t window_of(const struct dispatcher_options *options, int tier) {
    size_t events = options->window_max_events > 0 ? options->window_max_events : WINDOW_MAX_EVENTS;
    bool is_smaller = tier != PARTITION_OF_EVENTS && events > PARKED_WINDOW_MAX_EVENTS;
    return is_smaller ? PARKED_WINDOW_MAX_EVENTS : events;
}

// "eg-dispatcher", and "eg-dispatcher-retry.10s" for a tier's stream.
static char *group_of(const struct dispatcher_options *options, int tier) {
    struct buffer group = {0};
    buffer_append_text(&group, options->group);
    if (tier != PARTITION_OF_EVENTS) {
        buffer_append_format(&group, "-retry.%s", retry_tier_name((size_t)tier));
    }
    return buffer_take(&group);
}

static enum status start_feed(struct dispatcher *dispatcher,
                              const struct dispatcher_options *options, struct error *error) {
    int64_t hand_over_ms = options->hand_over_ms > 0 ? options->hand_over_ms : HAND_OVER_MS;
    int tier = (int)dispatcher->feed_count + PARTITION_OF_EVENTS;
    struct feed *feed = &dispatcher->feeds[dispatcher->feed_count];
    feed->tier = tier;
    feed->lanes = dispatcher->lanes;
    feed->lane_count = dispatcher->lane_count;
    feed->window_max_events = window_of(options, tier);
    // What is parked waits in any case, and is read ahead of its time.
    feed->patience_ms = tier == PARTITION_OF_EVENTS ? 0 : dispatcher->tiers.park_after_ms / 10;
    feed->closed = &dispatcher->reader_closed;
    atomic_init(&feed->hand_over_us, release_after_us(hand_over_ms));
    char *group = group_of(options, tier);
    enum status status = feed_start(feed, options->log, group, hand_over_ms, error);
    free(group);
    dispatcher->feed_count += status == STATUS_OK;
    return status;
}

static enum status start_feeds(struct dispatcher *dispatcher,
                               const struct dispatcher_options *options, struct error *error) {
    enum status status = STATUS_OK;
    while (status == STATUS_OK && dispatcher->feed_count < FEED_COUNT) {
        status = start_feed(dispatcher, options, error);
    }
    return status;
}

enum status dispatcher_create(const struct dispatcher_options *options,
                              struct dispatcher **ret_dispatcher, struct error *error) {
    assert(options->worker_count > 0);
    struct dispatcher *dispatcher = memory_allocate(sizeof *dispatcher);
    sem_init(&dispatcher->reader_closed, 0, 0);
    sem_init(&dispatcher->lane_stopped, 0, 0);
    dispatcher->notices = dead_letter_notices_create(
        (options->notice_interval_ms > 0 ? options->notice_interval_ms : NOTICE_INTERVAL_MS) *
        1000);
    dispatcher->circuits = open_circuits_create();
    dispatcher->throttles = throttles_create(options->worker_count, wake_lane, dispatcher);
    dispatcher->rates =
        rates_create((size_t)event_log_partition_count(options->log, EVENT_LOG_EVENTS));
    for (size_t i = 0; i < FEED_COUNT; i++) {
        dispatcher->backlogs[i] = backlog_create();
    }
    dispatcher->tiers = options->tiers ? *options->tiers : retry_tiers_divided(1);
    dispatcher->node = memory_copy_text(options->node);
    dispatcher->registry = options->registry;
    create_lanes(dispatcher, options);
    enum status status = start_feeds(dispatcher, options, error);
    if (status != STATUS_OK) {
        close_feeds(dispatcher, 0);
        stop_lanes(dispatcher);
        destroy_readers(dispatcher);
        free_dispatcher(dispatcher);
        return status;
    }
    dispatcher->listener.changed = configuration_changed;
    registry_add_listener(dispatcher->registry, &dispatcher->listener);
    metrics_add_collector(collect_backlog, dispatcher);
    *ret_dispatcher = dispatcher;
    return STATUS_OK;
}

void dispatcher_close(struct dispatcher *dispatcher, int64_t deadline_ms) {
    if (dispatcher->is_stopped) {
        return;
    }
    close_feeds(dispatcher, deadline_ms * 1000);
    registry_remove_listener(dispatcher->registry, &dispatcher->listener);
    metrics_remove_collector(collect_backlog, dispatcher);
    stop_lanes(dispatcher);
    destroy_readers(dispatcher);
    dispatcher->is_stopped = true;
}

void dispatcher_destroy(struct dispatcher *dispatcher) {
    if (!dispatcher) {
        return;
    }
    dispatcher_close(dispatcher, 0);
    free_dispatcher(dispatcher);
}

void dispatcher_each_partition(struct dispatcher *dispatcher,
                               void (*visit)(void *context, int32_t partition), void *context) {
    backlog_each_partition(dispatcher->backlogs[0], visit, context);
}
