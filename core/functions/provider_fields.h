// Reads fields of a function's provider, opening what is sealed. For providers.
#ifndef EVENT_GATEWAY_FUNCTIONS_PROVIDER_FIELDS_H
#define EVENT_GATEWAY_FUNCTIONS_PROVIDER_FIELDS_H

#include "core/base/status.h"
#include "core/functions/invoker.h"

struct json_t;

// A text in clear, or NULL when it is absent; the caller owns it. name: "signing.secret" is a
// member of an object. A sealed text that cannot be opened is STATUS_INVALID and says which field.
enum status must_check provider_field_text(struct invoker *invoker, const struct function *function,
                                           const char *name, char **ret_text, struct error *error);
// The same, of a field that must be there: "provider.NAME: is missing".
enum status must_check provider_field_needed_text(struct invoker *invoker,
                                                  const struct function *function, const char *name,
                                                  char **ret_text, struct error *error);
// Frees a text after wiping it; NULL is fine.
void provider_text_forget(char *text);
// A whole number, or otherwise when it is absent.
int64_t provider_field_number(const struct function *function, const char *name, int64_t otherwise);

// A function's own deadline: its row among the fields, its check, and its value (0 = none).
#define PROVIDER_TIMEOUT_FIELD                                                                     \
    {                                                                                              \
        .name = "timeoutMs", .kind = PROVIDER_FIELD_NUMBER,                                        \
        .help = "Deadline of a call; the subscription's holds too."                                \
    }
enum status must_check provider_check_timeout(const struct json_t *provider, struct error *error);
int64_t provider_timeout_ms(const struct function *function);

// The value of a field by its dotted name, or NULL.
const struct json_t *provider_field_find(const struct json_t *provider, const char *name);

#endif
