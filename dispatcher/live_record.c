#include "dispatcher/live_record.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/subscriptions/routes.h"
#include "dispatcher/cursor.h"
#include "dispatcher/cursor_post.h"
#include "dispatcher/delivery.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"
#include "dispatcher/subscription_queue.h"

#include <assert.h>
#include <stdlib.h>

// When nothing but the position has moved, which the group knows as well.
#define POSITION_INTERVAL_US 10000000
#define INTERVAL_US 1000000
#define SHORT_INTERVAL_US 50000
#define FRESH_MANY 16

_Static_assert(SUBSCRIPTION_FINGERPRINT_SIZE == CURSOR_FINGERPRINT_SIZE, "of one text");

static bool is_of_events(const struct partition *partition) {
    return partition->tier == PARTITION_OF_EVENTS;
}

static int64_t later_end(int64_t end, const struct offset_ranges *finished) {
    return finished->count > 0 && finished->items[finished->count - 1].end > end
               ? finished->items[finished->count - 1].end
               : end;
}

// Beyond the last offset that it tells of.
static int64_t end_of(const struct cursor_record *record) {
    int64_t end = later_end(record->position, &record->finished);
    for (size_t i = 0; i < record->share_count; i++) {
        end = later_end(end, &record->shares[i].finished);
    }
    return end;
}

// The stream was made anew, or cut: what it tells of is gone, and other events have those offsets.
// Where it is only we who do not know the end yet, not believing it costs duplicates.
static bool is_of_another_stream(const struct partition *partition,
                                 const struct cursor_record *record) {
    int64_t end = event_log_reader_end_offset(partition->reader, partition->number);
    if (end < 0 || end_of(record) <= end) {
        return false;
    }
    log_line(LOG_WARNING, "a stored position lies beyond the log's end, and is not believed",
             LOG_TEXT("stream", cursor_stream_name(partition_cursor_stream(partition))),
             LOG_NUMBER("partition", partition->number), LOG_NUMBER("position", end_of(record)),
             LOG_NUMBER("end", end));
    return true;
}

void live_record_claimed(struct partition *partition, const struct cursor_record *record) {
    struct live_record *live = &partition->live;
    if (record && is_of_another_stream(partition, record)) {
        record = NULL;
    }
    if (record && record->position > offset_tracker_position(&partition->tracker)) {
        // The group's position is missing, or older: everything below is finished all the same.
        offset_tracker_pass(&partition->tracker, record->position);
    }
    if (record && is_of_events(partition)) {
        live_progress_restore(&live->progress, record);
    } else if (record) {
        offset_ranges_copy(&record->finished, &live->finished);
    }
    // The first owner writes at once where it began, so that later ones know what was lost since.
    live->written = record ? offset_tracker_position(&partition->tracker) : -1;
    live->written_us = record ? event_loop_now_us(partition->lane->loop) : 0;
}

bool live_record_match(struct partition *partition, const struct route_match *match, int64_t offset,
                       struct tried *ret_tried) {
    return live_progress_match(&partition->live.progress, match->subscription->fingerprint, offset,
                               offset_tracker_position(&partition->tracker), ret_tried);
}

bool live_record_has_finished(const struct partition *partition, int64_t offset) {
    return offset_ranges_contain(&partition->live.finished, offset);
}

void live_record_finished(struct partition *partition, int64_t offset) {
    partition->live.fresh += offset >= offset_tracker_position(&partition->tracker);
}

void live_record_forgotten(struct partition *partition, const struct delivery *delivery) {
    struct tried tried;
    partition->live.forgotten++;
    delivery_tried(delivery, &tried);
    live_progress_leave(&partition->live.progress, delivery->queue->subscription->fingerprint,
                        &tried);
}

// --- What it says.

struct gathering {
    struct live_writing writing;
    struct tried *unfinished;
    size_t count, capacity;
    size_t deliveries; // of all queues
};

static void gather_list(struct gathering *gathering, const struct delivery_list *list) {
    for (const struct delivery *delivery = list->first; delivery; delivery = delivery->next) {
        if (delivery->taken->cursor) {
            continue;
        }
        if (gathering->count == gathering->capacity) {
            gathering->capacity = gathering->capacity > 0 ? gathering->capacity * 2 : 64;
            gathering->unfinished = memory_resize(gathering->unfinished, gathering->capacity,
                                                  sizeof *gathering->unfinished);
        }
        delivery_tried(delivery, &gathering->unfinished[gathering->count++]);
    }
}

static void gather_queue(void *context, struct subscription_queue *queue) {
    struct gathering *gathering = context;
    if (queue->replay) {
        return;
    }
    gathering->count = 0;
    gather_list(gathering, &queue->held);
    gather_list(gathering, &queue->waiting);
    gather_list(gathering, &queue->started);
    gathering->deliveries += gathering->count;
    int64_t from = queue->cursor ? cursor_live_from(queue->cursor) : 0;
    live_progress_write(&gathering->writing, queue->subscription->fingerprint, from,
                        gathering->unfinished, gathering->count);
}

static size_t awaited_deliveries(const struct partition *partition) {
    size_t count = 0;
    for (const struct offset_tracker_entry *entry = partition->tracker.first; entry;
         entry = entry->next) {
        count += CONTAINER_OF(entry, struct taken_event, place)->open_deliveries;
    }
    return count;
}

static void drop_shares(struct cursor_record *record) {
    for (size_t i = 0; i < record->share_count; i++) {
        offset_ranges_clear(&record->shares[i].finished);
        tried_list_clear(&record->shares[i].tried);
    }
    record->share_count = 0;
}

// What is not accounted for must not be passed over by anybody.
static void check_account(const struct partition *partition, const struct gathering *gathering) {
    static struct log_limit limit;
    uint64_t suppressed;
    size_t awaited = awaited_deliveries(partition);
    size_t found = gathering->deliveries + partition->live.forgotten;
    if (awaited == found) {
        return;
    }
    drop_shares(gathering->writing.record);
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_ERROR, "deliveries of a partition do not add up",
                 LOG_NUMBER("partition", partition->number),
                 LOG_NUMBER("awaited", (int64_t)awaited), LOG_NUMBER("found", (int64_t)found),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

// Returns how many queues and deliveries it has looked at.
static size_t describe_shares(struct partition *partition, struct cursor_record *ret_record) {
    struct gathering gathering = {.writing = {.progress = &partition->live.progress,
                                              .record = ret_record,
                                              .next_offset = partition->tracker.next_offset}};
    live_progress_write_begin(&gathering.writing);
    queue_table_each(&partition->queues, gather_queue, &gathering);
    live_progress_write_end(&gathering.writing);
    check_account(partition, &gathering);
    free(gathering.unfinished);
    return partition->queues.count + gathering.deliveries;
}

// What the tracker does not wait for has ended, for whoever it was: the same that lets the group's
// position pass. Up to where this owner has read it knows; beyond, the ones before him did.
static size_t describe_parked(struct partition *partition, struct cursor_record *ret_record) {
    struct offset_ranges *earlier = &partition->live.finished;
    struct offset_ranges *finished = &ret_record->finished;
    offset_ranges_cut(earlier, partition->tracker.next_offset);
    offset_tracker_finished(&partition->tracker, earlier, finished);
    finished->count = finished->count < CURSOR_RANGES_MAX ? finished->count : CURSOR_RANGES_MAX;
    return partition->tracker.count;
}

// Returns how much it has looked at.
static size_t describe(struct partition *partition, struct cursor_record *ret_record) {
    *ret_record = (struct cursor_record){.kind = CURSOR_LIVE,
                                         .stream = partition_cursor_stream(partition),
                                         .partition = partition->number,
                                         .epoch = partition->epoch,
                                         .position = offset_tracker_position(&partition->tracker),
                                         .until = CURSOR_NO_END,
                                         .written_us = clock_wall_us()};
    return is_of_events(partition) ? describe_shares(partition, ret_record)
                                   : describe_parked(partition, ret_record);
}

// --- When it is written.

static void stored(void *context, int64_t offset) {
    (void)offset;
    struct partition *partition = context;
    partition->live.post = NULL;
    lane_mark(partition->lane, partition);
}

static size_t size_of(const struct cursor_record *record) {
    size_t size = 128 + 16 * record->finished.count;
    for (size_t i = 0; i < record->share_count; i++) {
        size += 64 + 16 * record->shares[i].finished.count + 72 * record->shares[i].tried.count;
    }
    return size;
}

static void write_now(struct partition *partition) {
    struct live_record *live = &partition->live;
    struct lane *lane = partition->lane;
    struct cursor_post_options options = {
        .log = lane->log, .loop = lane->loop, .stored = stored, .context = partition};
    struct cursor_record record;
    partition_look_at_count(partition);
    size_t looked_at = describe(partition, &record);
    if (record.position > live->written || record.share_count > 0 || record.finished.count > 0) {
        live->written = record.position;
        live->post = cursor_post_record(&options, &record);
    }
    live->written_cost = size_of(&record) + looked_at;
    live->fresh = 0;
    live->written_us = event_loop_now_us(lane->loop);
    cursor_record_clear(&record);
}

static int64_t interval_us(const struct partition *partition) {
    const struct live_record *live = &partition->live;
    if (live->fresh == 0) {
        return POSITION_INTERVAL_US;
    }
    if (live->fresh < FRESH_MANY) {
        return INTERVAL_US;
    }
    int64_t partitions = 0;
    for (const struct partition *other = partition->lane->partitions; other; other = other->next) {
        partitions +=
            is_of_events(other) == is_of_events(partition) && other->state == PARTITION_FED;
    }
    int64_t by_size = partitions * (int64_t)live->written_cost * 1000000 / LIVE_BYTES_PER_SECOND;
    return by_size > SHORT_INTERVAL_US ? by_size : SHORT_INTERVAL_US;
}

static void is_due(struct event_loop_timer *timer) {
    struct partition *partition = CONTAINER_OF(timer, struct partition, live.timer);
    lane_mark(partition->lane, partition);
}

static void wait_until(struct partition *partition, int64_t due_us) {
    struct live_record *live = &partition->live;
    struct event_loop *loop = partition->lane->loop;
    if (live->timer.heap_index != 0) {
        if (live->timer_due_us <= due_us) {
            return;
        }
        event_loop_timer_stop(loop, &live->timer);
    }
    live->timer_due_us = due_us;
    live->timer.expired = is_due;
    event_loop_timer_start(loop, &live->timer, due_us - event_loop_now_us(loop));
}

void live_record_settle(struct partition *partition) {
    struct live_record *live = &partition->live;
    int64_t position = offset_tracker_position(&partition->tracker);
    if (live->post || (position <= live->written && live->fresh == 0)) {
        return;
    }
    int64_t due_us = live->written_us + interval_us(partition);
    if (event_loop_now_us(partition->lane->loop) >= due_us) {
        write_now(partition);
    } else {
        wait_until(partition, due_us);
    }
}

bool live_record_hand_over(struct partition *partition) {
    struct live_record *live = &partition->live;
    if (!live->post && (live->fresh > 0 || (live->forgotten > 0 && !live->has_told) ||
                        offset_tracker_position(&partition->tracker) > live->written)) {
        live->has_told = true;
        write_now(partition);
    }
    return live->post != NULL;
}

void live_record_stop(struct partition *partition) {
    struct live_record *live = &partition->live;
    if (live->post) {
        cursor_post_forget(live->post);
    }
    event_loop_timer_stop(partition->lane->loop, &live->timer);
    live_progress_clear(&live->progress);
    offset_ranges_clear(&live->finished);
}
