// The threads that serve event_log_read and event_log_find_time, for every kind of log. A slice
// that found nothing and may wait takes no thread: it is set aside until the end of its partition
// moves. Inside core/event_log only.
//
//   read ─▶ ready ─▶ a worker reads ──────────────▶ done
//             ▲          │ nothing there, may wait   ▲
//             └─ wake ─ waiting ── time is up, cancel ┘
#ifndef EVENT_GATEWAY_EVENT_LOG_SLICE_POOL_H
#define EVENT_GATEWAY_EVENT_LOG_SLICE_POOL_H

#include "core/event_log/event_log.h"

struct slice_place {
    enum event_log_stream stream;
    int32_t partition;
    int64_t end_offset;
};

// What a store gives to the pool. Called on the workers' threads, several at once with a reader
// each, without locks held. They may block for some seconds at the worst.
struct slice_store_ops {
    // What one worker needs for itself.
    enum status (*open)(void *store, void **ret_reader, struct error *error);
    void (*close)(void *reader);
    // Adds records from slice->job.position on to slice->bytes until that is full or nothing more
    // is there, and sets next_offset, first_offset and end_offset.
    enum status (*read)(void *store, void *reader, struct event_log_slice *slice);
    // Fills query->offsets, which has a place for each partition.
    enum status (*find_time)(void *store, void *reader, struct event_log_time_query *query);
    // NULL when slice_pool_wake tells of every record. Else: fills the ends of places where slices
    // wait, -1 for an unknown one.
    void (*look)(void *store, void *reader, struct slice_place *places, size_t count);
    // Going on where the last slice of that worker ended is much cheaper than anywhere else.
    bool keeps_places;
    // NULL, or: the worker had nothing to do for a while; what costs something can go.
    void (*rest)(void *reader);
};

struct slice_pool;
struct slice_pool *slice_pool_create(const struct slice_store_ops *ops, void *store,
                                     const int32_t partition_counts[EVENT_LOG_STREAM_COUNT]);
// The stream has so many partitions now; it never has fewer. Any thread.
void slice_pool_grow(struct slice_pool *pool, enum event_log_stream stream,
                     int32_t partition_count);
// The functions of event_log.h.
enum status must_check slice_pool_read(struct slice_pool *pool, struct event_log_slice *slice);
enum status must_check slice_pool_find_time(struct slice_pool *pool,
                                            struct event_log_time_query *query);
void slice_pool_cancel(struct slice_pool *pool, struct event_log_slice *slice);
// The partition has records up to end_offset now. Any thread.
void slice_pool_wake(struct slice_pool *pool, enum event_log_stream stream, int32_t partition,
                     int64_t end_offset);
// Refuses what comes, answers what waits with CLOSED, and waits until what is being read is
// answered too: afterwards the pool touches nobody's slice.
void slice_pool_close(struct slice_pool *pool);
// For a store that reads: it need not wait for records any more, and answers CLOSED where none have
// come. Any thread.
bool slice_pool_is_closed(const struct slice_pool *pool);
// Closes, and waits for the threads.
void slice_pool_destroy(struct slice_pool *pool);

#endif
