// HTTP client on one event loop, over curl's multi socket API: kept-alive connections, bounded per
// host. Everything belongs to the loop's thread; the done callback comes later on it, exactly once,
// never from inside http_client_send.
#ifndef EVENT_GATEWAY_BASE_HTTP_CLIENT_H
#define EVENT_GATEWAY_BASE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/http_server.h"
#include "core/base/status.h"
#include "core/base/target_rules.h"

struct event_loop;
struct http_client;
struct http_call;

struct http_client_options {
    const struct target_rules *targets; // which addresses may be connected to; outlives the client
    size_t connections_per_host_max;    // calls that run at once to one host; others wait; 0 = 256
    size_t connections_max;             // kept open at the most; 0 = 4096
    size_t answers_max_bytes;           // of all answers that are coming in; 0 = 256 MiB
    const char *ca_file; // certificates that servers are checked by; NULL = the system's
};

enum http_call_result {
    HTTP_CALL_ANSWERED, // there is a status; whatever it is
    HTTP_CALL_TIMED_OUT,
    HTTP_CALL_UNREACHABLE,      // no connection: refused, no such host, TLS failure
    HTTP_CALL_FORBIDDEN,        // the address is not allowed (target_rules), or not http/https
    HTTP_CALL_CUT_OFF,          // the connection broke, or the answer is not HTTP
    HTTP_CALL_ANSWER_TOO_LARGE, // beyond answer_max_bytes, or all together beyond answers_max_bytes
    HTTP_CALL_CANCELLED,
};

struct http_answer {
    enum http_call_result result;
    unsigned status; // with ANSWERED
    const struct http_header *headers;
    size_t header_count;
    struct bytes body;
    const char *error_text; // for people; "" with ANSWERED
    int64_t duration_us;
};
// The answer's bytes are valid during the call only.
typedef void (*http_call_done_fn)(void *context, const struct http_answer *answer);

struct http_call_options {
    const char *method;
    const char *url;
    const struct http_header *headers; // copied; Host, Content-Length, ... are the client's
    size_t header_count;
    struct bytes body;  // borrowed until done
    int64_t timeout_ms; // whole call, connecting included; before it, as long for a place; 0 = 30 s
    size_t answer_max_bytes; // 0 = 6 MiB
    bool wants_http2;        // h2 by ALPN over https, by prior knowledge over http
};

enum status must_check http_client_create(struct event_loop *loop,
                                          const struct http_client_options *options,
                                          struct http_client **ret_client, struct error *error);
// Cancels what runs (their done is called with CANCELLED before this returns).
void http_client_destroy(struct http_client *client);
size_t http_client_calls_inside(const struct http_client *client);
// A URL that cannot be parsed: STATUS_INVALID at once, and no callback. ret_call may be NULL; it is
// valid until done.
enum status must_check http_client_send(struct http_client *client,
                                        const struct http_call_options *options,
                                        http_call_done_fn done, void *context,
                                        struct http_call **ret_call, struct error *error);
// done follows with CANCELLED, asynchronously.
void http_call_cancel(struct http_call *call);
// The first header of that name in any case.
bool http_answer_header(const struct http_answer *answer, const char *name,
                        struct bytes *ret_value);

#endif
