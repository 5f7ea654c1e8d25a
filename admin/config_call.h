// One request to the Configuration API, in either generation, from its path to its answer. Reads
// are answered at once from the current snapshot. Changes take turns: each is planned on a
// snapshot, applied to the registry on the condition that no other node was faster, and planned
// again when one was.
#ifndef EVENT_GATEWAY_ADMIN_CONFIG_CALL_H
#define EVENT_GATEWAY_ADMIN_CONFIG_CALL_H

#include "admin/admin_private.h"
#include "admin/config_plan.h"
#include "core/base/bytes.h"
#include "core/registry/registry.h"

struct config_resource;
struct json_t;

enum config_operation {
    CONFIG_LIST,
    CONFIG_GET,
    CONFIG_CREATE,
    CONFIG_UPDATE,
    CONFIG_DELETE,
};

// A change of a resource that is there, without a body: changes the document that will be stored.
// 0, or the status to refuse with and the message.
struct config_attempt;
typedef unsigned (*config_patch_fn)(struct config_attempt *attempt, struct error *error);

struct config_call {
    struct admin *admin;
    struct http_request *request;
    const struct config_resource *resource;
    enum config_dialect dialect;
    enum config_operation operation;
    struct buffer space;
    struct bytes raw_id; // as it stands in the URL; the request's
    config_patch_fn patch;
    struct json_t *body; // create and update: a JSON object

    // A change, waiting or on its way.
    struct config_call *next;
    struct config_plan plan;
    unsigned tries;
    struct registry_change change;
};

// What answers show of a stored document; a new reference. For config_attempt.c, too.
struct json_t *config_call_show(const struct config_call *call, const struct snapshot *snapshot,
                                const struct json_t *document);
// The message that what the call names is not there; 404.
unsigned config_call_say_not_found(const struct config_call *call, struct error *error);
// What the call names, as the snapshot has it; NULL = not there.
const struct json_t *config_call_find(const struct config_call *call,
                                      const struct snapshot *snapshot);

// What a path names, before its method is looked at.
struct config_target {
    const struct config_resource *resource;
    enum config_dialect dialect;
    struct bytes raw_space; // percent-encoded
    struct bytes raw_id;    // empty: the collection
    const char *collection_methods;
    const char *item_methods;
    config_patch_fn patch; // NULL, or what a POST to the item does
};
// Answers the request, now or later. A method that target does not list gets 405.
void config_call_run(struct admin *admin, struct http_request *request,
                     const struct config_target *target);

#endif
