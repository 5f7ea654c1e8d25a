// Subscriptions, in the shapes of both generations; what is stored of one: subscription_document.c.

#include <jansson.h>

#include "admin/classic_shapes.h"
#include "admin/config_fields.h"
#include "admin/config_resource.h"
#include "admin/subscription_document.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/events/event_attribute.h"
#include "core/functions/provider.h"

static const json_t *own_cors(const json_t *document) {
    return json_object_get(json_object_get(document, "classic"), "cors");
}

static unsigned check_path(const struct config_attempt *attempt, struct error *error) {
    const struct subscription *candidate = NULL;
    if (subscription_parse(attempt->document, &candidate, error) != STATUS_OK) {
        return 400;
    }
    bool has_conflict = routes_conflict(snapshot_routes(attempt->snapshot), candidate, error);
    subscription_unref(candidate);
    if (has_conflict) {
        error_prefix(error, "Subscription path conflict");
        return 400;
    }
    return 0;
}

// Requests and the gateway's own events happen in every space.
static bool is_always_there(struct bytes event_type) {
    return bytes_equal_text(event_type, EVENT_TYPE_HTTP_REQUEST) ||
           event_type_is_system(event_type);
}

// The first generation knows no event types: it makes what is missing, in the same change.
static unsigned check_event_type(struct config_attempt *attempt, struct error *error) {
    struct bytes space = buffer_bytes(&attempt->call->space);
    struct bytes name = json_member_bytes(attempt->document, "eventType");
    if (is_always_there(name) || snapshot_event_type(attempt->snapshot, space, name)) {
        return 0;
    }
    if (!subscription_document_is_classic(attempt)) {
        error_set(error, STATUS_NOT_FOUND, "Event Type \"%.*s\" not found.", (int)name.size,
                  name.data);
        return 400;
    }
    json_t *event_type = json_object();
    config_fields_set_text(event_type, "space", space);
    config_fields_set_text(event_type, "name", name);
    config_plan_put(attempt->plan, RESOURCE_EVENT_TYPE, space, name, event_type);
    json_decref(event_type);
    return 0;
}

static bool takes_batches(const struct function *function) {
    const struct provider *provider = provider_find(function->type);
    return provider && provider->takes_batches &&
           (!function->has_event_format || function->event_format == EVENT_FORMAT_CLOUDEVENTS_1_0 ||
            function->event_format == EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0);
}

// Of a function that is changed later so that it takes none, events are delivered one by one.
static unsigned check_batch(const struct config_attempt *attempt, const struct function *function,
                            struct error *error) {
    const json_t *delivery = json_object_get(attempt->document, "delivery");
    const json_t *batch = json_object_get(delivery, "batch");
    if (json_integer_value(json_object_get(batch, "maxEvents")) <= 1 || takes_batches(function)) {
        return 0;
    }
    error_set(error, STATUS_INVALID,
              "Subscription doesn't validate. Validation error: delivery.batch: Function \"%.*s\" "
              "takes no batches; it must be of the type http and "
              "take CloudEvents 1.0",
              (int)function->id.size, function->id.data);
    return 400;
}

static unsigned check_function(const struct config_attempt *attempt, struct error *error) {
    struct bytes id = json_member_bytes(attempt->document, "functionId");
    const struct function *function =
        snapshot_function(attempt->snapshot, buffer_bytes(&attempt->call->space), id);
    if (function) {
        return check_batch(attempt, function, error);
    }
    error_set(error, STATUS_NOT_FOUND, "Function \"%.*s\" not found.", (int)id.size, id.data);
    return 400;
}

static void put_own_cors(struct config_attempt *attempt) {
    const json_t *cors = own_cors(attempt->document);
    if (cors) {
        json_t *rule = classic_cors_rule(attempt->document, cors);
        config_plan_put(attempt->plan, RESOURCE_CORS, buffer_bytes(&attempt->call->space),
                        json_member_bytes(rule, "corsId"), rule);
        json_decref(rule);
    }
}

static void delete_own_cors(struct config_attempt *attempt) {
    struct bytes space = buffer_bytes(&attempt->call->space);
    struct buffer id = {0};
    if (!own_cors(attempt->stored)) {
        return;
    }
    cors_id_write(json_member_bytes(attempt->stored, "method"),
                  json_member_bytes(attempt->stored, "path"), &id);
    if (snapshot_cors_rule(attempt->snapshot, space, buffer_bytes(&id))) {
        config_plan_delete(attempt->plan, RESOURCE_CORS, space, buffer_bytes(&id));
    }
    buffer_clear(&id);
}

static unsigned check_create(struct config_attempt *attempt, struct error *error) {
    unsigned refusal = check_path(attempt, error);
    if (refusal == 0) {
        refusal = check_event_type(attempt, error);
    }
    if (refusal == 0) {
        refusal = check_function(attempt, error);
    }
    if (refusal == 0) {
        put_own_cors(attempt);
    }
    return refusal;
}

static bool is_paused(const json_t *document) {
    return json_is_true(json_object_get(document, "paused"));
}

// Whoever asked for it, by which call ever: operators are told of it once, when it is stored.
static void plan_notice(struct config_attempt *attempt) {
    struct error ignored;
    const struct subscription *subscription = NULL;
    bool was_paused = is_paused(attempt->stored);
    if (was_paused == is_paused(attempt->document) ||
        subscription_parse(attempt->document, &subscription, &ignored) != STATUS_OK) {
        return;
    }
    if (was_paused) {
        attempt->plan->resumed = subscription;
    } else {
        attempt->plan->suspended = subscription;
    }
}

static unsigned check_update(struct config_attempt *attempt, struct error *error) {
    static const struct {
        const char *member, *field;
    } fixed[] = {{"type", "Type"},
                 {"eventType", "EventType"},
                 {"functionId", "FunctionID"},
                 {"path", "Path"},
                 {"method", "Method"}};
    for (size_t i = 0; i < ARRAY_LENGTH(fixed); i++) {
        if (!bytes_equal(json_member_bytes(attempt->document, fixed[i].member),
                         json_member_bytes(attempt->stored, fixed[i].member))) {
            error_set(error, STATUS_INVALID,
                      "Invalid update. '%s' of existing subscription cannot be updated.",
                      fixed[i].field);
            return 400;
        }
    }
    unsigned refusal = check_function(attempt, error);
    if (refusal == 0) {
        plan_notice(attempt);
    }
    if (refusal != 0 ||
        json_equal((json_t *)own_cors(attempt->document), (json_t *)own_cors(attempt->stored))) {
        return refusal;
    }
    if (own_cors(attempt->document)) {
        put_own_cors(attempt);
    } else {
        delete_own_cors(attempt);
    }
    return 0;
}

static unsigned check_delete(struct config_attempt *attempt, struct error *error) {
    (void)error;
    delete_own_cors(attempt);
    return 0;
}

static unsigned set_paused(struct config_attempt *attempt, bool pauses, struct error *error) {
    const struct subscription *parsed = NULL;
    if (pauses == is_paused(attempt->stored)) {
        return 0; // Nothing changes, and why it is paused stays known.
    }
    json_object_del(attempt->document, "pausedReason");
    json_object_set_new(attempt->document, "paused", json_boolean(pauses));
    if (subscription_parse(attempt->document, &parsed, error) != STATUS_OK) {
        error_prefix(error, "Subscription doesn't validate. Validation error");
        return 400;
    }
    subscription_unref(parsed);
    plan_notice(attempt);
    return 0;
}

unsigned config_subscription_pause(struct config_attempt *attempt, struct error *error) {
    return set_paused(attempt, true, error);
}

unsigned config_subscription_resume(struct config_attempt *attempt, struct error *error) {
    return set_paused(attempt, false, error);
}

// The rule may have been changed by the other generation since.
static json_t *current_cors(const struct config_call *call, const struct snapshot *snapshot,
                            const json_t *document) {
    const json_t *created = own_cors(document);
    struct buffer id = {0};
    if (!created || call->operation == CONFIG_CREATE || call->operation == CONFIG_UPDATE) {
        return json_incref((json_t *)created);
    }
    cors_id_write(json_member_bytes(document, "method"), json_member_bytes(document, "path"), &id);
    const json_t *rule = snapshot_document(snapshot, RESOURCE_CORS,
                                           json_member_bytes(document, "space"), buffer_bytes(&id));
    buffer_clear(&id);
    return rule ? classic_cors_of_rule(rule) : NULL;
}

static json_t *show(const struct config_call *call, const struct snapshot *snapshot,
                    const json_t *document) {
    bool is_first = call->dialect == CONFIG_CLASSIC;
    json_t *cors = current_cors(call, snapshot, document);
    json_t *shown;
    if (is_first || classic_subscription_is(call->body)) {
        shown = classic_subscription_out(document, cors, is_first);
    } else {
        shown = json_copy((json_t *)document);
        json_object_del(shown, "classic");
        json_object_del(shown, "created"); // The dispatcher's; clients of the original compare.
        if (subscription_document_has_old_shape(document)) {
            classic_subscription_add(shown, document, cors);
        }
    }
    json_decref(cors);
    return shown;
}

const struct config_resource config_subscriptions = {
    .kind = RESOURCE_SUBSCRIPTION,
    .list_member = "subscriptions",
    .id_member = "subscriptionId",
    .label = "subscription",
    .title = "Subscription",
    .taken = "already exists.",
    .id_is_encoded = true,
    .prepare = subscription_document_prepare,
    .check_create = check_create,
    .check_update = check_update,
    .check_delete = check_delete,
    .show = show,
};
