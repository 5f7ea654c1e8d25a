// Finds what a URL names. Ids arrive percent-encoded or not, once or twice, and those of the
// classic generation name the same subscriptions as the others.
#ifndef EVENT_GATEWAY_ADMIN_CONFIG_LOOKUP_H
#define EVENT_GATEWAY_ADMIN_CONFIG_LOOKUP_H

#include "core/base/bytes.h"
#include "core/registry/snapshot.h"

struct subscription;

// The stored document, or NULL. It lives as long as the snapshot.
const struct json_t *config_lookup(const struct snapshot *snapshot, enum resource_kind kind,
                                   struct bytes space, struct bytes raw_id);

// How the classic generation calls a subscription.
void config_classic_id_write(const struct subscription *subscription, struct buffer *ret_id);
// Its event: "http" for synchronous http.request subscriptions, else the event type.
struct bytes config_classic_event(const struct subscription *subscription);

#endif
