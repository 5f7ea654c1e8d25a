// Every provider that there is, and the rules that their fields share.

#include <jansson.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/functions/provider.h"
#include "core/functions/provider_fields.h"
#include "core/functions/providers.h"

static const struct provider *const table[] = {
    &provider_http,           &provider_aws_lambda,      &provider_aws_kinesis,
    &provider_aws_firehose,   &provider_aws_sqs,         &provider_aws_step_functions,
    &provider_azure_function, &provider_azure_logic_app, &provider_google_function,
    &provider_openwhisk,      &provider_weighted,        &provider_emulator,
};

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

static enum status refuse_missing(const struct provider *kind, const struct provider_field *field,
                                  struct error *error) {
    return error_set(error, STATUS_INVALID, "%s",
                     field->missing_text ? field->missing_text : kind->missing_text);
}

// "auth.bearer": what is there as auth must be an object.
static enum status check_parent(const struct provider_field *field, const json_t *provider,
                                struct error *error) {
    const char *dot = strchr(field->name, '.');
    if (!dot) {
        return STATUS_OK;
    }
    int size = (int)(dot - field->name);
    const json_t *parent = json_object_getn(provider, field->name, (size_t)size);
    if (parent && !json_is_null(parent) && !json_is_object(parent)) {
        return error_set(error, STATUS_INVALID, "provider.%.*s: must be an object", size,
                         field->name);
    }
    return STATUS_OK;
}

static enum status check_field(const struct provider *kind, const struct provider_field *field,
                               const json_t *provider, struct error *error) {
    const json_t *value = provider_field_find(provider, field->name);
    if (!value || json_is_null(value) || is_empty_text(value)) {
        return field->is_required ? refuse_missing(kind, field, error)
                                  : check_parent(field, provider, error);
    }
    if (has_kind(value, field->kind)) {
        return STATUS_OK;
    }
    if (field->is_required) {
        return refuse_missing(kind, field, error);
    }
    return error_set(error, STATUS_INVALID, "provider.%s: must be %s", field->name,
                     kind_name(field->kind));
}

enum membership {
    UNKNOWN,
    A_FIELD,
    HOLDS_FIELDS, // "auth" of "auth.bearer"
};

// Members are known in any case, as clients of the first generation spell awsAccessKeyID.
static enum membership membership_of(const struct provider *kind, struct bytes name) {
    for (size_t i = 0; i < kind->field_count; i++) {
        struct bytes field = bytes_of_text(kind->fields[i].name);
        if (bytes_equal_ignoring_case(field, name)) {
            return A_FIELD;
        }
        if (field.size > name.size && field.data[name.size] == '.' &&
            bytes_start_with(field, name)) {
            return HOLDS_FIELDS;
        }
    }
    return UNKNOWN;
}

static enum status refuse_unknown_in(const struct provider *kind, const json_t *object,
                                     const char *prefix, struct error *error) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        struct buffer path = {0};
        buffer_append_format(&path, "%s%s", prefix, name);
        enum membership membership = membership_of(kind, buffer_bytes(&path));
        enum status status = STATUS_OK;
        if (membership == UNKNOWN) {
            status =
                error_set(error, STATUS_INVALID, "unknown field \"provider.%.200s\"", path.data);
        } else if (membership == HOLDS_FIELDS) {
            buffer_append_byte(&path, '.');
            status = refuse_unknown_in(kind, value, path.data, error);
        }
        buffer_clear(&path);
        if (status != STATUS_OK) {
            return status;
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
    enum status status = refuse_unknown ? refuse_unknown_in(kind, provider, "", error) : STATUS_OK;
    return status == STATUS_OK && kind->check ? kind->check(provider, error) : status;
}
