#include "dispatcher/partition.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/cursors/cursor_fold.h"
#include "core/events/event.h"
#include "core/registry/snapshot.h"
#include "core/subscriptions/routes.h"
#include "dispatcher/claim.h"
#include "dispatcher/cursor.h"
#include "dispatcher/delivery.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/laggards.h"
#include "dispatcher/lane.h"
#include "core/base/rates.h"
#include "dispatcher/retry_partition.h"
#include "dispatcher/schedule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Of the time to hand over: to write in what is finished, when calls do not end.
#define LAST_RESERVE_US 500000

// Records that came while the partition was claimed.
struct early_records {
    struct early_records *next;
    size_t count;
    struct taken_record records[];
};

static bool is_of_events(const struct partition *partition) {
    return partition->tier == PARTITION_OF_EVENTS;
}

struct partition *partition_create(struct lane *lane, const struct partition_options *options) {
    struct partition *partition = memory_allocate(sizeof *partition);
    partition->lane = lane;
    partition->reader = options->reader;
    partition->number = options->number;
    partition->tier = options->tier;
    partition->backlog = is_of_events(partition) ? lane->backlog : lane->parked[options->tier];
    partition->committed = options->start_offset;
    partition->had_commit = options->is_committed;
    offset_tracker_init(&partition->tracker, options->start_offset);
    window_init(&partition->window, is_of_events(partition) ? &lane->budget : &lane->parked_budget,
                options->window_max_events, options->reader, options->number);
    return partition;
}

enum cursor_stream partition_cursor_stream(const struct partition *partition) {
    return (enum cursor_stream)(partition->tier + 1);
}

void partition_look_at_count(const struct partition *partition) {
    struct lane *lane = partition->lane;
    rates_set_partitions(lane->flow.rates,
                         (size_t)event_log_partition_count(lane->log, EVENT_LOG_EVENTS));
}

void partition_start(struct partition *partition) {
    lane_add(partition->lane, partition);
    lane_refresh(partition->lane);
    partition->state = PARTITION_CLAIMING;
    if (is_of_events(partition)) {
        rates_add_partitions(partition->lane->flow.rates, 1);
        partition_look_at_count(partition);
        partition->claim = claim_start(partition);
    }
    backlog_set(partition->backlog, partition->number, partition, partition->committed);
}

bool partition_is_fed(const struct partition *partition) {
    return partition->state == PARTITION_FED;
}

static void take_event_over(struct partition *partition, struct taken_event *taken) {
    offset_tracker_finish(&partition->tracker, &taken->place);
    if (is_of_events(partition)) {
        const struct dispatcher_metrics *metrics = dispatcher_metrics();
        metric_add(metrics->events_processed, 1);
        metric_observe_us(metrics->processing_time,
                          clock_wall_us() - taken->event->context.received_us);
    }
    lane_mark(partition->lane, partition);
    taken_event_destroy(taken);
}

void partition_delivery_moved(struct partition *partition, struct taken_event *taken) {
    assert(!taken->cursor);
    partition_delivery_finished(partition, taken);
}

void partition_delivery_finished(struct partition *partition, struct taken_event *taken) {
    assert(taken->open_deliveries > 0);
    int64_t offset = taken->place.offset;
    bool is_of_cursor = taken->cursor != NULL;
    taken->open_deliveries--;
    bool is_over = taken->open_deliveries == 0;
    if (is_over && is_of_cursor) {
        cursor_delivery_finished(taken->cursor, taken);
    } else if (is_over) {
        take_event_over(partition, taken);
    }
    // What is parked has one delivery, which is told of when the record is finished.
    if (!is_of_cursor && (is_over || is_of_events(partition))) {
        live_record_finished(partition, offset);
    }
}

static void add_delivery(void *context, const struct route_match *match) {
    struct taken_event *taken = context;
    struct partition *partition = taken->partition;
    if (bytes_equal(match->subscription->id, taken->event->context.sync)) {
        return; // It has handled the event while the caller waited.
    }
    struct subscription_queue *queue =
        queue_table_get(&partition->queues, partition, match->subscription);
    struct tried tried;
    if (queue->cursor && cursor_serves(queue->cursor, taken->place.offset)) {
        cursor_note_match(queue->cursor, taken->place.offset);
        return;
    }
    if (!live_record_match(partition, match, taken->place.offset, &tried)) {
        queue_table_drop_if_empty(&partition->queues, queue);
        return;
    }
    taken_event_charge(taken, delivery_size(match, taken->event));
    struct delivery *delivery = delivery_create(queue, taken, match);
    delivery_go_on(delivery, &tried);
    schedule_add(delivery);
}

static void match_event(struct partition *partition, struct taken_event *taken) {
    const struct event *event = taken->event;
    struct route_query query = {.space = event->context.space,
                                .type = event->type,
                                .method = event->context.method,
                                .path = event->context.path};
    routes_match_async(snapshot_routes(partition->lane->snapshot), &query, add_delivery, taken);
    partition_delivery_finished(partition, taken);
}

struct taken_event *partition_take_event(struct partition *partition,
                                         const struct taken_record *record) {
    struct taken_event *taken = taken_event_create(partition, NULL, record);
    if (!offset_tracker_seen(&partition->tracker, &taken->place)) {
        taken_event_destroy(taken); // The log gave it twice.
        return NULL;
    }
    // Held while its deliveries are made: one that is dropped at once must not end the event.
    taken->open_deliveries = 1;
    return taken;
}

static void forget_record(struct partition *partition, const struct taken_record *record) {
    event_unref(record->event);
    taken_parked_destroy(record->parked);
    window_give(&partition->window, 1, record->bytes);
}

static void take_record(struct partition *partition, const struct taken_record *record) {
    if (!is_of_events(partition)) {
        retry_partition_take(partition, record);
        return;
    }
    struct taken_event *taken = partition_take_event(partition, record);
    if (taken) {
        match_event(partition, taken);
    }
}

// It is no event, or an earlier owner has finished all of it.
static bool is_passed_over(const struct partition *partition, const struct taken_record *record) {
    return !record->event || live_record_has_finished(partition, record->offset);
}

static void pass_over(struct partition *partition, const struct taken_record *record) {
    offset_tracker_pass(&partition->tracker, record->offset + 1);
    forget_record(partition, record);
}

static void keep_for_later(struct partition *partition, const struct taken_record *records,
                           size_t count) {
    struct early_records *early =
        memory_allocate(sizeof *early + count * sizeof(struct taken_record));
    early->count = count;
    memcpy(early->records, records, count * sizeof *records);
    struct early_records **link = &partition->early;
    while (*link) {
        link = &(*link)->next;
    }
    *link = early;
}

void partition_take(struct partition *partition, const struct taken_record *records, size_t count) {
    if (partition->state == PARTITION_CLAIMING) {
        keep_for_later(partition, records, count);
        if (!partition->claim) {
            partition->claim = claim_start(partition);
        }
        return;
    }
    assert(partition->state == PARTITION_FED);
    lane_refresh(partition->lane);
    lane_mark(partition->lane, partition);
    if (is_of_events(partition) && count > 0) {
        losses_oldest_came(partition, records[0].stored_ms);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_passed_over(partition, &records[i])) {
            pass_over(partition, &records[i]);
        } else {
            take_record(partition, &records[i]);
        }
    }
}

static void restore(void *context, const struct cursor_record *record) {
    struct partition *partition = context;
    if (record->kind == CURSOR_REPLAY) {
        replays_restore(partition, record);
        return;
    }
    const struct subscription *subscription =
        snapshot_subscription(partition->lane->snapshot, record->space, record->subscription_id);
    if (!claim_record_is_current(partition, record)) {
        return; // The claim has decided what becomes of the record.
    }
    if (record->kind == CURSOR_STARTED) {
        starts_note(&partition->starts, record);
    }
    if (record->kind == CURSOR_LOST) {
        losses_restore(partition, record);
    }
    if (record->kind != CURSOR_CATCH_UP) {
        return;
    }
    cursor_restore(queue_table_get(&partition->queues, partition, subscription), record);
}

static void go_on_queue(void *context, struct subscription_queue *queue) {
    (void)context;
    if (queue->cursor) {
        cursor_go_on(queue->cursor);
    }
}

static void take_early(struct partition *partition) {
    while (partition->early) {
        struct early_records *early = partition->early;
        partition->early = early->next;
        partition_take(partition, early->records, early->count);
        free(early);
    }
}

// What lies below the live record was finished. Where the group has lost its position, and the log
// begins beyond that record, what lies between was not. The first owner writes one at once.
static void note_skipped(struct partition *partition, const struct cursor_record *live) {
    int64_t begin = partition->committed;
    if (!partition->had_commit && live && live->position < begin) {
        metric_add(dispatcher_metrics()->events_lost, begin - live->position);
        losses_note_live(partition, live->position, begin);
    }
    if (!partition->had_commit && !live) {
        losses_note_unread(partition, begin);
    }
    if (partition->skipped_to > 0) {
        int64_t from = partition->skipped_from;
        losses_note_live(partition, live && live->position > from ? live->position : from,
                         partition->skipped_to);
    }
}

// What only partitions of eg.events have.
static void restore_subscriptions(struct partition *partition, const struct cursor_fold *fold,
                                  const struct cursor_record *live) {
    cursor_fold_each(fold, partition->number, restore, partition);
    note_skipped(partition, live);
    retention_watch_soon(&partition->lane->retention);
    queue_table_each(&partition->queues, go_on_queue, NULL);
    starts_look(partition);
    replays_look(partition);
}

void partition_claimed(struct partition *partition, int64_t epoch, const struct cursor_fold *fold) {
    struct cursor_key live = {.kind = CURSOR_LIVE,
                              .partition = partition->number,
                              .stream = partition_cursor_stream(partition)};
    const struct cursor_record *record = cursor_fold_find(fold, &live);
    partition->claim = NULL;
    partition->epoch = epoch;
    partition->state = PARTITION_FED;
    live_record_claimed(partition, record);
    if (is_of_events(partition)) {
        restore_subscriptions(partition, fold, record);
    }
    take_early(partition);
    lane_mark(partition->lane, partition);
}

void partition_skip(struct partition *partition, int64_t from, int64_t to) {
    if (partition->state == PARTITION_CLAIMING && is_of_events(partition)) {
        partition->skipped_from = partition->skipped_to > 0 ? partition->skipped_from : from;
        partition->skipped_to = to;
    } else if (partition->state == PARTITION_FED && is_of_events(partition)) {
        lane_refresh(partition->lane);
        losses_note_live(partition, from, to);
    }
    offset_tracker_pass(&partition->tracker, to);
    lane_mark(partition->lane, partition);
}

static void renew_queue(void *context, struct subscription_queue *queue) {
    const struct snapshot *snapshot = context;
    schedule_renew(queue, snapshot_subscription(snapshot, queue->subscription->space,
                                                queue->subscription->id));
}

void partition_configuration_changed(struct partition *partition) {
    queue_table_each(&partition->queues, renew_queue, (void *)partition->lane->snapshot);
    losses_configuration_changed(partition);
    if (partition->state == PARTITION_FED && is_of_events(partition)) {
        starts_look(partition);
    }
    partition_replays_changed(partition);
}

void partition_replays_changed(struct partition *partition) {
    if (partition->state == PARTITION_FED && is_of_events(partition)) {
        replays_look(partition);
    }
}

static void forget_waiting(void *context, struct subscription_queue *queue) {
    (void)context;
    schedule_forget_waiting(queue);
}

static void forget_all(void *context, struct subscription_queue *queue) {
    (void)context;
    // The queue stays as long as it has a cursor, which has the events of its deliveries.
    struct cursor *cursor = queue->cursor;
    queue->keeps = true;
    schedule_forget_all(queue);
    if (cursor) {
        cursor_destroy(cursor);
    }
    queue->keeps = false;
    queue_table_drop_if_empty(&queue->partition->queues, queue);
}

static void forget_early(struct partition *partition) {
    while (partition->early) {
        struct early_records *early = partition->early;
        partition->early = early->next;
        for (size_t i = 0; i < early->count; i++) {
            forget_record(partition, &early->records[i]);
        }
        free(early);
    }
}

void partition_destroy(struct partition *partition) {
    queue_table_each(&partition->queues, forget_all, NULL);
    queue_table_clear(&partition->queues);
    // What was forgotten is still in the tracker, which is how its offset was not committed.
    while (partition->tracker.first) {
        struct taken_event *taken =
            CONTAINER_OF(partition->tracker.first, struct taken_event, place);
        offset_tracker_finish(&partition->tracker, &taken->place);
        taken_event_destroy(taken);
    }
    forget_early(partition);
    starts_clear(&partition->starts);
    replays_clear(&partition->replays);
    losses_clear(&partition->losses);
    if (partition->claim) {
        claim_forget(partition->claim);
    }
    live_record_stop(partition);
    event_loop_timer_stop(partition->lane->loop, &partition->hand_over_timer);
    event_loop_timer_stop(partition->lane->loop, &partition->laggard_timer);
    backlog_remove(partition->backlog, partition->number, partition);
    if (is_of_events(partition)) {
        rates_add_partitions(partition->lane->flow.rates, -1);
    }
    lane_remove(partition->lane, partition);
    free(partition);
}

// Time can be up before a loss was confirmed (losses.h, 2); then the next owner counts it.
static void release(struct partition *partition) {
    event_log_reader_release(partition->reader, partition->number,
                             partition->losses.inside > 0
                                 ? partition->committed
                                 : offset_tracker_position(&partition->tracker));
    partition_destroy(partition);
}

static void hand_over_is_due(struct event_loop_timer *timer) {
    release(CONTAINER_OF(timer, struct partition, hand_over_timer));
}

// Calls that have not ended are let go, and what is finished is written in the time that is left.
static void hand_over_is_late(struct event_loop_timer *timer) {
    struct partition *partition = CONTAINER_OF(timer, struct partition, hand_over_timer);
    partition->is_late = true;
    timer->expired = hand_over_is_due;
    event_loop_timer_start(partition->lane->loop, timer, partition->last_reserve_us);
    lane_mark(partition->lane, partition);
}

static void start_hand_over_timer(struct partition *partition, int64_t hand_over_us) {
    int64_t reserve_us = hand_over_us / 4 < LAST_RESERVE_US ? hand_over_us / 4 : LAST_RESERVE_US;
    bool can_write = partition->writes_last && reserve_us > 0;
    partition->last_reserve_us = reserve_us;
    partition->hand_over_timer.expired = can_write ? hand_over_is_late : hand_over_is_due;
    event_loop_timer_start(partition->lane->loop, &partition->hand_over_timer,
                           can_write ? hand_over_us - reserve_us : hand_over_us);
}

void partition_revoke(struct partition *partition, int64_t hand_over_us) {
    bool is_claimed = partition->state == PARTITION_FED;
    partition->state = PARTITION_HANDING_OVER;
    partition->writes_last = is_claimed;
    if (partition->claim) {
        claim_forget(partition->claim);
        partition->claim = NULL;
    }
    forget_early(partition);
    queue_table_each(&partition->queues, forget_waiting, NULL);
    start_hand_over_timer(partition, hand_over_us);
    lane_mark(partition->lane, partition);
}

static void hand_over_queue(void *context, struct subscription_queue *queue) {
    if (queue->cursor && cursor_hand_over(queue->cursor)) {
        *(bool *)context = true;
    }
}

// Where the next owner goes on. Done when the log has confirmed all of it.
static bool last_is_written(struct partition *partition) {
    bool is_writing = partition->losses.inside > 0;
    if (!partition->writes_last) {
        return true;
    }
    queue_table_each(&partition->queues, hand_over_queue, &is_writing);
    // The live position does not pass by what was lost before that is counted (losses.h, 2).
    is_writing |= partition->losses.inside == 0 && live_record_hand_over(partition);
    return !is_writing;
}

static void commit(struct partition *partition, int64_t position) {
    partition->committed = position;
    event_log_reader_commit(partition->reader, partition->number, position);
    backlog_set(partition->backlog, partition->number, partition, position);
}

void partition_settle(struct partition *partition) {
    int64_t position = offset_tracker_position(&partition->tracker);
    bool may_move = partition->state != PARTITION_CLAIMING && partition->losses.inside == 0;
    if (position > partition->committed && may_move) {
        commit(partition, position);
    }
    if (partition->state == PARTITION_FED) {
        if (may_move) {
            live_record_settle(partition);
        }
        if (is_of_events(partition)) {
            laggards_watch(partition);
        }
    } else if (partition->state == PARTITION_HANDING_OVER &&
               (partition->running == 0 || partition->is_late) && last_is_written(partition)) {
        release(partition);
    }
}
