#include "core/functions/provider_fields.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/registry/secrets.h"

#define TIMEOUT_MAX_MS 900000

const json_t *provider_field_find(const json_t *provider, const char *name) {
    const char *dot = strchr(name, '.');
    if (!dot) {
        return json_object_get(provider, name);
    }
    char *outer = bytes_to_text((struct bytes){name, (size_t)(dot - name)});
    const json_t *value = json_object_get(json_object_get(provider, outer), dot + 1);
    free(outer);
    return value;
}

static enum status open_sealed(struct invoker *invoker, const struct function *function,
                               const char *name, struct bytes sealed, char **ret_text,
                               struct error *error) {
    struct buffer owner = {0};
    struct buffer plain = {0};
    if (!invoker_secrets(invoker)) {
        return error_set(error, STATUS_INVALID,
                         "provider.%s: is sealed, and this node has no --secrets-key-file", name);
    }
    buffer_append(&owner, function->space);
    buffer_append_byte(&owner, '/');
    buffer_append(&owner, function->id);
    buffer_append_format(&owner, "/%s", name);
    enum status status =
        secrets_open(invoker_secrets(invoker), sealed, buffer_bytes(&owner), &plain, error);
    buffer_clear(&owner);
    if (status != STATUS_OK) {
        error_prefix(error, "provider.%s", name);
        provider_text_forget(buffer_take(&plain));
        return STATUS_INVALID; // also for a key that is not there: the function itself is
    }
    *ret_text = buffer_take(&plain);
    return STATUS_OK;
}

enum status provider_field_text(struct invoker *invoker, const struct function *function,
                                const char *name, char **ret_text, struct error *error) {
    const json_t *value = provider_field_find(function->provider, name);
    struct bytes text = json_string_bytes(value);
    if (!json_is_string(value)) {
        *ret_text = NULL;
        return STATUS_OK;
    }
    if (secret_is_sealed(text)) {
        return open_sealed(invoker, function, name, text, ret_text, error);
    }
    *ret_text = bytes_to_text(text);
    return STATUS_OK;
}

enum status provider_field_needed_text(struct invoker *invoker, const struct function *function,
                                       const char *name, char **ret_text, struct error *error) {
    char *text = NULL;
    enum status status = provider_field_text(invoker, function, name, &text, error);
    if (status == STATUS_OK && !text) {
        status = error_set(error, STATUS_INVALID, "provider.%s: is missing", name);
    }
    if (status == STATUS_OK) {
        *ret_text = text;
    }
    return status;
}

void provider_text_forget(char *text) {
    if (text) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

int64_t provider_field_number(const struct function *function, const char *name,
                              int64_t otherwise) {
    const json_t *value = provider_field_find(function->provider, name);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

enum status provider_check_timeout(const json_t *provider, struct error *error) {
    const json_t *timeout = json_object_get(provider, "timeoutMs");
    json_int_t value = json_integer_value(timeout);
    if (timeout && !json_is_null(timeout) && (value < 1 || value > TIMEOUT_MAX_MS)) {
        return error_set(error, STATUS_INVALID, "provider.timeoutMs: must be from 1 to %d",
                         TIMEOUT_MAX_MS);
    }
    return STATUS_OK;
}

int64_t provider_timeout_ms(const struct function *function) {
    return provider_field_number(function, "timeoutMs", 0);
}
