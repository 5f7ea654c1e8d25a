// What the kinds of resources differ in; everything else is the engine's (config_call.c). One
// struct per kind, each in a file of its own: config_functions.c, config_event_types.c, ...
#ifndef EVENT_GATEWAY_ADMIN_CONFIG_RESOURCE_H
#define EVENT_GATEWAY_ADMIN_CONFIG_RESOURCE_H

#include "admin/config_call.h"
#include "core/base/status.h"
#include "core/registry/snapshot.h"

// One try of a change, on one snapshot.
struct config_attempt {
    const struct config_call *call;
    const struct snapshot *snapshot;
    struct json_t *body;         // create, update: a copy that prepare may take apart
    const struct json_t *stored; // update, delete: what is there; NULL when it is not
    struct json_t *document;     // from prepare on: what will be stored
    struct config_plan *plan;
};

struct config_resource {
    enum resource_kind kind;
    const char *list_member; // of a collection's answer: "functions"
    const char *id_member;   // "functionId"
    const char *label;       // in metrics: "function"
    const char *title;       // in messages: "Function"
    const char *taken;       // after its title and id: "already registered."
    bool id_is_encoded;      // the id itself is percent-encoded text; messages show it undecoded

    // Makes attempt->document of attempt->body: every check that needs no other resource, defaults,
    // the id. INVALID: what follows "Function doesn't validate. Validation error: ".
    enum status (*prepare)(struct config_attempt *attempt, struct error *error);
    // What other resources forbid, as a whole message. 0, or the status to refuse with. A slot may
    // be NULL. They may add edits of other resources to the plan.
    unsigned (*check_create)(struct config_attempt *attempt, struct error *error);
    unsigned (*check_update)(struct config_attempt *attempt, struct error *error);
    unsigned (*check_delete)(struct config_attempt *attempt, struct error *error);
    // What answers show of a stored document; a new reference. NULL: the document as it is.
    struct json_t *(*show)(const struct config_call *call, const struct snapshot *snapshot,
                           const struct json_t *document);
};

// POST subscriptions/{id}/pause and /resume.
unsigned config_subscription_pause(struct config_attempt *attempt, struct error *error);
unsigned config_subscription_resume(struct config_attempt *attempt, struct error *error);

extern const struct config_resource config_functions;
extern const struct config_resource config_event_types;
extern const struct config_resource config_subscriptions;
extern const struct config_resource config_cors;

#endif
