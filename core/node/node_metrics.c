#include "core/node/node_metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/metrics.h"

static struct metric_family log_available = {
    .name = "eventgateway_log_available",
    .help = "1 while the event log can be written, else 0: then events are refused with 503.",
    .kind = METRIC_GAUGE,
};
static struct metric_family log_appends = {
    .name = "eventgateway_log_appends_inside",
    .help = "Records that wait for the event log's confirmation.",
    .kind = METRIC_GAUGE,
};
static struct metric_family data_free = {
    .name = "eventgateway_data_free_bytes",
    .help = "Free bytes of the file system that the data folder is on.",
    .kind = METRIC_GAUGE,
};
static struct metric_family build = {
    .name = "eventgateway_build_info",
    .help = "Always 1; which version runs.",
    .kind = METRIC_GAUGE,
    .label_names = {"version"},
};
static struct metric_family start_time = {
    .name = "process_start_time_seconds",
    .help = "When the process began, in seconds since 1970.",
    .kind = METRIC_GAUGE,
};
static struct metric_family resident = {
    .name = "process_resident_memory_bytes",
    .help = "Memory that the process has in RAM.",
    .kind = METRIC_GAUGE,
};
static struct metric_family open_files = {
    .name = "process_open_fds",
    .help = "Open file descriptors, connections among them.",
    .kind = METRIC_GAUGE,
};

struct node_metrics {
    struct event_log *log;
    char *data;
};

static int64_t resident_bytes(void) {
    int64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%*s %" SCNd64, &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_file_count(void) {
    int64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) {
        return 0;
    }
    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    return count > 3 ? count - 3 : 0; // ".", ".." and the folder itself.
}

static void collect(void *context) {
    struct node_metrics *metrics = context;
    struct statvfs found;
    struct error ignored;
    metric_set(METRIC(&log_available), event_log_health(metrics->log, &ignored) == STATUS_OK);
    metric_set(METRIC(&log_appends), (int64_t)event_log_appends_inside(metrics->log));
    metric_set(METRIC(&resident), resident_bytes());
    metric_set(METRIC(&open_files), open_file_count());
    if (metrics->data && statvfs(metrics->data, &found) == 0) {
        metric_set(METRIC(&data_free), (int64_t)(found.f_bavail * found.f_frsize));
    }
}

struct node_metrics *node_metrics_create(struct event_log *log, const char *data) {
    struct node_metrics *metrics = memory_allocate(sizeof *metrics);
    metrics->log = log;
    metrics->data = memory_copy_text(data);
    metric_set(METRIC(&build, EVENT_GATEWAY_VERSION), 1);
    metric_set(METRIC(&start_time), clock_wall_us() / 1000000);
    metrics_add_collector(collect, metrics);
    return metrics;
}

void node_metrics_destroy(struct node_metrics *metrics) {
    if (!metrics) {
        return;
    }
    metrics_remove_collector(collect, metrics);
    free(metrics->data);
    free(metrics);
}
