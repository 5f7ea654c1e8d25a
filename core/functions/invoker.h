// Calls functions: one per loop, used by dispatcher (asynchronous deliveries) and ingest
// (synchronous calls). It formats the event for the function, lets the function's provider make the
// call, and reports one outcome. Everything belongs to the loop's thread.
#ifndef EVENT_GATEWAY_FUNCTIONS_INVOKER_H
#define EVENT_GATEWAY_FUNCTIONS_INVOKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/event_loop.h"
#include "core/base/http_client.h"
#include "core/base/status.h"
#include "core/events/event.h"
#include "core/events/event_format.h"
#include "core/registry/snapshot.h"

struct invoker;
struct invocation;
struct secrets;
struct target_rules;

#define INVOKER_ANSWER_MAX_BYTES ((size_t)6 * 1024 * 1024)

struct invoker_options {
    const struct target_rules *targets;
    const struct secrets *secrets; // NULL: functions with secrets cannot be called
    enum event_format default_format;
    size_t answer_max_bytes;   // 0 = INVOKER_ANSWER_MAX_BYTES
    size_t answers_max_bytes;  // of all answers that are coming in; 0 = 256 MiB
    size_t calls_per_host_max; // 0 = 256
    const char *ca_file;       // certificates that functions' servers are checked by
};
enum status must_check invoker_create(struct event_loop *loop,
                                      const struct invoker_options *options,
                                      struct invoker **ret_invoker, struct error *error);
// Cancels what runs.
void invoker_destroy(struct invoker *invoker);
struct event_loop *invoker_loop(struct invoker *invoker);
// What providers open sealed fields with; NULL when there is no key.
const struct secrets *invoker_secrets(const struct invoker *invoker);
// Whether a function can be sent application/cloudevents-batch+json: it is one that takes
// CloudEvents 1.0 over HTTP.
bool invoker_takes_batches(const struct invoker *invoker, const struct function *function);
size_t invoker_calls_inside(const struct invoker *invoker);

enum invocation_outcome {
    INVOCATION_SUCCEEDED, // 2xx, or what the provider calls success
    INVOCATION_FAILED,    // an answer that is a failure, status says which; or, without a status,
                          // a function that cannot be called as it is registered
    INVOCATION_TIMED_OUT,
    INVOCATION_UNREACHABLE,
    INVOCATION_FORBIDDEN,   // target not allowed, or access denied by the provider
    INVOCATION_NO_FUNCTION, // not registered (any more), or a member of it is not
    INVOCATION_CANCELLED,
};
const char *invocation_outcome_name(enum invocation_outcome outcome);

struct invocation_result {
    enum invocation_outcome outcome;
    unsigned status;         // HTTP status of the answer, 0 = none
    bool is_function_answer; // the function itself answered, whatever its status: a caller may see
                             // the body
    bool is_throttled;       // 429 or 503, or the provider's word for it
    int64_t retry_after_ms;  // -1 = not said
    const struct http_header *headers;
    size_t header_count;
    struct bytes content_type;
    struct bytes body;
    const char *error_text; // for people, no secrets; "" on success
    int64_t duration_us;
};
// The bytes are valid during the call only.
typedef void (*invocation_done_fn)(void *context, const struct invocation_result *result);

struct invocation_options {
    const struct snapshot
        *snapshot; // members of weighted functions are looked up here; a reference is kept
    struct bytes space, function_id;
    const struct event
        *event;           // a reference is kept; NULL: payload is sent instead, as application/json
    struct bytes payload; // copied; what an authorizer is called with, or a batch
    struct bytes payload_type;         // empty = application/json; lives as long as the call
    const struct event_params *params; // copied
    struct bytes event_type;           // replaces the event's own when not empty
    const struct http_header
        *headers; // further ones for HTTP functions: Event-Gateway-Attempt, ...; copied
    size_t header_count;
    int64_t timeout_ms;
};
// done follows exactly once, later, on the loop, also when the function is not there.
struct invocation *invoker_invoke(struct invoker *invoker, const struct invocation_options *options,
                                  invocation_done_fn done, void *context);
// done follows with CANCELLED unless an answer was first.
void invocation_cancel(struct invocation *invocation);

#endif
