#include "core/event_log/event_log_kafka.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/event_log/slice_pool.h"

#include <string.h>

#define COMPACTED_SEGMENT_BYTES (16 << 20)
#define COUNTS_INTERVAL_US 5000000
#define COUNTS_WAIT_MS 3000

static int remaining_ms(int64_t until_us) {
    int64_t left_ms = (until_us - clock_monotonic_us()) / 1000;
    return left_ms > 0 ? (int)left_ms : 0;
}

// Before the log's thread runs, nobody else takes the client's errors; the last one says most
// ("connection refused").
static void take_errors(struct kafka_log *log) {
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(log->prompt.handle);
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
            rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
            kafka_set_reason(log, rd_kafka_event_error_string(event));
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
}

static enum status unavailable(struct kafka_log *log, const char *what, const char *why,
                               struct error *error) {
    char reason[sizeof log->reason];
    take_errors(log);
    kafka_copy_reason(log, reason, sizeof reason);
    return error_set(error, STATUS_UNAVAILABLE, "Kafka at %s: %s: %s%s%s", log->options.brokers,
                     what, why, reason[0] ? "; " : "", reason);
}

static const struct rd_kafka_metadata_topic *find_topic(const struct rd_kafka_metadata *metadata,
                                                        const char *name) {
    for (int i = 0; i < metadata->topic_cnt; i++) {
        if (strcmp(metadata->topics[i].topic, name) == 0) {
            return &metadata->topics[i];
        }
    }
    return NULL;
}

// All topics are listed, because asking for one by name makes some brokers create it with their own
// defaults.
static enum status list_topics(struct kafka_log *log, int64_t until_us, bool *ret_is_missing,
                               struct error *error) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t failure =
        rd_kafka_metadata(log->prompt.handle, 1, NULL, &metadata, remaining_ms(until_us));
    if (failure) {
        return unavailable(log, "no answer", rd_kafka_err2str(failure), error);
    }
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        ret_is_missing[stream] = !find_topic(metadata, log->topic_names[stream]);
    }
    rd_kafka_metadata_destroy(metadata);
    return STATUS_OK;
}

static void set_topic_number(rd_kafka_NewTopic_t *topic, const char *name, int64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    rd_kafka_NewTopic_set_config(topic, name, text);
}

static void set_retention(const struct event_log_kafka_options *options,
                          enum event_log_stream stream, rd_kafka_NewTopic_t *topic) {
    // Never compacted: an event may have a null value, and each of two events with one key counts.
    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "delete");
    const struct event_log_retention retention = {options->retention_ms,
                                                  options->dead_letter_retention_ms};
    int64_t retention_ms = event_log_retention_ms(stream, &retention);
    if (retention_ms != 0) {
        set_topic_number(topic, "retention.ms", retention_ms);
    }
}

// A new owner reads the whole topic, so it has to stay small: short segments (the one that is being
// written is never compacted), compacted soon. Nothing that a reader began to read may go before it
// is through.
static void set_compaction(const struct event_log_kafka_options *options,
                           rd_kafka_NewTopic_t *topic) {
    int64_t largest = 4 * ((int64_t)options->record_max_bytes + KAFKA_BATCH_OVERHEAD_BYTES);
    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
    rd_kafka_NewTopic_set_config(topic, "segment.ms", "600000");
    set_topic_number(topic, "segment.bytes",
                     largest > COMPACTED_SEGMENT_BYTES ? largest : COMPACTED_SEGMENT_BYTES);
    rd_kafka_NewTopic_set_config(topic, "min.cleanable.dirty.ratio", "0.1");
    rd_kafka_NewTopic_set_config(topic, "min.compaction.lag.ms", "60000");
    rd_kafka_NewTopic_set_config(topic, "delete.retention.ms", "86400000");
}

static rd_kafka_NewTopic_t *describe_topic(const struct kafka_log *log,
                                           enum event_log_stream stream, struct error *error) {
    const struct event_log_kafka_options *options = &log->options;
    char reason[256];
    bool is_compacted = event_log_stream_is_compacted(stream);
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(log->topic_names[stream], is_compacted ? 1 : options->partitions,
                              options->replication, reason, sizeof reason);
    if (!topic) {
        (void)error_set(error, STATUS_INVALID, "Kafka topic %s: %s", log->topic_names[stream],
                        reason);
        return NULL;
    }
    if (is_compacted) {
        set_compaction(options, topic);
    } else {
        set_retention(options, stream, topic);
    }
    set_topic_number(topic, "max.message.bytes",
                     (int64_t)options->record_max_bytes + KAFKA_BATCH_OVERHEAD_BYTES);
    // Confirmed by all in-sync replicas means little when that may be one of three.
    if (options->replication >= 3) {
        rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", "2");
    }
    return topic;
}

static enum status check_created(struct kafka_log *log, rd_kafka_event_t *event,
                                 struct error *error) {
    rd_kafka_resp_err_t failure = rd_kafka_event_error(event);
    if (failure == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) {
        return STATUS_OK; // A broker without that request may create topics by itself.
    }
    if (failure) {
        return unavailable(log, "creating topics", rd_kafka_event_error_string(event), error);
    }
    size_t count = 0;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    for (size_t i = 0; i < count; i++) {
        failure = rd_kafka_topic_result_error(results[i]);
        if (failure && failure != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            const char *text = rd_kafka_topic_result_error_string(results[i]);
            return error_set(error, STATUS_FAILED, "Kafka at %s refuses to create topic %s: %s",
                             log->options.brokers, rd_kafka_topic_result_name(results[i]),
                             text ? text : rd_kafka_err2str(failure));
        }
    }
    return STATUS_OK;
}

static enum status request_topics(struct kafka_log *log, rd_kafka_NewTopic_t **topics, size_t count,
                                  int64_t until_us, struct error *error) {
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->prompt.handle);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(log->prompt.handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    char reason[256];
    int timeout_ms = remaining_ms(until_us) + 1;
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, reason, sizeof reason);
    (void)rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, reason, sizeof reason);
    rd_kafka_CreateTopics(log->prompt.handle, topics, count, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + 1000);
    enum status status =
        event ? check_created(log, event, error)
              : unavailable(log, "creating topics", "no answer within the time", error);
    if (event) {
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return status;
}

static enum status create_topics(struct kafka_log *log, const bool *is_missing, int64_t until_us,
                                 struct error *error) {
    rd_kafka_NewTopic_t *topics[EVENT_LOG_STREAM_COUNT];
    size_t count = 0;
    enum status status = STATUS_OK;
    for (size_t stream = 0; status == STATUS_OK && stream < EVENT_LOG_STREAM_COUNT; stream++) {
        if (is_missing[stream]) {
            topics[count] = describe_topic(log, (enum event_log_stream)stream, error);
            status = topics[count] ? STATUS_OK : STATUS_INVALID;
            count += status == STATUS_OK;
        }
    }
    if (status == STATUS_OK && count > 0) {
        status = request_topics(log, topics, count, until_us, error);
    }
    rd_kafka_NewTopic_destroy_array(topics, count);
    return status;
}

// Ready: each partition has a leader.
static bool learn_partitions(struct kafka_log *log, enum event_log_stream stream,
                             const struct rd_kafka_metadata *metadata) {
    const struct rd_kafka_metadata_topic *topic = find_topic(metadata, log->topic_names[stream]);
    if (!topic || topic->err || topic->partition_cnt == 0) {
        return false;
    }
    for (int i = 0; i < topic->partition_cnt; i++) {
        if (topic->partitions[i].err || topic->partitions[i].leader < 0) {
            return false;
        }
    }
    atomic_store(&log->partition_counts[stream], topic->partition_cnt);
    return true;
}

// A leader that is known to the cluster may not know of it itself yet. What an idempotent producer
// sends then fails, and when what it sent behind that is taken, the first is lost.
static bool do_leaders_answer(struct kafka_log *log, enum event_log_stream stream,
                              int64_t until_us) {
    int32_t count = atomic_load(&log->partition_counts[stream]);
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_new(count);
    for (int32_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_list_add(ends, log->topic_names[stream], i)->offset =
            RD_KAFKA_OFFSET_END;
    }
    bool is_ready = rd_kafka_offsets_for_times(log->prompt.handle, ends, remaining_ms(until_us)) ==
                    RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < ends->cnt; i++) {
        is_ready = is_ready && !ends->elems[i].err;
    }
    rd_kafka_topic_partition_list_destroy(ends);
    return is_ready;
}

static enum status await_topic(struct kafka_log *log, enum event_log_stream stream,
                               int64_t until_us, struct error *error) {
    for (;;) {
        const struct rd_kafka_metadata *metadata;
        rd_kafka_resp_err_t failure = rd_kafka_metadata(
            log->prompt.handle, 0, log->prompt.topics[stream], &metadata, remaining_ms(until_us));
        if (!failure) {
            bool is_ready = learn_partitions(log, stream, metadata);
            rd_kafka_metadata_destroy(metadata);
            if (is_ready && do_leaders_answer(log, stream, until_us)) {
                return STATUS_OK;
            }
        }
        if (remaining_ms(until_us) == 0) {
            return unavailable(log, log->topic_names[stream], "the topic has no leaders", error);
        }
        // Waits a moment while the brokers elect leaders.
        rd_kafka_poll(log->prompt.handle, 20);
    }
}

enum status kafka_topics_prepare(struct kafka_log *log, struct error *error) {
    int64_t until_us = clock_monotonic_us() + log->options.connect_timeout_ms * 1000;
    bool is_missing[EVENT_LOG_STREAM_COUNT] = {false};
    enum status status = list_topics(log, until_us, is_missing, error);
    if (status == STATUS_OK) {
        status = create_topics(log, is_missing, until_us, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    kafka_producer_open_topics(&log->prompt);
    for (size_t stream = 0; status == STATUS_OK && stream < EVENT_LOG_STREAM_COUNT; stream++) {
        status = await_topic(log, (enum event_log_stream)stream, until_us, error);
    }
    return status;
}

void kafka_topics_grow(struct kafka_log *log, enum event_log_stream stream,
                       int32_t partition_count) {
    int32_t before = atomic_load(&log->partition_counts[stream]);
    while (before < partition_count && !atomic_compare_exchange_weak(&log->partition_counts[stream],
                                                                     &before, partition_count)) {
    }
    if (before < partition_count) {
        slice_pool_grow(log->slices, stream, partition_count);
        log_line(LOG_INFO, "partitions were added", LOG_TEXT("topic", log->topic_names[stream]),
                 LOG_NUMBER("before", before), LOG_NUMBER("now", partition_count));
    }
}

void kafka_topics_look(struct kafka_log *log, rd_kafka_t *client) {
    long long now_us = clock_monotonic_us();
    long long due_us = atomic_load(&log->counts_due_us);
    if (now_us < due_us || !atomic_compare_exchange_strong(&log->counts_due_us, &due_us,
                                                           now_us + COUNTS_INTERVAL_US)) {
        return;
    }
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(client, 0, NULL, &metadata, COUNTS_WAIT_MS)) {
        return; // It is asked again; that the brokers are away is seen elsewhere.
    }
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        const struct rd_kafka_metadata_topic *topic =
            find_topic(metadata, log->topic_names[stream]);
        if (topic && !topic->err) {
            kafka_topics_grow(log, (enum event_log_stream)stream, topic->partition_cnt);
        }
    }
    rd_kafka_metadata_destroy(metadata);
}
