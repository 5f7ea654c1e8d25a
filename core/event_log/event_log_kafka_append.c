#include "core/event_log/event_log_kafka.h"

#include "core/base/clock.h"
#include "core/base/condition.h"
#include "core/base/memory.h"

// Where so many are inside, records without a key are gathered to larger requests.
#define GATHERING_FROM_INSIDE 10
#define GATHER_FROM_WAITING 12
#define GATHER_US_FOR_EACH 8
#define GATHER_MAX_US 1000

static struct kafka_log *kafka_log_of(struct event_log *log) {
    return CONTAINER_OF(log, struct kafka_log, base);
}

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
static rd_kafka_resp_err_t produce(struct kafka_producer *producer,
                                   struct event_log_append *append) {
    const struct record *record = &append->record;
    rd_kafka_headers_t *headers = record->header_count > 0 ? copy_headers(record) : NULL;
    // NULL is a null value to librdkafka, an address with size 0 an empty one.
    const char *empty_or_null = record->has_value ? "" : NULL;
    const char *value =
        record->has_value && record->value.size > 0 ? record->value.data : empty_or_null;
    const char *key = record->key.size > 0 ? record->key.data : NULL;
    rd_kafka_resp_err_t failure =
        rd_kafka_producev(producer->handle, RD_KAFKA_V_RKT(producer->topics[append->stream]),
                          RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
                          RD_KAFKA_V_VALUE((void *)value, value ? record->value.size : 0),
                          RD_KAFKA_V_KEY((void *)key, record->key.size),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(append), RD_KAFKA_V_END);
    if (failure && headers) {
        rd_kafka_headers_destroy(headers);
    }
    return failure;
}

// Needs the producer's lock.
static enum status take(struct kafka_producer *producer, struct event_log_append *append) {
    struct kafka_log *log = producer->log;
    if (log->is_closed) {
        return STATUS_CLOSED;
    }
    if (atomic_load_explicit(&log->is_away, memory_order_relaxed)) {
        return STATUS_UNAVAILABLE;
    }
    // Counted before, because the report can be there before produce returns.
    if (atomic_fetch_add(&producer->inside, 1) == 0) {
        atomic_store(&producer->last_progress_us, clock_monotonic_us());
    }
    enum status status = kafka_status_of(produce(producer, append));
    if (status != STATUS_OK) {
        atomic_fetch_sub(&producer->inside, 1);
    }
    // What breaks the store must not look like a peculiarity of one record.
    return status == STATUS_TIMEOUT || status == STATUS_FAILED ? STATUS_UNAVAILABLE : status;
}

// Records with a key always take the prompt producer, which keeps their order.
static struct kafka_producer *choose_producer(struct kafka_log *log,
                                              const struct event_log_append *append) {
    bool may_gather = append->stream == EVENT_LOG_EVENTS && append->record.key.size == 0;
    bool gathers = append->is_patient || kafka_inside(log) >= GATHERING_FROM_INSIDE;
    return may_gather && gathers ? &log->gathering : &log->prompt;
}

enum status kafka_append(struct event_log *base, struct event_log_append *append) {
    struct kafka_log *log = kafka_log_of(base);
    if (event_log_record_size(&append->record) > log->options.record_max_bytes) {
        return STATUS_TOO_LARGE;
    }
    struct kafka_producer *producer = choose_producer(log, append);
    pthread_rwlock_rdlock(&producer->lock);
    enum status status = take(producer, append);
    pthread_rwlock_unlock(&producer->lock);
    return status;
}

int64_t kafka_gather_us(struct event_log *base, size_t waiting) {
    (void)base;
    if (waiting < GATHER_FROM_WAITING) {
        return 0;
    }
    int64_t gather_us = (int64_t)(waiting - GATHER_FROM_WAITING) * GATHER_US_FOR_EACH;
    return gather_us < GATHER_MAX_US ? gather_us : GATHER_MAX_US;
}

size_t kafka_inside(struct kafka_log *log) {
    return atomic_load_explicit(&log->prompt.inside, memory_order_acquire) +
           atomic_load_explicit(&log->gathering.inside, memory_order_acquire);
}

static bool await_empty(struct kafka_log *log, int64_t wait_ms) {
    int64_t until_us = clock_monotonic_us() + wait_ms * 1000;
    pthread_mutex_lock(&log->lock);
    while (kafka_inside(log) > 0 && condition_wait_until(&log->emptied, &log->lock, until_us)) {
    }
    pthread_mutex_unlock(&log->lock);
    return kafka_inside(log) == 0;
}

void kafka_close(struct event_log *base, int64_t deadline_ms) {
    struct kafka_log *log = kafka_log_of(base);
    pthread_rwlock_wrlock(&log->prompt.lock);
    pthread_rwlock_wrlock(&log->gathering.lock);
    log->is_closed = true;
    pthread_rwlock_unlock(&log->gathering.lock);
    pthread_rwlock_unlock(&log->prompt.lock);
    // What is left a little before the deadline is failed, so that all is answered by then.
    if (!await_empty(log, deadline_ms - deadline_ms / 10)) {
        rd_kafka_purge(log->prompt.handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_purge(log->gathering.handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        (void)await_empty(log, deadline_ms / 10 + 1);
    }
}
