#include "core/event_log/event_log_kafka.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 250
// Records are taken but none is confirmed for so long: the brokers hang.
#define STALL_US 3000000
// So many reports are answered together at the most; more only delay the first of them.
#define REPORTS_MAX 2048
#define PROBE_MS 250
#define PURGE_WAIT_US 1000000

static struct kafka_log *kafka_log_of(struct event_log *log) {
    return CONTAINER_OF(log, struct kafka_log, base);
}

static void set_away(struct kafka_log *log, const char *reason) {
    kafka_set_reason(log, reason);
    if (!atomic_exchange(&log->is_away, true)) {
        log_line(LOG_ERROR, "kafka takes no events", LOG_TEXT("brokers", log->options.brokers),
                 LOG_TEXT("reason", reason));
    }
}

static void set_back(struct kafka_log *log) {
    if (atomic_load_explicit(&log->is_away, memory_order_relaxed) &&
        atomic_exchange(&log->is_away, false)) {
        log_line(LOG_INFO, "kafka takes events again", LOG_TEXT("brokers", log->options.brokers));
    }
}

// --- The caller's side: any thread.

static rd_kafka_headers_t *copy_headers(const struct record *record) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        struct bytes name = record->headers[i].name;
        struct bytes value = record->headers[i].value;
        rd_kafka_header_add(headers, name.data, (ssize_t)name.size,
                            value.size > 0 ? value.data : "", (ssize_t)value.size);
    }
    return headers;
}

// The value is borrowed: it stays valid until done, which comes after librdkafka let go of it.
static rd_kafka_resp_err_t produce(struct kafka_log *log, struct event_log_append *append) {
    const struct record *record = &append->record;
    rd_kafka_headers_t *headers = record->header_count > 0 ? copy_headers(record) : NULL;
    // NULL is a null value to librdkafka, an address with size 0 an empty one.
    const char *empty_or_null = record->has_value ? "" : NULL;
    const char *value =
        record->has_value && record->value.size > 0 ? record->value.data : empty_or_null;
    const char *key = record->key.size > 0 ? record->key.data : NULL;
    rd_kafka_resp_err_t failure =
        rd_kafka_producev(log->producer, RD_KAFKA_V_RKT(log->topics[append->stream]),
                          RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
                          RD_KAFKA_V_VALUE((void *)value, value ? record->value.size : 0),
                          RD_KAFKA_V_KEY((void *)key, record->key.size),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(append), RD_KAFKA_V_END);
    if (failure && headers) {
        rd_kafka_headers_destroy(headers);
    }
    return failure;
}

static enum status status_of_failure(rd_kafka_resp_err_t failure) {
    switch (failure) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return STATUS_FULL;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return STATUS_TOO_LARGE;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
        return STATUS_TIMEOUT;
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        return STATUS_FAILED;
    default:
        return STATUS_UNAVAILABLE;
    }
}

// Needs the producer's lock.
static enum status take(struct kafka_log *log, struct event_log_append *append) {
    if (log->is_closed) {
        return STATUS_CLOSED;
    }
    if (atomic_load_explicit(&log->is_away, memory_order_relaxed)) {
        return STATUS_UNAVAILABLE;
    }
    // Counted before, because the report can be there before produce returns.
    if (atomic_fetch_add(&log->inside, 1) == 0) {
        atomic_store(&log->last_progress_us, clock_monotonic_us());
    }
    enum status status = status_of_failure(produce(log, append));
    if (status != STATUS_OK) {
        atomic_fetch_sub(&log->inside, 1);
    }
    // What breaks the store must not look like a peculiarity of one record.
    return status == STATUS_TIMEOUT || status == STATUS_FAILED ? STATUS_UNAVAILABLE : status;
}

enum status kafka_append(struct event_log *base, struct event_log_append *append) {
    struct kafka_log *log = kafka_log_of(base);
    if (event_log_record_size(&append->record) > log->options.record_max_bytes) {
        return STATUS_TOO_LARGE;
    }
    pthread_rwlock_rdlock(&log->producer_lock);
    enum status status = take(log, append);
    pthread_rwlock_unlock(&log->producer_lock);
    return status;
}

// --- The log's thread.

struct reports {
    struct event_log_answers answers;
    bool has_success;
    bool has_timeout;
    bool is_fatal; // the producer is broken for good
};

static void take_report(struct kafka_log *log, struct reports *reports,
                        const rd_kafka_message_t *message) {
    const struct event_log_append *append = message->_private;
    enum status status = status_of_failure(message->err);
    if (status == STATUS_OK) {
        slice_pool_wake(log->slices, append->stream, message->partition, message->offset + 1);
    }
    reports->has_success |= status == STATUS_OK;
    reports->has_timeout |= status == STATUS_TIMEOUT;
    reports->is_fatal |= message->err == RD_KAFKA_RESP_ERR__FATAL;
    // A full queue is no answer to a record that was taken.
    status = status == STATUS_FULL ? STATUS_UNAVAILABLE : status;
    event_log_answers_add(&reports->answers, message->_private, status, message->partition,
                          message->offset);
}

static void take_error(struct kafka_log *log, struct reports *reports, rd_kafka_event_t *event) {
    const char *text = rd_kafka_event_error_string(event);
    switch (rd_kafka_event_error(event)) {
    case RD_KAFKA_RESP_ERR__FATAL:
        reports->is_fatal = true;
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        set_away(log, text);
        break;
    default:
        if (!atomic_load(&log->is_away)) {
            kafka_set_reason(log, text);
        }
    }
}

// Returns the number of reports in it.
static size_t take_event(struct kafka_log *log, struct reports *reports, rd_kafka_event_t *event) {
    size_t count = 0;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
        const rd_kafka_message_t *message;
        while ((message = rd_kafka_event_message_next(event))) {
            take_report(log, reports, message);
            count++;
        }
    } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
        take_error(log, reports, event);
    }
    rd_kafka_event_destroy(event);
    return count;
}

// Answers all reports that wait, each loop with one wake-up.
static void take_reports(struct kafka_log *log, rd_kafka_queue_t *queue, int timeout_ms,
                         bool *is_fatal) {
    struct reports reports = {0};
    size_t count = 0;
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    while (event) {
        count += take_event(log, &reports, event);
        event = count < REPORTS_MAX ? rd_kafka_queue_poll(queue, 0) : NULL;
    }
    if (reports.has_success) {
        atomic_store(&log->last_progress_us, clock_monotonic_us());
        set_back(log);
    } else if (reports.has_timeout) {
        set_away(log, "records were not confirmed in time");
    }
    // Posted before they stop counting as inside: whoever waits for 0 finds all answers on their
    // way.
    size_t answered = event_log_answers_post(&reports.answers);
    if (answered > 0 && atomic_fetch_sub(&log->inside, answered) == answered) {
        pthread_mutex_lock(&log->lock);
        pthread_cond_broadcast(&log->emptied);
        pthread_mutex_unlock(&log->lock);
    }
    *is_fatal |= reports.is_fatal;
}

// When brokers are away for a while, nothing is produced, so nothing would tell that they are back.
// Returns true when the producer is broken for good.
static bool watch_over(struct kafka_log *log) {
    char reason[256];
    if (rd_kafka_fatal_error(log->producer, reason, sizeof reason)) {
        return true;
    }
    bool is_empty = atomic_load(&log->inside) == 0;
    if (!atomic_load(&log->is_away)) {
        int64_t quiet_us = clock_monotonic_us() - atomic_load(&log->last_progress_us);
        if (!is_empty && quiet_us > STALL_US) {
            set_away(log, "no record is being confirmed");
        }
        return false;
    }
    // While records are inside, only a confirmed one proves that the log can be written.
    const struct rd_kafka_metadata *metadata;
    if (is_empty && rd_kafka_metadata(log->producer, 0, log->topics[EVENT_LOG_EVENTS], &metadata,
                                      PROBE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
        set_back(log);
    }
    return false;
}

static void close_topics(rd_kafka_topic_t *topics[EVENT_LOG_STREAM_COUNT]) {
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        if (topics[stream]) {
            rd_kafka_topic_destroy(topics[stream]);
            topics[stream] = NULL;
        }
    }
}

// Fails what is inside a producer that nobody appends to any more, and answers it.
static void purge(struct kafka_log *log, rd_kafka_t *producer) {
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer);
    rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    bool is_fatal = false;
    int64_t until_us = clock_monotonic_us() + PURGE_WAIT_US;
    while (rd_kafka_outq_len(producer) > 0 && clock_monotonic_us() < until_us) {
        take_reports(log, queue, 10, &is_fatal);
    }
    rd_kafka_queue_destroy(queue);
}

// A fatal error of the idempotent producer (its sequence is lost) can only be left by a new
// producer. What was inside is answered UNAVAILABLE: it may be stored or not.
static void replace_producer(struct kafka_log *log) {
    char reason[256] = "";
    (void)rd_kafka_fatal_error(log->producer, reason, sizeof reason);
    set_away(log, reason);
    struct error error;
    rd_kafka_t *producer = NULL;
    if (kafka_producer_create(log, &producer, &error) != STATUS_OK) {
        log_line(LOG_ERROR, "the kafka producer could not be replaced",
                 LOG_TEXT("reason", error.text));
        return;
    }
    rd_kafka_topic_t *topics[EVENT_LOG_STREAM_COUNT];
    kafka_producer_open_topics(log, producer, topics);
    rd_kafka_t *old_producer = log->producer;
    rd_kafka_topic_t *old_topics[EVENT_LOG_STREAM_COUNT];
    memcpy(old_topics, log->topics, sizeof old_topics);
    pthread_rwlock_wrlock(&log->producer_lock);
    log->producer = producer;
    memcpy(log->topics, topics, sizeof topics);
    pthread_rwlock_unlock(&log->producer_lock);
    purge(log, old_producer);
    close_topics(old_topics);
    rd_kafka_destroy(old_producer);
    log_line(LOG_WARNING, "kafka producer replaced after a fatal error",
             LOG_TEXT("reason", reason));
}

static void *run(void *argument) {
    struct kafka_log *log = argument;
    int64_t watch_due_us = 0;
    while (!atomic_load(&log->is_stopping)) {
        bool is_fatal = false;
        rd_kafka_queue_t *queue = rd_kafka_queue_get_main(log->producer);
        while (!atomic_load(&log->is_stopping) && !is_fatal) {
            take_reports(log, queue, POLL_MS, &is_fatal);
            int64_t now_us = clock_monotonic_us();
            if (now_us >= watch_due_us) {
                is_fatal |= watch_over(log);
                watch_due_us = now_us + POLL_MS * 1000;
            }
        }
        rd_kafka_queue_destroy(queue);
        if (is_fatal) {
            replace_producer(log);
        }
    }
    return NULL;
}

// --- Start and stop: the owner's thread.

static const struct kafka_default producer_defaults[] = {
    {"linger.ms", "0"},
    // As Java clients do it: the same key goes to the same partition, whoever writes it.
    {"partitioner", "murmur2_random"},
};

enum status kafka_producer_create(struct kafka_log *log, rd_kafka_t **ret_producer,
                                  struct error *error) {
    rd_kafka_conf_t *conf;
    enum status status =
        kafka_conf_create(log, producer_defaults, ARRAY_LENGTH(producer_defaults), &conf, error);
    if (status != STATUS_OK) {
        return status;
    }
    const struct event_log_kafka_options *options = &log->options;
    kafka_conf_set(conf, "enable.idempotence", "true");
    kafka_conf_set(conf, "acks", "all");
    kafka_conf_set_number(conf, "queue.buffering.max.messages",
                          (int64_t)options->buffer_max_records);
    kafka_conf_set_number(conf, "queue.buffering.max.kbytes",
                          (int64_t)(options->buffer_max_bytes / 1024 + 1));
    kafka_conf_set_number(conf, "message.max.bytes",
                          (int64_t)options->record_max_bytes + KAFKA_BATCH_OVERHEAD_BYTES);
    kafka_conf_set_number(conf, "message.timeout.ms", options->append_timeout_ms);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    char reason[256];
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!producer) {
        rd_kafka_conf_destroy(conf);
        return error_set(error, STATUS_INVALID, "Kafka settings: %s", reason);
    }
    *ret_producer = producer;
    return STATUS_OK;
}

void kafka_producer_open_topics(struct kafka_log *log, rd_kafka_t *producer,
                                rd_kafka_topic_t *topics[EVENT_LOG_STREAM_COUNT]) {
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        topics[stream] = rd_kafka_topic_new(producer, log->topic_names[stream], NULL);
        assert(topics[stream]);
    }
}

void kafka_producer_start(struct kafka_log *log) {
    if (pthread_create(&log->thread, NULL, run, log) != 0) {
        abort(); // No memory or threads left at start: as for small allocations.
    }
    pthread_setname_np(log->thread, "log");
    log->has_thread = true;
}

static bool await_empty(struct kafka_log *log, int64_t wait_ms) {
    int64_t until_us = clock_monotonic_us() + wait_ms * 1000;
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    int failure = 0;
    pthread_mutex_lock(&log->lock);
    while (atomic_load(&log->inside) > 0 && failure == 0) {
        failure = pthread_cond_timedwait(&log->emptied, &log->lock, &until);
    }
    pthread_mutex_unlock(&log->lock);
    return atomic_load(&log->inside) == 0;
}

void kafka_close(struct event_log *base, int64_t deadline_ms) {
    struct kafka_log *log = kafka_log_of(base);
    pthread_rwlock_wrlock(&log->producer_lock);
    log->is_closed = true;
    pthread_rwlock_unlock(&log->producer_lock);
    // What is left a little before the deadline is failed, so that all is answered by then.
    if (!await_empty(log, deadline_ms - deadline_ms / 10)) {
        rd_kafka_purge(log->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        (void)await_empty(log, deadline_ms / 10 + 1);
    }
}

void kafka_producer_stop(struct kafka_log *log) {
    if (log->has_thread) {
        atomic_store(&log->is_stopping, true);
        rd_kafka_queue_t *queue = rd_kafka_queue_get_main(log->producer);
        rd_kafka_queue_yield(queue);
        rd_kafka_queue_destroy(queue);
        pthread_join(log->thread, NULL);
    }
    if (log->producer) {
        purge(log, log->producer);
        close_topics(log->topics);
        rd_kafka_destroy(log->producer);
    }
}
