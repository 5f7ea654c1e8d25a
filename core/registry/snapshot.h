// One state of the configuration, complete and immutable: what every node decides by.
// Reference-counted; any thread. What the getters return lives as long as the snapshot.
#ifndef EVENT_GATEWAY_REGISTRY_SNAPSHOT_H
#define EVENT_GATEWAY_REGISTRY_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/events/system_events.h"
#include "core/registry/redrive.h"
#include "core/registry/replay.h"
#include "core/registry/resources.h"
#include "core/subscriptions/routes.h"
#include "core/subscriptions/subscription.h"

struct snapshot;

const struct snapshot *snapshot_ref(const struct snapshot *snapshot);
void snapshot_unref(const struct snapshot *snapshot);
// Grows with every change.
int64_t snapshot_revision(const struct snapshot *snapshot);

// By id, NULL when not there.
const struct function *snapshot_function(const struct snapshot *snapshot, struct bytes space,
                                         struct bytes id);
const struct event_type *snapshot_event_type(const struct snapshot *snapshot, struct bytes space,
                                             struct bytes name);
const struct subscription *snapshot_subscription(const struct snapshot *snapshot,
                                                 struct bytes space, struct bytes id);
const struct cors_rule *snapshot_cors_rule(const struct snapshot *snapshot, struct bytes space,
                                           struct bytes id);
const struct replay *snapshot_replay(const struct snapshot *snapshot, struct bytes space,
                                     struct bytes id);
const struct redrive *snapshot_redrive(const struct snapshot *snapshot, struct bytes space,
                                       struct bytes id);
// Whether both have the same replays.
bool snapshot_same_replays(const struct snapshot *a, const struct snapshot *b);
// The rule that a request to method and path is under, or NULL; space empty = of any space. Of
// several the one with the most specific path, then of the lowest space name.
const struct cors_rule *snapshot_match_cors_rule(const struct snapshot *snapshot,
                                                 struct bytes space, struct bytes method,
                                                 struct bytes path);
bool snapshot_has_cors_rules(const struct snapshot *snapshot);
// The stored document of any resource, or NULL.
const struct json_t *snapshot_document(const struct snapshot *snapshot, enum resource_kind kind,
                                       struct bytes space, struct bytes id);

// All of a kind in a space (empty = in all spaces), sorted by space and id.
typedef void (*snapshot_resource_fn)(void *context, struct bytes space, struct bytes id,
                                     const struct json_t *document);
void snapshot_each(const struct snapshot *snapshot, enum resource_kind kind, struct bytes space,
                   snapshot_resource_fn visit, void *context);
size_t snapshot_count(const struct snapshot *snapshot, enum resource_kind kind, struct bytes space);
// Whether it holds anything.
bool snapshot_has_space(const struct snapshot *snapshot, struct bytes space);
// The spaces that hold anything, sorted.
typedef void (*snapshot_space_fn)(void *context, struct bytes space);
void snapshot_each_space(const struct snapshot *snapshot, snapshot_space_fn visit, void *context);
// All subscriptions, parsed, in the same order.
const struct subscription *const *snapshot_subscriptions(const struct snapshot *snapshot,
                                                         size_t *ret_count);

const struct routes *snapshot_routes(const struct snapshot *snapshot);
// Whether an asynchronous subscription of the space (empty = of any space) asks for that type. One
// comparison while there is none in any space.
bool snapshot_wants_system_event(const struct snapshot *snapshot, struct bytes space,
                                 enum system_event kind);

#endif
