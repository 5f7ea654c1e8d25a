// One call of one function, between the invoker and the function's provider. Belongs to the
// invoker's loop.
#ifndef EVENT_GATEWAY_FUNCTIONS_PROVIDER_CALL_H
#define EVENT_GATEWAY_FUNCTIONS_PROVIDER_CALL_H

#include <stdint.h>

#include "core/base/http_client.h"
#include "core/events/event_format.h"
#include "core/functions/invoker.h"

struct provider_call {
    // What to send; valid until provider_call_finish.
    const struct event_message *message; // body, and headers with Content-Type first
    const struct http_header *headers;   // the caller's: Event-Gateway-Attempt, traceparent, ...
    size_t header_count;
    const struct event *event; // NULL: a plain payload
    int64_t timeout_ms;

    struct http_client *client;
    size_t answer_max_bytes;
    // Freed with the call: a body that the provider makes of the message, an answer that it makes
    // of an answer, and what to say about it.
    struct buffer body;
    struct buffer answer;
    struct error problem;
    struct http_call *http_call; // the running one, for cancel
};

// The shorter one of the call's deadline and the function's own; 0 = none.
int64_t provider_call_timeout(const struct provider_call *call, int64_t own_ms);

// Ends the call. result is borrowed for this call.
void provider_call_finish(struct provider_call *call, const struct invocation_result *result);

#define PROVIDER_USER_AGENT "event-gateway/" EVENT_GATEWAY_VERSION

// Sends an HTTP request, and turns its answer into a result by the rules that all HTTP functions
// share (2xx succeeded, 429 and 503 throttled, Retry-After), which read may then change. For
// providers.
typedef void (*provider_read_answer_fn)(struct provider_call *call,
                                        const struct http_answer *answer,
                                        struct invocation_result *result);
void provider_call_send(struct provider_call *call, const struct http_call_options *options,
                        provider_read_answer_fn read);
// Those rules alone, for a provider that sends by itself. What result points to lives as long as
// the answer.
void provider_call_read(const struct http_answer *answer, struct invocation_result *result);

// POSTs the message with its headers and the caller's; the provider's own come last. Borrowed for
// the call.
struct provider_post {
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    int64_t timeout_ms; // the function's own deadline; 0 = none
};
void provider_call_post(struct provider_call *call, const struct provider_post *post,
                        provider_read_answer_fn read);
// Of the caller's headers, by its exact name; empty when there is none.
struct bytes provider_call_header(const struct provider_call *call, const char *name);
// An attempt of a delivery; else somebody waits for the function's answer.
bool provider_call_is_delivery(const struct provider_call *call);
// For read: the platform refuses the credentials. text is for callers and says what to do.
void provider_call_forbid(struct provider_call *call, struct invocation_result *result,
                          const char *text);
// For read: what the platform's answer makes of a call that is not the function's success.
void provider_call_fail(struct provider_call *call, struct invocation_result *result,
                        const char *format, ...) __attribute__((format(printf, 3, 4)));

// Ends the call, later, because of something that is wrong with the function or the event.
void provider_call_refuse(struct provider_call *call, const struct error *error);

// Milliseconds to wait: seconds, or an HTTP date against now_us; -1 when it is neither. At most a
// day.
int64_t retry_after_parse(struct bytes value, int64_t now_us);

#endif
