// The dispatcher's metrics, found once. Any thread. No label carries a name from outside.
#ifndef EVENT_GATEWAY_DISPATCHER_DISPATCHER_METRICS_H
#define EVENT_GATEWAY_DISPATCHER_DISPATCHER_METRICS_H

#include "core/base/metrics.h"
#include "core/functions/invoker.h"
#include "dispatcher/retry_tiers.h"

// How a delivery ended.
enum delivery_end {
    DELIVERY_END_DELIVERED,
    DELIVERY_END_DEAD_LETTERED,
    DELIVERY_END_DROPPED,      // given up, and the subscription wants no dead letters
    DELIVERY_END_UNSUBSCRIBED, // the subscription was deleted meanwhile
    DELIVERY_END_COUNT,
};

struct dispatcher_metrics {
    struct metric *events_processed;
    struct metric *events_dropped;
    struct metric *events_lost; // removed by retention before they were delivered
    struct metric *records_refused;
    struct metric *processing_time; // from received to finished
    struct metric *deliveries[DELIVERY_END_COUNT];
    struct metric *attempts[INVOCATION_CANCELLED + 1];
    struct metric *attempt_time;
    struct metric *in_flight;
    struct metric *retries_waiting;
    struct metric *dead_letters;
    struct metric *dead_letter_failures; // appends that the log did not confirm
    struct metric *functions_throttled;
    struct metric *parked; // stored in eg.retry.*
    struct metric *parking_failures;
    struct metric *parked_now[RETRY_TIER_COUNT];
    struct metric *outcomes, *outcomes_dropped;
    struct metric *backlog;
    struct metric *detached;
    struct metric *circuits_open;
    struct metric *partitions;
};
const struct dispatcher_metrics *dispatcher_metrics(void);

#endif
