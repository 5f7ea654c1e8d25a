// The admin role: the Configuration API in both generations, status, metrics. Runs on one worker
// loop; its handler is the config server's. Everything belongs to that loop.
#ifndef EVENT_GATEWAY_ADMIN_ADMIN_H
#define EVENT_GATEWAY_ADMIN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/event_loop.h"
#include "core/base/http_server.h"
#include "core/base/status.h"
#include "core/event_log/event_log.h"
#include "core/registry/registry.h"
#include "core/registry/secrets.h"

struct admin;

struct admin_options {
    struct event_loop *loop;
    struct registry *registry;
    struct event_log *log;         // for health
    const struct secrets *secrets; // NULL: functions with secrets are refused with a clear error
    const char *node_id;           // who answers GET /v1/cluster; stays the caller's
    const char *token; // bearer token that every request but status and health needs; NULL = none
    // Of the index of events: a file of this node, empty for one that goes with the process, NULL
    // for none; and which log it is of.
    const char *index_path;
    const char *log_identity;
    const char *source;  // of system events, stays the caller's; NULL = "/event-gateway"
    bool is_hosted;      // a hosted domain is set: system events lie on "/{space}"
    bool is_status_only; // a node without the admin role: status, health and metrics, nothing else
};
enum status must_check admin_create(const struct admin_options *options, struct admin **ret_admin,
                                    struct error *error);
// The http_handler_fn of the config server; context is the struct admin.
void admin_handle(void *context, struct http_request *request);
// From now on it is not ready any more: a load balancer takes the node out. All else goes on.
void admin_drain(struct admin *admin);
// What it does in the background comes to its end, or goes to other nodes: before the log and the
// registry are closed. Not from the loop; blocks, for at most deadline_ms.
void admin_hand_over(struct admin *admin, int64_t deadline_ms);
// From now on every request gets 503. What is inside is still answered.
void admin_close_door(struct admin *admin);
// Nothing inside any more.
void admin_destroy(struct admin *admin);

#endif
