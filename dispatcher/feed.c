#include "dispatcher/feed.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/events/event.h"
#include "core/events/event_record.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/partition.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// What the consumer's thread tells a partition on its loop. Freed when it was run.
struct message {
    struct event_loop_task task;
    struct partition *partition;
    int64_t value; // an offset, or microseconds
    int64_t from;  // of skip: where it was
};

struct batch {
    struct event_loop_task task;
    struct partition *partition;
    size_t count;
    struct taken_record records[];
};

static void post_message(struct partition *partition, void (*run)(struct event_loop_task *task),
                         int64_t value) {
    struct message *message = memory_allocate(sizeof *message);
    message->task.run = run;
    message->partition = partition;
    message->value = value;
    event_loop_post(partition->lane->loop, &message->task);
}

static struct message message_take(struct event_loop_task *task) {
    struct message *message = CONTAINER_OF(task, struct message, task);
    struct message copy = *message;
    free(message);
    return copy;
}

static void run_start(struct event_loop_task *task) {
    partition_start(message_take(task).partition);
}

static void run_revoke(struct event_loop_task *task) {
    struct message message = message_take(task);
    partition_revoke(message.partition, message.value);
}

static void run_lose(struct event_loop_task *task) {
    partition_destroy(message_take(task).partition);
}

static void run_skip(struct event_loop_task *task) {
    struct message message = message_take(task);
    partition_skip(message.partition, message.from, message.value);
}

static void post_skip(struct partition *partition, int64_t from, int64_t to) {
    struct message *message = memory_allocate(sizeof *message);
    *message = (struct message){
        .task = {.run = run_skip}, .partition = partition, .value = to, .from = from};
    event_loop_post(partition->lane->loop, &message->task);
}

static void run_batch(struct event_loop_task *task) {
    struct batch *batch = CONTAINER_OF(task, struct batch, task);
    partition_take(batch->partition, batch->records, batch->count);
    free(batch);
}

// After the last message to it the partition is the loop's alone.
static struct partition *take_out(struct feed *feed, int32_t number) {
    size_t index = (size_t)number;
    struct partition *partition = index < feed->partition_count ? feed->partitions[index] : NULL;
    if (partition) {
        feed->partitions[index] = NULL;
    }
    return partition;
}

static void put_in(struct feed *feed, struct partition *partition) {
    size_t index = (size_t)partition->number;
    if (index >= feed->partition_count) {
        feed->partitions = memory_resize(feed->partitions, index + 1, sizeof(struct partition *));
        memset(feed->partitions + feed->partition_count, 0,
               (index + 1 - feed->partition_count) * sizeof(struct partition *));
        feed->partition_count = index + 1;
    }
    assert(!feed->partitions[index]);
    feed->partitions[index] = partition;
}

static void lose(struct feed *feed, int32_t number) {
    struct partition *partition = take_out(feed, number);
    if (partition) {
        post_message(partition, run_lose, 0);
    }
}

static void feed_assigned(void *context, int32_t number, int64_t start_offset, bool is_committed) {
    struct feed *feed = context;
    lose(feed, number);
    struct partition_options options = {
        .reader = feed->reader,
        .number = number,
        .tier = feed->tier,
        .start_offset = start_offset,
        .is_committed = is_committed,
        .window_max_events = feed->window_max_events,
    };
    struct partition *partition =
        partition_create(&feed->lanes[(size_t)number % feed->lane_count], &options);
    put_in(feed, partition);
    post_message(partition, run_start, 0);
}

static void feed_records(void *context, int32_t number, const struct stored_record *records,
                         size_t count) {
    struct feed *feed = context;
    struct partition *partition =
        (size_t)number < feed->partition_count ? feed->partitions[number] : NULL;
    if (!partition) {
        return;
    }
    struct batch *batch = memory_allocate(sizeof *batch + count * sizeof(struct taken_record));
    batch->task.run = run_batch;
    batch->partition = partition;
    batch->count = count;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        taken_record_decode(&records[i], feed->tier != PARTITION_OF_EVENTS, &batch->records[i]);
        bytes += batch->records[i].bytes;
    }
    window_take(&partition->window, count, bytes);
    event_loop_post(partition->lane->loop, &batch->task);
}

static void feed_revoked(void *context, int32_t number) {
    struct feed *feed = context;
    struct partition *partition = take_out(feed, number);
    if (partition) {
        post_message(partition, run_revoke, atomic_load(&feed->hand_over_us));
    }
}

static void feed_lost(void *context, int32_t number) {
    // What hands over already goes on with it; nobody listens to its release any more.
    lose(context, number);
}

static void feed_passed_by_retention(void *context, int32_t number, int64_t position,
                                     int64_t first_offset) {
    struct feed *feed = context;
    if (first_offset > position) {
        metric_add(dispatcher_metrics()->events_lost, first_offset - position);
        log_line(LOG_ERROR, "retention has removed events that were not delivered",
                 LOG_NUMBER("partition", number), LOG_NUMBER("position", position),
                 LOG_NUMBER("first", first_offset));
        struct partition *partition =
            (size_t)number < feed->partition_count ? feed->partitions[number] : NULL;
        if (partition) {
            post_skip(partition, position, first_offset);
        }
    } else {
        // The log was cut at its end and reads anew from an earlier offset: what follows is
        // not what had these offsets before.
        feed_assigned(feed, number, first_offset, true);
    }
}

enum status feed_start(struct feed *feed, struct event_log *log, const char *group,
                       int64_t reader_hand_over_ms, struct error *error) {
    struct event_log_reader_options options = {
        .stream = feed->tier == PARTITION_OF_EVENTS ? EVENT_LOG_EVENTS
                                                    : retry_tier_stream((size_t)feed->tier),
        .group = group,
        .context = feed,
        .assigned = feed_assigned,
        .records = feed_records,
        .revoked = feed_revoked,
        .lost = feed_lost,
        .passed_by_retention = feed_passed_by_retention,
        .hand_over_ms = reader_hand_over_ms,
        .patience_ms = feed->patience_ms,
    };
    return event_log_reader_create(log, &options, &feed->reader, error);
}

static void reader_closed(void *context) {
    struct feed *feed = context;
    sem_post(feed->closed);
}

void feed_close(struct feed *feed) {
    event_log_reader_close(feed->reader, reader_closed);
}

void feed_clear(struct feed *feed) {
    free(feed->partitions);
    feed->partitions = NULL;
    feed->partition_count = 0;
}
