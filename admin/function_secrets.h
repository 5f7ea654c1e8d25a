// The secret fields of a function's provider, as its table of fields says: taken in clear, stored
// sealed, shown as *****. What a client saw masked it may send back, and the stored one stays.
#ifndef EVENT_GATEWAY_ADMIN_FUNCTION_SECRETS_H
#define EVENT_GATEWAY_ADMIN_FUNCTION_SECRETS_H

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/functions/provider.h"
#include "core/registry/secrets.h"

struct json_t;

struct function_secrets {
    const struct secrets *secrets; // NULL: there is no key
    const struct provider *provider;
    struct bytes space, function_id;
};

// Replaces masks by the stored secrets, in clear. stored: the stored provider, or NULL. INVALID for
// a mask without a secret behind it.
enum status must_check function_secrets_unmask(const struct function_secrets *secrets,
                                               struct json_t *provider, const struct json_t *stored,
                                               struct error *error);
// Seals every secret. One that is the same as the stored one keeps the stored text, so that a
// function that did not change stays equal. INVALID when there are secrets and no key.
enum status must_check function_secrets_seal(const struct function_secrets *secrets,
                                             struct json_t *provider, const struct json_t *stored,
                                             struct error *error);
// Masks every secret. The provider and its objects must not be shared.
void function_secrets_mask(const struct provider *kind, struct json_t *provider);

#endif
