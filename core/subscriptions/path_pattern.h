// Paths of subscriptions: "/a/:name/b" matches one segment by name, "/a/*rest" the rest. Pure, any
// thread.
#ifndef EVENT_GATEWAY_SUBSCRIPTIONS_PATH_PATTERN_H
#define EVENT_GATEWAY_SUBSCRIPTIONS_PATH_PATTERN_H

#include <stdbool.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

// Absolute and without a trailing '/' ("/" stays): what subscriptions store and events are matched
// with. Nothing is decoded.
void path_normalize(struct bytes path, struct buffer *ret_path);
// STATUS_INVALID: an empty or doubled parameter name, a wildcard that is not the last segment, ...
enum status must_check path_pattern_check(struct bytes pattern, struct error *error);
// Whether the two cannot stand side by side in one tree, with the reason: a static segment where a
// parameter is, a parameter where a static segment or another name is, anything beside a wildcard.
bool path_patterns_conflict(struct bytes a, struct bytes b, struct error *error);

#endif
