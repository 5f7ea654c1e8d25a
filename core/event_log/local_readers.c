// The groups of this process and who is in them; whoever reads is told of what is new, taken away
// or lost.
#include "core/event_log/local_readers.h"

#include "core/base/memory.h"
#include "core/event_log/local_reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct local_readers *local_readers_create(const struct local_store_ops *ops, void *store,
                                           const int32_t partition_counts[EVENT_LOG_STREAM_COUNT]) {
    struct local_readers *readers = memory_allocate(sizeof *readers);
    readers->ops = ops;
    readers->store = store;
    memcpy(readers->partition_counts, partition_counts, sizeof readers->partition_counts);
    pthread_mutex_init(&readers->lock, NULL);
    local_slices_init(&readers->slices, ops, store, partition_counts);
    return readers;
}

void local_readers_destroy(struct local_readers *readers) {
    if (!readers) {
        return;
    }
    local_slices_clear(&readers->slices);
    while (readers->groups) {
        struct local_group *group = readers->groups;
        assert(!group->members);
        readers->groups = group->next;
        free(group->name);
        free(group);
    }
    pthread_mutex_destroy(&readers->lock);
    free(readers);
}

struct local_group *local_readers_group(struct local_readers *readers, const char *name,
                                        enum event_log_stream stream) {
    struct local_group *group = readers->groups;
    while (group && (group->stream != stream || strcmp(group->name, name) != 0)) {
        group = group->next;
    }
    if (!group) {
        group = memory_allocate(sizeof *group);
        group->name = memory_copy_text(name);
        group->stream = stream;
        group->partition_count = readers->partition_counts[stream];
        group->next = readers->groups;
        readers->groups = group;
    }
    return group;
}

void local_readers_wake_group(struct local_group *group) {
    for (struct local_member *member = group->members; member; member = member->next) {
        local_reader_wake(member);
    }
}

struct slice_pool *local_readers_slices(struct local_readers *readers) {
    return readers->slices.pool;
}

void local_readers_wake(struct local_readers *readers, enum event_log_stream stream,
                        int32_t partition) {
    local_slices_wake(&readers->slices, stream, partition);
    pthread_mutex_lock(&readers->lock);
    for (struct local_group *group = readers->groups; group; group = group->next) {
        if (group->stream == stream) {
            local_readers_wake_group(group);
        }
    }
    pthread_mutex_unlock(&readers->lock);
}

static void take_away(struct local_readers *readers, enum event_log_stream stream,
                      int32_t partition, bool is_lost) {
    pthread_mutex_lock(&readers->lock);
    for (struct local_group *group = readers->groups; group; group = group->next) {
        for (struct local_member *member = group->stream == stream ? group->members : NULL; member;
             member = member->next) {
            struct local_partition *state = &member->partitions[partition];
            state->is_lost |= is_lost && state->state != LOCAL_PARTITION_ELSEWHERE;
            state->is_wanted_back |= !is_lost && (state->state == LOCAL_PARTITION_OURS ||
                                                  state->state == LOCAL_PARTITION_ASSIGNED);
            local_reader_wake(member);
        }
    }
    pthread_mutex_unlock(&readers->lock);
}

void local_readers_revoke(struct local_readers *readers, enum event_log_stream stream,
                          int32_t partition) {
    take_away(readers, stream, partition, false);
}

void local_readers_lose(struct local_readers *readers, enum event_log_stream stream,
                        int32_t partition) {
    take_away(readers, stream, partition, true);
}
