// The consumer: how it is made, its thread, and how it leaves its group.
#include "core/event_log/event_log_kafka_reader.h"

#include "core/base/clock.h"
#include "core/base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MAX_US 100000
#define LEAVE_US 5000000
#define JOIN_US 5000000 // after the reader was made
#define PARTITION_NUMBER_MAX 100000

void kafka_reader_lock(struct kafka_reader *reader) {
    pthread_mutex_lock(&reader->lock);
}

void kafka_reader_unlock(struct kafka_reader *reader) {
    pthread_mutex_unlock(&reader->lock);
}

// Only the thread adds, so it may look without the lock.
struct kafka_partition *kafka_reader_partition(struct kafka_reader *reader, int32_t number) {
    assert(number >= 0 && number < PARTITION_NUMBER_MAX);
    if (number >= reader->partition_count) {
        size_t old_count = (size_t)reader->partition_count;
        size_t count = (size_t)number + 1;
        reader->partitions = memory_resize(reader->partitions, count, sizeof *reader->partitions);
        memset(reader->partitions + old_count, 0, (count - old_count) * sizeof *reader->partitions);
        reader->partition_count = number + 1;
    }
    return &reader->partitions[number];
}

// --- The thread.

static bool is_ending(struct kafka_reader *reader, bool *ret_is_aborted) {
    kafka_reader_lock(reader);
    bool is_closing = reader->is_closing;
    *ret_is_aborted = reader->is_aborted;
    kafka_reader_unlock(reader);
    return is_closing || *ret_is_aborted;
}

static void turn(struct kafka_reader *reader) {
    int64_t now_us = clock_monotonic_us();
    int64_t next_us = kafka_group_step(reader, now_us);
    int64_t wait_us = next_us - now_us > POLL_MAX_US ? POLL_MAX_US : next_us - now_us;
    kafka_delivery_poll(reader, wait_us > 0 ? (int)(wait_us / 1000 + 1) : 0);
}

// A queue that is polled for events gives rebalances as events, not to the callback.
static void take_event(struct kafka_reader *reader, rd_kafka_event_t *event) {
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE) {
        kafka_group_rebalanced(reader->consumer, rd_kafka_event_error(event),
                               rd_kafka_event_topic_partition_list(event), reader);
    }
}

static void poll_event(struct kafka_reader *reader) {
    rd_kafka_event_t *event = rd_kafka_queue_poll(reader->queue, 20);
    if (event) {
        take_event(reader, event);
        rd_kafka_event_destroy(event);
    }
}

// librdkafka up to 2.2 aborts when a cooperative-sticky consumer is destroyed between the group's
// answer to its join and its first assignment (issue 4312 there). Both come soon after the start
// or, with the brokers away, neither.
static void wait_for_first_assignment(struct kafka_reader *reader) {
    while (!reader->has_joined && clock_monotonic_us() < reader->created_us + JOIN_US) {
        poll_event(reader);
    }
}

// Bounded, unlike rd_kafka_consumer_close.
static void leave_group(struct kafka_reader *reader) {
    reader->is_leaving = true;
    wait_for_first_assignment(reader);
    int64_t until_us = clock_monotonic_us() + LEAVE_US;
    rd_kafka_error_t *failure = rd_kafka_consumer_close_queue(reader->consumer, reader->queue);
    if (failure) {
        rd_kafka_error_destroy(failure);
        return;
    }
    while (!rd_kafka_consumer_closed(reader->consumer) && clock_monotonic_us() < until_us) {
        poll_event(reader);
    }
    // librdkafka would wait for this answer for ever when it is destroyed.
    rd_kafka_assign(reader->consumer, NULL);
}

static void *run(void *argument) {
    struct kafka_reader *reader = argument;
    bool is_aborted = false;
    while (!is_ending(reader, &is_aborted)) {
        turn(reader);
    }
    if (!is_aborted) {
        kafka_group_revoke_all(reader);
        while (!kafka_group_is_idle(reader)) {
            turn(reader);
        }
    }
    leave_group(reader);
    if (!is_aborted && reader->closed) {
        reader->closed(reader->options.context);
    }
    return NULL;
}

// --- Any thread.

static struct kafka_reader *reader_of(struct event_log_reader *base) {
    return CONTAINER_OF(base, struct kafka_reader, base);
}

// NULL when it is not ours. Needs the lock.
static struct kafka_partition *our_partition(struct kafka_reader *reader, int32_t number) {
    if (number < 0 || number >= reader->partition_count ||
        reader->partitions[number].state == KAFKA_PARTITION_ELSEWHERE) {
        return NULL;
    }
    return &reader->partitions[number];
}

// Needs no wake-up: the thread looks at what moved at least every 100 ms.
static void kafka_reader_commit(struct event_log_reader *base, int32_t number, int64_t offset) {
    struct kafka_reader *reader = reader_of(base);
    kafka_reader_lock(reader);
    struct kafka_partition *partition = our_partition(reader, number);
    if (partition && offset > partition->position) {
        partition->position = offset;
    }
    kafka_reader_unlock(reader);
}

static void kafka_reader_pause(struct event_log_reader *base, int32_t number, bool is_paused) {
    struct kafka_reader *reader = reader_of(base);
    kafka_reader_lock(reader);
    struct kafka_partition *partition = our_partition(reader, number);
    if (partition && partition->is_paused != is_paused) {
        partition->is_paused = is_paused;
        if (!is_paused) {
            kafka_queues_wake(reader);
        }
    }
    kafka_reader_unlock(reader);
}

static void kafka_reader_release(struct event_log_reader *base, int32_t number, int64_t offset) {
    struct kafka_reader *reader = reader_of(base);
    kafka_reader_lock(reader);
    struct kafka_partition *partition = our_partition(reader, number);
    if (partition && partition->state == KAFKA_PARTITION_HANDING_OVER) {
        partition->position = offset > partition->position ? offset : partition->position;
        partition->is_released = true;
        kafka_queues_wake(reader);
    }
    kafka_reader_unlock(reader);
}

// The fetcher learns the end with each answer.
static int64_t kafka_reader_end_offset(struct event_log_reader *base, int32_t number) {
    struct kafka_reader *reader = reader_of(base);
    int64_t first, end;
    bool is_known = rd_kafka_get_watermark_offsets(reader->consumer, reader->topic, number, &first,
                                                   &end) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                    end >= 0;
    kafka_reader_lock(reader);
    struct kafka_partition *partition = our_partition(reader, number);
    int64_t result = partition ? partition->end_offset : -1;
    if (is_known && end > result) {
        result = end;
    }
    kafka_reader_unlock(reader);
    return result;
}

static void kafka_reader_close(struct event_log_reader *base, void (*closed)(void *context)) {
    struct kafka_reader *reader = reader_of(base);
    kafka_reader_lock(reader);
    reader->is_closing = true;
    reader->closed = closed;
    kafka_queues_wake(reader);
    kafka_reader_unlock(reader);
}

static void free_reader(struct kafka_reader *reader) {
    kafka_group_clear(reader);
    for (int32_t i = 0; i < reader->partition_count; i++) {
        kafka_queues_close(&reader->partitions[i]);
    }
    if (reader->queue) {
        rd_kafka_queue_destroy(reader->queue);
    }
    if (reader->consumer) {
        rd_kafka_destroy_flags(reader->consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    kafka_queues_clear(reader);
    record_slice_clear(&reader->slice);
    pthread_mutex_destroy(&reader->lock);
    free(reader->partitions);
    free((char *)reader->options.group);
    free(reader);
}

static void kafka_reader_destroy(struct event_log_reader *base) {
    struct kafka_reader *reader = reader_of(base);
    kafka_reader_lock(reader);
    reader->is_aborted = !reader->is_closing;
    kafka_queues_wake(reader);
    kafka_reader_unlock(reader);
    pthread_join(reader->thread, NULL);
    free_reader(reader);
}

static const struct event_log_reader_ops kafka_reader_ops = {
    .commit = kafka_reader_commit,
    .pause = kafka_reader_pause,
    .release = kafka_reader_release,
    .end_offset = kafka_reader_end_offset,
    .close = kafka_reader_close,
    .destroy = kafka_reader_destroy,
};

// --- Creation.

static const struct kafka_default consumer_defaults[] = {
    // An event is fetched as soon as it is there.
    {"fetch.min.bytes", "1"},
    {"fetch.wait.max.ms", "500"},
    {"fetch.error.backoff.ms", "100"},
    // Bounds what waits in the client for each partition, and what one answer brings of it. When so
    // much waits, librdkafka fetches nothing of that partition for a second (issue 2879 there), so
    // it has to last for about as long.
    {"queued.max.messages.kbytes", "4096"},
    {"fetch.message.max.bytes", "1048576"},
    {"fetch.max.bytes", "16777216"},
    // Partitions that were added are taken up after this long at the most.
    {"topic.metadata.refresh.interval.ms", "30000"},
    // A member that dies is replaced after this long.
    {"session.timeout.ms", "10000"},
    {"heartbeat.interval.ms", "2000"},
    {"check.crcs", "true"},
};

// Fewer answers that bring more, and less memory for what is not urgent.
static void be_patient(rd_kafka_conf_t *conf, int64_t patience_ms) {
    kafka_conf_set(conf, "fetch.min.bytes", "65536");
    kafka_conf_set_number(conf, "fetch.wait.max.ms", patience_ms);
    kafka_conf_set(conf, "queued.max.messages.kbytes", "1024");
}

static enum status create_consumer(struct kafka_reader *reader, struct error *error) {
    rd_kafka_conf_t *conf;
    enum status status = kafka_conf_create(reader->log, consumer_defaults,
                                           ARRAY_LENGTH(consumer_defaults), &conf, error);
    if (status != STATUS_OK) {
        return status;
    }
    kafka_conf_set(conf, "group.id", reader->options.group);
    kafka_conf_set(conf, "enable.auto.commit", "false");
    kafka_conf_set(conf, "enable.auto.offset.store", "false");
    // Positions are looked up before a partition is taken up; a reset is never librdkafka's to
    // decide.
    kafka_conf_set(conf, "auto.offset.reset", "error");
    kafka_conf_set(conf, "partition.assignment.strategy", "cooperative-sticky");
    if (reader->options.patience_ms > 0) {
        be_patient(conf, reader->options.patience_ms);
    }
    rd_kafka_conf_set_opaque(conf, reader);
    rd_kafka_conf_set_rebalance_cb(conf, kafka_group_rebalanced);
    rd_kafka_conf_set_offset_commit_cb(conf, kafka_commits_answered);
    kafka_commits_watch_joins(reader, conf);
    char reason[256];
    reader->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!reader->consumer) {
        rd_kafka_conf_destroy(conf);
        return error_set(error, STATUS_INVALID, "Kafka settings: %s", reason);
    }
    rd_kafka_poll_set_consumer(reader->consumer);
    return kafka_queues_init(reader, error);
}

static enum status subscribe(struct kafka_reader *reader, struct error *error) {
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, reader->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t failure = rd_kafka_subscribe(reader->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return failure ? error_set(error, STATUS_FAILED, "Kafka topic %s: %s", reader->topic,
                               rd_kafka_err2str(failure))
                   : STATUS_OK;
}

enum status kafka_reader_create(struct event_log *base,
                                const struct event_log_reader_options *options,
                                struct event_log_reader **ret_reader, struct error *error) {
    struct kafka_reader *reader = memory_allocate(sizeof *reader);
    reader->base.ops = &kafka_reader_ops;
    reader->log = CONTAINER_OF(base, struct kafka_log, base);
    reader->options = *options;
    reader->options.group = memory_copy_text(options->group);
    reader->topic = reader->log->topic_names[options->stream];
    reader->created_us = clock_monotonic_us();
    reader->wake_fd = -1;
    reader->hand_over_us =
        1000 * (options->hand_over_ms > 0 ? options->hand_over_ms : EVENT_LOG_HAND_OVER_MS);
    pthread_mutex_init(&reader->lock, NULL);
    enum status status = create_consumer(reader, error);
    if (status == STATUS_OK) {
        status = subscribe(reader, error);
    }
    if (status != STATUS_OK) {
        free_reader(reader);
        return status;
    }
    *ret_reader = &reader->base;
    if (pthread_create(&reader->thread, NULL, run, reader) != 0) {
        abort(); // No memory or threads left at start: as for small allocations.
    }
    pthread_setname_np(reader->thread, "consumer");
    return STATUS_OK;
}
