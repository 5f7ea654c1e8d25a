// The W3C trace context that calls of functions carry: one trace for an event, a new span for each
// call. Pure, any thread; randomness is passed in.
#ifndef EVENT_GATEWAY_EVENTS_TRACE_CONTEXT_H
#define EVENT_GATEWAY_EVENTS_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/events/event.h"

struct trace_context {
    uint64_t trace_high, trace_low; // never both 0
    uint8_t flags;
};

// Trace id and flags of a traceparent of any version that the standard lets us read; false when it
// is not valid.
bool trace_context_read(struct bytes traceparent, struct trace_context *ret_context);
// Visible ASCII and blanks, 512 bytes at the most; what is not is dropped as a whole.
bool trace_state_is_valid(struct bytes tracestate);
// The trace of the request that brought the event, else of the producer's extension traceparent,
// else a new one of the random numbers.
struct trace_context trace_context_of(const struct event *event, uint64_t random_high,
                                      uint64_t random_low);
// The tracestate that goes with that; empty = none.
struct bytes trace_state_of(const struct event *event);

// "00-<32 hex digits>-<16 hex digits>-<2 hex digits>"
#define TRACEPARENT_TEXT_SIZE 56
void trace_context_write(const struct trace_context *context, uint64_t span_id,
                         char ret_text[TRACEPARENT_TEXT_SIZE]);

#endif
