// CORS rules: one per method and path.

#include <jansson.h>

#include "admin/config_fields.h"
#include "admin/config_resource.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/subscriptions/path_pattern.h"

static void set_keys(json_t *document, struct bytes space, struct bytes method, struct bytes path) {
    struct buffer id = {0};
    cors_id_write(method, path, &id);
    config_fields_set_text(document, "space", space);
    config_fields_set_text(document, "corsId", buffer_bytes(&id));
    config_fields_set_text(document, "method", method);
    config_fields_set_text(document, "path", path);
    buffer_clear(&id);
}

static enum status build_keys(struct config_attempt *attempt, struct error *error) {
    struct config_violations violations = {.object = "CORS"};
    struct bytes space = buffer_bytes(&attempt->call->space);
    struct bytes given_method;
    struct bytes given_path;
    struct buffer method = {0};
    struct buffer path = {0};
    enum status status = config_fields_text(attempt->body, "method", &given_method, error);
    if (status == STATUS_OK) {
        status = config_fields_text(attempt->body, "path", &given_path, error);
    }
    if (status == STATUS_OK) {
        config_method_write(given_method, (struct bytes){0}, &method);
        config_check_space(&violations, space);
        config_check_method(&violations, buffer_bytes(&method));
        if (given_path.size == 0) {
            config_violation(&violations, "Path", "path");
        }
        status = config_violations_end(&violations, error);
    }
    if (status == STATUS_OK) {
        path_normalize(given_path, &path);
        status = path_pattern_check(buffer_bytes(&path), error);
    }
    if (status == STATUS_OK) {
        set_keys(attempt->document, space, buffer_bytes(&method), buffer_bytes(&path));
    }
    buffer_clear(&method);
    buffer_clear(&path);
    return status;
}

static const struct {
    const char *name;
    const char *defaults[4];
} lists[] = {
    {"allowedOrigins", {"*"}},
    {"allowedMethods", {"HEAD", "GET", "POST"}},
    {"allowedHeaders", {"Origin", "Accept", "Content-Type"}},
};

static json_t *default_list(size_t index) {
    json_t *list = json_array();
    for (const char *const *text = lists[index].defaults; *text; text++) {
        json_array_append_new(list, json_string(*text));
    }
    return list;
}

// Absent, null and empty all mean the defaults; cors_rule_parse checks what is there.
static void take_list(struct config_attempt *attempt, size_t index) {
    json_t *list = json_object_get(attempt->body, lists[index].name);
    if (!list || json_is_null(list) || (json_is_array(list) && json_array_size(list) == 0)) {
        json_object_set_new(attempt->document, lists[index].name, default_list(index));
    } else {
        json_object_set(attempt->document, lists[index].name, list);
    }
}

static enum status build_document(struct config_attempt *attempt, struct error *error) {
    json_t *credentials = json_object_get(attempt->body, "allowCredentials");
    enum status status = build_keys(attempt, error);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        take_list(attempt, i);
    }
    if (!credentials || json_is_null(credentials)) {
        json_object_set_new(attempt->document, "allowCredentials", json_false());
    } else {
        json_object_set(attempt->document, "allowCredentials", credentials);
    }
    return config_fields_take_metadata(attempt->document, attempt->body, error);
}

static enum status prepare(struct config_attempt *attempt, struct error *error) {
    static const char *const known[] = {
        "space",          "corsId",         "method",           "path",     "allowedOrigins",
        "allowedMethods", "allowedHeaders", "allowCredentials", "metadata", NULL};
    const struct cors_rule *parsed = NULL;
    attempt->document = json_object();
    enum status status = config_fields_check(attempt->body, known, "", true, error);
    if (status == STATUS_OK) {
        status = build_document(attempt, error);
    }
    if (status == STATUS_OK) {
        status = cors_rule_parse(attempt->document, &parsed, error);
    }
    cors_rule_unref(parsed);
    return status;
}

static unsigned check_update(struct config_attempt *attempt, struct error *error) {
    static const struct {
        const char *member, *field;
    } fixed[] = {{"method", "Method"}, {"path", "Path"}};
    for (size_t i = 0; i < ARRAY_LENGTH(fixed); i++) {
        if (!bytes_equal(json_member_bytes(attempt->document, fixed[i].member),
                         json_member_bytes(attempt->stored, fixed[i].member))) {
            error_set(error, STATUS_INVALID,
                      "Invalid update. '%s' of existing CORS configuration cannot be updated.",
                      fixed[i].field);
            return 400;
        }
    }
    return 0;
}

const struct config_resource config_cors = {
    .kind = RESOURCE_CORS,
    .list_member = "cors",
    .id_member = "corsId",
    .label = "cors",
    .title = "CORS configuration",
    .taken = "already exists.",
    .id_is_encoded = true,
    .prepare = prepare,
    .check_update = check_update,
};
