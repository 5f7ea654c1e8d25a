// The reader's callbacks: gives each partition to a lane, decodes the records, and posts them to
// the lane's loop in batches. Everything belongs to the consumer's thread.
//
// Events are decoded here and not on the loop: the decoder makes the one copy that outlives the
// callback, and the loops are left to match and call.
#ifndef EVENT_GATEWAY_DISPATCHER_FEED_H
#define EVENT_GATEWAY_DISPATCHER_FEED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event_log/event_log.h"
#include "dispatcher/lane.h"

struct partition;

struct feed {
    struct lane *lanes;
    size_t lane_count;
    size_t window_max_events;
    atomic_llong hand_over_us;       // any thread
    struct event_log_reader *reader; // set before the first callback comes

    struct partition **partitions; // by number; NULL: not ours
    size_t partition_count;
};

// Starts reading into the feed, whose fields up to hand_over_us are filled in.
enum status must_check feed_start(struct feed *feed, struct event_log *log, const char *group,
                                  int64_t reader_hand_over_ms, struct error *error);
// The reader is gone.
void feed_clear(struct feed *feed);

#endif
