// The Configuration API's metrics: requests, their duration, and how much is configured.
#ifndef EVENT_GATEWAY_ADMIN_CONFIG_METRICS_H
#define EVENT_GATEWAY_ADMIN_CONFIG_METRICS_H

#include <stdint.h>

#include "core/base/bytes.h"

struct config_gauges;
struct registry;
struct snapshot;

// Sets eventgateway_{eventtypes,functions,subscriptions}_total from the current snapshot whenever
// metrics are written, until destroyed.
struct config_gauges *config_gauges_create(struct registry *registry);
void config_gauges_destroy(struct config_gauges *gauges);

// One finished request. A space that holds nothing counts as "other", so that nobody can flood the
// metrics with names.
void config_metrics_count(const struct snapshot *snapshot, struct bytes space, const char *resource,
                          const char *operation, int64_t duration_us);

#endif
