// Outcomes of delivery attempts <-> records of eg.outcome. One record holds a batch: a JSON array,
// written by a dispatcher and read by the admin role's index. Pure, any thread.
// schemas/log-record.md describes the format for others.
#ifndef EVENT_GATEWAY_EVENTS_OUTCOME_RECORD_H
#define EVENT_GATEWAY_EVENTS_OUTCOME_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

// Of an answer that was a failure, so much is kept.
#define OUTCOME_ANSWER_MAX 256

// What followed for a delivery.
enum outcome_kind {
    OUTCOME_DELIVERED,
    OUTCOME_RETRY,         // failed, waits in memory for its next attempt
    OUTCOME_PARKED,        // waits in eg.retry.*
    OUTCOME_DEAD_LETTERED, // given up, goes to eg.deadletter
    OUTCOME_DROPPED,       // given up, and the subscription wants no dead letters
    OUTCOME_UNSUBSCRIBED,  // the subscription was deleted meanwhile
    OUTCOME_KIND_COUNT,
};
// "delivered", "retry", "parked", "dead-lettered", "dropped", "unsubscribed".
const char *outcome_kind_name(enum outcome_kind kind);

struct outcome {
    struct bytes event_id, event_source;
    int32_t partition; // where the event lies in eg.events
    int64_t offset;
    struct bytes space, subscription_id;
    enum outcome_kind kind;
    uint32_t attempt; // the last one that was begun; 0 = none yet
    unsigned status;  // HTTP, 0 = no answer
    int64_t duration_us;
    struct bytes reason;     // for people; empty = none
    struct bytes answer;     // what the function said when it failed, any bytes; empty = none
    int64_t next_attempt_us; // since 1970; 0 = none will follow
    struct bytes node;       // who delivered
    int64_t time_us;         // since 1970
};

// A batch that is being written. Zero is a valid empty one.
struct outcome_batch {
    struct buffer json;
    size_t count;         // of all that was added
    size_t outcome_count; // of the outcomes
};
// How many calls of a subscription run on one worker of a node: told beside the outcomes.
struct in_flight_count {
    struct bytes space, subscription_id;
    struct bytes node;
    uint32_t lane; // the node's worker
    uint32_t count;
    int64_t time_us; // since 1970
};
void outcome_batch_add_in_flight(struct outcome_batch *batch, const struct in_flight_count *count);
// The answer is cut after OUTCOME_ANSWER_MAX bytes.
void outcome_batch_add(struct outcome_batch *batch, const struct outcome *outcome);
// The record's value; outcomes can be added no more. Valid until the batch is reset or cleared.
struct bytes outcome_batch_finish(struct outcome_batch *batch);
// Empties it but keeps the memory.
void outcome_batch_reset(struct outcome_batch *batch);
void outcome_batch_clear(struct outcome_batch *batch);

// Visits each outcome of a record's value, in order; its bytes are valid during the call only.
// Members that are not known are ignored. An element that is none of these is counted in
// ret_refused and passed over. STATUS_INVALID, and nothing was visited: the value is not a JSON
// array.
struct outcome_visitor {
    void (*outcome)(void *context, const struct outcome *outcome);
    void (*in_flight)(void *context, const struct in_flight_count *count); // NULL: passed over
};
enum status must_check outcome_record_decode(struct bytes value,
                                             const struct outcome_visitor *visitor, void *context,
                                             size_t *ret_refused, struct error *error);

#endif
