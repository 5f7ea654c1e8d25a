// The slices of a slice pool that found nothing and may wait, and the ends of the partitions, which
// wake them. A plain value under the pool's lock; zero is empty. Inside core/event_log only.
#ifndef EVENT_GATEWAY_EVENT_LOG_SLICE_WAITING_H
#define EVENT_GATEWAY_EVENT_LOG_SLICE_WAITING_H

#include "core/event_log/slice_pool.h"

struct slice_waiting {
    struct event_log_job *first;
    int64_t *ends[EVENT_LOG_STREAM_COUNT]; // the highest that anybody told of
    int32_t counts[EVENT_LOG_STREAM_COUNT];
};
void slice_waiting_add(struct slice_waiting *waiting, struct event_log_job *job);
// The end of the job's partition has moved past where it goes on.
bool slice_waiting_is_woken(const struct slice_waiting *waiting, const struct event_log_job *job);
// Takes out the jobs whose waiting is over, all of them when is_closed.
struct event_log_job *slice_waiting_take(struct slice_waiting *waiting, bool is_closed,
                                         int64_t now_us);
// When the first of them has waited for as long as it may; INT64_MAX when none waits.
int64_t slice_waiting_due_us(const struct slice_waiting *waiting);
// The partitions that somebody waits for, each once, with -1 as its end. The caller frees them.
struct slice_place *slice_waiting_places(const struct slice_waiting *waiting, size_t *ret_count);
// The highest end of the slice's partition that anybody told of; 0 = none, or no such partition.
int64_t slice_waiting_end(const struct slice_waiting *waiting, const struct event_log_slice *slice);
// Returns whether that is news.
bool slice_waiting_raise_end(struct slice_waiting *waiting, const struct slice_place *place);
// The stream has more partitions than before.
void slice_waiting_grow(struct slice_waiting *waiting, enum event_log_stream stream,
                        int32_t partition_count);
void slice_waiting_clear(struct slice_waiting *waiting);

#endif
