// For tests of the event log: appends that can be waited for, and a reader that writes down what it
// is told. Waiting is by condition, with a limit that only a broken program reaches.
#ifndef EVENT_GATEWAY_TESTS_LOG_RECORDER_H
#define EVENT_GATEWAY_TESTS_LOG_RECORDER_H

#include "core/event_log/event_log.h"

#include <pthread.h>

#define RECORDER_PARTITIONS 16

// Called by test_loop_start, so that c11_threads.c is linked.
void c11_threads_link(void);

// A loop on a thread of its own.
struct test_loop {
    struct event_loop *loop;
    struct event_loop_thread *thread;
};
void test_loop_start(struct test_loop *loop);
void test_loop_stop(struct test_loop *loop);

// Appends and waits for the answer. record is copied into nothing: it is only used during the call.
struct append_answer {
    enum status taken; // what event_log_append said
    enum status status;
    int32_t partition;
    int64_t offset;
};
struct append_answer append_and_wait(struct event_log *log, struct test_loop *loop,
                                     enum event_log_stream stream, const struct record *record);
// The same for a value and a key (NULL = none) in text; all must be well.
struct append_answer append_text(struct event_log *log, struct test_loop *loop, const char *key,
                                 const char *value);
// count records "0", "1", ... with one key, appended at once; waits for all and returns how many
// were confirmed.
size_t append_numbers(struct event_log *log, struct test_loop *loop, const char *key, size_t count);

// Reads the slice and waits for the answer; it must be taken.
void read_and_wait(struct event_log *log, struct test_loop *loop, struct event_log_slice *slice);
// The same in two parts.
struct pending_slice {
    struct event_log_slice slice;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
};
void pending_slice_start(struct pending_slice *pending, struct event_log *log,
                         struct test_loop *loop);
void pending_slice_await(struct pending_slice *pending);
// Waits for the answer; it must be taken.
void find_time_and_wait(struct event_log *log, struct test_loop *loop,
                        struct event_log_time_query *query);

struct received {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    struct record record; // with copies of all bytes
};

struct recorder {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct event_log_reader *reader;
    bool releases; // answers revoked at once, with what was received
    bool commits;  // commits each record when it was received
    struct received *received;
    size_t received_count;
    size_t received_capacity;
    bool is_ours[RECORDER_PARTITIONS];
    bool is_revoked[RECORDER_PARTITIONS];
    int64_t start[RECORDER_PARTITIONS]; // the last assignment's
    int64_t next[RECORDER_PARTITIONS];  // after the last record
    size_t assigned_count;
    size_t revoked_count;
    size_t lost_count;
    size_t passed_count;
    int64_t passed_position;
    int64_t passed_first;
    bool is_closed;
    bool has_order_error; // a record of a partition that is not ours, or an offset that does not
                          // grow
};

void recorder_start(struct recorder *recorder, struct event_log *log, enum event_log_stream stream,
                    const char *group, int64_t hand_over_ms);
// Waits until the condition over the recorder holds; fails the test after a minute.
void recorder_await(struct recorder *recorder, bool (*holds)(struct recorder *recorder, size_t n),
                    size_t n, const char *what);
void recorder_await_received(struct recorder *recorder, size_t count);
void recorder_await_assigned(struct recorder *recorder,
                             size_t count); // partitions that are ours now
void recorder_await_revoked(struct recorder *recorder, size_t count); // calls so far
// Closes, waits for closed, destroys. What was received stays until recorder_clear.
void recorder_close(struct recorder *recorder);
void recorder_clear(struct recorder *recorder);
size_t recorder_owned(struct recorder *recorder);

#endif
