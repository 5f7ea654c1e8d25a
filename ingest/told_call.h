// What is told of a synchronous call (contract 2.7): the event was received, a function is invoked
// for it, how that ended. Belongs to the loop's thread.
#ifndef EVENT_GATEWAY_INGEST_TOLD_CALL_H
#define EVENT_GATEWAY_INGEST_TOLD_CALL_H

#include "core/system/system_emitter.h"
#include "ingest/ingest_private.h"

struct told_call {
    struct system_call call;
    struct event_params params; // a copy, kept only while somebody wants to know the end
    void *storage;
};

// When the call begins. space and function_id must live as long as the intake; params are copied.
void told_call_begin(struct told_call *told, struct intake *intake, struct bytes space,
                     struct bytes function_id, const struct event_params *params);
// When it has ended, while the intake is still there. Frees what was kept.
void told_call_end(struct told_call *told, const struct intake *intake,
                   const struct invocation_result *result);

#endif
