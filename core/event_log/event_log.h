// The event store: streams of records, appended durably, and read by consumer groups or by slices.
// One interface over Kafka (event_log_kafka.c), SQLite (event_log_sqlite.c) and memory
// (event_log_memory.c, for tests); the contract suite runs over each. An append is confirmed only
// when it is durable (Kafka: all in-sync replicas; SQLite: fsynced). Functions may be called from
// any thread unless they say otherwise.
#ifndef EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_H
#define EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/base/status.h"
#include "core/events/record.h"

struct event_log;
struct event_log_reader;

enum event_log_stream {
    EVENT_LOG_EVENTS,       // eg.events
    EVENT_LOG_DEAD_LETTERS, // eg.deadletter
    EVENT_LOG_CURSORS,      // eg.cursor: one partition, compacted by key, never removed by age
    EVENT_LOG_OUTCOMES,     // eg.outcome
    EVENT_LOG_RETRY_10S,    // eg.retry.10s
    EVENT_LOG_RETRY_1M,     // eg.retry.1m
    EVENT_LOG_RETRY_10M,    // eg.retry.10m
    EVENT_LOG_RETRY_1H,     // eg.retry.1h
    EVENT_LOG_STREAM_COUNT,
};
// "events", "deadletter", "retry.10s": the topic's name without its prefix.
const char *event_log_stream_name(enum event_log_stream stream);

// One append. The caller owns it and the bytes of its record until done was called. A record of a
// compacted stream has a key; with a null value it removes that key.
struct event_log_append {
    enum event_log_stream stream;
    struct record record;
    struct event_loop *loop; // where done is called
    void (*done)(struct event_log_append *append);
    bool is_patient; // nobody waits for the answer: the store may gather it with others for longer

    // The answer, set before done. OK: durable at partition and offset. TIMEOUT, UNAVAILABLE:
    // nothing is promised, the record may be there or not. TOO_LARGE: the store will never take it.
    // CLOSED, FAILED.
    enum status status;
    int32_t partition;
    int64_t offset;

    struct event_loop_task task; // the log's
    void *log_private;           // the log's
};

// Takes the record into the bounded buffer. OK: done follows exactly once, later, on the loop; all
// appends that the store confirmed together wake a loop once. Otherwise nothing was taken and done
// is not called: FULL (the buffer), UNAVAILABLE (the store is known to be away), TOO_LARGE, CLOSED.
// Records with the same key go to the same partition in the order of the calls of one thread.
enum status must_check event_log_append(struct event_log *log, struct event_log_append *append);

// OK, or UNAVAILABLE with the reason: what health and admission want to know. Never blocks.
enum status must_check event_log_health(struct event_log *log, struct error *error);
size_t event_log_appends_inside(struct event_log *log);
// How long whoever appends much should gather appends before handing them over together: 0 while
// the log is little used; under load, where each append waits for others in any case, up to a
// millisecond. Advice, not a rule.
int64_t event_log_gather_us(struct event_log *log, size_t waiting);
int32_t event_log_partition_count(struct event_log *log, enum event_log_stream stream);
// How long events are kept, in milliseconds, as far as the store says; 0 = for ever, or not known.
// It can change while the log is open.
int64_t event_log_keeps_ms(struct event_log *log);

// What the log keeps in a slice or a query while it works on it.
struct event_log_job {
    struct event_loop_task task;
    struct event_log_job *next;
    bool is_query;
    bool is_waiting;
    bool is_cancelled;
    int64_t position;  // to read on at
    int64_t known_end; // of its partition when a worker took it up; 0 = none is known
    int64_t ready_us;  // since when it waits for a worker
    size_t worker;     // the one that stopped there, plus 1; 0 = none
    int64_t wait_until_us;
};

// Offsets that are no offsets.
#define EVENT_LOG_BEGINNING (-2) // the first record that is there
#define EVENT_LOG_END (-1)       // the next one to be written

// One read of a part of a partition, without a group; commits nothing. Zeroed before its first use;
// the caller owns it until done was called, then may read on with the same one or clear it. Going
// on at next_offset is cheap. Records that compaction or retention has removed are passed over.
struct event_log_slice {
    enum event_log_stream stream;
    int32_t partition;
    int64_t from_offset; // or EVENT_LOG_BEGINNING, EVENT_LOG_END
    size_t max_records;  // 0 = 500
    size_t max_bytes;    // 0 = 1 MiB; the last record may go beyond it
    int64_t wait_ms;     // 0: answers with what is there; else waits for a first record for so long
    struct event_loop *loop; // where done is called
    void (*done)(struct event_log_slice *slice);

    // The answer, set before done. OK, with no records when there are none (within wait_ms), and
    // with fewer than there are when the others would take longer: all were given when next_offset
    // is end_offset. NOT_FOUND: no such partition; UNAVAILABLE, TIMEOUT, CLOSED (or cancelled).
    enum status status;
    const struct stored_record *records; // until the next read, or event_log_slice_clear
    size_t count;
    int64_t next_offset;  // where to go on, beyond what was passed over
    int64_t first_offset; // of the partition: its first record. Above from_offset: some are lost
    int64_t end_offset;   // of the partition: the next one to be written. Below next_offset only
                          // where from_offset was beyond it

    struct event_log_job job;   // the log's
    struct record_slice *bytes; // the log's
};
// OK: done follows exactly once, later, on the loop. Otherwise nothing was taken: FULL (too many
// inside), CLOSED.
enum status must_check event_log_read(struct event_log *log, struct event_log_slice *slice);
// Ends the waiting of a slice that is inside; done follows soon, as always.
void event_log_slice_cancel(struct event_log *log, struct event_log_slice *slice);
// Frees the records. Not while it is inside.
void event_log_slice_clear(struct event_log_slice *slice);

// Offsets by time, for every partition of a stream. Zeroed before its first use; the caller owns it
// until done was called.
struct event_log_time_query {
    enum event_log_stream stream;
    int64_t time_ms; // since 1970
    struct event_loop *loop;
    void (*done)(struct event_log_time_query *query);

    // The answer: OK, UNAVAILABLE, TIMEOUT, CLOSED. offsets[partition] is that of the first record
    // that was written at time_ms or later, or the next one to be written when there is none. Until
    // event_log_time_query_clear.
    enum status status;
    int64_t *offsets;
    size_t count;

    struct event_log_job job; // the log's
};
// As event_log_read.
enum status must_check event_log_find_time(struct event_log *log,
                                           struct event_log_time_query *query);
void event_log_time_query_clear(struct event_log_time_query *query);

// Step one of shutdown: refuses new appends and reads; appends that are inside are still confirmed
// or fail within the deadline, reads that wait are answered CLOSED.
void event_log_close(struct event_log *log, int64_t deadline_ms);
// After close; all readers are destroyed before.
void event_log_destroy(struct event_log *log);

// A member of a consumer group on one stream. Each partition belongs to one member at a time. Every
// callback comes on the reader's own thread, never two at once, and must not block.
struct event_log_reader_options {
    enum event_log_stream stream;
    const char *group;
    void *context;
    // The partition is ours from now on; records follow from start_offset: the committed one, or
    // the partition's beginning when none is known (is_committed says which). Never the end by
    // default.
    void (*assigned)(void *context, int32_t partition, int64_t start_offset, bool is_committed);
    // Records of one partition, in order of offset, which can have gaps. Their bytes are valid
    // during the call.
    void (*records)(void *context, int32_t partition, const struct stored_record *records,
                    size_t count);
    // The partition will go to somebody else: no records follow. The callee lets what is in flight
    // finish, and calls event_log_reader_release within hand_over_ms; else the reader goes on
    // without it.
    void (*revoked)(void *context, int32_t partition);
    // The partition is lost already (this member was expelled); nothing can be committed for it any
    // more.
    void (*lost)(void *context, int32_t partition);
    // Undelivered records were removed by retention: the log now starts at first_offset, beyond
    // position.
    void (*passed_by_retention)(void *context, int32_t partition, int64_t position,
                                int64_t first_offset);
    int64_t hand_over_ms; // 0 = 5000
    // New records may come so much later, many together, which costs less; 0 = each at once.
    int64_t patience_ms;
};
enum status must_check event_log_reader_create(struct event_log *log,
                                               const struct event_log_reader_options *options,
                                               struct event_log_reader **ret_reader,
                                               struct error *error);
// Everything below offset is finished. Cheap: the reader commits at most every 200 ms, and at
// release and close. Never moves back. Ignored for a partition that is not ours.
void event_log_reader_commit(struct event_log_reader *reader, int32_t partition, int64_t offset);
// Stops and restarts the flow of one partition; a few records that are on their way may still come.
void event_log_reader_pause(struct event_log_reader *reader, int32_t partition);
void event_log_reader_resume(struct event_log_reader *reader, int32_t partition);
// The answer to revoked: offset is committed before the partition goes.
void event_log_reader_release(struct event_log_reader *reader, int32_t partition, int64_t offset);
// Next offset that the log will give to a new record, or -1 when unknown: lag = this - position.
// Cached.
int64_t event_log_reader_end_offset(struct event_log_reader *reader, int32_t partition);
// Leaves the group: revoked is called for each partition, and closed (on the reader's thread) when
// all are released or the time is up. Then destroy from another thread.
void event_log_reader_close(struct event_log_reader *reader, void (*closed)(void *context));
void event_log_reader_destroy(struct event_log_reader *reader);

#endif
