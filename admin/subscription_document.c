#include "admin/subscription_document.h"

#include <jansson.h>

#include "admin/classic_shapes.h"
#include "admin/config_fields.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/subscriptions/path_pattern.h"

// Members that the original does not have: a PUT without them leaves them alone.
static const char *const own_members[] = {"filters", "transform", "start", "delivery", "paused"};

bool subscription_document_has_old_shape(const json_t *document) {
    return json_is_true(json_object_get(json_object_get(document, "classic"), "isShape"));
}

bool subscription_document_is_classic(const struct config_attempt *attempt) {
    return attempt->call->dialect == CONFIG_CLASSIC || classic_subscription_is(attempt->call->body);
}

static enum status check_nested(const json_t *body, bool refuses_unknown, struct error *error) {
    static const char *const delivery_known[] = {"ordering",   "maxInFlight", "ratePerSecond",
                                                 "timeoutMs",  "batch",       "retry",
                                                 "deadLetter", NULL};
    static const char *const batch_known[] = {"maxEvents", "maxWaitMs", NULL};
    static const char *const retry_known[] = {"maxAttempts", "initialMs",     "factor", "maxMs",
                                              "maxAgeMs",    "finalStatuses", NULL};
    json_t *delivery = json_object_get(body, "delivery");
    const struct {
        json_t *object;
        const char *const *known;
        const char *prefix;
    } nested[] = {
        {delivery, delivery_known, "delivery."},
        {json_object_get(delivery, "batch"), batch_known, "delivery.batch."},
        {json_object_get(delivery, "retry"), retry_known, "delivery.retry."},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(nested); i++) {
        status = config_fields_check(nested[i].object, nested[i].known, nested[i].prefix,
                                     refuses_unknown, error);
    }
    return status;
}

static enum status check_members(const struct config_attempt *attempt, struct error *error) {
    static const char *const known[] = {"space",   "subscriptionId", "type",   "eventType",
                                        "path",    "functionId",     "method", "metadata",
                                        "filters", "transform",      "start",  "delivery",
                                        "paused",  "pausedReason",   NULL};
    static const char *const known_with_old[] = {
        "space",  "subscriptionId", "type",    "eventType",    "path",  "functionId",
        "method", "metadata",       "filters", "transform",    "start", "delivery",
        "paused", "event",          "cors",    "pausedReason", NULL};
    bool refuses_unknown = attempt->call->dialect == CONFIG_SPACES;
    // What we show of a subscription with the old shape may be put back.
    bool knows_old = subscription_document_is_classic(attempt) ||
                     subscription_document_has_old_shape(attempt->stored);
    enum status status = config_fields_check(attempt->body, knows_old ? known_with_old : known, "",
                                             refuses_unknown, error);
    return status == STATUS_OK ? check_nested(attempt->body, refuses_unknown, error) : status;
}

struct given {
    struct bytes type, event_type, function_id, path, method;
};

static enum status read_given(const json_t *body, struct given *given, struct error *error) {
    const struct {
        const char *name;
        struct bytes *ret_text;
    } members[] = {{"type", &given->type},
                   {"eventType", &given->event_type},
                   {"functionId", &given->function_id},
                   {"path", &given->path},
                   {"method", &given->method}};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(members); i++) {
        status = config_fields_text(body, members[i].name, members[i].ret_text, error);
    }
    return status;
}

// In the order of the original.
static enum status check_given(struct bytes space, const struct given *given, struct bytes method,
                               struct error *error) {
    struct config_violations violations = {.object = "Subscription"};
    config_check_space(&violations, space);
    if (given->type.size == 0) {
        config_violation(&violations, "Type", "required");
    } else if (!bytes_equal_text(given->type, "async") && !bytes_equal_text(given->type, "sync")) {
        config_violation(&violations, "Type", "eq=async|eq=sync");
    }
    config_check_name(&violations, "EventType", "eventType", given->event_type);
    config_check_name(&violations, "FunctionID", "functionid", given->function_id);
    config_check_method(&violations, method);
    return config_violations_end(&violations, error);
}

static void set_keys(json_t *document, struct bytes space, const struct given *given,
                     struct bytes path, struct bytes method) {
    struct buffer id = {0};
    subscription_id_write(bytes_equal_text(given->type, "sync"), given->event_type,
                          given->function_id, path, method, &id);
    config_fields_set_text(document, "space", space);
    config_fields_set_text(document, "subscriptionId", buffer_bytes(&id));
    config_fields_set_text(document, "type", given->type);
    config_fields_set_text(document, "eventType", given->event_type);
    config_fields_set_text(document, "functionId", given->function_id);
    config_fields_set_text(document, "path", path);
    config_fields_set_text(document, "method", method);
    buffer_clear(&id);
}

static enum status build_keys(struct config_attempt *attempt, struct error *error) {
    struct bytes space = buffer_bytes(&attempt->call->space);
    struct buffer path = {0};
    struct buffer method = {0};
    struct given given;
    enum status status = read_given(attempt->body, &given, error);
    if (status == STATUS_OK) {
        path_normalize(given.path, &path);
        config_method_write(given.method, BYTES("POST"), &method);
        status = check_given(space, &given, buffer_bytes(&method), error);
    }
    if (status == STATUS_OK) {
        set_keys(attempt->document, space, &given, buffer_bytes(&path), buffer_bytes(&method));
    }
    buffer_clear(&path);
    buffer_clear(&method);
    return status;
}

// What is remembered of the old shape. cors comes with http alone; the original ignores it
// elsewhere.
static enum status build_classic(struct config_attempt *attempt, struct error *error) {
    json_t *classic = NULL;
    const json_t *cors = json_object_get(attempt->body, "cors");
    if (!subscription_document_is_classic(attempt)) {
        config_fields_take_or_keep(attempt->document, NULL, attempt->stored, "classic");
        return STATUS_OK;
    }
    classic = json_object();
    if (attempt->call->dialect == CONFIG_SPACES) {
        json_object_set_new(classic, "isShape", json_true());
    }
    if (cors && !json_is_null(cors) &&
        bytes_equal_text(json_member_bytes(attempt->body, "event"), "http")) {
        json_t *rule = NULL;
        enum status status = classic_cors_in(cors, &rule, error);
        if (status != STATUS_OK) {
            json_decref(classic);
            return status;
        }
        json_object_set_new(classic, "cors", rule);
    }
    if (json_object_size(classic) > 0) {
        json_object_set(attempt->document, "classic", classic);
    }
    json_decref(classic);
    return STATUS_OK;
}

// Ours to say: when it was created tells it from another one that had the same id, and why it is
// paused is known as long as it is.
static void set_history(struct config_attempt *attempt) {
    const json_t *created = json_object_get(attempt->stored, "created");
    if (created) {
        json_object_set(attempt->document, "created", (json_t *)created);
    } else if (!attempt->stored) {
        char text[TIMESTAMP_TEXT_SIZE];
        timestamp_format(clock_wall_us(), text);
        json_object_set_new(attempt->document, "created", json_string(text));
    }
    const json_t *reason = json_object_get(attempt->stored, "pausedReason");
    if (reason && json_is_true(json_object_get(attempt->document, "paused"))) {
        json_object_set(attempt->document, "pausedReason", (json_t *)reason);
    }
}

static enum status build_document(struct config_attempt *attempt, struct error *error) {
    enum status status = build_keys(attempt, error);
    if (status == STATUS_OK) {
        status = config_fields_take_metadata(attempt->document, attempt->body, error);
    }
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(own_members); i++) {
        config_fields_take_or_keep(attempt->document, attempt->body, attempt->stored,
                                   own_members[i]);
    }
    set_history(attempt);
    return status == STATUS_OK ? build_classic(attempt, error) : status;
}

enum status subscription_document_prepare(struct config_attempt *attempt, struct error *error) {
    const struct subscription *parsed = NULL;
    attempt->document = json_object();
    enum status status = check_members(attempt, error);
    if (status == STATUS_OK && subscription_document_is_classic(attempt)) {
        status = classic_subscription_in(attempt->body, error);
    }
    if (status == STATUS_OK) {
        status = build_document(attempt, error);
    }
    if (status == STATUS_OK) {
        status = subscription_parse(attempt->document, &parsed, error);
    }
    subscription_unref(parsed);
    return status;
}
