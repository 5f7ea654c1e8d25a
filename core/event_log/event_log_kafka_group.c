// Rebalances of the consumer's group and their answers: where a partition is taken up, how it is
// handed over, and what happens when the log no longer has the place.
#include "core/event_log/event_log_kafka_reader.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"

#include <stdlib.h>

#define LOOKUP_MS 3000
#define LOOKUP_RETRY_US 300000
// The last commit before a partition goes is given up after this long: its events are then
// delivered again.
#define FINAL_COMMIT_US 5000000

void kafka_group_log_failure(const struct kafka_reader *reader, const char *what,
                             const char *text) {
    log_line(LOG_WARNING, "kafka consumer group", LOG_TEXT("group", reader->options.group),
             LOG_TEXT("what", what), LOG_TEXT("reason", text));
}

static void check_error(const struct kafka_reader *reader, const char *what,
                        rd_kafka_error_t *error) {
    if (error) {
        kafka_group_log_failure(reader, what, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
}

void kafka_group_rebalanced(rd_kafka_t *consumer, rd_kafka_resp_err_t reason,
                            rd_kafka_topic_partition_list_t *partitions, void *context) {
    struct kafka_reader *reader = context;
    bool is_assignment = reason == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    atomic_store(&reader->joining_since_us, 0);
    reader->has_joined |= is_assignment;
    if (reader->is_leaving || (!is_assignment && reason != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)) {
        if (is_assignment || reason == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
            check_error(reader, "leaving",
                        is_assignment ? rd_kafka_incremental_assign(consumer, partitions)
                                      : rd_kafka_incremental_unassign(consumer, partitions));
        } else {
            kafka_group_log_failure(reader, "rebalance", rd_kafka_err2str(reason));
            rd_kafka_assign(consumer, NULL);
        }
        return;
    }
    reader->commit_held_until_us = 0;
    struct kafka_rebalance *rebalance = memory_allocate(sizeof *rebalance);
    rebalance->is_assignment = is_assignment;
    rebalance->partitions = rd_kafka_topic_partition_list_copy(partitions);
    struct kafka_rebalance **end = &reader->rebalances;
    while (*end) {
        end = &(*end)->next;
    }
    *end = rebalance;
    // Ends the poll, so that the answer does not wait for the next record.
    rd_kafka_yield(consumer);
    kafka_queues_wake(reader);
}

// --- Assignment.

struct place {
    int64_t committed; // -1 = none
    int64_t first;
    int64_t end;
};

static rd_kafka_resp_err_t look_up_range(struct kafka_reader *reader, int32_t number,
                                         struct place *ret_place) {
    return rd_kafka_query_watermark_offsets(reader->consumer, reader->topic, number,
                                            &ret_place->first, &ret_place->end, LOOKUP_MS);
}

// Blocks for a few round trips, a few seconds at the worst; the group's heartbeats go on meanwhile.
static rd_kafka_resp_err_t look_up(struct kafka_reader *reader,
                                   rd_kafka_topic_partition_list_t *partitions,
                                   struct place *places) {
    for (int i = 0; i < partitions->cnt; i++) {
        partitions->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    }
    rd_kafka_resp_err_t failure = rd_kafka_committed(reader->consumer, partitions, LOOKUP_MS);
    for (int i = 0; !failure && i < partitions->cnt; i++) {
        const rd_kafka_topic_partition_t *found = &partitions->elems[i];
        places[i].committed = found->offset >= 0 ? found->offset : -1;
        failure = found->err ? found->err : look_up_range(reader, found->partition, &places[i]);
    }
    return failure;
}

// Tells of a position that the log no longer has. Going on at the log's beginning delivers some
// events twice where the topic was cut at its end; going on anywhere else could skip some.
static int64_t leave_lost_range(struct kafka_reader *reader, int32_t number, int64_t position,
                                const struct place *place) {
    log_line(LOG_ERROR, "kafka no longer has the records at a position",
             LOG_TEXT("topic", reader->topic), LOG_TEXT("group", reader->options.group),
             LOG_NUMBER("partition", number), LOG_NUMBER("position", position),
             LOG_NUMBER("first", place->first), LOG_NUMBER("end", place->end));
    reader->options.passed_by_retention(reader->options.context, number, position, place->first);
    return place->first;
}

// Returns the offset to fetch from.
static int64_t start_partition(struct kafka_reader *reader, int32_t number,
                               const struct place *place) {
    int64_t start = place->committed >= 0 ? place->committed : place->first;
    // Whoever is told of it may want to read slices of it.
    kafka_topics_grow(reader->log, reader->options.stream, number + 1);
    kafka_reader_lock(reader);
    struct kafka_partition *partition = kafka_reader_partition(reader, number);
    kafka_queues_close(partition);
    // Where none is committed, the start is: what retention takes from there on is known as lost,
    // also when nothing was ever finished.
    *partition = (struct kafka_partition){
        .state = KAFKA_PARTITION_OURS,
        .position = start,
        .committed = place->committed,
        .next_offset = start,
        .end_offset = place->end,
    };
    kafka_reader_unlock(reader);
    kafka_queues_open(reader, number);
    reader->options.assigned(reader->options.context, number, start, place->committed >= 0);
    if (start < place->first || start > place->end) {
        start = leave_lost_range(reader, number, start, place);
        kafka_reader_partition(reader, number)->next_offset = start;
    }
    return start;
}

// Returns whether the rebalance is answered.
static bool assign(struct kafka_reader *reader, struct kafka_rebalance *rebalance, int64_t now_us) {
    rd_kafka_topic_partition_list_t *partitions = rebalance->partitions;
    if (now_us < rebalance->retry_at_us) {
        return false;
    }
    struct place *places = memory_allocate((size_t)partitions->cnt * sizeof *places);
    rd_kafka_resp_err_t failure = look_up(reader, partitions, places);
    if (failure && !rd_kafka_assignment_lost(reader->consumer)) {
        kafka_group_log_failure(reader, "looking up positions", rd_kafka_err2str(failure));
        rebalance->retry_at_us = now_us + LOOKUP_RETRY_US;
        free(places);
        return false;
    }
    for (int i = 0; !failure && i < partitions->cnt; i++) {
        partitions->elems[i].offset =
            start_partition(reader, partitions->elems[i].partition, &places[i]);
    }
    free(places);
    check_error(reader, "assign", rd_kafka_incremental_assign(reader->consumer, partitions));
    // librdkafka may remember a pause from the last time that a partition was here.
    rd_kafka_resume_partitions(reader->consumer, partitions);
    return true;
}

// --- Revocation.

static void tell_lost(struct kafka_reader *reader,
                      const rd_kafka_topic_partition_list_t *partitions) {
    for (int i = 0; i < partitions->cnt; i++) {
        int32_t number = partitions->elems[i].partition;
        kafka_reader_lock(reader);
        struct kafka_partition *partition = kafka_reader_partition(reader, number);
        bool was_ours = partition->state != KAFKA_PARTITION_ELSEWHERE;
        kafka_queues_close(partition);
        *partition = (struct kafka_partition){0};
        kafka_reader_unlock(reader);
        if (was_ours) {
            reader->options.lost(reader->options.context, number);
        }
    }
}

static void tell_revoked(struct kafka_reader *reader,
                         const rd_kafka_topic_partition_list_t *partitions, int64_t now_us) {
    for (int i = 0; i < partitions->cnt; i++) {
        int32_t number = partitions->elems[i].partition;
        kafka_reader_lock(reader);
        struct kafka_partition *partition = kafka_reader_partition(reader, number);
        bool is_ours = partition->state == KAFKA_PARTITION_OURS;
        if (is_ours) {
            partition->state = KAFKA_PARTITION_HANDING_OVER;
            partition->hand_over_until_us = now_us + reader->hand_over_us;
        }
        kafka_reader_unlock(reader);
        if (is_ours) {
            reader->options.revoked(reader->options.context, number);
        }
    }
}

static bool are_released(struct kafka_reader *reader,
                         const rd_kafka_topic_partition_list_t *partitions, int64_t now_us) {
    bool are = true;
    kafka_reader_lock(reader);
    for (int i = 0; i < partitions->cnt; i++) {
        const struct kafka_partition *partition =
            kafka_reader_partition(reader, partitions->elems[i].partition);
        are &= partition->state != KAFKA_PARTITION_HANDING_OVER || partition->is_released ||
               now_us >= partition->hand_over_until_us;
    }
    kafka_reader_unlock(reader);
    return are;
}

static bool are_committed(struct kafka_reader *reader,
                          const rd_kafka_topic_partition_list_t *partitions) {
    bool are = true;
    kafka_reader_lock(reader);
    for (int i = 0; i < partitions->cnt; i++) {
        const struct kafka_partition *partition =
            kafka_reader_partition(reader, partitions->elems[i].partition);
        are &= partition->state == KAFKA_PARTITION_ELSEWHERE ||
               partition->position <= partition->committed;
    }
    kafka_reader_unlock(reader);
    return are;
}

static void forget(struct kafka_reader *reader, const rd_kafka_topic_partition_list_t *partitions) {
    kafka_reader_lock(reader);
    for (int i = 0; i < partitions->cnt; i++) {
        struct kafka_partition *partition =
            kafka_reader_partition(reader, partitions->elems[i].partition);
        kafka_queues_close(partition);
        *partition = (struct kafka_partition){0};
    }
    kafka_reader_unlock(reader);
}

// Returns whether the last positions are with the coordinator, or were tried for long enough.
static bool commit_finally(struct kafka_reader *reader, struct kafka_rebalance *rebalance,
                           int64_t now_us) {
    if (are_committed(reader, rebalance->partitions)) {
        return true;
    }
    if (rebalance->commit_until_us == 0) {
        rebalance->commit_until_us = now_us + FINAL_COMMIT_US;
        reader->commit_due_us = now_us; // in this step
    }
    return now_us >= rebalance->commit_until_us;
}

static bool revoke(struct kafka_reader *reader, struct kafka_rebalance *rebalance, int64_t now_us) {
    bool is_lost = rd_kafka_assignment_lost(reader->consumer);
    if (is_lost) {
        tell_lost(reader, rebalance->partitions);
    } else {
        if (!rebalance->is_started) {
            rebalance->is_started = true;
            // Nothing more is fetched for them; what was fetched is dropped at delivery.
            rd_kafka_pause_partitions(reader->consumer, rebalance->partitions);
            tell_revoked(reader, rebalance->partitions, now_us);
        }
        if (!are_released(reader, rebalance->partitions, now_us) ||
            !commit_finally(reader, rebalance, now_us)) {
            return false;
        }
        forget(reader, rebalance->partitions);
    }
    if (!reader->is_closing) {
        check_error(reader, "revoke",
                    rd_kafka_incremental_unassign(reader->consumer, rebalance->partitions));
    }
    return true;
}

static void destroy_first_rebalance(struct kafka_reader *reader) {
    struct kafka_rebalance *rebalance = reader->rebalances;
    reader->rebalances = rebalance->next;
    rd_kafka_topic_partition_list_destroy(rebalance->partitions);
    free(rebalance);
}

// --- Steps.

// The log's start has passed what this reader was to fetch next.
static void return_to_range(struct kafka_reader *reader, int32_t number) {
    struct place place = {.committed = -1};
    rd_kafka_resp_err_t failure = look_up_range(reader, number, &place);
    struct kafka_partition *partition = kafka_reader_partition(reader, number);
    if (failure) {
        kafka_group_log_failure(reader, "looking up the log's beginning",
                                rd_kafka_err2str(failure));
        return;
    }
    partition->is_out_of_range = false;
    int64_t next = partition->next_offset;
    if (next < place.first || next > place.end) {
        next = leave_lost_range(reader, number, next, &place);
        partition->next_offset = next;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, reader->topic, number)->offset = next;
    // A partition whose fetcher has stopped does not seek; taking it up anew works in every state.
    check_error(reader, "leaving the lost range",
                rd_kafka_incremental_unassign(reader->consumer, list));
    check_error(reader, "returning to the log",
                rd_kafka_incremental_assign(reader->consumer, list));
    rd_kafka_topic_partition_list_destroy(list);
}

static int64_t return_all_to_range(struct kafka_reader *reader, int64_t now_us) {
    bool are_left = false;
    for (int32_t i = 0; i < reader->partition_count; i++) {
        if (reader->partitions[i].is_out_of_range &&
            reader->partitions[i].state == KAFKA_PARTITION_OURS) {
            return_to_range(reader, i);
            are_left |= reader->partitions[i].is_out_of_range;
        }
    }
    return are_left ? now_us + LOOKUP_RETRY_US : INT64_MAX;
}

static int64_t step_rebalances(struct kafka_reader *reader, int64_t now_us) {
    while (reader->rebalances) {
        struct kafka_rebalance *rebalance = reader->rebalances;
        bool is_answered = rebalance->is_assignment ? assign(reader, rebalance, now_us)
                                                    : revoke(reader, rebalance, now_us);
        if (!is_answered) {
            // Releases wake the thread; deadlines, lookups and commits are looked at often enough.
            return now_us + 20000;
        }
        destroy_first_rebalance(reader);
    }
    return INT64_MAX;
}

int64_t kafka_group_step(struct kafka_reader *reader, int64_t now_us) {
    int64_t next_us = step_rebalances(reader, now_us);
    if (!reader->rebalances) {
        int64_t range_us = return_all_to_range(reader, now_us);
        next_us = range_us < next_us ? range_us : next_us;
    }
    int64_t commit_us = kafka_commits_step(reader, now_us);
    return commit_us < next_us ? commit_us : next_us;
}

// The assignment stays librdkafka's until the consumer is closed; here it only ends for the callee.
void kafka_group_revoke_all(struct kafka_reader *reader) {
    while (reader->rebalances) {
        destroy_first_rebalance(reader);
    }
    struct kafka_rebalance *rebalance = memory_allocate(sizeof *rebalance);
    rebalance->partitions = rd_kafka_topic_partition_list_new(16);
    kafka_reader_lock(reader);
    for (int32_t i = 0; i < reader->partition_count; i++) {
        if (reader->partitions[i].state != KAFKA_PARTITION_ELSEWHERE) {
            rd_kafka_topic_partition_list_add(rebalance->partitions, reader->topic, i);
        }
    }
    kafka_reader_unlock(reader);
    reader->rebalances = rebalance;
}

bool kafka_group_is_idle(const struct kafka_reader *reader) {
    return !reader->rebalances;
}

void kafka_group_clear(struct kafka_reader *reader) {
    while (reader->rebalances) {
        destroy_first_rebalance(reader);
    }
}
