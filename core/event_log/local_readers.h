// Consumer groups and their readers, and slices, for logs that live in this process (memory,
// SQLite). Each reader runs a thread that reads through a local_store; who reads which partition is
// decided here. Inside core/event_log only.
#ifndef EVENT_GATEWAY_EVENT_LOG_LOCAL_READERS_H
#define EVENT_GATEWAY_EVENT_LOG_LOCAL_READERS_H

#include "core/event_log/event_log.h"
#include "core/event_log/record_slice.h"

struct local_place {
    enum event_log_stream stream;
    const char *group; // NULL where no group matters
    int32_t partition;
};

// What a store gives to the readers. Called on the readers' threads, several at once, without locks
// held.
struct local_store_ops {
    // What one reader needs for itself (a database connection). NULL pointers: nothing.
    enum status (*cursor_open)(void *store, void **ret_cursor, struct error *error);
    void (*cursor_close)(void *cursor);
    // The group's position, or -1 when it never had one.
    enum status (*load_position)(void *store, void *cursor, const struct local_place *place,
                                 int64_t *ret_offset);
    // Keeps the position. is_final: returns when it is durable, or the store gave up.
    void (*save_position)(void *store, const struct local_place *place, int64_t offset,
                          bool is_final);
    // The first offset that is there and the next one to be given; equal when the log is empty.
    void (*range)(void *store, const struct local_place *place, int64_t *ret_first,
                  int64_t *ret_end);
    // Adds records from offset on to the empty slice until it is full or nothing more is there.
    enum status (*read)(void *store, void *cursor, const struct local_place *place, int64_t offset,
                        struct record_slice *slice);
    // The first offset that was written at time_ms or later, or the next one to be given.
    enum status (*find_time)(void *store, void *cursor, const struct local_place *place,
                             int64_t time_ms, int64_t *ret_offset);
};

struct local_readers;
struct local_readers *local_readers_create(const struct local_store_ops *ops, void *store,
                                           const int32_t partition_counts[EVENT_LOG_STREAM_COUNT]);
// All readers are destroyed before.
void local_readers_destroy(struct local_readers *readers);
// local_reader.c: the implementation of event_log_reader_create.
enum status must_check local_reader_create(struct local_readers *readers,
                                           const struct event_log_reader_options *options,
                                           struct event_log_reader **ret_reader,
                                           struct error *error);
// What serves event_log_read and event_log_find_time.
struct slice_pool *local_readers_slices(struct local_readers *readers);
// The store has new records, or lost old ones. Any thread.
void local_readers_wake(struct local_readers *readers, enum event_log_stream stream,
                        int32_t partition);
// As a rebalance does: the partition is taken away and given to the member with the fewest. Any
// thread.
void local_readers_revoke(struct local_readers *readers, enum event_log_stream stream,
                          int32_t partition);
// As an expulsion does: the partition is lost without warning, then given again. Any thread.
void local_readers_lose(struct local_readers *readers, enum event_log_stream stream,
                        int32_t partition);

#endif
