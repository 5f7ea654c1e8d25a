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

// Appends event with these marks: with a done, at the end of the loop's turn; without one, a few
// milliseconds later at the most, together with others. done follows exactly once, later, on the
// loop, whatever became of the append: a loss is counted and logged here.
void recording_start(struct ingest *ingest, const struct event *event,
                     const struct recording_marks *marks, recording_done_fn done, void *context);
void recordings_init(struct ingest *ingest);
// Hands over what callers wait for.
void append_awaited_recordings(struct ingest *ingest);
// The others, when it is time: what has not come for a while goes at once.
void append_recordings_if_due(struct ingest *ingest);
// The others, now. Nothing is due later.
void append_recordings(struct ingest *ingest);

#endif
