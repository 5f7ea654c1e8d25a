#include "dispatcher/dispatcher.h"

#include "core/base/memory.h"
#include "dispatcher/dead_letter_notices.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/feed.h"
#include "dispatcher/lane.h"
#include "dispatcher/rates.h"
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

struct dispatcher {
    struct feed feed;
    struct lane *lanes;
    size_t lane_count;
    struct registry *registry;
    struct registry_listener listener;
    struct backlog *backlog;
    struct throttles *throttles;
    struct rates *rates;
    struct dead_letter_notices *notices;
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
    int64_t partitions = 0;
    backlog_each_partition(dispatcher->backlog, count_partition, &partitions);
    metric_set(dispatcher_metrics()->partitions, partitions);
    metric_set(dispatcher_metrics()->functions_throttled,
               (int64_t)throttles_count(dispatcher->throttles));
    metric_set(dispatcher_metrics()->backlog,
               backlog_count(dispatcher->backlog, dispatcher->feed.reader));
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
        lane->backlog = dispatcher->backlog;
        lane->notices = dispatcher->notices;
        lane->emitter = (struct system_emitter){
            .log = options->log,
            .loop = lane->loop,
            .source = bytes_of_text(options->source ? options->source : "/event-gateway"),
            .is_hosted = options->is_hosted,
        };
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
    feed_clear(&dispatcher->feed);
    backlog_destroy(dispatcher->backlog);
    dead_letter_notices_destroy(dispatcher->notices);
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

enum status dispatcher_create(const struct dispatcher_options *options,
                              struct dispatcher **ret_dispatcher, struct error *error) {
    assert(options->worker_count > 0);
    int64_t hand_over_ms = options->hand_over_ms > 0 ? options->hand_over_ms : HAND_OVER_MS;
    struct dispatcher *dispatcher = memory_allocate(sizeof *dispatcher);
    sem_init(&dispatcher->reader_closed, 0, 0);
    sem_init(&dispatcher->lane_stopped, 0, 0);
    dispatcher->backlog = backlog_create();
    dispatcher->notices = dead_letter_notices_create(
        (options->notice_interval_ms > 0 ? options->notice_interval_ms : NOTICE_INTERVAL_MS) *
        1000);
    dispatcher->throttles = throttles_create(options->worker_count, wake_lane, dispatcher);
    dispatcher->rates =
        rates_create((size_t)event_log_partition_count(options->log, EVENT_LOG_EVENTS));
    dispatcher->registry = options->registry;
    create_lanes(dispatcher, options);
    dispatcher->feed.lanes = dispatcher->lanes;
    dispatcher->feed.lane_count = dispatcher->lane_count;
    dispatcher->feed.window_max_events =
        options->window_max_events > 0 ? options->window_max_events : WINDOW_MAX_EVENTS;
    atomic_init(&dispatcher->feed.hand_over_us, release_after_us(hand_over_ms));
    enum status status =
        feed_start(&dispatcher->feed, options->log, options->group, hand_over_ms, error);
    if (status != STATUS_OK) {
        free_dispatcher(dispatcher);
        return status;
    }
    dispatcher->listener.changed = configuration_changed;
    registry_add_listener(dispatcher->registry, &dispatcher->listener);
    metrics_add_collector(collect_backlog, dispatcher);
    *ret_dispatcher = dispatcher;
    return STATUS_OK;
}

static void wait_for(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0) {
        assert(errno == EINTR);
    }
}

static void reader_closed(void *context) {
    struct dispatcher *dispatcher = CONTAINER_OF(context, struct dispatcher, feed);
    sem_post(&dispatcher->reader_closed);
}

// What is left on the loops afterwards are calls and appends that free themselves.
static void stop(struct dispatcher *dispatcher) {
    registry_remove_listener(dispatcher->registry, &dispatcher->listener);
    metrics_remove_collector(collect_backlog, dispatcher);
    throttles_close(dispatcher->throttles);
    for (size_t i = 0; i < dispatcher->lane_count; i++) {
        lane_post_stop(&dispatcher->lanes[i], &dispatcher->lane_stopped);
    }
    for (size_t i = 0; i < dispatcher->lane_count; i++) {
        wait_for(&dispatcher->lane_stopped);
    }
    dispatcher->is_stopped = true;
}

void dispatcher_close(struct dispatcher *dispatcher, int64_t deadline_ms) {
    if (dispatcher->is_stopped) {
        return;
    }
    // The reader takes the partitions away one by one, and each hands over as in a rebalance.
    int64_t deadline_us = deadline_ms * 1000;
    if (deadline_us < atomic_load(&dispatcher->feed.hand_over_us)) {
        atomic_store(&dispatcher->feed.hand_over_us, deadline_us);
    }
    event_log_reader_close(dispatcher->feed.reader, reader_closed);
    wait_for(&dispatcher->reader_closed);
    stop(dispatcher);
    event_log_reader_destroy(dispatcher->feed.reader);
    dispatcher->feed.reader = NULL;
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
    backlog_each_partition(dispatcher->backlog, visit, context);
}
