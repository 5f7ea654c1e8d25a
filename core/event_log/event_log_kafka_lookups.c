// Where partitions begin and end, and where a time lies in them.
#include "core/event_log/event_log_kafka.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"

#define LOOKUP_MS 3000
#define LEADER_WAIT_MS 50

static enum status status_of_failure(rd_kafka_resp_err_t failure) {
    switch (failure) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return STATUS_TIMEOUT;
    default:
        return STATUS_UNAVAILABLE;
    }
}

enum status kafka_read_failed(const char *topic, int32_t partition, rd_kafka_resp_err_t failure) {
    static _Thread_local struct log_limit limit;
    uint64_t suppressed = 0;
    if (log_limit_allows(&limit, 1, &suppressed)) {
        log_line(LOG_WARNING, "kafka cannot be read", LOG_TEXT("topic", topic),
                 LOG_NUMBER("partition", partition), LOG_TEXT("reason", rd_kafka_err2str(failure)),
                 LOG_NUMBER("suppressed", (int64_t)suppressed));
    }
    return status_of_failure(failure);
}

// The partition was just made, or another broker takes it over: it will be there in a moment.
static bool is_leader_moving(rd_kafka_resp_err_t failure) {
    return failure == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
           failure == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

// The library's own call for both ends does not come back while the partition's leader is away
// (librdkafka before 2.3), and a reader that hangs can neither fail nor be closed.
static rd_kafka_resp_err_t find_end(rd_kafka_t *consumer, const char *topic, int32_t partition,
                                    int64_t which, int64_t *ret_offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = which;
    rd_kafka_resp_err_t failure = rd_kafka_offsets_for_times(consumer, list, LOOKUP_MS);
    failure = failure ? failure : list->elems[0].err;
    *ret_offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return failure;
}

static rd_kafka_resp_err_t find_range(rd_kafka_t *consumer, const char *topic, int32_t partition,
                                      struct kafka_range *ret_range) {
    rd_kafka_resp_err_t failure =
        find_end(consumer, topic, partition, RD_KAFKA_OFFSET_BEGINNING, &ret_range->first);
    return failure ? failure
                   : find_end(consumer, topic, partition, RD_KAFKA_OFFSET_END, &ret_range->end);
}

enum status kafka_find_range(const struct kafka_log *log, rd_kafka_t *consumer,
                             enum event_log_stream stream, int32_t partition,
                             struct kafka_range *ret_range) {
    const char *topic = log->topic_names[stream];
    struct kafka_range range = {0};
    int64_t until_us = clock_monotonic_us() + LOOKUP_MS * 1000;
    rd_kafka_resp_err_t failure;
    while ((failure = find_range(consumer, topic, partition, &range)) &&
           is_leader_moving(failure) && clock_monotonic_us() < until_us) {
        rd_kafka_poll(consumer, LEADER_WAIT_MS);
    }
    if (failure) {
        return kafka_read_failed(topic, partition, failure);
    }
    range.learned_at_us = clock_monotonic_us();
    *ret_range = range;
    return STATUS_OK;
}

// --- Offsets by time, and ends: one request to each broker for all partitions.

static enum status look_up(rd_kafka_t *consumer, rd_kafka_topic_partition_list_t *list) {
    if (list->cnt == 0) {
        return STATUS_OK;
    }
    rd_kafka_resp_err_t failure = rd_kafka_offsets_for_times(consumer, list, LOOKUP_MS);
    for (int i = 0; !failure && i < list->cnt; i++) {
        failure = list->elems[i].err;
    }
    return failure ? kafka_read_failed(list->elems[0].topic, list->elems[0].partition, failure)
                   : STATUS_OK;
}

static rd_kafka_topic_partition_list_t *
list_all(const struct kafka_log *log, const struct event_log_time_query *query, int64_t which) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)query->count);
    for (size_t i = 0; i < query->count; i++) {
        rd_kafka_topic_partition_list_add(list, log->topic_names[query->stream], (int32_t)i)
            ->offset = which;
    }
    return list;
}

// Where nothing is that young, the answer is the end's name instead of its offset. It has to be the
// end that was before: what was appended meanwhile is young enough.
enum status kafka_find_time(const struct kafka_log *log, rd_kafka_t *consumer,
                            struct event_log_time_query *query) {
    rd_kafka_topic_partition_list_t *ends = list_all(log, query, RD_KAFKA_OFFSET_END);
    rd_kafka_topic_partition_list_t *found =
        list_all(log, query, query->time_ms > 0 ? query->time_ms : 0);
    enum status status = look_up(consumer, ends);
    status = status == STATUS_OK ? look_up(consumer, found) : status;
    for (int i = 0; status == STATUS_OK && i < ends->cnt; i++) {
        query->offsets[ends->elems[i].partition] = ends->elems[i].offset;
    }
    for (int i = 0; status == STATUS_OK && i < found->cnt; i++) {
        if (found->elems[i].offset >= 0) {
            query->offsets[found->elems[i].partition] = found->elems[i].offset;
        }
    }
    rd_kafka_topic_partition_list_destroy(ends);
    rd_kafka_topic_partition_list_destroy(found);
    return status;
}

void kafka_find_ends(const struct kafka_log *log, rd_kafka_t *consumer, struct slice_place *places,
                     size_t count) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        const char *topic = log->topic_names[places[i].stream];
        rd_kafka_topic_partition_list_add(list, topic, places[i].partition)->offset =
            RD_KAFKA_OFFSET_END;
    }
    bool is_known = look_up(consumer, list) == STATUS_OK;
    for (size_t i = 0; is_known && i < count; i++) {
        const rd_kafka_topic_partition_t *found = rd_kafka_topic_partition_list_find(
            list, log->topic_names[places[i].stream], places[i].partition);
        places[i].end_offset = found ? found->offset : -1;
    }
    rd_kafka_topic_partition_list_destroy(list);
}
