// What the Configuration API checks of a weighted function beyond its fields. Pure.
#ifndef EVENT_GATEWAY_FUNCTIONS_WEIGHTED_H
#define EVENT_GATEWAY_FUNCTIONS_WEIGHTED_H

#include "core/base/status.h"
#include "core/registry/snapshot.h"

struct json_t;

// For a function id with this provider object, of any type: the members of a weighted one exist,
// and none leads back to it. STATUS_INVALID says which.
enum status must_check weighted_check(const struct snapshot *snapshot, struct bytes space,
                                      struct bytes function_id, const struct json_t *provider,
                                      struct error *error);

#endif
