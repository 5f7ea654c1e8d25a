#include "admin/config_fields.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"

// Longer names would be of no use to people and do not fit into every store's keys.
#define NAME_MAX_BYTES 256
#define METHOD_TAG "eq=GET|eq=POST|eq=DELETE|eq=PUT|eq=PATCH|eq=HEAD|eq=OPTIONS"

static const char *known_spelling(const char *const *known, struct bytes name) {
    for (; *known; known++) {
        if (bytes_equal_ignoring_case(name, bytes_of_text(*known))) {
            return *known;
        }
    }
    return NULL;
}

// The exact spelling wins where both are there.
static void rename_member(json_t *object, const char *from, const char *to) {
    if (strcmp(from, to) == 0) {
        return;
    }
    if (!json_object_get(object, to)) {
        json_object_set(object, to, json_object_get(object, from));
    }
    json_object_del(object, from);
}

enum status config_fields_check(struct json_t *object, const char *const *known, const char *prefix,
                                bool refuses_unknown, struct error *error) {
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(object, next, name, value) {
        const char *spelling = known_spelling(known, bytes_of_text(name));
        if (spelling) {
            rename_member(object, name, spelling);
        } else if (refuses_unknown) {
            return error_set(error, STATUS_INVALID, "unknown field \"%s%.200s\"", prefix, name);
        } else {
            json_object_del(object, name);
        }
    }
    return STATUS_OK;
}

enum status config_fields_text(const struct json_t *object, const char *name,
                               struct bytes *ret_text, struct error *error) {
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value)) {
        *ret_text = (struct bytes){0};
        return STATUS_OK;
    }
    if (!json_is_string(value)) {
        return error_set(error, STATUS_INVALID, "%s: must be a string", name);
    }
    *ret_text = json_string_bytes(value);
    return STATUS_OK;
}

void config_fields_set_text(struct json_t *object, const char *name, struct bytes text) {
    json_object_set_new(object, name, json_stringn(text.size > 0 ? text.data : "", text.size));
}

void config_fields_take(struct json_t *document, const struct json_t *body, const char *name) {
    json_t *value = json_object_get(body, name);
    if (value && !json_is_null(value)) {
        json_object_set(document, name, value);
    }
}

void config_fields_take_or_keep(struct json_t *document, const struct json_t *body,
                                const struct json_t *stored, const char *name) {
    const json_t *kept = json_object_get(stored, name);
    if (json_object_get(body, name)) {
        config_fields_take(document, body, name);
    } else if (kept) {
        json_object_set_new(document, name, json_deep_copy(kept));
    }
}

enum status config_fields_take_metadata(struct json_t *document, const struct json_t *body,
                                        struct error *error) {
    json_t *metadata = json_object_get(body, "metadata");
    const char *name;
    json_t *value;
    if (!metadata || json_is_null(metadata)) {
        return STATUS_OK;
    }
    if (!json_is_object(metadata)) {
        return error_set(error, STATUS_INVALID, "metadata: must be an object");
    }
    json_object_foreach(metadata, name, value) {
        if (!json_is_string(value)) {
            return error_set(error, STATUS_INVALID, "metadata.%.200s: must be a string", name);
        }
    }
    // The original leaves an empty one out.
    if (json_object_size(metadata) > 0) {
        json_object_set(document, "metadata", metadata);
    }
    return STATUS_OK;
}

void config_violation(struct config_violations *violations, const char *field, const char *tag) {
    buffer_append_format(
        &violations->text, "%sKey: '%s.%s' Error:Field validation for '%s' failed on the '%s' tag",
        violations->text.size > 0 ? "\n" : "", violations->object, field, field, tag);
}

static bool has_only_name_bytes(struct bytes name) {
    for (size_t i = 0; i < name.size; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        bool is_alphanumeric = byte < 0x80 && isalnum(byte);
        if (!is_alphanumeric && byte != '.' && byte != '-' && byte != '_') {
            return false;
        }
    }
    return true;
}

void config_check_space(struct config_violations *violations, struct bytes space) {
    if (space.size < 3) {
        config_violation(violations, "Space", "min");
    } else if (!has_only_name_bytes(space)) {
        config_violation(violations, "Space", "space");
    } else if (space.size > NAME_MAX_BYTES) {
        config_violation(violations, "Space", "max=256");
    }
}

void config_check_name(struct config_violations *violations, const char *field, const char *tag,
                       struct bytes name) {
    if (name.size == 0) {
        config_violation(violations, field, "required");
    } else if (!has_only_name_bytes(name)) {
        config_violation(violations, field, tag);
    } else if (name.size > NAME_MAX_BYTES) {
        config_violation(violations, field, "max=256");
    }
}

void config_check_method(struct config_violations *violations, struct bytes method) {
    static const char *const methods[] = {"GET",   "POST", "DELETE", "PUT",
                                          "PATCH", "HEAD", "OPTIONS"};
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        if (bytes_equal_text(method, methods[i])) {
            return;
        }
    }
    config_violation(violations, "Method", METHOD_TAG);
}

enum status config_violations_end(struct config_violations *violations, struct error *error) {
    enum status status = STATUS_OK;
    if (violations->text.size > 0) {
        status = error_set(error, STATUS_INVALID, "%s", violations->text.data);
    }
    buffer_clear(&violations->text);
    return status;
}

void config_method_write(struct bytes method, struct bytes otherwise, struct buffer *ret_method) {
    if (method.size == 0) {
        method = otherwise;
    }
    for (size_t i = 0; i < method.size; i++) {
        buffer_append_byte(ret_method, (char)toupper((unsigned char)method.data[i]));
    }
}
