// Positions on their way to the group's coordinator: when they are sent, and when they must not be.
// A commit with an old generation would cost this member its whole assignment. On the reader's
// thread.
#include "core/event_log/event_log_kafka_reader.h"

#include "core/base/clock.h"

#define COMMIT_HELD_US 10000000
#define JOIN_MAX_US 60000000
#define JOIN_GROUP_REQUEST 11 // Kafka's number of the request

static rd_kafka_resp_err_t request_sent(rd_kafka_t *consumer, int socket, const char *broker_name,
                                        int32_t broker, int16_t api, int16_t version,
                                        int32_t correlation, size_t size, void *context) {
    struct kafka_reader *reader = context;
    (void)consumer;
    (void)socket;
    (void)broker_name;
    (void)broker;
    (void)version;
    (void)correlation;
    (void)size;
    if (api == JOIN_GROUP_REQUEST) {
        atomic_store(&reader->joining_since_us, clock_monotonic_us());
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t consumer_made(rd_kafka_t *consumer, const rd_kafka_conf_t *conf,
                                         void *context, char *reason, size_t reason_size) {
    (void)conf;
    (void)reason;
    (void)reason_size;
    return rd_kafka_interceptor_add_on_request_sent(consumer, "event-gateway", request_sent,
                                                    context);
}

void kafka_commits_watch_joins(struct kafka_reader *reader, rd_kafka_conf_t *conf) {
    rd_kafka_conf_interceptor_add_on_new(conf, "event-gateway", consumer_made, reader);
}

// A commit that is sent now would reach the coordinator behind the join and with the generation
// that the join ends: that costs this member its whole assignment, and what was finished since the
// last commit is delivered again.
static bool is_joining(struct kafka_reader *reader, int64_t now_us) {
    int64_t since_us = atomic_load(&reader->joining_since_us);
    return since_us > 0 && now_us < since_us + JOIN_MAX_US;
}

void kafka_commits_answered(rd_kafka_t *consumer, rd_kafka_resp_err_t failure,
                            rd_kafka_topic_partition_list_t *offsets, void *context) {
    struct kafka_reader *reader = context;
    reader->is_commit_inside = false;
    if (reader->rebalances) {
        rd_kafka_yield(consumer); // a hand-over waits for it
    }
    if (failure == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS) {
        // The group is between two generations. A commit that comes with the old one after all
        // costs this member its whole assignment, so commits wait for the rebalance.
        reader->commit_held_until_us = clock_monotonic_us() + COMMIT_HELD_US;
        return;
    }
    if (failure && failure != RD_KAFKA_RESP_ERR__NO_OFFSET) {
        // Tried again with the next one. When this member was expelled, librdkafka says so by a
        // lost assignment.
        kafka_group_log_failure(reader, "commit", rd_kafka_err2str(failure));
        return;
    }
    for (int i = 0; offsets && i < offsets->cnt; i++) {
        const rd_kafka_topic_partition_t *offset = &offsets->elems[i];
        struct kafka_partition *partition = &reader->partitions[offset->partition];
        if (!offset->err && offset->offset > partition->committed) {
            partition->committed = offset->offset;
        }
    }
}

static rd_kafka_topic_partition_list_t *collect_moved(struct kafka_reader *reader) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    kafka_reader_lock(reader);
    for (int32_t i = 0; i < reader->partition_count; i++) {
        const struct kafka_partition *partition = &reader->partitions[i];
        if (partition->state != KAFKA_PARTITION_ELSEWHERE &&
            partition->position > partition->committed) {
            rd_kafka_topic_partition_list_add(list, reader->topic, i)->offset = partition->position;
        }
    }
    kafka_reader_unlock(reader);
    return list;
}

// Returns whether there is something to commit. One commit is on its way at a time, so they cannot
// overtake each other.
static bool commit_moved(struct kafka_reader *reader, bool is_due) {
    rd_kafka_topic_partition_list_t *list = collect_moved(reader);
    bool has_moved = list->cnt > 0;
    if (has_moved && is_due && !reader->is_commit_inside) {
        rd_kafka_resp_err_t failure = rd_kafka_commit(reader->consumer, list, 1);
        reader->is_commit_inside = failure == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (failure) {
            kafka_group_log_failure(reader, "commit", rd_kafka_err2str(failure));
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    return has_moved;
}

int64_t kafka_commits_step(struct kafka_reader *reader, int64_t now_us) {
    if (is_joining(reader, now_us)) {
        return now_us + EVENT_LOG_COMMIT_INTERVAL_US; // The group's answer ends the poll.
    }
    if (now_us < reader->commit_held_until_us) {
        return reader->commit_held_until_us;
    }
    bool is_due = reader->commit_due_us > 0 && now_us >= reader->commit_due_us;
    bool has_moved = commit_moved(reader, is_due);
    if (!has_moved) {
        reader->commit_due_us = 0;
    } else if (is_due || reader->commit_due_us == 0) {
        reader->commit_due_us = now_us + EVENT_LOG_COMMIT_INTERVAL_US;
    }
    return has_moved ? reader->commit_due_us : INT64_MAX;
}
