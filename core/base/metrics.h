// Counters, gauges and histograms in the Prometheus text format (version 0.0.4). The registry of
// metrics is the program's one mutable global besides the log level. Any thread; updates are
// relaxed atomics.
#ifndef EVENT_GATEWAY_BASE_METRICS_H
#define EVENT_GATEWAY_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM
};

// A family is a static object in the .c that feeds it; it registers itself on first use.
struct metric_family {
    const char *name; // eventgateway_events_received_total
    const char *help;
    enum metric_kind kind;
    const char *label_names[4]; // the used ones first
    size_t series_max; // label combinations at the most; 0 = 1000. Beyond: all labels "other"
    struct metric_family_state *state;
};

// One series; find it once and keep it where updates are frequent. Never NULL, lives for ever.
struct metric;
struct metric *metric_of(struct metric_family *family, const char *const *label_values);
#define METRIC(family, ...)                                                                        \
    metric_of((family), (const char *const[]){NULL, ##__VA_ARGS__, NULL} + 1)

void metric_add(struct metric *metric, int64_t amount);
void metric_set(struct metric *metric, int64_t value);
// Histograms take microseconds and show seconds; buckets 100 us ... 60 s.
void metric_observe_us(struct metric *metric, int64_t duration_us);
int64_t metric_value(const struct metric *metric);

// All families, sorted by name, each with HELP and TYPE.
void metrics_write(struct buffer *ret_buffer);

// Called before each metrics_write, to set gauges that are derived (backlog, lag). At most 32.
void metrics_add_collector(void (*collect)(void *context), void *context);
void metrics_remove_collector(void (*collect)(void *context), void *context);

#endif
