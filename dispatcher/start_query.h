// Where a subscription's start lies in a partition. Belongs to its loop.
#ifndef EVENT_GATEWAY_DISPATCHER_START_QUERY_H
#define EVENT_GATEWAY_DISPATCHER_START_QUERY_H

#include <stdint.h>

#include "core/subscriptions/subscription.h"

struct lane;
struct start_query;

// done follows exactly once, later, with the offset, or -1 when the log could not say, unless the
// query is forgotten before.
struct start_query *start_query_begin(struct lane *lane, int32_t partition,
                                      const struct subscription *subscription,
                                      void (*done)(void *context, int64_t offset), void *context);
void start_query_forget(struct start_query *query);

#endif
