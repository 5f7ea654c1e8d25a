// The queues that librdkafka fetches into: one for each partition, so that one whose flow is paused
// keeps what was fetched for it and the others go on. librdkafka's own pause would throw that away,
// fetch it again, and look at the partition again after a second. On the reader's thread.
#include "core/event_log/event_log_kafka_reader.h"

#include "core/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

// librdkafka wants to be polled, or takes the consumer for dead.
#define POLL_US 100000

static const uint64_t one = 1;

enum status kafka_queues_init(struct kafka_reader *reader, struct error *error) {
    reader->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (reader->wake_fd < 0) {
        return error_set(error, STATUS_FAILED, "eventfd: %s", strerror(errno));
    }
    reader->queue = rd_kafka_queue_get_consumer(reader->consumer);
    rd_kafka_queue_io_event_enable(reader->queue, reader->wake_fd, &one, sizeof one);
    return STATUS_OK;
}

// A consumer that is gone writes to nobody's descriptor any more.
void kafka_queues_clear(struct kafka_reader *reader) {
    if (reader->wake_fd >= 0) {
        close(reader->wake_fd);
    }
}

void kafka_queues_open(struct kafka_reader *reader, int32_t number) {
    struct kafka_partition *partition = kafka_reader_partition(reader, number);
    assert(!partition->queue);
    partition->queue = rd_kafka_queue_get_partition(reader->consumer, reader->topic, number);
    assert(partition->queue);
    rd_kafka_queue_forward(partition->queue, NULL);
    rd_kafka_queue_io_event_enable(partition->queue, reader->wake_fd, &one, sizeof one);
}

void kafka_queues_close(struct kafka_partition *partition) {
    if (partition->queue) {
        rd_kafka_queue_io_event_enable(partition->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(partition->queue);
        partition->queue = NULL;
    }
}

void kafka_queues_wake(struct kafka_reader *reader) {
    ssize_t written = write(reader->wake_fd, &one, sizeof one);
    (void)written; // It fails when so much is counted already that it wakes in any case.
}

static void await(const struct kafka_reader *reader, int timeout_ms) {
    struct pollfd wake = {.fd = reader->wake_fd, .events = POLLIN};
    (void)poll(&wake, 1, timeout_ms);
}

// Before the queues are looked at: what comes afterwards wakes again.
static void forget_wakes(const struct kafka_reader *reader) {
    uint64_t count;
    ssize_t taken = read(reader->wake_fd, &count, sizeof count);
    (void)taken;
}

static size_t take_from(struct kafka_reader *reader, rd_kafka_queue_t *queue, size_t count) {
    ssize_t more =
        rd_kafka_consume_batch_queue(queue, 0, reader->messages + count, KAFKA_BATCH_MAX - count);
    return count + (more > 0 ? (size_t)more : 0);
}

static void find_open(struct kafka_reader *reader) {
    kafka_reader_lock(reader);
    for (int32_t i = 0; i < reader->partition_count; i++) {
        struct kafka_partition *partition = &reader->partitions[i];
        partition->is_open =
            partition->queue && partition->state == KAFKA_PARTITION_OURS && !partition->is_paused;
    }
    kafka_reader_unlock(reader);
}

// Each turn begins with another partition, so that one with much to read holds up no other.
static size_t take_from_open(struct kafka_reader *reader, size_t count) {
    find_open(reader);
    int32_t start = reader->first_partition++;
    for (int32_t i = 0; i < reader->partition_count && count < KAFKA_BATCH_MAX; i++) {
        struct kafka_partition *partition =
            &reader->partitions[(start + i) % reader->partition_count];
        if (partition->is_open && rd_kafka_queue_length(partition->queue) > 0) {
            count = take_from(reader, partition->queue, count);
        }
    }
    reader->first_partition %= reader->partition_count > 0 ? reader->partition_count : 1;
    return count;
}

// The consumer's own queue has rebalances and the like, which are served inside the poll. To ask
// for a length is much cheaper than to find a queue empty.
static size_t take_from_consumer(struct kafka_reader *reader) {
    int64_t now_us = clock_monotonic_us();
    if (rd_kafka_queue_length(reader->queue) == 0 && now_us - reader->polled_us < POLL_US) {
        return 0;
    }
    reader->polled_us = now_us;
    reader->messages[0] = rd_kafka_consumer_poll(reader->consumer, 0);
    return reader->messages[0] ? 1 : 0;
}

static size_t take_what_is_there(struct kafka_reader *reader) {
    forget_wakes(reader);
    return take_from_open(reader, take_from_consumer(reader));
}

size_t kafka_queues_take(struct kafka_reader *reader, int timeout_ms) {
    size_t count = take_what_is_there(reader);
    if (count == 0 && timeout_ms > 0) {
        await(reader, timeout_ms);
        count = take_what_is_there(reader);
    }
    return count;
}
