// What the files of the Kafka kind share; the only header that includes librdkafka. Inside
// core/event_log only.
#ifndef EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_KAFKA_H
#define EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_KAFKA_H

#include "core/event_log/event_log_kind.h"
#include "core/event_log/event_log_kinds.h"
#include "core/event_log/record_slice.h"
#include "core/event_log/slice_pool.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

// Room for batch headers and what a record costs besides its bytes.
#define KAFKA_BATCH_OVERHEAD_BYTES 65536

struct kafka_log;

// event_log_kafka_spread.c: where records without a key go, for one topic. Any thread.
#define KAFKA_SPREAD_PARTITIONS 256 // partitions beyond share the counts of those before
struct kafka_spread {
    atomic_int current;
    atomic_llong since_us;                          // when current was chosen
    atomic_uint in_flight[KAFKA_SPREAD_PARTITIONS]; // records taken and not confirmed
};
void kafka_spread_init(struct kafka_spread *spread);
// The topic's settings with our partitioner, unless the operator has set one; rd_kafka_topic_new
// takes them over.
rd_kafka_topic_conf_t *kafka_spread_conf(struct kafka_log *log, rd_kafka_t *handle);
// A record of that partition was confirmed or has failed.
void kafka_spread_confirmed(struct kafka_spread *spread, int32_t partition);

// event_log_kafka_producer.c: one librdkafka producer with its thread.
struct kafka_producer {
    struct kafka_log *log;
    bool gathers; // by the spread
    const char *linger_ms;
    // Appends hold this lock shared while they produce; the handle is replaced, and the door
    // closed, under it.
    pthread_rwlock_t lock;
    rd_kafka_t *handle;
    rd_kafka_topic_t *topics[EVENT_LOG_STREAM_COUNT];
    pthread_t thread; // takes delivery reports and watches over the handle
    bool has_thread;
    atomic_bool is_stopping;
    atomic_size_t inside;
    // Monotonic: the last confirmation, or the append that found it empty.
    atomic_llong last_progress_us;
};

struct kafka_log {
    struct event_log base;
    struct event_log_kafka_options options; // with copies of all text
    char *topic_names[EVENT_LOG_STREAM_COUNT];
    _Atomic int32_t partition_counts[EVENT_LOG_STREAM_COUNT]; // grow: partitions can be added
    atomic_llong keeps_ms;                                    // events; 0 = for ever
    atomic_llong keeps_due_us;                                // when that is asked for again
    atomic_llong counts_due_us;                               // when they are asked for again

    struct slice_pool *slices;

    struct kafka_producer prompt;    // sends at once: records with a key, and all at low load
    struct kafka_producer gathering; // events without a key while many are inside
    struct kafka_spread spread;
    bool is_closed; // under both producers' locks

    atomic_bool is_away;
    pthread_mutex_t lock;
    pthread_cond_t emptied; // inside became 0
    char reason[256]; // why it is away, or the last thing that a broker connection complained about
};

struct kafka_default {
    const char *name;
    const char *value;
};
// The settings for one client (producer or consumer): the defaults, then the pass-through settings,
// which may change them; brokers and log lines. STATUS_INVALID names the bad one. The caller owns
// the result.
enum status must_check kafka_conf_create(const struct kafka_log *log,
                                         const struct kafka_default *defaults, size_t count,
                                         rd_kafka_conf_t **ret_conf, struct error *error);
// Sets what we are sure of; a value that librdkafka refuses is our mistake.
void kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value);
void kafka_conf_set_number(rd_kafka_conf_t *conf, const char *name, int64_t value);

// Waits for the brokers, creates the topics that are missing, and learns their partition counts.
enum status must_check kafka_topics_prepare(struct kafka_log *log, struct error *error);

// The stream has at least so many partitions. Any thread, once the log was created.
void kafka_topics_grow(struct kafka_log *log, enum event_log_stream stream,
                       int32_t partition_count);
// How long the topic of events keeps them: takes what the brokers have said to queue, which is one
// of that client, and asks them anew when that was a minute ago. Does not block.
void kafka_retention_look(struct kafka_log *log, rd_kafka_t *client, rd_kafka_queue_t *queue);
// Asks, if that was some seconds ago, whether partitions were added. Blocks for one answer.
void kafka_topics_look(struct kafka_log *log, rd_kafka_t *client);

// The owner has set log, gathers, linger_ms and lock.
enum status must_check kafka_producer_create(struct kafka_producer *producer, struct error *error);
void kafka_producer_open_topics(struct kafka_producer *producer);
void kafka_producer_start(struct kafka_producer *producer);
// Stops the thread and destroys the handle. Accepts a half-built one.
void kafka_producer_stop(struct kafka_producer *producer);
enum status kafka_status_of(rd_kafka_resp_err_t failure);

// event_log_kafka_append.c
enum status must_check kafka_append(struct event_log *log, struct event_log_append *append);
size_t kafka_inside(struct kafka_log *log);
int64_t kafka_gather_us(struct event_log *log, size_t waiting);
void kafka_close(struct event_log *log, int64_t deadline_ms);

void kafka_set_reason(struct kafka_log *log, const char *reason);
void kafka_copy_reason(struct kafka_log *log, char *ret_reason, size_t size);

// event_log_kafka_reader.c
enum status must_check kafka_reader_create(struct event_log *log,
                                           const struct event_log_reader_options *options,
                                           struct event_log_reader **ret_reader,
                                           struct error *error);
// event_log_kafka_delivery.c
// The message as a record. Its bytes stay the message's; the list of its headers lies in the slice.
void kafka_read_record(struct record_slice *slice, const rd_kafka_message_t *message,
                       struct stored_record *ret_record);

// event_log_kafka_lookups.c. These block, for some seconds at the most.
// Where a partition begins and ends.
struct kafka_range {
    int64_t first;
    int64_t end;
    int64_t learned_at_us; // monotonic; 0 = never
};
// Logs why a partition cannot be read, and gives the status for it.
enum status kafka_read_failed(const char *topic, int32_t partition, rd_kafka_resp_err_t failure);
// Waits a little for a leader that moves. A failure is logged, and leaves *ret_range as it is.
enum status must_check kafka_find_range(const struct kafka_log *log, rd_kafka_t *consumer,
                                        enum event_log_stream stream, int32_t partition,
                                        struct kafka_range *ret_range);
enum status must_check kafka_find_time(const struct kafka_log *log, rd_kafka_t *consumer,
                                       struct event_log_time_query *query);
// Sets the end of each place; where it is not found the place stays as it is.
void kafka_find_ends(const struct kafka_log *log, rd_kafka_t *consumer, struct slice_place *places,
                     size_t count);

// event_log_kafka_slices.c; the store is the struct kafka_log. What a reader of the pool has
// fetched ahead is bounded for each of 4 partitions: 1,000 records or 1 MiB of values, and one
// answer of a broker more (1 MiB, unless one batch of records is larger).
extern const struct slice_store_ops kafka_slice_ops;

#endif
