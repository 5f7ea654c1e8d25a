// The append of a synchronous call's event beside the call (contract 2.5): marked as handled by
// that subscription, so that dispatchers serve only the others. Belongs to the loop's thread.
#ifndef EVENT_GATEWAY_INGEST_RECORDING_H
#define EVENT_GATEWAY_INGEST_RECORDING_H

#include "core/base/bytes.h"
#include "core/events/event.h"
#include "ingest/ingest.h"

// What the record says beside the event; copied.
struct recording_marks {
    struct bytes sync;                    // id of the subscription that has handled it
    struct bytes traceparent, tracestate; // of the call, so that deliveries go on with its trace
};

typedef void (*recording_done_fn)(void *context);

// Appends event with these marks at the end of the loop's turn. done (may be NULL) follows exactly
// once, later, on the loop, whatever became of the append: a loss is counted and logged here.
void recording_start(struct ingest *ingest, const struct event *event,
                     const struct recording_marks *marks, recording_done_fn done, void *context);
// The appends of all calls that this turn of the loop has begun.
void append_recordings(struct ingest *ingest);

#endif
