// What local_readers.c, the groups of this process, and local_reader.c, one reader and its thread,
// share. Inside core/event_log only.
#ifndef EVENT_GATEWAY_EVENT_LOG_LOCAL_READER_H
#define EVENT_GATEWAY_EVENT_LOG_LOCAL_READER_H

#include "core/event_log/local_group.h"
#include "core/event_log/local_readers.h"
#include "core/event_log/local_slices.h"

#include <pthread.h>

// One lock for all groups and readers; it is never held while calling a callback or the store.
struct local_readers {
    const struct local_store_ops *ops;
    void *store;
    int32_t partition_counts[EVENT_LOG_STREAM_COUNT];
    pthread_mutex_t lock;
    struct local_group *groups;
    struct local_slices slices;
};

// The group of that name, made when it is new. Needs the lock.
struct local_group *local_readers_group(struct local_readers *readers, const char *name,
                                        enum event_log_stream stream);
// Its members look again at what is theirs. Needs the lock.
void local_readers_wake_group(struct local_group *group);

// local_reader.c. The member's thread looks again. Needs the lock.
void local_reader_wake(struct local_member *member);

#endif
