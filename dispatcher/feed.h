// The callbacks of a reader, of eg.events or of a tier of eg.retry.*: gives each partition to a
// lane, decodes the records, and posts them to the lane's loop in batches. Everything belongs to
// the consumer's thread.
//
// Events are decoded here and not on the loop: the decoder makes the one copy that outlives the
// callback, and the loops are left to match and call.
#ifndef EVENT_GATEWAY_DISPATCHER_FEED_H
#define EVENT_GATEWAY_DISPATCHER_FEED_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event_log/event_log.h"
#include "dispatcher/lane.h"

struct partition;

struct feed {
    int tier; // of eg.retry.*; PARTITION_OF_EVENTS
    struct lane *lanes;
    size_t lane_count;
    size_t window_max_events;
    int64_t patience_ms;             // event_log.h
    sem_t *closed;                   // posted when the reader is
    atomic_llong hand_over_us;       // any thread
    struct event_log_reader *reader; // set before the first callback comes

    struct partition **partitions; // by number; NULL: not ours
    size_t partition_count;
};

// Starts reading into the feed, whose fields up to hand_over_us are filled in.
enum status must_check feed_start(struct feed *feed, struct event_log *log, const char *group,
                                  int64_t reader_hand_over_ms, struct error *error);
// closed is posted when all partitions are handed over or the time is up.
void feed_close(struct feed *feed);
// The reader is gone.
void feed_clear(struct feed *feed);

#endif
