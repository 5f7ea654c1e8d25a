// What the files of ingest/ share. Everything belongs to the loop's thread.
#ifndef EVENT_GATEWAY_INGEST_INGEST_PRIVATE_H
#define EVENT_GATEWAY_INGEST_INGEST_PRIVATE_H

#include "core/base/bytes.h"
#include "core/events/event.h"
#include "core/events/event_http.h"
#include "core/events/trace_context.h"
#include "core/registry/snapshot.h"
#include "core/system/system_emitter.h"
#include "ingest/cors.h"
#include "ingest/ingest.h"

struct authorizer_cache;

struct recording_list {
    struct recording *first, **last;
    size_t count;
};

struct ingest {
    struct ingest_options options;
    struct system_emitter emitter;
    bool is_closed;         // draining: every further request gets 503
    size_t requests_inside; // taken and not answered
    struct authorizer_cache *authorizer_cache;
    // What a turn of the loop has received goes to the log at its end, all together: the log's
    // threads are woken once for it, and find a batch. Under load it waits for the next turns too,
    // as long as the log advises (event_log_gather_us).
    struct event_loop_hook turn_end;
    struct event_loop_timer gathering;
    struct reception *first_received, **last_received;
    struct recording_list awaited_recordings; // callers wait for them
    bool has_refused; // the log has refused something, so there may be an answer that waits
    // Nobody waits for these: handed over every few milliseconds, or when there are many.
    struct recording_list recordings;
    struct event_loop_timer recordings_due;
    int64_t recorded_us; // when that was done last
};

// One request on its way through ingest: from ingest_handle to the answer. It owns everything here
// but the request, which is the server's and gone with the answer.
struct intake {
    struct ingest *ingest;
    struct http_request *request;
    const struct snapshot *snapshot; // the configuration that this request is decided by
    struct event_http_request http;  // borrows from request; headers are the intake's
    enum event_dialect dialect;
    bool has_dialect;
    char *method;             // upper case
    struct buffer space;      // empty = none was given
    struct buffer path;       // as subscriptions see it
    struct buffer tracestate; // the request's, when it is a good one
    struct event_list events; // decoded
    struct cors_answer cors;  // what every answer gets, its own errors too
    // The trace that this request belongs to; empty = nobody has begun one yet.
    char traceparent[TRACEPARENT_TEXT_SIZE];

    // The function that the caller waits for (intake_call).
    struct invocation *invocation;
    invocation_done_fn call_done;
    void *call_context;
    struct event_loop_timer call_deadline;
    bool call_is_late;
    bool client_has_left;
};

struct intake *intake_create(struct ingest *ingest, struct http_request *request);
// Ends a request: each answers and destroys the intake.
void intake_answer(struct intake *intake, const struct http_response *response);
void intake_refuse(struct intake *intake, unsigned status, unsigned retry_after_s,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
// A new span, for a call, in traceparent: of the trace that this request belongs to already, else
// of the event's, which may begin here.
void intake_begin_span(struct intake *intake, const struct event *event);
// Calls a function for the caller who waits: cancelled when he leaves, timed out at the deadline,
// whatever the call is doing then. One at a time. done follows exactly once, later.
void intake_call(struct intake *intake, const struct invocation_options *options,
                 invocation_done_fn done, void *context);

// The ways from here (each consumes the intake):
// Appends every event at the end of the loop's turn, and answers 202 when all are durable.
void receive_event(struct intake *intake);
// The appends of all requests that receive_event has taken in this turn of the loop.
void append_received(struct ingest *ingest);
// Event: invoke. False: there is no such function, and the request is answered.
bool check_invoked_function(struct intake *intake);
void call_invoked_function(struct intake *intake);
// Calls the function of a synchronous subscription that takes the first event; false when there is
// none.
bool call_sync_subscription(struct intake *intake);
// Asks the authorizers of the events' types, then goes on with next; refuses with 403.
void authorize(struct intake *intake, void (*next)(struct intake *intake));

// A copy in upper case that ends in a NUL.
char *upper_case_of(struct bytes text);
// The space that an event type is looked up in: the event's, or "default".
struct bytes intake_type_space(const struct intake *intake);
// Whether anything is registered in that space, or it is "default".
bool intake_space_is_known(const struct intake *intake);
// How the request's first event is looked up among the subscriptions.
struct route_query intake_route_query(const struct intake *intake);
// The request's body as events of this dialect. Refused with ret_http_status.
enum status must_check intake_decode(struct intake *intake, enum event_dialect dialect,
                                     unsigned *ret_http_status, struct error *error);
// Tells that the request's events were taken (eventgateway.event.received).
void intake_tell_received(const struct intake *intake);
// Counts an event in eventgateway_events_received_total.
void count_received(const struct intake *intake, const struct event *event);

#endif
