#include "dispatcher/backlog.h"

#include "core/base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct place {
    const void *owner; // NULL = not this node's
    int64_t position;
};

struct backlog {
    pthread_mutex_t lock;
    struct place *places;
    size_t count;
};

struct backlog *backlog_create(void) {
    struct backlog *backlog = memory_allocate(sizeof *backlog);
    pthread_mutex_init(&backlog->lock, NULL);
    return backlog;
}

void backlog_destroy(struct backlog *backlog) {
    if (!backlog) {
        return;
    }
    pthread_mutex_destroy(&backlog->lock);
    free(backlog->places);
    free(backlog);
}

// Needs the lock.
static struct place *place_of(struct backlog *backlog, int32_t partition) {
    size_t index = (size_t)partition;
    if (index >= backlog->count) {
        backlog->places = memory_resize(backlog->places, index + 1, sizeof *backlog->places);
        memset(backlog->places + backlog->count, 0,
               (index + 1 - backlog->count) * sizeof *backlog->places);
        backlog->count = index + 1;
    }
    return &backlog->places[index];
}

void backlog_set(struct backlog *backlog, int32_t partition, const void *owner, int64_t position) {
    pthread_mutex_lock(&backlog->lock);
    *place_of(backlog, partition) = (struct place){.owner = owner, .position = position};
    pthread_mutex_unlock(&backlog->lock);
}

void backlog_remove(struct backlog *backlog, int32_t partition, const void *owner) {
    pthread_mutex_lock(&backlog->lock);
    struct place *place = place_of(backlog, partition);
    if (place->owner == owner) {
        *place = (struct place){0};
    }
    pthread_mutex_unlock(&backlog->lock);
}

static bool position_of(struct backlog *backlog, size_t partition, int64_t *ret_position) {
    pthread_mutex_lock(&backlog->lock);
    bool is_ours = partition < backlog->count && backlog->places[partition].owner;
    if (is_ours) {
        *ret_position = backlog->places[partition].position;
    }
    pthread_mutex_unlock(&backlog->lock);
    return is_ours;
}

static size_t place_count(struct backlog *backlog) {
    pthread_mutex_lock(&backlog->lock);
    size_t count = backlog->count;
    pthread_mutex_unlock(&backlog->lock);
    return count;
}

int64_t backlog_count(struct backlog *backlog, struct event_log_reader *reader) {
    int64_t sum = 0;
    size_t count = place_count(backlog);
    for (size_t i = 0; i < count; i++) {
        // The reader has locks of its own, so it is asked without ours.
        int64_t position;
        if (position_of(backlog, i, &position)) {
            int64_t end = event_log_reader_end_offset(reader, (int32_t)i);
            sum += end > position ? end - position : 0;
        }
    }
    return sum;
}

void backlog_each_partition(struct backlog *backlog,
                            void (*visit)(void *context, int32_t partition), void *context) {
    size_t count = place_count(backlog);
    for (size_t i = 0; i < count; i++) {
        int64_t position;
        if (position_of(backlog, i, &position)) {
            visit(context, (int32_t)i);
        }
    }
}
