// What the files of ingest/ share. Everything belongs to the loop's thread.
#ifndef EVENT_GATEWAY_INGEST_INGEST_PRIVATE_H
#define EVENT_GATEWAY_INGEST_INGEST_PRIVATE_H

#include "core/base/bytes.h"
#include "core/events/event.h"
#include "core/events/event_http.h"
#include "core/registry/snapshot.h"
#include "core/system/system_emitter.h"
#include "ingest/ingest.h"

struct ingest {
    struct ingest_options options;
    struct system_emitter emitter;
    bool is_closed;         // draining: every further request gets 503
    size_t requests_inside; // taken and not answered
    // What this turn of the loop has received goes to the log at its end, all together: the log's
    // threads are woken once for it, and find a batch.
    struct event_loop_hook turn_end;
    struct reception *first_received, **last_received;
};

// One request on its way through ingest: from ingest_handle to the answer. It owns everything here
// but the request, which is the server's and gone with the answer.
struct intake {
    struct ingest *ingest;
    struct http_request *request;
    const struct snapshot *snapshot; // the configuration that this request is decided by
    struct event_http_request http;  // borrows from request; headers are the intake's
    enum event_dialect dialect;
    char *method;             // upper case
    struct buffer space;      // empty = none was given
    struct buffer path;       // as subscriptions see it
    struct event_list events; // decoded
};

// Ends a request: each answers and destroys the intake.
void intake_answer(struct intake *intake, const struct http_response *response);
void intake_refuse(struct intake *intake, unsigned status, unsigned retry_after_s,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

// The ways from here (each consumes the intake):
// Appends every event at the end of the loop's turn, and answers 202 when all are durable.
void receive_event(struct intake *intake);
// The appends of all requests that receive_event has taken in this turn of the loop.
void append_received(struct ingest *ingest);
// Event: invoke.
void call_invoked_function(struct intake *intake);
// Calls the function of a synchronous subscription that takes the first event; false when there is
// none.
bool call_sync_subscription(struct intake *intake);
// Asks the authorizers of the events' types, then goes on with next; refuses with 403.
void authorize(struct intake *intake, void (*next)(struct intake *intake));

// The space that an event type is looked up in: the event's, or "default".
struct bytes intake_type_space(const struct intake *intake);
// STATUS_INVALID when the type of one of the events is the gateway's own.
enum status must_check check_not_system(const struct intake *intake, struct error *error);
// STATUS_INVALID when the request's Event-Gateway-Causation-Depth is no number; else its events
// have at least that depth.
enum status must_check take_causation_depth(struct intake *intake, struct error *error);
// Tells that the request's events were taken (eventgateway.event.received).
void intake_tell_received(const struct intake *intake);
// Counts an event in eventgateway_events_received_total.
void count_received(const struct intake *intake, const struct event *event);

#endif
