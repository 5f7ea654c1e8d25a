// Writes what became of delivery attempts to eg.outcome: what a few milliseconds brought in one
// record. Best effort and bounded: while the log does not take it, outcomes are dropped and
// counted. One for each lane; belongs to its loop.
#ifndef EVENT_GATEWAY_DISPATCHER_OUTCOMES_H
#define EVENT_GATEWAY_DISPATCHER_OUTCOMES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/event_loop.h"
#include "core/event_log/event_log.h"
#include "core/events/outcome_record.h"

enum outcome_recording {
    OUTCOMES_ON,
    OUTCOMES_OF_FAILURES, // and what followed after a failure
    OUTCOMES_OFF,
};

struct outcome_post;

struct outcomes {
    struct event_log *log;
    struct event_loop *loop;
    enum outcome_recording recording;
    struct bytes node; // who delivers; borrowed

    // Its own.
    struct outcome_batch batch;
    struct event_loop_timer timer; // runs while the batch is not empty
    struct outcome_post *inside;   // what the log has
    size_t inside_count;
};

// The fields up to node are filled in.
void outcomes_init(struct outcomes *outcomes);
// node and time_us are filled in here.
void outcomes_note(struct outcomes *outcomes, const struct outcome *outcome);
// Likewise, whatever is recorded of outcomes.
void outcomes_note_in_flight(struct outcomes *outcomes, const struct in_flight_count *count);
// Writes what waits. What the log has frees itself when it is answered.
void outcomes_close(struct outcomes *outcomes);

#endif
