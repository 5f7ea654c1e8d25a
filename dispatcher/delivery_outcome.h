// What is told of a delivery in eg.outcome. Belongs to its loop.
#ifndef EVENT_GATEWAY_DISPATCHER_DELIVERY_OUTCOME_H
#define EVENT_GATEWAY_DISPATCHER_DELIVERY_OUTCOME_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/events/outcome_record.h"

struct delivery;
struct invocation_result;

struct delivery_note {
    enum outcome_kind kind;
    const struct invocation_result *result; // of the attempt that led to it; NULL: there was none
    struct bytes reason;
    int64_t next_attempt_us; // wall clock; 0 = none follows
};
void delivery_note_outcome(const struct delivery *delivery, const struct delivery_note *note);

#endif
