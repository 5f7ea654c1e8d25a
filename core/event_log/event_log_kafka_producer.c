// A librdkafka producer and the thread that takes its delivery reports, notices when brokers are
// away and back, and replaces it when it is broken for good.
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

enum status kafka_status_of(rd_kafka_resp_err_t failure) {
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

// --- The producer's thread.

struct reports {
    struct event_log_answers answers;
    bool has_success;
    bool has_timeout;
    bool is_fatal; // the producer is broken for good
};

// librdkafka takes a record as stored when a later one of its partition is ("implicitly acked").
// Kafka does not promise that: a partition that knows nothing of this producer yet takes any
// sequence number first, so when the first of several requests under way was refused (a new topic,
// a leader that moves), the next one is taken and the first is lost. Such a record has no offset,
// and is not confirmed.
static bool is_guess(const rd_kafka_message_t *message) {
    return message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset < 0;
}

static void log_guess(const rd_kafka_message_t *message) {
    static struct log_limit limit;
    uint64_t suppressed;
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_WARNING, "kafka does not say where a record is; it is not confirmed",
                 LOG_TEXT("topic", rd_kafka_topic_name(message->rkt)),
                 LOG_NUMBER("partition", message->partition),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
}

static void take_report(struct kafka_producer *producer, struct reports *reports,
                        const rd_kafka_message_t *message) {
    struct kafka_log *log = producer->log;
    struct event_log_append *append = message->_private;
    enum status status = kafka_status_of(message->err);
    if (producer->gathers) {
        kafka_spread_confirmed(&log->spread, message->partition);
    }
    if (is_guess(message)) {
        log_guess(message);
        event_log_answers_add(&reports->answers, append, STATUS_TIMEOUT, message->partition, -1);
        return;
    }
    if (status == STATUS_OK) {
        slice_pool_wake(log->slices, append->stream, message->partition, message->offset + 1);
    }
    reports->has_success |= status == STATUS_OK;
    reports->has_timeout |= status == STATUS_TIMEOUT;
    reports->is_fatal |= message->err == RD_KAFKA_RESP_ERR__FATAL;
    // A full queue is no answer to a record that was taken.
    status = status == STATUS_FULL ? STATUS_UNAVAILABLE : status;
    event_log_answers_add(&reports->answers, append, status, message->partition, message->offset);
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
static size_t take_event(struct kafka_producer *producer, struct reports *reports,
                         rd_kafka_event_t *event) {
    size_t count = 0;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
        const rd_kafka_message_t *message;
        while ((message = rd_kafka_event_message_next(event))) {
            take_report(producer, reports, message);
            count++;
        }
    } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
        take_error(producer->log, reports, event);
    }
    rd_kafka_event_destroy(event);
    return count;
}

// Answers all reports that wait, each loop with one wake-up.
static void take_reports(struct kafka_producer *producer, rd_kafka_queue_t *queue, int timeout_ms,
                         bool *is_fatal) {
    struct kafka_log *log = producer->log;
    struct reports reports = {0};
    size_t count = 0;
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    while (event) {
        count += take_event(producer, &reports, event);
        event = count < REPORTS_MAX ? rd_kafka_queue_poll(queue, 0) : NULL;
    }
    if (reports.has_success) {
        atomic_store(&producer->last_progress_us, clock_monotonic_us());
        set_back(log);
    } else if (reports.has_timeout) {
        set_away(log, "records were not confirmed in time");
    }
    // Posted before they stop counting as inside: whoever waits for 0 finds all answers on their
    // way.
    size_t answered = event_log_answers_post(&reports.answers);
    if (answered > 0 && atomic_fetch_sub(&producer->inside, answered) == answered) {
        pthread_mutex_lock(&log->lock);
        pthread_cond_broadcast(&log->emptied);
        pthread_mutex_unlock(&log->lock);
    }
    *is_fatal |= reports.is_fatal;
}

// When brokers are away for a while, nothing is produced, so nothing would tell that they are back.
// Returns true when the producer is broken for good.
static bool watch_over(struct kafka_producer *producer) {
    struct kafka_log *log = producer->log;
    char reason[256];
    if (rd_kafka_fatal_error(producer->handle, reason, sizeof reason)) {
        return true;
    }
    bool is_empty = atomic_load(&producer->inside) == 0;
    if (!atomic_load(&log->is_away)) {
        int64_t quiet_us = clock_monotonic_us() - atomic_load(&producer->last_progress_us);
        if (!is_empty && quiet_us > STALL_US) {
            set_away(log, "no record is being confirmed");
        }
        return false;
    }
    // While records are inside, only a confirmed one proves that the log can be written.
    const struct rd_kafka_metadata *metadata;
    if (is_empty && rd_kafka_metadata(producer->handle, 0, producer->topics[EVENT_LOG_EVENTS],
                                      &metadata, PROBE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
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

// Fails what is inside a handle that nobody appends to any more, and answers it.
static void purge(struct kafka_producer *producer, rd_kafka_t *handle) {
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(handle);
    rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    bool is_fatal = false;
    int64_t until_us = clock_monotonic_us() + PURGE_WAIT_US;
    while (rd_kafka_outq_len(handle) > 0 && clock_monotonic_us() < until_us) {
        take_reports(producer, queue, 10, &is_fatal);
    }
    rd_kafka_queue_destroy(queue);
}

// A fatal error of the idempotent producer (its sequence is lost) can only be left by a new one.
// What was inside is answered UNAVAILABLE: it may be stored or not.
static void replace_handle(struct kafka_producer *producer) {
    char reason[256] = "";
    (void)rd_kafka_fatal_error(producer->handle, reason, sizeof reason);
    set_away(producer->log, reason);
    struct error error;
    struct kafka_producer fresh = {
        .log = producer->log, .gathers = producer->gathers, .linger_ms = producer->linger_ms};
    if (kafka_producer_create(&fresh, &error) != STATUS_OK) {
        log_line(LOG_ERROR, "the kafka producer could not be replaced",
                 LOG_TEXT("reason", error.text));
        return;
    }
    kafka_producer_open_topics(&fresh);
    struct kafka_producer old = {.handle = producer->handle};
    memcpy(old.topics, producer->topics, sizeof old.topics);
    pthread_rwlock_wrlock(&producer->lock);
    producer->handle = fresh.handle;
    memcpy(producer->topics, fresh.topics, sizeof fresh.topics);
    pthread_rwlock_unlock(&producer->lock);
    purge(producer, old.handle);
    close_topics(old.topics);
    rd_kafka_destroy(old.handle);
    log_line(LOG_WARNING, "kafka producer replaced after a fatal error",
             LOG_TEXT("reason", reason));
}

static void *run(void *argument) {
    struct kafka_producer *producer = argument;
    int64_t watch_due_us = 0;
    while (!atomic_load(&producer->is_stopping)) {
        bool is_fatal = false;
        rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer->handle);
        while (!atomic_load(&producer->is_stopping) && !is_fatal) {
            take_reports(producer, queue, POLL_MS, &is_fatal);
            int64_t now_us = clock_monotonic_us();
            if (now_us >= watch_due_us) {
                is_fatal |= watch_over(producer);
                watch_due_us = now_us + POLL_MS * 1000;
            }
        }
        rd_kafka_queue_destroy(queue);
        if (is_fatal) {
            replace_handle(producer);
        }
    }
    return NULL;
}

// --- Start and stop: the owner's thread.

enum status kafka_producer_create(struct kafka_producer *producer, struct error *error) {
    struct kafka_log *log = producer->log;
    const struct kafka_default defaults[] = {
        {"linger.ms", producer->linger_ms},
        // As Java clients do it: the same key goes to the same partition, whoever writes it.
        {"partitioner", "murmur2_random"},
    };
    rd_kafka_conf_t *conf;
    enum status status = kafka_conf_create(log, defaults, ARRAY_LENGTH(defaults), &conf, error);
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
    producer->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!producer->handle) {
        rd_kafka_conf_destroy(conf);
        return error_set(error, STATUS_INVALID, "Kafka settings: %s", reason);
    }
    return STATUS_OK;
}

void kafka_producer_open_topics(struct kafka_producer *producer) {
    struct kafka_log *log = producer->log;
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        rd_kafka_topic_conf_t *conf =
            producer->gathers ? kafka_spread_conf(log, producer->handle) : NULL;
        producer->topics[stream] =
            rd_kafka_topic_new(producer->handle, log->topic_names[stream], conf);
        assert(producer->topics[stream]);
    }
}

void kafka_producer_start(struct kafka_producer *producer) {
    if (pthread_create(&producer->thread, NULL, run, producer) != 0) {
        abort(); // No memory or threads left at start: as for small allocations.
    }
    pthread_setname_np(producer->thread, "log");
    producer->has_thread = true;
}

void kafka_producer_stop(struct kafka_producer *producer) {
    if (producer->has_thread) {
        atomic_store(&producer->is_stopping, true);
        rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer->handle);
        rd_kafka_queue_yield(queue);
        rd_kafka_queue_destroy(queue);
        pthread_join(producer->thread, NULL);
    }
    if (producer->handle) {
        purge(producer, producer->handle);
        close_topics(producer->topics);
        rd_kafka_destroy(producer->handle);
    }
    pthread_rwlock_destroy(&producer->lock);
}
