// What a kind of function is: one provider = one file = one visible struct, and one row in
// provider_table.c. A provider says which fields it takes (validation, masking and documentation
// come from that), prepares a function once, and makes the calls on the loop of its invoker.
#ifndef EVENT_GATEWAY_FUNCTIONS_PROVIDER_H
#define EVENT_GATEWAY_FUNCTIONS_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/functions/invoker.h"

struct json_t;
struct provider_call;

enum provider_field_kind {
    PROVIDER_FIELD_TEXT,
    PROVIDER_FIELD_URL,
    PROVIDER_FIELD_NUMBER,
    PROVIDER_FIELD_BOOLEAN,
    PROVIDER_FIELD_OBJECT,
    PROVIDER_FIELD_ARRAY,
};
struct provider_field {
    const char *name; // "signing.secret" names a member of an object
    enum provider_field_kind kind;
    bool is_required;
    bool is_secret;           // sealed at rest, shown as *****
    const char *missing_text; // when it is required and missing; NULL = the provider's
    const char *help;
};

struct provider {
    const char *type;         // "http"
    const char *missing_text; // what clients are told when a required field is missing or no URL
    // The body is all that reaches the function: a format that has attributes in headers becomes
    // the structured one.
    bool sends_body_only;
    bool takes_batches; // the message may be a CloudEvents batch
    const struct provider_field *fields;
    size_t field_count;
    // What the fields cannot say (may be NULL). Called with secrets in clear, before they are
    // sealed.
    enum status (*check)(const struct json_t *provider, struct error *error);
    // Once per function and invoker: reads the fields, opens the secrets. *ret_prepared is
    // immutable.
    enum status (*prepare)(struct invoker *invoker, const struct function *function,
                           void **ret_prepared, struct error *error);
    void (*forget)(void *prepared);
    // For a provider that only chooses among other functions (weighted): the id of the one to call
    // this time, in the same space; it has no call then. NULL for all others.
    struct bytes (*choose)(const void *prepared);
    // Starts one call; ends in exactly one provider_call_finish, later, on the invoker's loop.
    void (*call)(struct provider_call *call, const void *prepared);
};

// NULL when there is no such provider.
const struct provider *provider_find(struct bytes type);
// In the order of the table, for documentation and help.
const struct provider *const *provider_list(size_t *ret_count);
// Required fields, kinds, unknown fields (refused when refuse_unknown). The text is the contract's:
// what follows "Function doesn't validate. Validation error: ".
enum status must_check provider_check(struct bytes type, const struct json_t *provider,
                                      bool refuse_unknown, struct error *error);

#endif
