#include "core/event_log/read_count.h"

#include "core/base/metrics.h"

#include <pthread.h>

static struct metric_family records_read = {
    .name = "eventgateway_log_records_read_total",
    .help = "Records that were read from the log by stream; of events about one for each event.",
    .kind = METRIC_COUNTER,
    .label_names = {"stream"},
};
static struct metric *metrics[EVENT_LOG_STREAM_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_metrics(void) {
    for (int i = 0; i < EVENT_LOG_STREAM_COUNT; i++) {
        metrics[i] = METRIC(&records_read, event_log_stream_name((enum event_log_stream)i));
    }
}

void read_count_add(enum event_log_stream stream, size_t records) {
    pthread_once(&once, find_metrics);
    metric_add(metrics[stream], (int64_t)records);
}
