// What we need on top of jansson, and a scanner that finds members in JSON text without changing
// it, so that event data goes through as it came. json_t is jansson's; only .c files include
// <jansson.h>.
#ifndef EVENT_GATEWAY_BASE_JSON_H
#define EVENT_GATEWAY_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct json_t;

// Whole text, duplicate members refused, any top-level value. Invalid UTF-8, a NUL byte and nesting
// beyond jansson's limit (2,048) are STATUS_INVALID with line and column in the text. Strings may
// hold an escaped U+0000, names may not: read strings with their length. The caller owns the value.
enum status must_check json_parse(struct bytes text, struct json_t **ret_value,
                                  struct error *error);
// Compact, insertion order; the caller owns the text.
char *json_write(const struct json_t *value);
void json_append(const struct json_t *value, struct buffer *ret_buffer);
// A string's bytes, borrowed from it; empty for what is none, and for NULL.
struct bytes json_string_bytes(const struct json_t *value);
struct bytes json_member_bytes(const struct json_t *object, const char *name);
// The same of a member that must hold one: "NAME: must be a non-empty string".
enum status must_check json_needed_bytes(const struct json_t *object, const char *name,
                                         struct bytes *ret_text, struct error *error);
// INVALID when the object has a member of another name than these: "unknown field 'NAME'".
enum status must_check json_refuse_others(const struct json_t *object, const char *const *names,
                                          size_t count, struct error *error);
// A JSON string literal with its quotes; invalid UTF-8 becomes U+FFFD.
void json_append_string(struct bytes text, struct buffer *ret_buffer);

// True when the text is one well-formed JSON value (RFC 8259, nothing before or after but blanks).
// Nested 512 deep at the most; no allocation, no recursion.
bool json_is_valid(struct bytes text);

// Walks the members of the object that text is, without building it. member->name_json is the
// literal with quotes as it came; value is the value's text as it came. The whole text is checked
// before the first visit: STATUS_INVALID when it is not an object or not well-formed, with line and
// column. Names may come twice. Stops early when visit returns false.
struct json_member {
    struct bytes name_json;
    struct bytes value;
};
typedef bool (*json_member_fn)(void *context, const struct json_member *member);
enum status must_check json_each_member(struct bytes text, json_member_fn visit, void *context,
                                        struct error *error);
// The same for the elements of an array.
typedef bool (*json_element_fn)(void *context, size_t index, struct bytes value);
enum status must_check json_each_element(struct bytes text, json_element_fn visit, void *context,
                                         struct error *error);
// Undoes a string literal (with quotes) into UTF-8. STATUS_INVALID for lone surrogates, U+0000
// allowed.
enum status must_check json_string_decode(struct bytes literal, struct buffer *ret_buffer);

#endif
