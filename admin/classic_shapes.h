// The first generation's JSON shapes, and the way between them and what is stored. Published
// clients of the time between the generations send them to /v1/spaces/... too, so they are
// recognized there: a function with its type inside provider, a subscription with "event" instead
// of "eventType".
//
// What is stored is the same for both generations, with a hidden member "classic" where the old
// shape must be known later: in a function, true: show the type inside provider as well; in a
// subscription
// {"isShape": true: show the old members and id as well, "cors": the rule that belongs to it}.
#ifndef EVENT_GATEWAY_ADMIN_CLASSIC_SHAPES_H
#define EVENT_GATEWAY_ADMIN_CLASSIC_SHAPES_H

#include <stdbool.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/registry/snapshot.h"

struct json_t;

bool classic_function_is(const struct json_t *body);
// Moves provider.type out.
void classic_function_in(struct json_t *body);
// shown: the function as the other generation shows it; becomes {space?, functionId, provider:
// {type, ...}, metadata?}. is_first: the spelling of v0.5.
struct json_t *classic_function_out(const struct json_t *shown, bool is_first);
// Puts type in front of the members of provider.
void classic_function_add_type(struct json_t *shown);

bool classic_subscription_is(const struct json_t *body);
// event becomes type, eventType and method; INVALID in the original's words.
enum status must_check classic_subscription_in(struct json_t *body, struct error *error);
// {space?, subscriptionId, event, functionId, method?, path, cors?, metadata?}
struct json_t *classic_subscription_out(const struct json_t *document, const struct json_t *cors,
                                        bool is_first);
// Adds the old members to what the other generation shows.
void classic_subscription_add(struct json_t *shown, const struct json_t *document,
                              const struct json_t *cors);

// {origins, methods, headers, allowCredentials} with defaults, of a body's cors; INVALID names the
// member. A new reference.
enum status must_check classic_cors_in(const struct json_t *cors, struct json_t **ret_cors,
                                       struct error *error);
// The CORS rule of a subscription's document with that cors, as it is stored; a new reference.
struct json_t *classic_cors_rule(const struct json_t *document, const struct json_t *cors);
// The other way round.
struct json_t *classic_cors_of_rule(const struct json_t *rule);

#endif
