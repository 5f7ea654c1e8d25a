// What a request wants to change: edits of the registry with all bytes they need, and the answer
// when they are stored.
#ifndef EVENT_GATEWAY_ADMIN_CONFIG_PLAN_H
#define EVENT_GATEWAY_ADMIN_CONFIG_PLAN_H

#include <stddef.h>

#include "core/base/bytes.h"
#include "core/registry/registry.h"

struct json_t;
struct subscription;

// A classic subscription: itself, its event type, its CORS rule.
#define CONFIG_EDITS_MAX 3

struct config_plan {
    struct registry_edit edits[CONFIG_EDITS_MAX];
    size_t edit_count;
    struct buffer ids[CONFIG_EDITS_MAX];
    struct buffer documents[CONFIG_EDITS_MAX];
    unsigned status;       // of the answer
    struct json_t *answer; // NULL = an empty body
    // Told to operators when it is stored: a subscription that is paused, or resumed, by this.
    const struct subscription *suspended, *resumed;
};

// space is borrowed as long as the plan lives; id and document are copied.
void config_plan_put(struct config_plan *plan, enum resource_kind kind, struct bytes space,
                     struct bytes id, const struct json_t *document);
void config_plan_delete(struct config_plan *plan, enum resource_kind kind, struct bytes space,
                        struct bytes id);
// Empty again, and usable.
void config_plan_clear(struct config_plan *plan);

#endif
