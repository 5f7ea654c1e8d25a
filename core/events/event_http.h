// HTTP request -> event(s), all dialects (contract: CloudEvents 1.0 binary, structured, batch;
// CloudEvents 0.1 binary and structured; the classic Event: header; plain HTTP requests). Pure, any
// thread: it reads a plain description of a request, so it can be fuzzed and does not know the
// server.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_HTTP_H
#define EVENT_GATEWAY_EVENTS_EVENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/http_server.h"
#include "core/base/status.h"
#include "core/events/event.h"

#define EVENT_BATCH_MAX 1000

enum event_dialect {
    EVENT_DIALECT_BATCH,      // CloudEvents 1.0 batch
    EVENT_DIALECT_STRUCTURED, // CloudEvents 1.0 or 0.1, application/cloudevents+json
    EVENT_DIALECT_BINARY_1_0,
    EVENT_DIALECT_BINARY_0_1,
    EVENT_DIALECT_INVOKE,  // Event: invoke
    EVENT_DIALECT_CUSTOM,  // Event: <type>
    EVENT_DIALECT_REQUEST, // http.request
};

struct event_http_request {
    struct bytes method;               // upper case
    struct bytes path;                 // raw, without query
    struct bytes query;                // raw
    const struct http_header *headers; // in order of arrival, duplicates included
    size_t header_count;
    struct bytes body;
};

// The value of the first header of that name; false when there is none or its value is empty.
bool event_http_header(const struct event_http_request *request, const char *name,
                       struct bytes *ret_value);

struct event_http_options {
    struct bytes source;          // of events that are made here: --source
    struct event_context context; // space, method, path, received time to put into each event
};

// Which dialect a request is, by the contract's order. STATUS_INVALID for an unsupported
// CloudEvents format: *ret_http_status is then 415; 400 otherwise.
enum status must_check event_http_dialect(const struct event_http_request *request,
                                          enum event_dialect *ret_dialect,
                                          unsigned *ret_http_status, struct error *error);

struct event_list {
    const struct event **events; // each one reference
    size_t count;
};
void event_list_clear(struct event_list *list);

// Decodes by dialect (any but INVOKE). A batch may give 0 events. On failure nothing is given, the
// text says what is wrong and where (attribute, header, index in the batch), and *ret_http_status
// is 400, 413 or 415.
enum status must_check event_http_decode(const struct event_http_request *request,
                                         enum event_dialect dialect,
                                         const struct event_http_options *options,
                                         struct event_list *ret_list, unsigned *ret_http_status,
                                         struct error *error);

// {"Content-Type":"text/plain",...}: names and values as in the data of an http.request. What
// authenticates the sender (Authorization, Cookie) is "*****", since others read this.
void event_http_append_headers(const struct event_http_request *request, struct buffer *ret_buffer);

#endif
