// The W3C trace context that deliveries carry: one trace for an event, a new span for each attempt.
// Pure; randomness is passed in.
#ifndef EVENT_GATEWAY_DISPATCHER_TRACE_CONTEXT_H
#define EVENT_GATEWAY_DISPATCHER_TRACE_CONTEXT_H

#include <stdint.h>

#include "core/base/bytes.h"

struct trace_context {
    uint64_t trace_high, trace_low; // never both 0
    uint8_t flags;
};

// Takes trace id and flags of the producer's traceparent where it is a valid one, of any version
// that the standard lets us read; else begins a trace with the random numbers.
struct trace_context trace_context_of(struct bytes traceparent, uint64_t random_high,
                                      uint64_t random_low);

// "00-<32 hex digits>-<16 hex digits>-<2 hex digits>"
#define TRACEPARENT_TEXT_SIZE 56
void trace_context_write(const struct trace_context *context, uint64_t span_id,
                         char ret_text[TRACEPARENT_TEXT_SIZE]);

#endif
