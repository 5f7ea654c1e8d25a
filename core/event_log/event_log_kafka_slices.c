#include "core/event_log/event_log_kafka.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/event_log/record_slice.h"

#include <stdlib.h>
#include <string.h>

#define READ_MS 5000
#define MORE_MS 10
// While it waits for records it looks so often whether the log is being closed.
#define CLOSED_LOOK_MS 100
#define RANGE_KEPT_US 1000000
// So many partitions are being fetched ahead by one reader, each until so many records or so much
// of their values waits, and one answer of a broker more.
#define FETCHES 4
#define QUEUE_RECORDS 1000
#define QUEUE_KBYTES 1024
// What is on its way from a broker has come by then, on the whole.
#define REST_MS 20

// A partition that is being fetched from.
struct fetch {
    bool is_started;
    enum event_log_stream stream;
    int32_t partition;
    int64_t next_offset; // to be taken from its queue
    int64_t used_at_us;
    size_t taken_records; // since it was started
    size_t taken_bytes;   // of their values
};

// What one worker has: a consumer without a group, so that no other reader's place matters to it.
struct slice_reader {
    struct kafka_log *log;
    rd_kafka_t *consumer;
    rd_kafka_queue_t *answers; // to what it has asked beside
    rd_kafka_topic_t *topics[EVENT_LOG_STREAM_COUNT];
    struct kafka_range *ranges[EVENT_LOG_STREAM_COUNT];
    size_t range_counts[EVENT_LOG_STREAM_COUNT];
    struct fetch fetches[FETCHES];
};

// --- Opening and closing.

static const struct kafka_default consumer_defaults[] = {
    {"fetch.min.bytes", "1"},
    // How long a gap at the very end of a partition takes to be known as one.
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "100"},
    {"fetch.message.max.bytes", "1048576"},
    {"check.crcs", "true"},
};

static enum status create_consumer(struct slice_reader *reader, struct error *error) {
    rd_kafka_conf_t *conf;
    enum status status = kafka_conf_create(reader->log, consumer_defaults,
                                           ARRAY_LENGTH(consumer_defaults), &conf, error);
    if (status != STATUS_OK) {
        return status;
    }
    kafka_conf_set(conf, "enable.auto.commit", "false");
    kafka_conf_set(conf, "auto.offset.reset", "error");
    kafka_conf_set(conf, "enable.partition.eof", "true");
    kafka_conf_set_number(conf, "queued.min.messages", QUEUE_RECORDS);
    kafka_conf_set_number(conf, "queued.max.messages.kbytes", QUEUE_KBYTES);
    char reason[256];
    reader->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!reader->consumer) {
        rd_kafka_conf_destroy(conf);
        return error_set(error, STATUS_INVALID, "Kafka settings: %s", reason);
    }
    reader->answers = rd_kafka_queue_new(reader->consumer);
    return STATUS_OK;
}

static void stop_fetch(struct slice_reader *reader, struct fetch *fetch) {
    if (fetch->is_started) {
        rd_kafka_consume_stop(reader->topics[fetch->stream], fetch->partition);
    }
    *fetch = (struct fetch){0};
}

static void rest(void *context) {
    struct slice_reader *reader = context;
    for (size_t i = 0; i < FETCHES; i++) {
        stop_fetch(reader, &reader->fetches[i]);
    }
}

static void close_reader(void *context) {
    struct slice_reader *reader = context;
    rest(reader);
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        if (reader->topics[stream]) {
            rd_kafka_topic_destroy(reader->topics[stream]);
        }
        free(reader->ranges[stream]);
    }
    if (reader->consumer) {
        rd_kafka_queue_destroy(reader->answers);
        rd_kafka_destroy(reader->consumer);
    }
    free(reader);
}

static enum status open_reader(void *store, void **ret_reader, struct error *error) {
    struct slice_reader *reader = memory_allocate(sizeof *reader);
    reader->log = store;
    enum status status = create_consumer(reader, error);
    if (status != STATUS_OK) {
        close_reader(reader);
        return status;
    }
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        reader->topics[stream] =
            rd_kafka_topic_new(reader->consumer, reader->log->topic_names[stream], NULL);
        if (!reader->topics[stream]) {
            close_reader(reader);
            return error_set(error, STATUS_FAILED, "Kafka topic %s cannot be opened",
                             ((struct kafka_log *)store)->topic_names[stream]);
        }
    }
    *ret_reader = reader;
    return STATUS_OK;
}

// --- Reading.

// Partitions can have been added. Where none of the stream was added, the range stays where it is.
static struct kafka_range *range_of(struct slice_reader *reader,
                                    const struct event_log_slice *slice) {
    size_t count = reader->range_counts[slice->stream];
    if ((size_t)slice->partition >= count) {
        size_t wanted = (size_t)slice->partition + 1;
        struct kafka_range *ranges =
            memory_resize(reader->ranges[slice->stream], wanted, sizeof *ranges);
        memset(ranges + count, 0, (wanted - count) * sizeof *ranges);
        reader->ranges[slice->stream] = ranges;
        reader->range_counts[slice->stream] = wanted;
    }
    return &reader->ranges[slice->stream][slice->partition];
}

// What was learned a moment ago will do while there is something to read below the end, which can
// have moved since.
static bool is_range_good(struct kafka_range *range, const struct event_log_job *job) {
    bool is_fresh = range->learned_at_us > 0 && job->position >= range->first &&
                    clock_monotonic_us() - range->learned_at_us < RANGE_KEPT_US;
    if (is_fresh && job->position >= range->end && job->position < job->known_end) {
        range->end = job->known_end;
    }
    return is_fresh && job->position < range->end;
}

static int64_t place_of_position(int64_t position, const struct kafka_range *range) {
    if (position == EVENT_LOG_END) {
        return range->end;
    }
    return position < range->first ? range->first : position;
}

static enum status learn_range(struct slice_reader *reader, const struct event_log_slice *slice) {
    return kafka_find_range(reader->log, reader->consumer, slice->stream, slice->partition,
                            range_of(reader, slice));
}

static struct fetch *find_fetch(struct slice_reader *reader, const struct event_log_slice *slice) {
    struct fetch *oldest = &reader->fetches[0];
    for (size_t i = 0; i < FETCHES; i++) {
        struct fetch *fetch = &reader->fetches[i];
        if (fetch->is_started && fetch->stream == slice->stream &&
            fetch->partition == slice->partition) {
            return fetch;
        }
        if (fetch->used_at_us < oldest->used_at_us) {
            oldest = fetch;
        }
    }
    return oldest;
}

static void start_fetch(struct slice_reader *reader, struct fetch *fetch) {
    fetch->taken_records = 0;
    fetch->taken_bytes = 0;
    fetch->is_started = rd_kafka_consume_start(reader->topics[fetch->stream], fetch->partition,
                                               fetch->next_offset) == 0;
}

// Its queue was full, perhaps: then librdkafka looks at the partition again after a second.
static bool may_rest(const struct fetch *fetch) {
    return fetch->taken_records >= QUEUE_RECORDS || fetch->taken_bytes >= QUEUE_KBYTES << 10;
}

// A new start wakes librdkafka. What was on its way after all is thrown away, so that comes once
// for each full queue at the most.
static void wake_fetch(struct slice_reader *reader, struct fetch *fetch) {
    rd_kafka_consume_stop(reader->topics[fetch->stream], fetch->partition);
    start_fetch(reader, fetch);
}

// A fetch that goes on at the offset: the one that is there, or one that is started there.
static struct fetch *fetch_at(struct slice_reader *reader, const struct event_log_slice *slice,
                              int64_t offset) {
    struct fetch *fetch = find_fetch(reader, slice);
    bool goes_on = fetch->is_started && fetch->stream == slice->stream &&
                   fetch->partition == slice->partition && fetch->next_offset == offset;
    if (!goes_on) {
        stop_fetch(reader, fetch);
        fetch->stream = slice->stream;
        fetch->partition = slice->partition;
        fetch->next_offset = offset;
        start_fetch(reader, fetch);
    }
    fetch->used_at_us = clock_monotonic_us();
    return fetch;
}

static void take_record(struct fetch *fetch, struct record_slice *bytes,
                        const rd_kafka_message_t *message) {
    // The broker sends whole batches: the first records of one can lie before the offset.
    if (message->offset < fetch->next_offset) {
        return;
    }
    struct stored_record borrowed = {0};
    kafka_read_record(bytes, message, &borrowed);
    struct stored_record *stored = record_slice_add(bytes);
    *stored = borrowed;
    record_slice_copy(bytes, &borrowed.record, &stored->record);
    bytes->byte_count += event_log_record_size(&borrowed.record);
    fetch->next_offset = message->offset + 1;
    fetch->taken_records++;
    fetch->taken_bytes += message->len;
}

// Returns whether to go on with the next message.
static bool take_message(struct fetch *fetch, struct event_log_slice *slice,
                         const rd_kafka_message_t *message, rd_kafka_resp_err_t *ret_failure) {
    if (!message->err) {
        take_record(fetch, slice->bytes, message);
        return true;
    }
    if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        *ret_failure = message->err;
        return false;
    }
    // An end below the one that is known is an old one: it waited behind the last records that were
    // taken.
    bool is_old = message->offset < slice->end_offset;
    if (!is_old && message->offset > fetch->next_offset) {
        fetch->next_offset = message->offset;
    }
    return is_old;
}

static bool is_out_of_range(rd_kafka_resp_err_t failure) {
    return failure == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
           failure == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
}

// For the first record as long as it takes; for more only while some are surely on their way.
static int wait_for_next(const struct fetch *fetch, const struct event_log_slice *slice,
                         int64_t until_us) {
    int64_t left_ms = (until_us - clock_monotonic_us()) / 1000;
    int64_t more_ms = fetch->next_offset < slice->end_offset ? MORE_MS : 0;
    int64_t wait_ms = slice->bytes->count > 0 && left_ms > more_ms ? more_ms : left_ms;
    int64_t look_ms = may_rest(fetch) ? REST_MS : CLOSED_LOOK_MS;
    wait_ms = wait_ms < look_ms ? wait_ms : look_ms;
    return wait_ms > 0 ? (int)wait_ms : 0;
}

static bool may_wait_on(const struct slice_reader *reader, const struct event_log_slice *slice,
                        int64_t until_us) {
    return slice->bytes->count == 0 && clock_monotonic_us() < until_us &&
           !slice_pool_is_closed(reader->log->slices);
}

// Waits for the first record, takes what is there besides.
static rd_kafka_resp_err_t take_messages(struct slice_reader *reader, struct fetch *fetch,
                                         struct event_log_slice *slice) {
    int64_t until_us = clock_monotonic_us() + READ_MS * 1000;
    rd_kafka_resp_err_t failure = RD_KAFKA_RESP_ERR_NO_ERROR;
    bool goes_on = fetch->is_started;
    while (goes_on && !record_slice_is_full(slice->bytes)) {
        rd_kafka_message_t *message = rd_kafka_consume(
            reader->topics[fetch->stream], fetch->partition, wait_for_next(fetch, slice, until_us));
        if (!message && may_wait_on(reader, slice, until_us)) {
            if (may_rest(fetch)) {
                wake_fetch(reader, fetch);
            }
            goes_on = fetch->is_started;
            continue;
        }
        if (!message) {
            return slice->bytes->count > 0 ? RD_KAFKA_RESP_ERR_NO_ERROR
                                           : RD_KAFKA_RESP_ERR__TIMED_OUT;
        }
        goes_on = take_message(fetch, slice, message, &failure);
        rd_kafka_message_destroy(message);
    }
    return fetch->is_started ? failure : RD_KAFKA_RESP_ERR__FAIL;
}

static enum status read_from(struct slice_reader *reader, struct event_log_slice *slice,
                             int64_t offset) {
    struct fetch *fetch = fetch_at(reader, slice, offset);
    rd_kafka_resp_err_t failure = take_messages(reader, fetch, slice);
    slice->next_offset = fetch->next_offset;
    if (failure) {
        stop_fetch(reader, fetch);
        range_of(reader, slice)->learned_at_us = 0;
    } else if (slice->next_offset >= slice->end_offset) {
        // Else it would go on, with an answer from the broker for each record that comes, while
        // who reads here gathers many of them.
        stop_fetch(reader, fetch);
    }
    if (!failure || slice->bytes->count > 0) {
        return STATUS_OK;
    }
    // Retention was faster. The slice goes on at the new beginning when it is read again.
    if (is_out_of_range(failure)) {
        enum status status = learn_range(reader, slice);
        slice->first_offset = range_of(reader, slice)->first;
        slice->end_offset = range_of(reader, slice)->end;
        slice->next_offset =
            slice->first_offset > offset ? slice->first_offset : slice->next_offset;
        return status;
    }
    // It has not waited to the end: nobody wants the records any more.
    if (failure == RD_KAFKA_RESP_ERR__TIMED_OUT && slice_pool_is_closed(reader->log->slices)) {
        return STATUS_CLOSED;
    }
    return kafka_read_failed(reader->log->topic_names[slice->stream], slice->partition, failure);
}

static enum status read_slice(void *store, void *context, struct event_log_slice *slice) {
    (void)store;
    struct slice_reader *reader = context;
    struct kafka_range *range = range_of(reader, slice);
    rd_kafka_poll(reader->consumer, 0);
    kafka_topics_look(reader->log, reader->consumer);
    kafka_retention_look(reader->log, reader->consumer, reader->answers);
    if (!is_range_good(range, &slice->job)) {
        enum status status = learn_range(reader, slice);
        if (status != STATUS_OK) {
            return status;
        }
    }
    int64_t offset = place_of_position(slice->job.position, range);
    slice->first_offset = range->first;
    slice->end_offset = range->end;
    slice->next_offset = offset;
    return offset < range->end ? read_from(reader, slice, offset) : STATUS_OK;
}

static enum status find_time(void *store, void *context, struct event_log_time_query *query) {
    struct slice_reader *reader = context;
    kafka_topics_look(store, reader->consumer);
    kafka_retention_look(store, reader->consumer, reader->answers);
    return kafka_find_time(store, reader->consumer, query);
}

static void look(void *store, void *context, struct slice_place *places, size_t count) {
    struct slice_reader *reader = context;
    kafka_topics_look(store, reader->consumer);
    kafka_retention_look(store, reader->consumer, reader->answers);
    kafka_find_ends(store, reader->consumer, places, count);
}

const struct slice_store_ops kafka_slice_ops = {
    .open = open_reader,
    .close = close_reader,
    .read = read_slice,
    .find_time = find_time,
    .look = look,
    .keeps_places = true,
    .rest = rest,
};
