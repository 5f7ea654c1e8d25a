// The matcher: subscriptions by event type, method and path, without a linear scan. Built once for
// a registry snapshot, immutable afterwards; any thread. It borrows the subscriptions.
#ifndef EVENT_GATEWAY_SUBSCRIPTIONS_ROUTES_H
#define EVENT_GATEWAY_SUBSCRIPTIONS_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/http_server.h"
#include "core/base/status.h"
#include "core/subscriptions/subscription.h"

struct routes;

struct routes *routes_create(void);
void routes_destroy(struct routes *routes);
// While building. A document that came past the conflict rules (two nodes at once) is kept and
// still matched.
void routes_add(struct routes *routes, const struct subscription *subscription);

// What is looked up. space empty = an event without a space: matches in every space. Type: "http"
// and "http.request" are one; a system event's type is given in either spelling and matches both.
struct route_query {
    struct bytes space, type, method, path;
};
struct route_match {
    const struct subscription *subscription;
    const struct http_header *params; // name and value, percent-decoded; valid during the call
    size_t param_count;
};
typedef void (*route_match_fn)(void *context, const struct route_match *match);
// Every asynchronous subscription that matches, in a stable order.
void routes_match_async(const struct routes *routes, const struct route_query *query,
                        route_match_fn visit, void *context);
// The synchronous one, if any (in several spaces: the most specific path, then the lowest space
// name).
bool routes_match_sync(const struct routes *routes, const struct route_query *query,
                       route_match_fn visit, void *context);
// Whether anything, sync or async, takes this query: an http.request that nothing matches gets 404.
bool routes_has_match(const struct routes *routes, const struct route_query *query);
// Whether the pattern of a new subscription conflicts with one that is there: the text names it.
// (which subscriptions share a tree: README of core/subscriptions)
bool routes_conflict(const struct routes *routes, const struct subscription *candidate,
                     struct error *error);

#endif
