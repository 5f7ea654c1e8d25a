// Slices and offsets by time over a local_store: what event_log_read does in the kinds that live in
// this process. Inside core/event_log only.
#ifndef EVENT_GATEWAY_EVENT_LOG_LOCAL_SLICES_H
#define EVENT_GATEWAY_EVENT_LOG_LOCAL_SLICES_H

#include "core/event_log/local_readers.h"
#include "core/event_log/slice_pool.h"

struct local_slices {
    const struct local_store_ops *ops;
    void *store;
    struct slice_store_ops pool_ops;
    struct slice_pool *pool;
};
void local_slices_init(struct local_slices *slices, const struct local_store_ops *ops, void *store,
                       const int32_t partition_counts[EVENT_LOG_STREAM_COUNT]);
// Any thread.
void local_slices_wake(struct local_slices *slices, enum event_log_stream stream,
                       int32_t partition);
void local_slices_clear(struct local_slices *slices);

#endif
