// Reads what a subscription's document says about its delivery (contract, section 5), with the
// defaults. Private to core/subscriptions.
#ifndef EVENT_GATEWAY_SUBSCRIPTIONS_DELIVERY_POLICY_H
#define EVENT_GATEWAY_SUBSCRIPTIONS_DELIVERY_POLICY_H

#include <stdbool.h>

#include "core/base/status.h"
#include "core/subscriptions/subscription.h"

// document is the whole subscription. What would change deliveries and is not built yet (filters,
// transform) is refused instead of ignored, unless it says the default.
enum status must_check delivery_policy_read(const struct json_t *document,
                                            struct delivery_policy *ret_policy,
                                            struct error *error);
bool delivery_policy_equal(const struct delivery_policy *a, const struct delivery_policy *b);

#endif
