// The Kafka reader: event_log_kafka_reader.c has the thread, event_log_kafka_queues.c what it
// fetches into, event_log_kafka_delivery.c what becomes of that, event_log_kafka_group.c the
// answers to rebalances, event_log_kafka_commits.c the positions. All run on the reader's thread.
// Inside core/event_log only.
//
//             rebalance: assign, offsets found      revoke, or close
//   ELSEWHERE ──────────────────────────────▶ OURS ─────────────────▶ HANDING_OVER
//       ▲              assigned()              │ lost()    revoked()      │
//       └──────────────────────────────────────┴──────────────────────────┘
//                            all partitions of the revocation are released, or the time is up;
//                            their positions are committed, or the time for that is up too
#ifndef EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_KAFKA_READER_H
#define EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_KAFKA_READER_H

#include "core/event_log/event_log_kafka.h"
#include "core/event_log/record_slice.h"

#define KAFKA_BATCH_MAX 500

enum kafka_partition_state {
    KAFKA_PARTITION_ELSEWHERE,
    KAFKA_PARTITION_OURS,
    KAFKA_PARTITION_HANDING_OVER,
};

struct kafka_partition {
    // Under the reader's lock.
    enum kafka_partition_state state;
    bool is_released;
    bool is_paused;
    int64_t position; // everything below is finished
    int64_t end_offset;

    // The thread's.
    rd_kafka_queue_t *queue; // what was fetched; NULL while it is elsewhere
    bool is_open;            // in this turn
    bool is_out_of_range;    // needs a new place in the log
    int64_t next_offset;     // to be delivered
    int64_t committed;       // confirmed by the group's coordinator; -1 = none
    int64_t hand_over_until_us;
    size_t first_message; // of the batch, plus 1; 0 = none
    size_t last_message;
};

// A rebalance that librdkafka told of and that is not answered yet. It waits for the answer, while
// polling goes on.
struct kafka_rebalance {
    struct kafka_rebalance *next;
    bool is_assignment;
    rd_kafka_topic_partition_list_t *partitions;
    bool is_started;         // revocation: revoked was called
    int64_t retry_at_us;     // assignment: the offsets could not be had
    int64_t commit_until_us; // revocation: the last commit is being sent; 0 = not yet
};

struct kafka_reader {
    struct event_log_reader base;
    struct kafka_log *log;
    struct event_log_reader_options options; // group is a copy
    int64_t hand_over_us;
    const char *topic; // the log's
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue; // the consumer's own
    int wake_fd;             // written to when something is there to be done
    pthread_t thread;

    pthread_mutex_t lock;
    struct kafka_partition *partitions;
    int32_t partition_count;
    bool is_closing;
    bool is_aborted; // destroyed without close
    void (*closed)(void *context);

    // The thread's.
    struct kafka_rebalance *rebalances;
    bool is_commit_inside;
    int64_t commit_due_us;
    int64_t commit_held_until_us; // the group is rebalancing
    int64_t created_us;
    // When the group was asked last to be let in again, and has not answered; 0 = it has.
    // librdkafka's threads set it.
    atomic_int_least64_t joining_since_us;
    bool has_joined;         // the group has given it partitions, or none, at least once
    bool is_leaving;         // no partition is kept any more; librdkafka may take them all
    int32_t first_partition; // of the next turn
    int64_t polled_us;       // when the consumer was
    rd_kafka_message_t *messages[KAFKA_BATCH_MAX];
    size_t next_message[KAFKA_BATCH_MAX]; // of the same partition, plus 1
    struct record_slice slice;
};

// The partition's state, made when its number is new. Needs the lock, or the thread.
struct kafka_partition *kafka_reader_partition(struct kafka_reader *reader, int32_t number);
void kafka_reader_lock(struct kafka_reader *reader);
void kafka_reader_unlock(struct kafka_reader *reader);

// event_log_kafka_queues.c. init: once the consumer is made; clear: once it is destroyed.
enum status must_check kafka_queues_init(struct kafka_reader *reader, struct error *error);
void kafka_queues_clear(struct kafka_reader *reader);
// Before librdkafka is told of an assignment; and when the partition is somebody else's.
void kafka_queues_open(struct kafka_reader *reader, int32_t number);
void kafka_queues_close(struct kafka_partition *partition);
// Ends the waiting in kafka_queues_take. Any thread.
void kafka_queues_wake(struct kafka_reader *reader);
// Fills reader->messages with what is there of partitions that are not paused; waits for so long
// when nothing is. Returns how many. Rebalances are told of meanwhile.
size_t kafka_queues_take(struct kafka_reader *reader, int timeout_ms);

// event_log_kafka_delivery.c. Waits for records, and gives them to the reader's owner.
void kafka_delivery_poll(struct kafka_reader *reader, int timeout_ms);

// event_log_kafka_commits.c. Before the consumer is made: makes it tell when it joins the group.
void kafka_commits_watch_joins(struct kafka_reader *reader, rd_kafka_conf_t *conf);
// Called by librdkafka from inside a poll: the answer to a commit.
void kafka_commits_answered(rd_kafka_t *consumer, rd_kafka_resp_err_t failure,
                            rd_kafka_topic_partition_list_t *offsets, void *reader);
// Commits what moved, in time and when the group allows it. Returns when it wants to be called
// again.
int64_t kafka_commits_step(struct kafka_reader *reader, int64_t now_us);

// event_log_kafka_group.c. Called by librdkafka from inside a poll.
void kafka_group_rebalanced(rd_kafka_t *consumer, rd_kafka_resp_err_t reason,
                            rd_kafka_topic_partition_list_t *partitions, void *reader);
// Answers what rebalances are there, moves partitions that fell out of the log, commits what moved.
// Returns when it wants to be called again (monotonic microseconds).
int64_t kafka_group_step(struct kafka_reader *reader, int64_t now_us);
// Takes all partitions away from the callee, as a revocation does.
void kafka_group_revoke_all(struct kafka_reader *reader);
// True when nothing waits for a hand-over or its commit any more.
bool kafka_group_is_idle(const struct kafka_reader *reader);
void kafka_group_clear(struct kafka_reader *reader);
// A line about the group for whoever operates it.
void kafka_group_log_failure(const struct kafka_reader *reader, const char *what, const char *text);

#endif
