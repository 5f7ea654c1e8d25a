// The ways to make an event log. main.c chooses one; everything else sees event_log.h only.
#ifndef EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_KINDS_H
#define EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_KINDS_H

#include "core/event_log/event_log.h"

struct event_log_kafka_options {
    const char *brokers;      // HOST:PORT,...
    const char *topic_prefix; // "eg" gives eg.events, eg.deadletter
    int32_t partitions;       // of a topic that is created
    int32_t replication;      // -1 = the brokers' default
    // Of topics that are created: of eg.events and eg.outcome (eg.retry.*: eight days at the
    // least), of eg.deadletter. -1 = for ever, 0 = the brokers' default.
    int64_t retention_ms;
    int64_t dead_letter_retention_ms;
    const char *const *settings; // "security.protocol=SASL_SSL", passed to librdkafka as they are
    size_t setting_count;
    size_t buffer_max_records; // appends inside; 0 = 100,000
    size_t buffer_max_bytes;   // 0 = 256 MiB
    size_t record_max_bytes; // 0 = 2 MiB; above the body limit, so that a taken event can be stored
    int64_t append_timeout_ms;  // 0 = 10,000
    int64_t connect_timeout_ms; // of create; 0 = 10,000
};
// Connects and creates the topics that are missing. STATUS_UNAVAILABLE names the brokers and the
// reason, STATUS_INVALID a bad setting.
enum status must_check event_log_kafka_create(const struct event_log_kafka_options *options,
                                              struct event_log **ret_log, struct error *error);

struct event_log_sqlite_options {
    const char *path; // the file; created with its -wal and -shm
    // 0 = for ever. Outcomes go with the events, parked records after eight days at the earliest.
    int64_t retention_ms;
    int64_t dead_letter_retention_ms;
    int64_t compaction_lag_ms; // age at which a record replaces older ones of its key; 0 = 60,000
    size_t buffer_max_records; // 0 = 10,000
    size_t buffer_max_bytes;   // 0 = 64 MiB
};
enum status must_check event_log_sqlite_create(const struct event_log_sqlite_options *options,
                                               struct event_log **ret_log, struct error *error);

// For tests: in memory, any number of partitions, and faults on order.
struct event_log_memory_options {
    int32_t partitions; // 0 = 1
    int64_t gather_us;  // what event_log_gather_us advises
    int64_t keeps_ms;   // what event_log_keeps_ms says; nothing is removed but on order
};
enum status must_check event_log_memory_create(const struct event_log_memory_options *options,
                                               struct event_log **ret_log, struct error *error);
// The n-th append from now on (1 = the next) of that stream fails with status, and count - 1
// further ones: by event_log_append itself for STATUS_FULL, in done for all others.
void event_log_memory_fail_append(struct event_log *log, enum event_log_stream stream, uint64_t n,
                                  uint64_t count, enum status status);
// Takes the partition away from the reader that has it, as a rebalance does, and gives it back
// afterwards.
void event_log_memory_rebalance(struct event_log *log, enum event_log_stream stream,
                                int32_t partition);
// The reader that has the partition is expelled: lost, then assigned again.
void event_log_memory_lose(struct event_log *log, enum event_log_stream stream, int32_t partition);
// What event_log_keeps_ms says from now on.
void event_log_memory_set_keeps(struct event_log *log, int64_t keeps_ms);
// Retention: removes what lies before offset.
void event_log_memory_remove_before(struct event_log *log, enum event_log_stream stream,
                                    int32_t partition, int64_t offset);
// Compaction: of each key only the last record stays, and not even that when it has no value.
void event_log_memory_compact(struct event_log *log, enum event_log_stream stream);
// Away: health and event_log_append say UNAVAILABLE.
void event_log_memory_set_away(struct event_log *log, bool is_away);
// Held: records are stored, but done is called only when they are let go. Not of cursors, so that
// partitions can be claimed meanwhile.
void event_log_memory_hold_appends(struct event_log *log, bool is_held);

#endif
