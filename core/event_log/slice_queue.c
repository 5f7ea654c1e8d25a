#include "core/event_log/slice_queue.h"

#include "core/base/memory.h"

#include <string.h>

// A worker goes on where it stopped, rather than with what waits longest, so often in a row.
#define OUT_OF_TURN_MAX 8
#define SEARCH_MAX 64
// What waits so long for the worker that stopped there is taken by another one.
#define LEFT_TO_OTHERS_US 50000

bool slice_stops_have(const struct slice_stops *stops, const struct event_log_job *job) {
    const struct event_log_slice *slice =
        job->is_query ? NULL : CONTAINER_OF(job, const struct event_log_slice, job);
    for (size_t i = 0; slice && i < SLICE_STOPS_KEPT; i++) {
        const struct slice_place *kept = &stops->kept[i];
        if (kept->end_offset > 0 && kept->end_offset == job->position &&
            kept->stream == slice->stream && kept->partition == slice->partition) {
            return true;
        }
    }
    return false;
}

void slice_stops_keep(struct slice_stops *stops, const struct event_log_slice *slice,
                      int64_t started_at) {
    size_t place = stops->next_kept;
    for (size_t i = 0; i < SLICE_STOPS_KEPT; i++) {
        const struct slice_place *kept = &stops->kept[i];
        if (kept->stream == slice->stream && kept->partition == slice->partition &&
            kept->end_offset == started_at) {
            place = i;
        }
    }
    if (place == stops->next_kept) {
        stops->next_kept = (stops->next_kept + 1) % SLICE_STOPS_KEPT;
    }
    stops->kept[place] = (struct slice_place){slice->stream, slice->partition, slice->next_offset};
}

void slice_stops_forget(struct slice_stops *stops) {
    memset(stops->kept, 0, sizeof stops->kept);
}

void slice_queue_add(struct slice_queue *queue, struct event_log_job *job, int64_t now_us) {
    job->next = NULL;
    job->ready_us = now_us;
    if (queue->last) {
        queue->last->next = job;
    } else {
        queue->first = job;
    }
    queue->last = job;
}

// Takes out the job, which follows previous.
static struct event_log_job *take_out(struct slice_queue *queue, struct event_log_job *previous,
                                      struct event_log_job *job) {
    if (previous) {
        previous->next = job->next;
    } else {
        queue->first = job->next;
    }
    if (queue->last == job) {
        queue->last = previous;
    }
    return job;
}

struct event_log_job *slice_queue_take_first(struct slice_queue *queue) {
    return queue->first ? take_out(queue, NULL, queue->first) : NULL;
}

struct event_log_job *slice_queue_take(struct slice_queue *queue, size_t worker,
                                       struct slice_stops *stops, int64_t now_us) {
    bool is_own_first = stops->out_of_turn < OUT_OF_TURN_MAX;
    struct event_log_job *previous = NULL, *found = NULL, *before_found = NULL;
    size_t looked_at = 0;
    bool is_out_of_turn = false;
    for (struct event_log_job *job = queue->first; job && looked_at < SEARCH_MAX; looked_at++) {
        bool is_own = job->worker == worker;
        bool may_take = is_own || job->worker == 0 || now_us - job->ready_us >= LEFT_TO_OTHERS_US;
        if (may_take && (!found || (is_own && is_own_first))) {
            is_out_of_turn = found != NULL;
            found = job;
            before_found = previous;
            if (is_own || !is_own_first) {
                break;
            }
        }
        previous = job;
        job = job->next;
    }
    stops->out_of_turn = is_out_of_turn ? stops->out_of_turn + 1 : 0;
    return found ? take_out(queue, before_found, found) : NULL;
}

int64_t slice_queue_left_until_us(const struct slice_queue *queue) {
    return queue->first ? queue->first->ready_us + LEFT_TO_OTHERS_US : INT64_MAX;
}
