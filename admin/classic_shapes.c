#include "admin/classic_shapes.h"

#include <string.h>

#include <jansson.h>

#include "admin/config_fields.h"
#include "admin/config_lookup.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/events/event_attribute.h"

static bool is_absent(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return !value || json_is_null(value);
}

static void copy_member(json_t *to, const json_t *from, const char *name) {
    json_t *value = json_object_get(from, name);
    if (value) {
        json_object_set(to, name, value);
    }
}

bool classic_function_is(const struct json_t *body) {
    const json_t *provider = json_object_get(body, "provider");
    return is_absent(body, "type") && json_is_string(json_object_get(provider, "type"));
}

void classic_function_in(struct json_t *body) {
    json_t *provider = json_object_get(body, "provider");
    json_t *type = json_object_get(provider, "type");
    if (type) {
        json_object_set(body, "type", type);
        json_object_del(provider, "type");
    }
}

void classic_function_add_type(struct json_t *shown) {
    json_t *provider = json_object();
    json_object_set(provider, "type", json_object_get(shown, "type"));
    json_object_update_missing(provider, json_object_get(shown, "provider"));
    json_object_set_new(shown, "provider", provider);
}

// The one name that v0.5 spelled differently.
static void spell_as_first(json_t *provider) {
    json_t *key_id = json_object_get(provider, "awsAccessKeyId");
    if (key_id) {
        json_object_set(provider, "awsAccessKeyID", key_id);
        json_object_del(provider, "awsAccessKeyId");
    }
}

struct json_t *classic_function_out(const struct json_t *shown, bool is_first) {
    json_t *with_type = json_copy((json_t *)shown);
    json_t *out = json_object();
    classic_function_add_type(with_type);
    if (is_first) {
        spell_as_first(json_object_get(with_type, "provider"));
    } else {
        copy_member(out, with_type, "space");
    }
    copy_member(out, with_type, "functionId");
    copy_member(out, with_type, "provider");
    copy_member(out, with_type, "metadata");
    json_decref(with_type);
    return out;
}

bool classic_subscription_is(const struct json_t *body) {
    return !is_absent(body, "event") && is_absent(body, "eventType");
}

static enum status check_event(struct bytes event, struct bytes method, struct error *error) {
    struct config_violations violations = {.object = "Subscription"};
    config_check_name(&violations, "Event", "eventtype", event);
    enum status status = config_violations_end(&violations, error);
    if (status == STATUS_OK && bytes_equal_text(event, "http") && method.size == 0) {
        status = error_set(error, STATUS_INVALID,
                           "Missing required fields (method, path) for HTTP event.");
    }
    return status;
}

enum status classic_subscription_in(struct json_t *body, struct error *error) {
    struct bytes event;
    struct bytes method;
    enum status status = config_fields_text(body, "event", &event, error);
    if (status == STATUS_OK) {
        status = config_fields_text(body, "method", &method, error);
    }
    if (status == STATUS_OK) {
        status = check_event(event, method, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    bool is_http = bytes_equal_text(event, "http");
    config_fields_set_text(body, "type", is_http ? BYTES("sync") : BYTES("async"));
    config_fields_set_text(body, "eventType", is_http ? BYTES(EVENT_TYPE_HTTP_REQUEST) : event);
    if (!is_http) {
        // Custom events of this generation come by POST alone, whatever a subscription says.
        json_object_del(body, "method");
    }
    return STATUS_OK;
}

static void set_classic_id(json_t *out, const struct subscription *subscription) {
    struct buffer id = {0};
    config_classic_id_write(subscription, &id);
    config_fields_set_text(out, "subscriptionId", buffer_bytes(&id));
    buffer_clear(&id);
}

struct json_t *classic_subscription_out(const struct json_t *document, const struct json_t *cors,
                                        bool is_first) {
    const struct subscription *subscription = NULL;
    json_t *out = json_object();
    if (subscription_parse((json_t *)document, &subscription, NULL) != STATUS_OK) {
        return out; // Only what parses is in a snapshot.
    }
    struct bytes event = config_classic_event(subscription);
    if (!is_first) {
        copy_member(out, document, "space");
    }
    set_classic_id(out, subscription);
    config_fields_set_text(out, "event", event);
    copy_member(out, document, "functionId");
    if (bytes_equal_text(event, "http")) {
        copy_member(out, document, "method");
    }
    copy_member(out, document, "path");
    if (cors) {
        json_object_set(out, "cors", (json_t *)cors);
    }
    copy_member(out, document, "metadata");
    subscription_unref(subscription);
    return out;
}

void classic_subscription_add(struct json_t *shown, const struct json_t *document,
                              const struct json_t *cors) {
    json_t *old = classic_subscription_out(document, cors, false);
    json_object_update(shown, old);
    json_decref(old);
}

static const struct {
    const char *classic; // in a subscription's cors
    const char *rule;    // in a CORS rule
    const char *defaults[4];
} cors_lists[] = {
    {"origins", "allowedOrigins", {"*"}},
    {"methods", "allowedMethods", {"HEAD", "GET", "POST"}},
    {"headers", "allowedHeaders", {"Origin", "Accept", "Content-Type"}},
};

static json_t *default_list(const char *const *texts) {
    json_t *list = json_array();
    for (; *texts; texts++) {
        json_array_append_new(list, json_string(*texts));
    }
    return list;
}

static enum status take_list(const json_t *cors, size_t index, json_t *out, struct error *error) {
    json_t *list = json_object_get(cors, cors_lists[index].classic);
    if (!list || json_is_null(list) || (json_is_array(list) && json_array_size(list) == 0)) {
        json_object_set_new(out, cors_lists[index].classic,
                            default_list(cors_lists[index].defaults));
        return STATUS_OK;
    }
    bool is_good = json_is_array(list);
    for (size_t i = 0; is_good && i < json_array_size(list); i++) {
        is_good = json_is_string(json_array_get(list, i));
    }
    if (!is_good) {
        return error_set(error, STATUS_INVALID, "cors.%s: must be an array of strings",
                         cors_lists[index].classic);
    }
    json_object_set(out, cors_lists[index].classic, list);
    return STATUS_OK;
}

enum status classic_cors_in(const struct json_t *cors, struct json_t **ret_cors,
                            struct error *error) {
    json_t *out = json_object();
    json_t *credentials = json_object_get(cors, "allowCredentials");
    enum status status = STATUS_OK;
    if (!json_is_object(cors)) {
        status = error_set(error, STATUS_INVALID, "cors: must be an object");
    }
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(cors_lists); i++) {
        status = take_list(cors, i, out, error);
    }
    if (status == STATUS_OK && credentials && !json_is_boolean(credentials)) {
        status = error_set(error, STATUS_INVALID, "cors.allowCredentials: must be true or false");
    }
    if (status != STATUS_OK) {
        json_decref(out);
        return status;
    }
    json_object_set_new(out, "allowCredentials", json_boolean(json_is_true(credentials)));
    *ret_cors = out;
    return STATUS_OK;
}

struct json_t *classic_cors_rule(const struct json_t *document, const struct json_t *cors) {
    struct buffer id = {0};
    json_t *rule = json_object();
    cors_id_write(json_member_bytes(document, "method"), json_member_bytes(document, "path"), &id);
    copy_member(rule, document, "space");
    config_fields_set_text(rule, "corsId", buffer_bytes(&id));
    copy_member(rule, document, "method");
    copy_member(rule, document, "path");
    for (size_t i = 0; i < ARRAY_LENGTH(cors_lists); i++) {
        json_object_set(rule, cors_lists[i].rule, json_object_get(cors, cors_lists[i].classic));
    }
    copy_member(rule, cors, "allowCredentials");
    buffer_clear(&id);
    return rule;
}

struct json_t *classic_cors_of_rule(const struct json_t *rule) {
    json_t *cors = json_object();
    for (size_t i = 0; i < ARRAY_LENGTH(cors_lists); i++) {
        json_object_set(cors, cors_lists[i].classic, json_object_get(rule, cors_lists[i].rule));
    }
    copy_member(cors, rule, "allowCredentials");
    return cors;
}
