// Event types.

#include <jansson.h>

#include "admin/config_fields.h"
#include "admin/config_resource.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"

// The name of an update is the URL's.
static enum status read_name(const struct config_attempt *attempt, struct buffer *ret_name,
                             struct error *error) {
    struct bytes name;
    if (attempt->call->operation == CONFIG_UPDATE) {
        percent_decode(attempt->call->raw_id, false, ret_name);
        return STATUS_OK;
    }
    enum status status = config_fields_text(attempt->body, "name", &name, error);
    if (status == STATUS_OK) {
        buffer_append(ret_name, name);
    }
    return status;
}

static enum status build_keys(struct config_attempt *attempt, struct error *error) {
    struct config_violations violations = {.object = "Type"};
    struct bytes space = buffer_bytes(&attempt->call->space);
    struct buffer name = {0};
    enum status status = read_name(attempt, &name, error);
    if (status == STATUS_OK) {
        config_check_space(&violations, space);
        config_check_name(&violations, "Name", "eventType", buffer_bytes(&name));
        status = config_violations_end(&violations, error);
    }
    if (status == STATUS_OK) {
        config_fields_set_text(attempt->document, "space", space);
        config_fields_set_text(attempt->document, "name", buffer_bytes(&name));
    }
    buffer_clear(&name);
    return status;
}

static enum status build_authorizer(struct config_attempt *attempt, struct error *error) {
    struct bytes authorizer;
    enum status status = config_fields_text(attempt->body, "authorizerId", &authorizer, error);
    if (status == STATUS_OK && authorizer.size > 0) {
        config_fields_set_text(attempt->document, "authorizerId", authorizer);
    }
    return status;
}

static enum status build_authorizer_cache(struct config_attempt *attempt, struct error *error) {
    const struct event_type *parsed = NULL;
    config_fields_take_or_keep(attempt->document, attempt->body, attempt->stored,
                               "authorizerCacheSeconds");
    // The registry's own check of it.
    enum status status = event_type_parse(attempt->document, &parsed, error);
    event_type_unref(parsed);
    return status;
}

static enum status build_description(struct config_attempt *attempt, struct error *error) {
    struct bytes description;
    enum status status = config_fields_text(attempt->body, "description", &description, error);
    if (status == STATUS_OK) {
        config_fields_take_or_keep(attempt->document, attempt->body, attempt->stored,
                                   "description");
    }
    return status;
}

// Refused as long as nothing checks events against it: a schema that is taken and not enforced
// would be a promise that is not kept.
static enum status refuse_schema(const json_t *body, struct error *error) {
    const json_t *schema = json_object_get(body, "schema");
    struct bytes enforcement;
    enum status status = config_fields_text(body, "schemaEnforcement", &enforcement, error);
    if (status == STATUS_OK && schema && !json_is_null(schema)) {
        return error_set(error, STATUS_INVALID, "schema: not supported yet");
    }
    if (status == STATUS_OK && enforcement.size > 0 && !bytes_equal_text(enforcement, "off")) {
        return error_set(error, STATUS_INVALID,
                         "schemaEnforcement: not supported yet, other than \"off\"");
    }
    return status;
}

static enum status prepare(struct config_attempt *attempt, struct error *error) {
    static const char *const known[] = {
        "space",    "name",        "authorizerId", "authorizerCacheSeconds",
        "metadata", "description", "schema",       "schemaEnforcement",
        NULL};
    attempt->document = json_object();
    enum status status = config_fields_check(attempt->body, known, "", true, error);
    if (status == STATUS_OK) {
        status = build_keys(attempt, error);
    }
    if (status == STATUS_OK) {
        status = build_authorizer(attempt, error);
    }
    if (status == STATUS_OK) {
        status = build_authorizer_cache(attempt, error);
    }
    if (status == STATUS_OK) {
        status = config_fields_take_metadata(attempt->document, attempt->body, error);
    }
    if (status == STATUS_OK) {
        status = build_description(attempt, error);
    }
    return status == STATUS_OK ? refuse_schema(attempt->body, error) : status;
}

// An update may name a function that comes later: until then its events are refused.
static unsigned check_create(struct config_attempt *attempt, struct error *error) {
    struct bytes authorizer = json_member_bytes(attempt->document, "authorizerId");
    if (authorizer.size > 0 &&
        !snapshot_function(attempt->snapshot, buffer_bytes(&attempt->call->space), authorizer)) {
        error_set(error, STATUS_NOT_FOUND, "Authorizer function doesn't exists.");
        return 400;
    }
    return 0;
}

static unsigned check_delete(struct config_attempt *attempt, struct error *error) {
    struct bytes space = buffer_bytes(&attempt->call->space);
    struct bytes name = json_member_bytes(attempt->stored, "name");
    size_t count;
    const struct subscription *const *all = snapshot_subscriptions(attempt->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(all[i]->space, space) && bytes_equal(all[i]->event_type, name)) {
            error_set(error, STATUS_INVALID,
                      "Event type cannot be deleted because there are subscriptions using it.");
            return 400;
        }
    }
    return 0;
}

const struct config_resource config_event_types = {
    .kind = RESOURCE_EVENT_TYPE,
    .list_member = "eventTypes",
    .id_member = "name",
    .label = "eventtype",
    .title = "Event Type",
    .taken = "already exists.",
    .prepare = prepare,
    .check_create = check_create,
    .check_delete = check_delete,
};
