// Every provider that there is, and the rules that their fields share.

#include <jansson.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/functions/provider.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"

static const struct provider *const table[] = {&provider_http, &provider_weighted};

const struct provider *provider_find(struct bytes type) {
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++) {
        if (bytes_equal_text(type, table[i]->type)) {
            return table[i];
        }
    }
    return NULL;
}

const struct provider *const *provider_list(size_t *ret_count) {
    *ret_count = ARRAY_LENGTH(table);
    return table;
}

static bool is_http_url(const char *text) {
    struct bytes url = bytes_of_text(text);
    size_t scheme = bytes_start_with_ignoring_case(url, BYTES("http://"))    ? 7
                    : bytes_start_with_ignoring_case(url, BYTES("https://")) ? 8
                                                                             : 0;
    for (size_t i = 0; i < url.size; i++) {
        if ((unsigned char)url.data[i] <= ' ' || url.data[i] == 0x7f) {
            return false;
        }
    }
    return scheme > 0 && url.size > scheme && url.data[scheme] != '/' && url.data[scheme] != '?';
}

static bool has_kind(const json_t *value, enum provider_field_kind kind) {
    switch (kind) {
    case PROVIDER_FIELD_TEXT:
        return json_is_string(value);
    case PROVIDER_FIELD_URL:
        return json_is_string(value) && is_http_url(json_string_value(value));
    case PROVIDER_FIELD_NUMBER:
        return json_is_integer(value);
    case PROVIDER_FIELD_BOOLEAN:
        return json_is_boolean(value);
    case PROVIDER_FIELD_OBJECT:
        return json_is_object(value);
    case PROVIDER_FIELD_ARRAY:
        return json_is_array(value);
    }
    return false;
}

static const char *kind_name(enum provider_field_kind kind) {
    static const char *const names[] = {
        "text", "an http or https URL", "a whole number", "true or false", "an object", "an array"};
    return names[kind];
}

static bool is_empty_text(const json_t *value) {
    return json_is_string(value) && json_string_length(value) == 0;
}

static enum status check_field(const struct provider *kind, const struct provider_field *field,
                               const json_t *provider, struct error *error) {
    const json_t *value = provider_field_find(provider, field->name);
    if (!value || json_is_null(value) || is_empty_text(value)) {
        return field->is_required ? error_set(error, STATUS_INVALID, "%s", kind->missing_text)
                                  : STATUS_OK;
    }
    if (has_kind(value, field->kind)) {
        return STATUS_OK;
    }
    if (field->is_required) {
        return error_set(error, STATUS_INVALID, "%s", kind->missing_text);
    }
    return error_set(error, STATUS_INVALID, "provider.%s: must be %s", field->name,
                     kind_name(field->kind));
}

static bool is_known(const struct provider *kind, const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i < kind->field_count; i++) {
        const char *known = kind->fields[i].name;
        if (strncmp(known, name, size) == 0 && (known[size] == '\0' || known[size] == '.')) {
            return true;
        }
    }
    return false;
}

static enum status check_unknown(const struct provider *kind, const json_t *provider,
                                 struct error *error) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)provider, name, value) {
        if (!is_known(kind, name)) {
            return error_set(error, STATUS_INVALID, "provider.%.100s: unknown field", name);
        }
    }
    return STATUS_OK;
}

enum status provider_check(struct bytes type, const struct json_t *provider, bool refuse_unknown,
                           struct error *error) {
    const struct provider *kind = provider_find(type);
    if (!kind) {
        return error_set(error, STATUS_INVALID, "provider %.*s not supported",
                         (int)(type.size > 100 ? 100 : type.size), type.data);
    }
    for (size_t i = 0; i < kind->field_count; i++) {
        enum status status = check_field(kind, &kind->fields[i], provider, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    enum status status = refuse_unknown ? check_unknown(kind, provider, error) : STATUS_OK;
    return status == STATUS_OK && kind->check ? kind->check(provider, error) : status;
}
