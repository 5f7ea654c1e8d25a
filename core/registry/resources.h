// Functions, event types and CORS rules as the registry keeps them. Immutable after parsing; any
// thread; they live in a snapshot and are reference-counted for those who keep one longer.
#ifndef EVENT_GATEWAY_REGISTRY_RESOURCES_H
#define EVENT_GATEWAY_REGISTRY_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/events/event_format.h"

struct json_t;

enum resource_kind {
    RESOURCE_FUNCTION,
    RESOURCE_EVENT_TYPE,
    RESOURCE_SUBSCRIPTION,
    RESOURCE_CORS,
    RESOURCE_REPLAY,  // replay.h
    RESOURCE_REDRIVE, // redrive.h
    RESOURCE_KIND_COUNT,
};
// "functions", "eventtypes", "subscriptions", "cors", "replays", "redrives": the collection's name
// in paths.
const char *resource_kind_name(enum resource_kind kind);
bool resource_kind_parse(struct bytes name, enum resource_kind *ret_kind);

struct function {
    struct bytes space, id;
    struct bytes type;     // provider: "http", "awslambda", ...
    bool has_event_format; // false: the server's default
    enum event_format event_format;
    const struct json_t *provider; // secrets sealed
    const struct json_t *document; // the whole stored document, provider inside
};

struct event_type {
    struct bytes space, name;
    struct bytes authorizer_id; // empty = none
    int64_t authorizer_cache_s; // how long its answers hold for the same Authorization; 0 = once
    const struct json_t *document;
};

struct cors_rule {
    struct bytes space, id, method, path;
    bool allow_credentials;
    const struct json_t *document; // allowedOrigins, allowedMethods, allowedHeaders
};

// Parse a stored document; STATUS_INVALID names the member. Each takes its own reference to
// document.
enum status must_check function_parse(struct json_t *document, const struct function **ret_function,
                                      struct error *error);
const struct function *function_ref(const struct function *function);
void function_unref(const struct function *function);
enum status must_check event_type_parse(struct json_t *document,
                                        const struct event_type **ret_event_type,
                                        struct error *error);
const struct event_type *event_type_ref(const struct event_type *event_type);
void event_type_unref(const struct event_type *event_type);
enum status must_check cors_rule_parse(struct json_t *document, const struct cors_rule **ret_rule,
                                       struct error *error);
const struct cors_rule *cors_rule_ref(const struct cors_rule *rule);
void cors_rule_unref(const struct cors_rule *rule);
// METHOD + PATHESCAPED.
void cors_id_write(struct bytes method, struct bytes path, struct buffer *ret_id);

#endif
