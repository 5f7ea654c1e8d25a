#include "admin/config_attempt.h"

#include <jansson.h>

#include "core/base/json.h"

static struct bytes id_of(const struct config_call *call, const json_t *document) {
    return json_member_bytes(document, call->resource->id_member);
}

// Each plan_ function returns 0, or the status to refuse with and the message.

static unsigned call_check(unsigned (*check)(struct config_attempt *attempt, struct error *error),
                           struct config_attempt *attempt, struct error *error) {
    return check ? check(attempt, error) : 0;
}

static unsigned prepare(struct config_attempt *attempt, struct error *error) {
    const struct config_resource *resource = attempt->call->resource;
    attempt->body = json_deep_copy(attempt->call->body);
    if (resource->prepare(attempt, error) == STATUS_OK) {
        return 0;
    }
    error_prefix(error, "%s doesn't validate. Validation error", resource->title);
    return 400;
}

static void plan_put(struct config_attempt *attempt) {
    const struct config_call *call = attempt->call;
    config_plan_put(attempt->plan, call->resource->kind, buffer_bytes(&call->space),
                    id_of(call, attempt->document), attempt->document);
}

static unsigned plan_create(struct config_attempt *attempt, struct error *error) {
    const struct config_call *call = attempt->call;
    unsigned refusal = prepare(attempt, error);
    if (refusal != 0) {
        return refusal;
    }
    struct bytes id = id_of(call, attempt->document);
    if (snapshot_document(attempt->snapshot, call->resource->kind, buffer_bytes(&call->space),
                          id)) {
        json_t *shown = config_call_show(call, attempt->snapshot, attempt->document);
        struct bytes shown_id = id_of(call, shown);
        error_set(error, STATUS_EXISTS, "%s \"%.*s\" %s", call->resource->title,
                  (int)(shown_id.size > 600 ? 600 : shown_id.size), shown_id.data,
                  call->resource->taken);
        json_decref(shown);
        return 409;
    }
    refusal = call_check(call->resource->check_create, attempt, error);
    if (refusal == 0) {
        plan_put(attempt);
        attempt->plan->status = call->dialect == CONFIG_CLASSIC ? 200 : 201;
        attempt->plan->answer = config_call_show(call, attempt->snapshot, attempt->document);
    }
    return refusal;
}

static void plan_change(struct config_attempt *attempt) {
    const struct config_call *call = attempt->call;
    // What changes nothing must not move the revision, nor disturb a delivery.
    if (!json_equal(attempt->document, (json_t *)attempt->stored)) {
        plan_put(attempt);
    }
    attempt->plan->status = 200;
    attempt->plan->answer = config_call_show(call, attempt->snapshot, attempt->document);
}

static unsigned plan_update(struct config_attempt *attempt, struct error *error) {
    const struct config_call *call = attempt->call;
    unsigned refusal = prepare(attempt, error);
    if (refusal != 0) {
        return refusal;
    }
    if (!attempt->stored) {
        return config_call_say_not_found(call, error);
    }
    refusal = call_check(call->resource->check_update, attempt, error);
    if (refusal == 0) {
        plan_change(attempt);
    }
    return refusal;
}

static unsigned plan_patch(struct config_attempt *attempt, struct error *error) {
    const struct config_call *call = attempt->call;
    if (!attempt->stored) {
        return config_call_say_not_found(call, error);
    }
    attempt->document = json_deep_copy((json_t *)attempt->stored);
    unsigned refusal = call->patch(attempt, error);
    if (refusal == 0) {
        plan_change(attempt);
    }
    return refusal;
}

static unsigned plan_delete(struct config_attempt *attempt, struct error *error) {
    const struct config_call *call = attempt->call;
    if (!attempt->stored) {
        return config_call_say_not_found(call, error);
    }
    unsigned refusal = call_check(call->resource->check_delete, attempt, error);
    if (refusal == 0) {
        config_plan_delete(attempt->plan, call->resource->kind, buffer_bytes(&call->space),
                           id_of(call, attempt->stored));
        attempt->plan->status = 204;
    }
    return refusal;
}

unsigned config_attempt_plan(struct config_call *call, const struct snapshot *snapshot,
                             struct error *error) {
    struct config_attempt attempt = {.call = call, .snapshot = snapshot, .plan = &call->plan};
    config_plan_clear(&call->plan);
    if (call->operation != CONFIG_CREATE) {
        attempt.stored = config_call_find(call, snapshot);
    }
    unsigned refusal = call->patch                        ? plan_patch(&attempt, error)
                       : call->operation == CONFIG_CREATE ? plan_create(&attempt, error)
                       : call->operation == CONFIG_UPDATE ? plan_update(&attempt, error)
                                                          : plan_delete(&attempt, error);
    json_decref(attempt.body);
    json_decref(attempt.document);
    return refusal;
}
