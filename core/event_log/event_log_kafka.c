#include "core/event_log/event_log_kinds.h"

#include "core/base/condition.h"
#include "core/base/memory.h"
#include "core/event_log/event_log_kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Long enough for all that a loop has gathered to come into one batch.
#define GATHERING_LINGER_MS "0.15"

void kafka_set_reason(struct kafka_log *log, const char *reason) {
    pthread_mutex_lock(&log->lock);
    snprintf(log->reason, sizeof log->reason, "%s", reason);
    pthread_mutex_unlock(&log->lock);
}

void kafka_copy_reason(struct kafka_log *log, char *ret_reason, size_t size) {
    pthread_mutex_lock(&log->lock);
    snprintf(ret_reason, size, "%s", log->reason);
    pthread_mutex_unlock(&log->lock);
}

static struct kafka_log *kafka_log_of(struct event_log *log) {
    return CONTAINER_OF(log, struct kafka_log, base);
}

static enum status kafka_health(struct event_log *base, struct error *error) {
    struct kafka_log *log = kafka_log_of(base);
    if (!atomic_load(&log->is_away)) {
        return STATUS_OK;
    }
    char reason[sizeof log->reason];
    kafka_copy_reason(log, reason, sizeof reason);
    return error_set(error, STATUS_UNAVAILABLE, "Kafka at %s does not take events: %s",
                     log->options.brokers, reason);
}

static size_t kafka_appends_inside(struct event_log *base) {
    return kafka_inside(kafka_log_of(base));
}

static int64_t kafka_keeps_ms(struct event_log *base) {
    return atomic_load(&kafka_log_of(base)->keeps_ms);
}

static int32_t kafka_partition_count(struct event_log *base, enum event_log_stream stream) {
    return atomic_load(&kafka_log_of(base)->partition_counts[stream]);
}

static void kafka_destroy(struct event_log *base) {
    struct kafka_log *log = kafka_log_of(base);
    kafka_producer_stop(&log->prompt); // their threads tell the slices of new records
    kafka_producer_stop(&log->gathering);
    slice_pool_destroy(log->slices);
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        free(log->topic_names[stream]);
    }
    for (size_t i = 0; i < log->options.setting_count; i++) {
        free((char *)log->options.settings[i]);
    }
    free((void *)log->options.settings);
    free((char *)log->options.brokers);
    pthread_cond_destroy(&log->emptied);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static struct slice_pool *kafka_slices(struct event_log *base) {
    return kafka_log_of(base)->slices;
}

static const struct event_log_ops kafka_ops = {
    .append = kafka_append,
    .health = kafka_health,
    .appends_inside = kafka_appends_inside,
    .gather_us = kafka_gather_us,
    .partition_count = kafka_partition_count,
    .keeps_ms = kafka_keeps_ms,
    .close = kafka_close,
    .destroy = kafka_destroy,
    .reader_create = kafka_reader_create,
    .slices = kafka_slices,
};

static void copy_settings(struct kafka_log *log, const struct event_log_kafka_options *options) {
    char **copies = memory_allocate(options->setting_count * sizeof *copies);
    for (size_t i = 0; i < options->setting_count; i++) {
        copies[i] = memory_copy_text(options->settings[i]);
    }
    log->options.settings = (const char *const *)copies;
}

static int64_t or_default(int64_t value, int64_t fallback) {
    return value > 0 ? value : fallback;
}

static struct kafka_log *allocate_log(const struct event_log_kafka_options *options) {
    struct kafka_log *log = memory_allocate(sizeof *log);
    log->base.ops = &kafka_ops;
    log->options = *options;
    log->options.brokers = memory_copy_text(options->brokers);
    copy_settings(log, options);
    log->options.buffer_max_records =
        (size_t)or_default((int64_t)options->buffer_max_records, 100000);
    log->options.buffer_max_bytes =
        (size_t)or_default((int64_t)options->buffer_max_bytes, 256 << 20);
    log->options.record_max_bytes =
        (size_t)or_default((int64_t)options->record_max_bytes, EVENT_LOG_RECORD_MAX_BYTES);
    log->options.append_timeout_ms = or_default(options->append_timeout_ms, 10000);
    log->options.connect_timeout_ms = or_default(options->connect_timeout_ms, 10000);
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        struct buffer name = {0};
        buffer_append_format(&name, "%s.%s", options->topic_prefix,
                             event_log_stream_name((enum event_log_stream)stream));
        log->topic_names[stream] = buffer_take(&name);
    }
    atomic_init(&log->keeps_ms, options->retention_ms);
    log->options.topic_prefix = NULL; // topic_names says it; the text is not ours
    log->prompt = (struct kafka_producer){.log = log, .linger_ms = "0"};
    log->gathering =
        (struct kafka_producer){.log = log, .gathers = true, .linger_ms = GATHERING_LINGER_MS};
    pthread_rwlock_init(&log->prompt.lock, NULL);
    pthread_rwlock_init(&log->gathering.lock, NULL);
    pthread_mutex_init(&log->lock, NULL);
    condition_init(&log->emptied);
    kafka_spread_init(&log->spread);
    return log;
}

enum status event_log_kafka_create(const struct event_log_kafka_options *options,
                                   struct event_log **ret_log, struct error *error) {
    struct kafka_log *log = allocate_log(options);
    enum status status = kafka_producer_create(&log->prompt, error);
    if (status == STATUS_OK) {
        status = kafka_producer_create(&log->gathering, error);
    }
    if (status == STATUS_OK) {
        status = kafka_topics_prepare(log, error);
    }
    if (status != STATUS_OK) {
        kafka_destroy(&log->base);
        return status;
    }
    int32_t partition_counts[EVENT_LOG_STREAM_COUNT];
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        partition_counts[stream] = atomic_load(&log->partition_counts[stream]);
    }
    log->slices = slice_pool_create(&kafka_slice_ops, log, partition_counts);
    kafka_producer_open_topics(&log->gathering);
    kafka_producer_start(&log->prompt);
    kafka_producer_start(&log->gathering);
    *ret_log = &log->base;
    return STATUS_OK;
}
