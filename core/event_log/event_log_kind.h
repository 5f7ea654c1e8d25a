// What each kind of event log implements. event_log.c dispatches through these tables; a kind puts
// the struct first in its own one. Inside core/event_log only.
#ifndef EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_KIND_H
#define EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_KIND_H

#include "core/event_log/event_log.h"

#include <pthread.h>

// The largest record that the embedded kinds take; Kafka's limit is an option with this default.
#define EVENT_LOG_RECORD_MAX_BYTES (2u << 20)
#define EVENT_LOG_HAND_OVER_MS 5000
#define EVENT_LOG_COMMIT_INTERVAL_US 200000

// The slots are the functions of event_log.h without their prefix and keep those contracts.
struct event_log_ops {
    enum status (*append)(struct event_log *log, struct event_log_append *append);
    enum status (*health)(struct event_log *log, struct error *error);
    size_t (*appends_inside)(struct event_log *log);
    int64_t (*gather_us)(struct event_log *log, size_t waiting); // NULL = always 0
    int32_t (*partition_count)(struct event_log *log, enum event_log_stream stream);
    int64_t (*keeps_ms)(struct event_log *log);
    void (*close)(struct event_log *log, int64_t deadline_ms);
    void (*destroy)(struct event_log *log);
    enum status (*reader_create)(struct event_log *log,
                                 const struct event_log_reader_options *options,
                                 struct event_log_reader **ret_reader, struct error *error);
    struct slice_pool *(*slices)(struct event_log *log);
};

struct event_log_reader_ops {
    void (*commit)(struct event_log_reader *reader, int32_t partition, int64_t offset);
    void (*pause)(struct event_log_reader *reader, int32_t partition, bool is_paused);
    void (*release)(struct event_log_reader *reader, int32_t partition, int64_t offset);
    int64_t (*end_offset)(struct event_log_reader *reader, int32_t partition);
    void (*close)(struct event_log_reader *reader, void (*closed)(void *context));
    void (*destroy)(struct event_log_reader *reader);
};

struct event_log {
    const struct event_log_ops *ops;
};

// What the operator chose, for the streams of which something else follows.
struct event_log_retention {
    int64_t events_ms;       // 0 or less: a kind's way to say "not by us"
    int64_t dead_letters_ms; // the same
};
// How long a stream's records are kept; 0 or less as it was given. Never called for a compacted
// one.
int64_t event_log_retention_ms(enum event_log_stream stream,
                               const struct event_log_retention *retention);
// True: the last record of each key is kept, whatever its age.
bool event_log_stream_is_compacted(enum event_log_stream stream);

struct event_log_reader {
    const struct event_log_reader_ops *ops;
};

// Bytes that a record takes in a buffer: key, value, names and values of its headers.
size_t event_log_record_size(const struct record *record);

// Finished appends, sorted by the loop that waits for them, so that each loop is woken once. A
// plain value of one thread; zero is empty.
#define EVENT_LOG_CHAINS 16
struct event_log_answers {
    struct event_log_chain {
        struct event_loop *loop;
        struct event_loop_task *first;
        struct event_loop_task *last;
    } chains[EVENT_LOG_CHAINS];
    size_t chain_count;
    size_t answer_count; // since the last post
};
// Sets the answer. The append's owner hears of it after event_log_answers_post.
void event_log_answers_add(struct event_log_answers *answers, struct event_log_append *append,
                           enum status status, int32_t partition, int64_t offset);
// Posts what was added and is empty again. Returns how many appends that answered.
size_t event_log_answers_post(struct event_log_answers *answers);

#endif
