#include "admin/config_plan.h"

#include <assert.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/subscriptions/subscription.h"

static struct registry_edit *add_edit(struct config_plan *plan, enum resource_kind kind,
                                      struct bytes space, struct bytes id) {
    assert(plan->edit_count < CONFIG_EDITS_MAX);
    struct buffer *own_id = &plan->ids[plan->edit_count];
    struct registry_edit *edit = &plan->edits[plan->edit_count++];
    buffer_append(own_id, id);
    *edit = (struct registry_edit){.kind = kind, .space = space, .id = buffer_bytes(own_id)};
    return edit;
}

void config_plan_put(struct config_plan *plan, enum resource_kind kind, struct bytes space,
                     struct bytes id, const struct json_t *document) {
    struct buffer *text = &plan->documents[plan->edit_count];
    struct registry_edit *edit = add_edit(plan, kind, space, id);
    json_append(document, text);
    edit->document = buffer_bytes(text);
}

void config_plan_delete(struct config_plan *plan, enum resource_kind kind, struct bytes space,
                        struct bytes id) {
    add_edit(plan, kind, space, id);
}

void config_plan_clear(struct config_plan *plan) {
    for (size_t i = 0; i < CONFIG_EDITS_MAX; i++) {
        buffer_clear(&plan->ids[i]);
        buffer_clear(&plan->documents[i]);
    }
    json_decref(plan->answer);
    subscription_unref(plan->suspended);
    subscription_unref(plan->resumed);
    *plan = (struct config_plan){0};
}
