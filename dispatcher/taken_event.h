// An event that was taken from the log, until all its deliveries are finished: by its partition's
// live position, or by a cursor for one subscription. Belongs to the partition's loop.
#ifndef EVENT_GATEWAY_DISPATCHER_TAKEN_EVENT_H
#define EVENT_GATEWAY_DISPATCHER_TAKEN_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/events/parked_record.h"
#include "core/events/record.h"
#include "core/events/trace_context.h"
#include "dispatcher/offset_tracker.h"

struct cursor;
struct event;
struct partition;

// What a record of eg.retry.* says of its delivery.
struct taken_parked {
    struct parked_delivery delivery; // points into storage
    struct buffer storage;
};
void taken_parked_destroy(struct taken_parked *parked);

// A record on its way from the log.
struct taken_record {
    int64_t offset;
    int64_t stored_ms; // since 1970
    size_t bytes;
    const struct event *event;   // a reference; NULL: it is no event
    struct taken_parked *parked; // of eg.retry.* only; taken over
};
// Any thread. A record that is no event is counted and logged.
void taken_record_decode(const struct stored_record *stored, bool is_parked,
                         struct taken_record *ret_taken);

struct taken_event {
    struct offset_tracker_entry place;
    struct partition *partition;
    struct cursor *cursor; // NULL: the live position's
    const struct event *event;
    uint32_t open_deliveries;
    size_t bytes;             // what the window, or the cursor, counts for it
    int64_t expires_us;       // wall clock, by the extension expirytime; INT64_MAX = never
    int64_t not_before_us;    // wall clock, by the extension delivernotbefore; 0 = at once
    int64_t wall_ahead_us;    // of the loop's clock, when it was taken: so its age goes on
                              // evenly although somebody sets the wall clock
    int32_t partition_number; // where the event lies in eg.events
    int64_t offset;
    char *replay_id; // of a parked delivery that is a replay's; else NULL
    struct trace_context trace;
};

// Takes over the reference to the event. The live position's record counts in the window already.
struct taken_event *taken_event_create(struct partition *partition, struct cursor *cursor,
                                       const struct taken_record *record);
// The same event, to be finished by the cursor, with one open delivery.
struct taken_event *taken_event_copy_for(struct cursor *cursor, const struct taken_event *taken);
// Memory that it costs beyond its own bytes.
void taken_event_charge(struct taken_event *taken, size_t bytes);
// It is in no tracker any more.
void taken_event_destroy(struct taken_event *taken);

#endif
