#include "dispatcher/dispatcher_metrics.h"

#include <pthread.h>

static struct metric_family events_processed = {
    .name = "eventgateway_events_processed_total",
    .help = "Events taken from the log whose deliveries are all finished.",
    .kind = METRIC_COUNTER,
};
// The original dropped events when its queue was full; its dashboards watch this.
static struct metric_family events_dropped = {
    .name = "eventgateway_events_dropped_total",
    .help = "Always 0: no event that was taken is dropped.",
    .kind = METRIC_COUNTER,
};
static struct metric_family events_lost = {
    .name = "eventgateway_events_lost_total",
    .help = "Offsets that retention removed from the log before they were delivered.",
    .kind = METRIC_COUNTER,
};
static struct metric_family records_refused = {
    .name = "eventgateway_records_refused_total",
    .help = "Records in the log of events that are no events.",
    .kind = METRIC_COUNTER,
};
static struct metric_family processing_time = {
    .name = "eventgateway_events_custom_processing_seconds",
    .help = "Time from receiving an event until its deliveries are finished.",
    .kind = METRIC_HISTOGRAM,
};
static struct metric_family deliveries = {
    .name = "eventgateway_deliveries_total",
    .help = "Finished deliveries of events to subscriptions by outcome.",
    .kind = METRIC_COUNTER,
    .label_names = {"outcome"},
};
static struct metric_family attempts = {
    .name = "eventgateway_delivery_attempts_total",
    .help = "Calls of functions for deliveries by outcome.",
    .kind = METRIC_COUNTER,
    .label_names = {"outcome"},
};
static struct metric_family attempt_time = {
    .name = "eventgateway_delivery_attempt_seconds",
    .help = "Duration of the function's part of delivery attempts.",
    .kind = METRIC_HISTOGRAM,
};
static struct metric_family in_flight = {
    .name = "eventgateway_in_flight",
    .help = "Calls of functions for deliveries that run now.",
    .kind = METRIC_GAUGE,
};
static struct metric_family retries_waiting = {
    .name = "eventgateway_retries_waiting",
    .help = "Deliveries that failed and wait for their next attempt.",
    .kind = METRIC_GAUGE,
};
static struct metric_family dead_letters = {
    .name = "eventgateway_deadletters_total",
    .help = "Deliveries that were given up and stored as dead letters.",
    .kind = METRIC_COUNTER,
};
static struct metric_family dead_letter_failures = {
    .name = "eventgateway_deadletter_append_failures_total",
    .help = "Dead letters that the log did not confirm; each is tried again.",
    .kind = METRIC_COUNTER,
};
static struct metric_family functions_throttled = {
    .name = "eventgateway_functions_throttled",
    .help = "Functions that get fewer calls at once because they answered 429 or 503.",
    .kind = METRIC_GAUGE,
};
static struct metric_family parked = {
    .name = "eventgateway_deliveries_parked_total",
    .help = "Times that a delivery was stored in the log to wait there; one can be parked again.",
    .kind = METRIC_COUNTER,
};
static struct metric_family parking_failures = {
    .name = "eventgateway_parking_append_failures_total",
    .help = "Parked deliveries that the log did not confirm; each is tried again.",
    .kind = METRIC_COUNTER,
};
static struct metric_family parked_now = {
    .name = "eventgateway_deliveries_parked",
    .help = "Deliveries that wait in the log, over the partitions of this node.",
    .kind = METRIC_GAUGE,
    .label_names = {"tier"},
};
static struct metric_family outcomes = {
    .name = "eventgateway_outcomes_recorded_total",
    .help = "Outcomes of attempts that the log has taken.",
    .kind = METRIC_COUNTER,
};
static struct metric_family outcomes_dropped = {
    .name = "eventgateway_outcomes_dropped_total",
    .help = "Outcomes of attempts that the log did not take; deliveries do not depend on them.",
    .kind = METRIC_COUNTER,
};
static struct metric_family backlog = {
    .name = "eventgateway_events_backlog",
    .help = "Offsets in the log that are not finished, over the partitions of this node.",
    .kind = METRIC_GAUGE,
};

static struct metric_family partitions = {
    .name = "eventgateway_partitions_owned",
    .help = "Partitions of the log of events that this node reads.",
    .kind = METRIC_GAUGE,
};

static struct metric_family detached = {
    .name = "eventgateway_detached",
    .help = "Subscriptions that are detached from the live position, counted for each partition.",
    .kind = METRIC_GAUGE,
};
static struct metric_family circuits_open = {
    .name = "eventgateway_circuits_open",
    .help = "Subscriptions whose calls are suspended because they fail, counted for each worker.",
    .kind = METRIC_GAUGE,
};

static struct dispatcher_metrics metrics;
static pthread_once_t metrics_once = PTHREAD_ONCE_INIT;

static void find_metrics(void) {
    static const char *const end_names[] = {
        [DELIVERY_END_DELIVERED] = "delivered",
        [DELIVERY_END_DEAD_LETTERED] = "dead_lettered",
        [DELIVERY_END_DROPPED] = "dropped",
        [DELIVERY_END_UNSUBSCRIBED] = "unsubscribed",
    };
    metrics = (struct dispatcher_metrics){
        .events_processed = METRIC(&events_processed, NULL),
        .events_dropped = METRIC(&events_dropped, NULL),
        .events_lost = METRIC(&events_lost, NULL),
        .records_refused = METRIC(&records_refused, NULL),
        .processing_time = METRIC(&processing_time, NULL),
        .attempt_time = METRIC(&attempt_time, NULL),
        .in_flight = METRIC(&in_flight, NULL),
        .retries_waiting = METRIC(&retries_waiting, NULL),
        .dead_letters = METRIC(&dead_letters, NULL),
        .dead_letter_failures = METRIC(&dead_letter_failures, NULL),
        .functions_throttled = METRIC(&functions_throttled, NULL),
        .parked = METRIC(&parked, NULL),
        .parking_failures = METRIC(&parking_failures, NULL),
        .outcomes = METRIC(&outcomes, NULL),
        .outcomes_dropped = METRIC(&outcomes_dropped, NULL),
        .backlog = METRIC(&backlog, NULL),
        .detached = METRIC(&detached, NULL),
        .circuits_open = METRIC(&circuits_open, NULL),
        .partitions = METRIC(&partitions, NULL),
    };
    for (size_t i = 0; i < RETRY_TIER_COUNT; i++) {
        metrics.parked_now[i] = METRIC(&parked_now, retry_tier_name(i));
    }
    for (int i = 0; i < DELIVERY_END_COUNT; i++) {
        metrics.deliveries[i] = METRIC(&deliveries, end_names[i]);
    }
    for (int i = 0; i <= INVOCATION_CANCELLED; i++) {
        metrics.attempts[i] =
            METRIC(&attempts, invocation_outcome_name((enum invocation_outcome)i));
    }
}

const struct dispatcher_metrics *dispatcher_metrics(void) {
    pthread_once(&metrics_once, find_metrics);
    return &metrics;
}
