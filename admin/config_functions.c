// Functions: their provider's fields are checked by its table, and its secrets sealed.

#include <assert.h>
#include <stdlib.h>

#include <jansson.h>

#include "admin/classic_shapes.h"
#include "admin/config_fields.h"
#include "admin/config_resource.h"
#include "admin/function_secrets.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/functions/provider.h"
#include "core/functions/weighted.h"

static bool is_classic_body(const struct config_attempt *attempt) {
    return attempt->call->dialect == CONFIG_CLASSIC || classic_function_is(attempt->call->body);
}

// The id of an update is the URL's.
static enum status read_id(const struct config_attempt *attempt, struct buffer *ret_id,
                           struct error *error) {
    struct bytes id;
    if (attempt->call->operation == CONFIG_UPDATE) {
        percent_decode(attempt->call->raw_id, false, ret_id);
        return STATUS_OK;
    }
    enum status status = config_fields_text(attempt->body, "functionId", &id, error);
    if (status == STATUS_OK) {
        buffer_append(ret_id, id);
    }
    return status;
}

static enum status build_keys(struct config_attempt *attempt, struct error *error) {
    struct config_violations violations = {.object = "Function"};
    struct bytes space = buffer_bytes(&attempt->call->space);
    struct buffer id = {0};
    enum status status = read_id(attempt, &id, error);
    if (status == STATUS_OK) {
        config_check_space(&violations, space);
        config_check_name(&violations, "ID", "functionid", buffer_bytes(&id));
        status = config_violations_end(&violations, error);
    }
    if (status == STATUS_OK) {
        config_fields_set_text(attempt->document, "space", space);
        config_fields_set_text(attempt->document, "functionId", buffer_bytes(&id));
    }
    buffer_clear(&id);
    return status;
}

// The original refuses these first, before it looks at the id.
static enum status find_provider(const json_t *body, const struct provider **ret_provider,
                                 struct error *error) {
    struct bytes type;
    enum status status = config_fields_text(body, "type", &type, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (type.size == 0) {
        return error_set(error, STATUS_INVALID, "provider configuration not set");
    }
    const struct provider *provider = provider_find(type);
    if (!provider) {
        return error_set(error, STATUS_INVALID, "provider %.*s not supported",
                         (int)(type.size > 200 ? 200 : type.size), type.data);
    }
    if (!json_is_object(json_object_get(body, "provider"))) {
        return error_set(error, STATUS_INVALID, "provider: must be an object");
    }
    *ret_provider = provider;
    return STATUS_OK;
}

// The member that a field is, or lies in.
static struct bytes member_of(const struct provider_field *field) {
    struct bytes name = bytes_of_text(field->name);
    return bytes_slice(name, 0, bytes_find(name, '.'));
}

static struct bytes known_spelling(const struct provider *kind, struct bytes name) {
    struct bytes found = {0};
    for (size_t i = 0; i < kind->field_count; i++) {
        struct bytes member = member_of(&kind->fields[i]);
        if (bytes_equal(member, name)) {
            return member;
        }
        if (bytes_equal_ignoring_case(member, name)) {
            found = member;
        }
    }
    return found;
}

// Known spellings, as the original's decoder reads them without regard to case. What is unknown is
// dropped in the classic generation, and else left for provider_check to refuse.
static void normalize_members(const struct config_attempt *attempt, const struct provider *kind,
                              json_t *provider) {
    const char *name;
    json_t *value;
    void *next;
    // Shown inside provider to clients of the old shape, so it may come back.
    if (json_equal(json_object_get(provider, "type"), json_object_get(attempt->body, "type"))) {
        json_object_del(provider, "type");
    }
    json_object_foreach_safe(provider, next, name, value) {
        struct bytes given = bytes_of_text(name);
        struct bytes spelling = known_spelling(kind, given);
        bool is_unknown = spelling.size == 0;
        if (is_unknown && attempt->call->dialect == CONFIG_CLASSIC) {
            json_object_del(provider, name);
        } else if (!is_unknown && !bytes_equal(spelling, given)) {
            char *renamed = bytes_to_text(spelling);
            if (!json_object_get(provider, renamed)) {
                json_object_set(provider, renamed, value);
            }
            json_object_del(provider, name);
            free(renamed);
        }
    }
}

// Whether the table has a field for this member of an object ("auth", "bearer"), or says nothing of
// the object's members at all (headers).
static bool is_nested_known(const struct provider *kind, struct bytes object, struct bytes member) {
    bool is_listed = false;
    for (size_t i = 0; i < kind->field_count; i++) {
        struct bytes name = bytes_of_text(kind->fields[i].name);
        if (bytes_equal(member_of(&kind->fields[i]), object) && name.size > object.size) {
            is_listed = true;
            if (bytes_equal(bytes_slice(name, object.size + 1, name.size), member)) {
                return true;
            }
        }
    }
    return !is_listed;
}

// provider_check looks at the outer names alone. A misspelled secret inside would be stored in
// clear.
static enum status check_nested(const struct config_attempt *attempt, const struct provider *kind,
                                const char *outer, json_t *object, struct error *error) {
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(object, next, name, value) {
        bool is_known = is_nested_known(kind, bytes_of_text(outer), bytes_of_text(name));
        bool is_ignored = !is_known && attempt->call->dialect == CONFIG_CLASSIC;
        if (is_ignored || json_is_null(value)) {
            json_object_del(object, name);
        } else if (!is_known) {
            return error_set(error, STATUS_INVALID, "unknown field \"provider.%s.%.200s\"", outer,
                             name);
        }
    }
    return STATUS_OK;
}

static enum status check_all_nested(const struct config_attempt *attempt,
                                    const struct provider *kind, json_t *provider,
                                    struct error *error) {
    const char *name;
    json_t *value;
    json_object_foreach(provider, name, value) {
        enum status status =
            json_is_object(value) ? check_nested(attempt, kind, name, value, error) : STATUS_OK;
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

// Fields that the original has too: a PUT replaces them. All others are ours, and stay when absent.
static bool is_original_field(struct bytes name) {
    static const char *const names[] = {"url",
                                        "arn",
                                        "region",
                                        "awsAccessKeyId",
                                        "awsSecretAccessKey",
                                        "awsSessionToken",
                                        "streamName",
                                        "deliveryStreamName",
                                        "queueUrl",
                                        "weighted",
                                        "emulatorUrl",
                                        "apiVersion"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (bytes_equal_text(name, names[i])) {
            return true;
        }
    }
    return false;
}

static void keep_own_members(const struct config_attempt *attempt, json_t *provider) {
    const json_t *stored = json_object_get(attempt->stored, "provider");
    const char *name;
    json_t *value;
    if (!bytes_equal(json_member_bytes(attempt->stored, "type"),
                     json_member_bytes(attempt->body, "type"))) {
        return;
    }
    json_object_foreach((json_t *)stored, name, value) {
        if (!is_original_field(bytes_of_text(name)) && !json_object_get(provider, name)) {
            json_object_set_new(provider, name, json_deep_copy(value));
        }
    }
}

static void drop_nulls(json_t *object) {
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(object, next, name, value) {
        if (json_is_null(value)) {
            json_object_del(object, name);
        }
    }
}

static enum status build_provider(struct config_attempt *attempt, const struct provider *kind,
                                  struct error *error) {
    const json_t *stored = json_object_get(attempt->stored, "provider");
    json_t *provider = json_object_get(attempt->body, "provider");
    struct bytes space = json_member_bytes(attempt->document, "space");
    struct bytes id = json_member_bytes(attempt->document, "functionId");
    struct function_secrets secrets = {.secrets = attempt->call->admin->options.secrets,
                                       .provider = kind,
                                       .space = space,
                                       .function_id = id};
    assert(kind);
    normalize_members(attempt, kind, provider);
    keep_own_members(attempt, provider);
    drop_nulls(provider);
    enum status status = check_all_nested(attempt, kind, provider, error);
    if (status == STATUS_OK) {
        status = function_secrets_unmask(&secrets, provider, stored, error);
    }
    if (status == STATUS_OK) {
        status = provider_check(json_member_bytes(attempt->body, "type"), provider,
                                attempt->call->dialect == CONFIG_SPACES, error);
    }
    if (status == STATUS_OK) {
        status = weighted_check(attempt->snapshot, space, id, provider, error);
    }
    if (status == STATUS_OK) {
        status = function_secrets_seal(&secrets, provider, stored, error);
    }
    if (status == STATUS_OK) {
        config_fields_take(attempt->document, attempt->body, "type");
        config_fields_take(attempt->document, attempt->body, "provider");
    }
    return status;
}

// Functions of the first generation get events in its format, unless they say otherwise.
static void build_own_members(struct config_attempt *attempt) {
    bool is_new_and_classic = !attempt->stored && is_classic_body(attempt);
    config_fields_take_or_keep(attempt->document, attempt->body, attempt->stored, "eventFormat");
    config_fields_take_or_keep(attempt->document, NULL, attempt->stored, "classic");
    if (is_new_and_classic && !json_object_get(attempt->document, "eventFormat")) {
        config_fields_set_text(attempt->document, "eventFormat", BYTES("classic"));
    }
    if (is_new_and_classic && attempt->call->dialect == CONFIG_SPACES) {
        json_object_set_new(attempt->document, "classic", json_true());
    }
}

static enum status build_document(struct config_attempt *attempt, struct error *error) {
    const struct provider *kind = NULL;
    enum status status = find_provider(attempt->body, &kind, error);
    if (status == STATUS_OK) {
        status = build_keys(attempt, error);
    }
    if (status == STATUS_OK) {
        status = build_provider(attempt, kind, error);
    }
    if (status == STATUS_OK) {
        status = config_fields_take_metadata(attempt->document, attempt->body, error);
    }
    if (status == STATUS_OK) {
        build_own_members(attempt);
    }
    return status;
}

static enum status prepare(struct config_attempt *attempt, struct error *error) {
    static const char *const known[] = {"space",    "functionId",  "type", "provider",
                                        "metadata", "eventFormat", NULL};
    const struct function *parsed = NULL;
    attempt->document = json_object();
    enum status status = config_fields_check(attempt->body, known, "",
                                             attempt->call->dialect == CONFIG_SPACES, error);
    if (status == STATUS_OK && is_classic_body(attempt)) {
        classic_function_in(attempt->body);
    }
    if (status == STATUS_OK) {
        status = build_document(attempt, error);
    }
    if (status == STATUS_OK) {
        status = function_parse(attempt->document, &parsed, error);
    }
    function_unref(parsed);
    return status;
}

static bool has_subscription(const struct snapshot *snapshot, struct bytes space, struct bytes id) {
    size_t count;
    const struct subscription *const *all = snapshot_subscriptions(snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(all[i]->space, space) && bytes_equal(all[i]->function_id, id)) {
            return true;
        }
    }
    return false;
}

struct authorizer_search {
    struct bytes function_id;
    struct bytes event_type; // empty: none found
};

static void visit_event_type(void *context, struct bytes space, struct bytes id,
                             const struct json_t *document) {
    struct authorizer_search *search = context;
    (void)space;
    if (search->event_type.size == 0 &&
        bytes_equal(json_member_bytes(document, "authorizerId"), search->function_id)) {
        search->event_type = id;
    }
}

static unsigned check_delete(struct config_attempt *attempt, struct error *error) {
    struct bytes space = buffer_bytes(&attempt->call->space);
    struct bytes id = json_member_bytes(attempt->stored, "functionId");
    struct authorizer_search search = {.function_id = id};
    if (has_subscription(attempt->snapshot, space, id)) {
        error_set(error, STATUS_INVALID,
                  "Function cannot be deleted because it's subscribed to a least one event.");
        return 400;
    }
    snapshot_each(attempt->snapshot, RESOURCE_EVENT_TYPE, space, visit_event_type, &search);
    if (search.event_type.size > 0) {
        error_set(error, STATUS_INVALID,
                  "Function %.*s cannot be deleted because is used as an authorizer for %.*s "
                  "event type.",
                  (int)id.size, id.data, (int)search.event_type.size, search.event_type.data);
        return 400;
    }
    return 0;
}

static json_t *show(const struct config_call *call, const struct snapshot *snapshot,
                    const json_t *document) {
    (void)snapshot;
    bool is_first = call->dialect == CONFIG_CLASSIC;
    const struct provider *kind = provider_find(json_member_bytes(document, "type"));
    json_t *shown = json_copy((json_t *)document);
    json_t *provider = json_deep_copy(json_object_get(document, "provider"));
    if (kind) {
        function_secrets_mask(kind, provider);
    }
    json_object_set_new(shown, "provider", provider);
    json_object_del(shown, "classic");
    if (is_first || classic_function_is(call->body)) {
        json_t *old = classic_function_out(shown, is_first);
        json_decref(shown);
        return old;
    }
    if (json_is_true(json_object_get(document, "classic"))) {
        classic_function_add_type(shown);
    }
    return shown;
}

const struct config_resource config_functions = {
    .kind = RESOURCE_FUNCTION,
    .list_member = "functions",
    .id_member = "functionId",
    .label = "function",
    .title = "Function",
    .taken = "already registered.",
    .prepare = prepare,
    .check_delete = check_delete,
    .show = show,
};
