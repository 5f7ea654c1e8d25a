// The ingest role: the Events API. One per worker loop; its handler is the events server's.
// Everything belongs to that loop. The way of a request: receive_event.c.
#ifndef EVENT_GATEWAY_INGEST_INGEST_H
#define EVENT_GATEWAY_INGEST_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/base/http_server.h"
#include "core/base/rates.h"
#include "core/base/status.h"
#include "core/event_log/event_log.h"
#include "core/functions/invoker.h"
#include "core/registry/registry.h"

struct ingest;

// Whether events of synchronous calls go to the log, and whether the caller's answer waits for it.
enum record_sync {
    RECORD_SYNC_ASYNC,
    RECORD_SYNC_DURABLE,
    RECORD_SYNC_OFF
};

struct ingest_options {
    struct event_loop *loop;
    struct event_log *log;
    struct registry *registry;
    struct invoker *invoker;   // on that loop
    const char *source;        // of events made here: "/event-gateway"
    const char *hosted_domain; // NULL = none
    bool requires_space;
    struct rates *rates;            // of spaces; of all loops together
    double space_events_per_second; // beyond: 429; 0 = no limit, and no rates are needed
    bool requires_registered_types;
    int64_t sync_timeout_ms;      // deadline of synchronous calls and of authorizers
    enum record_sync record_sync; // how much a synchronous caller waits for the log
    bool logs_access;             // one line for each request
    size_t inside_max_requests;   // requests that wait for the log, on this loop; beyond: 503
};
enum status must_check ingest_create(const struct ingest_options *options,
                                     struct ingest **ret_ingest, struct error *error);
// The http_handler_fn of the events server; context is the struct ingest.
void ingest_handle(void *context, struct http_request *request);
// The server's word on requests that never came here, for the access log.
void ingest_request_refused(void *context, const struct http_refused_request *refused);
// From now on every request gets 503 (draining). What is inside is still answered.
void ingest_close_door(struct ingest *ingest);
// Nothing inside any more.
void ingest_destroy(struct ingest *ingest);

#endif
