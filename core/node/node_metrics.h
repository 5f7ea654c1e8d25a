// What /v1/metrics says of the process and of its stores' health, read anew each time it is asked
// for.
#ifndef EVENT_GATEWAY_NODE_NODE_METRICS_H
#define EVENT_GATEWAY_NODE_NODE_METRICS_H

#include "core/event_log/event_log.h"

struct node_metrics;

// data: the data folder, whose file system's free bytes are told; NULL = none. log outlives it.
struct node_metrics *node_metrics_create(struct event_log *log, const char *data);
void node_metrics_destroy(struct node_metrics *metrics);

#endif
