// The jobs that a worker of a slice pool can do now, in the order they came, and which worker
// should: the one that stopped where a job goes on. Plain values under the pool's lock; zero is
// empty. Inside core/event_log only.
#ifndef EVENT_GATEWAY_EVENT_LOG_SLICE_QUEUE_H
#define EVENT_GATEWAY_EVENT_LOG_SLICE_QUEUE_H

#include "core/event_log/slice_pool.h"

// Where one worker stopped.
#define SLICE_STOPS_KEPT 4
struct slice_stops {
    struct slice_place kept[SLICE_STOPS_KEPT]; // end_offset is the next one to read
    size_t next_kept;
    unsigned out_of_turn; // jobs of its own in a row, ahead of what waits longer
};
// The job goes on at one of them.
bool slice_stops_have(const struct slice_stops *stops, const struct event_log_job *job);
// The slice was read from started_at on: that stop moves to its next_offset, or a new one takes the
// oldest one's place.
void slice_stops_keep(struct slice_stops *stops, const struct event_log_slice *slice,
                      int64_t started_at);
void slice_stops_forget(struct slice_stops *stops);

struct slice_queue {
    struct event_log_job *first;
    struct event_log_job *last;
};
void slice_queue_add(struct slice_queue *queue, struct event_log_job *job, int64_t now_us);
// NULL when it is empty.
struct event_log_job *slice_queue_take_first(struct slice_queue *queue);
// The next job for the worker of that number (from 1), or NULL. Its own first, but not for ever;
// those of others only when they have waited for long.
struct event_log_job *slice_queue_take(struct slice_queue *queue, size_t worker,
                                       struct slice_stops *stops, int64_t now_us);
// When the first job may be taken by any worker; INT64_MAX when there is none.
int64_t slice_queue_left_until_us(const struct slice_queue *queue);

#endif
