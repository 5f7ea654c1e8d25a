#include "admin/function_secrets.h"

#include <string.h>

#include <jansson.h>

#include "admin/config_fields.h"
#include "core/base/json.h"

// "auth.bearer" is the member bearer of the object auth.
static json_t *parent_of(const json_t *provider, const char *name, const char **ret_member) {
    const char *dot = strchr(name, '.');
    if (!dot) {
        *ret_member = name;
        return (json_t *)provider;
    }
    *ret_member = dot + 1;
    return json_object_getn(provider, name, (size_t)(dot - name));
}

static struct bytes secret_of(const json_t *provider, const char *name) {
    const char *member;
    const json_t *parent = parent_of(provider, name, &member);
    return json_member_bytes(parent, member);
}

static void set_secret(json_t *provider, const char *name, struct bytes value) {
    const char *member;
    json_t *parent = parent_of(provider, name, &member);
    config_fields_set_text(parent, member, value);
}

static void write_owner(const struct function_secrets *secrets, const char *name,
                        struct buffer *ret_owner) {
    buffer_append(ret_owner, secrets->space);
    buffer_append_byte(ret_owner, '/');
    buffer_append(ret_owner, secrets->function_id);
    buffer_append_byte(ret_owner, '/');
    buffer_append_text(ret_owner, name);
}

// False when it cannot be opened: another key, or a text that was never sealed.
static bool open_secret(const struct function_secrets *secrets, const char *name,
                        struct bytes sealed, struct buffer *ret_plain) {
    struct buffer owner = {0};
    if (!secrets->secrets || !secret_is_sealed(sealed)) {
        return false;
    }
    write_owner(secrets, name, &owner);
    enum status status =
        secrets_open(secrets->secrets, sealed, buffer_bytes(&owner), ret_plain, NULL);
    buffer_clear(&owner);
    return status == STATUS_OK;
}

static void clear_plain(struct buffer *plain) {
    if (plain->data) {
        explicit_bzero(plain->data, plain->size);
    }
    buffer_clear(plain);
}

static bool is_secret_there(const struct provider_field *field, const json_t *provider) {
    return field->is_secret && secret_of(provider, field->name).size > 0;
}

// Only text can be sealed; anything else must not get into the store in clear.
static bool is_unsealable(const struct provider_field *field, const json_t *provider) {
    const char *member;
    const json_t *parent = parent_of(provider, field->name, &member);
    const json_t *value = json_object_get(parent, member);
    return field->is_secret && value && !json_is_string(value);
}

static enum status unmask(const struct function_secrets *secrets, const char *name,
                          json_t *provider, const json_t *stored, struct error *error) {
    struct bytes kept = secret_of(stored, name);
    struct buffer plain = {0};
    if (kept.size == 0) {
        return error_set(error, STATUS_INVALID,
                         "provider.%s: \"" SECRET_MASK "\" stands for a stored secret, and there "
                         "is none",
                         name);
    }
    // What cannot be opened any more stays as it is.
    bool is_open = open_secret(secrets, name, kept, &plain);
    set_secret(provider, name, is_open ? buffer_bytes(&plain) : kept);
    clear_plain(&plain);
    return STATUS_OK;
}

enum status function_secrets_unmask(const struct function_secrets *secrets, struct json_t *provider,
                                    const struct json_t *stored, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < secrets->provider->field_count; i++) {
        const struct provider_field *field = &secrets->provider->fields[i];
        if (field->is_secret && bytes_equal_text(secret_of(provider, field->name), SECRET_MASK)) {
            status = unmask(secrets, field->name, provider, stored, error);
        }
    }
    return status;
}

static bool is_stored(const struct function_secrets *secrets, const char *name,
                      struct bytes plain_wanted, struct bytes sealed) {
    struct buffer plain = {0};
    bool is_same =
        bytes_equal(plain_wanted, sealed) || (open_secret(secrets, name, sealed, &plain) &&
                                              bytes_equal(buffer_bytes(&plain), plain_wanted));
    clear_plain(&plain);
    return is_same;
}

static enum status seal(const struct function_secrets *secrets, const char *name, json_t *provider,
                        const json_t *stored, struct error *error) {
    struct bytes plain = secret_of(provider, name);
    struct bytes kept = secret_of(stored, name);
    struct buffer owner = {0};
    struct buffer sealed = {0};
    if (kept.size > 0 && is_stored(secrets, name, plain, kept)) {
        set_secret(provider, name, kept);
        return STATUS_OK;
    }
    if (!secrets->secrets) {
        return error_set(error, STATUS_INVALID,
                         "provider.%s: is a secret, and this gateway has no key to store it with "
                         "(--secrets-key-file)",
                         name);
    }
    write_owner(secrets, name, &owner);
    enum status status =
        secrets_seal(secrets->secrets, plain, buffer_bytes(&owner), &sealed, error);
    if (status == STATUS_OK) {
        set_secret(provider, name, buffer_bytes(&sealed));
    }
    buffer_clear(&owner);
    buffer_clear(&sealed);
    return status;
}

enum status function_secrets_seal(const struct function_secrets *secrets, struct json_t *provider,
                                  const struct json_t *stored, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < secrets->provider->field_count; i++) {
        const struct provider_field *field = &secrets->provider->fields[i];
        if (is_unsealable(field, provider)) {
            return error_set(error, STATUS_INVALID, "provider.%s: must be a string", field->name);
        }
        if (is_secret_there(field, provider)) {
            status = seal(secrets, field->name, provider, stored, error);
        }
    }
    return status;
}

void function_secrets_mask(const struct provider *kind, struct json_t *provider) {
    for (size_t i = 0; i < kind->field_count; i++) {
        if (is_secret_there(&kind->fields[i], provider)) {
            set_secret(provider, kind->fields[i].name, BYTES(SECRET_MASK));
        }
    }
}
