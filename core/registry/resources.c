#include "core/registry/resources.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/subscriptions/path_pattern.h"

const char *resource_kind_name(enum resource_kind kind) {
    switch (kind) {
    case RESOURCE_FUNCTION:
        return "functions";
    case RESOURCE_EVENT_TYPE:
        return "eventtypes";
    case RESOURCE_SUBSCRIPTION:
        return "subscriptions";
    case RESOURCE_CORS:
        return "cors";
    case RESOURCE_REPLAY:
        return "replays";
    case RESOURCE_REDRIVE:
        return "redrives";
    case RESOURCE_KIND_COUNT:
        break;
    }
    return "unknown";
}

bool resource_kind_parse(struct bytes name, enum resource_kind *ret_kind) {
    for (int kind = 0; kind < RESOURCE_KIND_COUNT; kind++) {
        if (bytes_equal_text(name, resource_kind_name((enum resource_kind)kind))) {
            *ret_kind = (enum resource_kind)kind;
            return true;
        }
    }
    return false;
}

struct function_object {
    struct function function;
    atomic_uint references;
};

struct event_type_object {
    struct event_type event_type;
    atomic_uint references;
};

struct cors_object {
    struct cors_rule rule;
    atomic_uint references;
};

static void count_up(atomic_uint *references) {
    atomic_fetch_add_explicit(references, 1, memory_order_relaxed);
}

static bool count_down_to_zero(atomic_uint *references) {
    unsigned before = atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel);
    assert(before > 0);
    return before == 1;
}

// Absent and empty are the same.
static enum status read_optional_text(const json_t *document, const char *name,
                                      struct bytes *ret_text, struct error *error) {
    const json_t *value = json_object_get(document, name);
    if (!value) {
        return STATUS_OK;
    }
    if (!json_is_string(value)) {
        return error_set(error, STATUS_INVALID, "%s: must be a string", name);
    }
    *ret_text = json_string_bytes(value);
    return STATUS_OK;
}

static enum status read_keys(const json_t *document, const char *id_name, struct bytes *ret_space,
                             struct bytes *ret_id, struct error *error) {
    if (!json_is_object(document)) {
        return error_set(error, STATUS_INVALID, "a document must be a JSON object");
    }
    enum status status = json_needed_bytes(document, "space", ret_space, error);
    return status == STATUS_OK ? json_needed_bytes(document, id_name, ret_id, error) : status;
}

static enum status read_event_format(struct function *function, struct error *error) {
    struct bytes name = {0};
    enum status status = read_optional_text(function->document, "eventFormat", &name, error);
    if (status != STATUS_OK || name.size == 0) {
        return status;
    }
    function->has_event_format = true;
    if (event_format_parse(name, &function->event_format) != STATUS_OK) {
        return error_set(error, STATUS_INVALID,
                         "eventFormat: must be cloudevents/1.0, cloudevents-binary/1.0, "
                         "cloudevents/0.1 or classic");
    }
    return STATUS_OK;
}

static enum status read_function(struct function *function, struct error *error) {
    const json_t *document = function->document;
    enum status status = read_keys(document, "functionId", &function->space, &function->id, error);
    if (status == STATUS_OK) {
        status = json_needed_bytes(document, "type", &function->type, error);
    }
    if (status == STATUS_OK) {
        function->provider = json_object_get(document, "provider");
        if (!json_is_object(function->provider)) {
            return error_set(error, STATUS_INVALID, "provider: must be an object");
        }
        status = read_event_format(function, error);
    }
    return status;
}

enum status function_parse(struct json_t *document, const struct function **ret_function,
                           struct error *error) {
    struct function_object *object = memory_allocate(sizeof *object);
    object->references = 1;
    object->function.document = json_incref(document);
    enum status status = read_function(&object->function, error);
    if (status != STATUS_OK) {
        function_unref(&object->function);
        return status;
    }
    *ret_function = &object->function;
    return STATUS_OK;
}

const struct function *function_ref(const struct function *function) {
    count_up(&CONTAINER_OF(function, struct function_object, function)->references);
    return function;
}

void function_unref(const struct function *function) {
    if (!function) {
        return;
    }
    struct function_object *object = CONTAINER_OF(function, struct function_object, function);
    if (count_down_to_zero(&object->references)) {
        json_decref((json_t *)function->document);
        free(object);
    }
}

#define AUTHORIZER_CACHE_MAX_S 3600

static enum status read_authorizer_cache(struct event_type *event_type, struct error *error) {
    const json_t *seconds = json_object_get(event_type->document, "authorizerCacheSeconds");
    json_int_t value = json_integer_value(seconds);
    if (seconds && (!json_is_integer(seconds) || value < 0 || value > AUTHORIZER_CACHE_MAX_S)) {
        return error_set(error, STATUS_INVALID,
                         "authorizerCacheSeconds: must be a whole number from 0 to %d",
                         AUTHORIZER_CACHE_MAX_S);
    }
    event_type->authorizer_cache_s = value;
    return STATUS_OK;
}

enum status event_type_parse(struct json_t *document, const struct event_type **ret_event_type,
                             struct error *error) {
    struct event_type_object *object = memory_allocate(sizeof *object);
    struct event_type *event_type = &object->event_type;
    object->references = 1;
    event_type->document = json_incref(document);
    enum status status = read_keys(document, "name", &event_type->space, &event_type->name, error);
    if (status == STATUS_OK) {
        status = read_optional_text(document, "authorizerId", &event_type->authorizer_id, error);
    }
    if (status == STATUS_OK) {
        status = read_authorizer_cache(event_type, error);
    }
    if (status != STATUS_OK) {
        event_type_unref(event_type);
        return status;
    }
    *ret_event_type = event_type;
    return STATUS_OK;
}

const struct event_type *event_type_ref(const struct event_type *event_type) {
    count_up(&CONTAINER_OF(event_type, struct event_type_object, event_type)->references);
    return event_type;
}

void event_type_unref(const struct event_type *event_type) {
    if (!event_type) {
        return;
    }
    struct event_type_object *object =
        CONTAINER_OF(event_type, struct event_type_object, event_type);
    if (count_down_to_zero(&object->references)) {
        json_decref((json_t *)event_type->document);
        free(object);
    }
}

static enum status check_texts(const json_t *document, const char *name, struct error *error) {
    const json_t *list = json_object_get(document, name);
    if (!list) {
        return STATUS_OK;
    }
    bool is_good = json_is_array(list);
    for (size_t i = 0; is_good && i < json_array_size(list); i++) {
        is_good = json_is_string(json_array_get(list, i));
    }
    return is_good ? STATUS_OK
                   : error_set(error, STATUS_INVALID, "%s: must be an array of strings", name);
}

static enum status read_cors_rule(struct cors_rule *rule, struct error *error) {
    const json_t *document = rule->document;
    static const char *const lists[] = {"allowedOrigins", "allowedMethods", "allowedHeaders"};
    enum status status = read_keys(document, "corsId", &rule->space, &rule->id, error);
    if (status == STATUS_OK) {
        status = json_needed_bytes(document, "method", &rule->method, error);
    }
    if (status == STATUS_OK) {
        status = json_needed_bytes(document, "path", &rule->path, error);
    }
    if (status == STATUS_OK) {
        status = path_pattern_check(rule->path, error);
    }
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(lists); i++) {
        status = check_texts(document, lists[i], error);
    }
    const json_t *credentials = json_object_get(document, "allowCredentials");
    if (status == STATUS_OK && credentials && !json_is_boolean(credentials)) {
        return error_set(error, STATUS_INVALID, "allowCredentials: must be true or false");
    }
    rule->allow_credentials = json_is_true(credentials);
    return status;
}

enum status cors_rule_parse(struct json_t *document, const struct cors_rule **ret_rule,
                            struct error *error) {
    struct cors_object *object = memory_allocate(sizeof *object);
    object->references = 1;
    object->rule.document = json_incref(document);
    enum status status = read_cors_rule(&object->rule, error);
    if (status != STATUS_OK) {
        cors_rule_unref(&object->rule);
        return status;
    }
    *ret_rule = &object->rule;
    return STATUS_OK;
}

const struct cors_rule *cors_rule_ref(const struct cors_rule *rule) {
    count_up(&CONTAINER_OF(rule, struct cors_object, rule)->references);
    return rule;
}

void cors_rule_unref(const struct cors_rule *rule) {
    if (!rule) {
        return;
    }
    struct cors_object *object = CONTAINER_OF(rule, struct cors_object, rule);
    if (count_down_to_zero(&object->references)) {
        json_decref((json_t *)rule->document);
        free(object);
    }
}

void cors_id_write(struct bytes method, struct bytes path, struct buffer *ret_id) {
    buffer_append(ret_id, method);
    percent_encode_path_segment(path, ret_id);
}
