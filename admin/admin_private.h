// What the files of admin/ share. Everything belongs to the loop's thread.
#ifndef EVENT_GATEWAY_ADMIN_ADMIN_PRIVATE_H
#define EVENT_GATEWAY_ADMIN_ADMIN_PRIVATE_H

#include "admin/admin.h"
#include "core/base/bytes.h"
#include "core/system/system_emitter.h"

struct config_call;
struct config_gauges;
struct cursor_view;
struct event_store;
struct event_streams;
struct json_t;

// Changes of the configuration are made one after the other: each moves the revision that the next
// one is planned on, so two at once would only overtake each other.
struct config_changes {
    struct config_call *first, *last; // wait for their turn
    bool is_running;                  // one has begun and is not answered
    bool is_closed;                   // the registry takes no more
};

struct admin {
    struct admin_options options;
    struct config_gauges *gauges;
    struct system_emitter emitter;
    struct config_changes changes;
    struct event_store *events;    // NULL: events and dead letters cannot be looked up here
    struct event_streams *streams; // likewise
    struct cursor_view *cursors;   // likewise
    bool is_draining, is_closed;
};

// The two generations of the Configuration API; they differ in statuses, shapes and errors.
enum config_dialect {
    CONFIG_SPACES,  // /v1/spaces/{space}/..., {"errors":[{"message":"..."}]}
    CONFIG_CLASSIC, // /v1/functions, /v1/subscriptions, {"error":"..."}
};

// Each answers and ends a request.
void admin_answer_json(struct http_request *request, unsigned status, const struct json_t *value);
void admin_answer_empty(struct http_request *request, unsigned status);
// retry_after_s 0 = no such header.
void admin_answer_error(struct http_request *request, enum config_dialect dialect, unsigned status,
                        unsigned retry_after_s, struct bytes message);
// 405; allowed is the Allow header: "GET, HEAD".
void admin_answer_wrong_method(struct http_request *request, enum config_dialect dialect,
                               const char *allowed);
void admin_answer_no_such_path(struct http_request *request, enum config_dialect dialect);

// Requests below /v1/spaces/, and those of the classic generation. False: not a path of theirs, and
// not answered.
bool config_api_handle(struct admin *admin, struct http_request *request);
bool classic_api_handle(struct admin *admin, struct http_request *request);
// Events and dead letters below /v1/spaces/.
bool operations_api_handle(struct admin *admin, struct http_request *request);
// /v1/status and /v1/health/..., which need no token, and /v1/metrics, which does.
bool status_api_handle_open(struct admin *admin, struct http_request *request);
bool status_api_handle(struct admin *admin, struct http_request *request);
// /v1/cluster.
bool cluster_api_handle(struct admin *admin, struct http_request *request);

bool admin_method_is(const struct http_request *request, const char *method);
// GET and HEAD; the server leaves the body out for HEAD.
bool admin_method_reads(const struct http_request *request);

#endif
