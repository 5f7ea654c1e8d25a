// Paths of subscriptions: "/a/:name/b" matches one segment by name, "/a/*rest" the rest. Pure, any
// thread.
#ifndef EVENT_GATEWAY_SUBSCRIPTIONS_PATH_PATTERN_H
#define EVENT_GATEWAY_SUBSCRIPTIONS_PATH_PATTERN_H

#include <stdbool.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

// Limits of a pattern, so that a match needs no memory that an outsider sizes.
#define PATH_PATTERN_BYTES_MAX 2048
#define PATH_PARAMS_MAX 32

// Absolute and without a trailing '/' ("/" stays): what subscriptions store and events are matched
// with. Nothing is decoded.
void path_normalize(struct bytes path, struct buffer *ret_path);
// STATUS_INVALID: an empty or doubled parameter name, a wildcard that is not the last segment, ...
enum status must_check path_pattern_check(struct bytes pattern, struct error *error);
// Whether the new pattern cannot stand beside the one that is there in one tree, with the reason: a
// static segment where a parameter is, a parameter where a static segment or another name is,
// anything beside a wildcard, the same route twice.
bool path_patterns_conflict(struct bytes existing, struct bytes candidate, struct error *error);

enum path_segment_kind {
    PATH_SEGMENT_STATIC,
    PATH_SEGMENT_PARAMETER, // ":name"
    PATH_SEGMENT_WILDCARD,  // "*name"
};
enum path_segment_kind path_segment_kind(struct bytes segment);
// The name of a parameter or wildcard segment.
struct bytes path_segment_name(struct bytes segment);
// Takes the first segment off a path that begins with '/'; false when none is left. "/" has none.
bool path_next_segment(struct bytes *path, struct bytes *ret_segment);

#endif
