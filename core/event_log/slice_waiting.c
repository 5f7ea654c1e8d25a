#include "core/event_log/slice_waiting.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

static const struct event_log_slice *slice_of(const struct event_log_job *job) {
    return CONTAINER_OF(job, const struct event_log_slice, job);
}

void slice_waiting_add(struct slice_waiting *waiting, struct event_log_job *job) {
    job->is_waiting = true;
    job->next = waiting->first;
    waiting->first = job;
}

bool slice_waiting_is_woken(const struct slice_waiting *waiting, const struct event_log_job *job) {
    const struct event_log_slice *slice = slice_of(job);
    return waiting->ends[slice->stream][slice->partition] > job->position;
}

struct event_log_job *slice_waiting_take(struct slice_waiting *waiting, bool is_closed,
                                         int64_t now_us) {
    struct event_log_job *job = waiting->first, *taken = NULL, **last = &taken;
    waiting->first = NULL;
    while (job) {
        struct event_log_job *next = job->next;
        bool is_over = is_closed || job->is_cancelled || now_us >= job->wait_until_us ||
                       slice_waiting_is_woken(waiting, job);
        if (is_over) {
            job->is_waiting = false;
            job->next = NULL;
            *last = job;
            last = &job->next;
        } else {
            slice_waiting_add(waiting, job);
        }
        job = next;
    }
    return taken;
}

int64_t slice_waiting_due_us(const struct slice_waiting *waiting) {
    int64_t due_us = INT64_MAX;
    for (const struct event_log_job *job = waiting->first; job; job = job->next) {
        due_us = job->wait_until_us < due_us ? job->wait_until_us : due_us;
    }
    return due_us;
}

struct slice_place *slice_waiting_places(const struct slice_waiting *waiting, size_t *ret_count) {
    size_t count = 0;
    for (const struct event_log_job *job = waiting->first; job; job = job->next) {
        count++;
    }
    struct slice_place *places = memory_allocate(count * sizeof *places);
    *ret_count = 0;
    for (const struct event_log_job *job = waiting->first; job; job = job->next) {
        const struct event_log_slice *slice = slice_of(job);
        size_t i = 0;
        while (i < *ret_count &&
               (places[i].stream != slice->stream || places[i].partition != slice->partition)) {
            i++;
        }
        if (i == *ret_count) {
            places[(*ret_count)++] = (struct slice_place){slice->stream, slice->partition, -1};
        }
    }
    return places;
}

int64_t slice_waiting_end(const struct slice_waiting *waiting,
                          const struct event_log_slice *slice) {
    bool is_there = slice->partition >= 0 && slice->partition < waiting->counts[slice->stream];
    return is_there ? waiting->ends[slice->stream][slice->partition] : 0;
}

bool slice_waiting_raise_end(struct slice_waiting *waiting, const struct slice_place *place) {
    int64_t *end = &waiting->ends[place->stream][place->partition];
    bool has_moved = place->end_offset > *end;
    *end = has_moved ? place->end_offset : *end;
    return has_moved;
}

void slice_waiting_grow(struct slice_waiting *waiting, enum event_log_stream stream,
                        int32_t partition_count) {
    size_t before = (size_t)waiting->counts[stream], count = (size_t)partition_count;
    int64_t *ends = memory_resize(waiting->ends[stream], count, sizeof *ends);
    memset(ends + before, 0, (count - before) * sizeof *ends);
    waiting->ends[stream] = ends;
    waiting->counts[stream] = partition_count;
}

void slice_waiting_clear(struct slice_waiting *waiting) {
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        free(waiting->ends[stream]);
    }
}
