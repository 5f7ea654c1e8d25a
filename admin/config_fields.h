// Members of request bodies: which are known, what they may hold, and how a document is put
// together from them. Pure functions.
#ifndef EVENT_GATEWAY_ADMIN_CONFIG_FIELDS_H
#define EVENT_GATEWAY_ADMIN_CONFIG_FIELDS_H

#include <stdbool.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct json_t;

// Lists of names end in NULL. Names are matched as the original's decoder does it, without regard
// to case, and renamed to the known spelling. What is not known: dropped, or when refuses_unknown
// STATUS_INVALID with `unknown field "delivery.rety"` (prefix: "delivery.").
enum status must_check config_fields_check(struct json_t *object, const char *const *known,
                                           const char *prefix, bool refuses_unknown,
                                           struct error *error);

// Empty when absent or null; INVALID when it is not a string.
enum status must_check config_fields_text(const struct json_t *object, const char *name,
                                          struct bytes *ret_text, struct error *error);
void config_fields_set_text(struct json_t *object, const char *name, struct bytes text);

// Puts the member of body into document, unless it is absent or null.
void config_fields_take(struct json_t *document, const struct json_t *body, const char *name);
// The same, but what is absent keeps the stored value; null removes it.
void config_fields_take_or_keep(struct json_t *document, const struct json_t *body,
                                const struct json_t *stored, const char *name);
// An object of strings, or absent.
enum status must_check config_fields_take_metadata(struct json_t *document,
                                                   const struct json_t *body, struct error *error);

// Collects broken rules in the words of the original: "Key: 'Function.ID' Error:Field validation
// for 'ID' failed on the 'required' tag", one a line.
struct config_violations {
    const char *object; // "Function"
    struct buffer text;
};
void config_violation(struct config_violations *violations, const char *field, const char *tag);
// At least 3 characters of the alphabet of names.
void config_check_space(struct config_violations *violations, struct bytes space);
// Not empty ("required"), of the alphabet of names (tag), not too long ("max=256").
void config_check_name(struct config_violations *violations, const char *field, const char *tag,
                       struct bytes name);
// One of the seven methods.
void config_check_method(struct config_violations *violations, struct bytes method);
// INVALID with all of them when there are any; clears.
enum status must_check config_violations_end(struct config_violations *violations,
                                             struct error *error);

// Upper case, and the original's default when empty.
void config_method_write(struct bytes method, struct bytes otherwise, struct buffer *ret_method);

#endif
