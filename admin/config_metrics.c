#include "admin/config_metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/metrics.h"
#include "core/registry/registry.h"

// Spaces with series of their own; what all others hold is added up under "other".
#define SPACES_MAX 900

static struct metric_family requests_family = {
    .name = "eventgateway_config_requests_total",
    .help = "Requests to the Configuration API.",
    .kind = METRIC_COUNTER,
    .label_names = {"space", "resource", "operation"},
};

static struct metric_family duration_family = {
    .name = "eventgateway_config_request_duration_seconds",
    .help = "From a Configuration API request's head to its answer.",
    .kind = METRIC_HISTOGRAM,
};

static struct metric_family event_types_family = {
    .name = "eventgateway_eventtypes_total",
    .help = "Event types that are registered.",
    .kind = METRIC_GAUGE,
    .label_names = {"space"},
};

static struct metric_family functions_family = {
    .name = "eventgateway_functions_total",
    .help = "Functions that are registered.",
    .kind = METRIC_GAUGE,
    .label_names = {"space"},
};

static struct metric_family subscriptions_family = {
    .name = "eventgateway_subscriptions_total",
    .help = "Subscriptions.",
    .kind = METRIC_GAUGE,
    .label_names = {"space"},
};

static const struct {
    struct metric_family *family;
    enum resource_kind kind;
} counted[] = {
    {&event_types_family, RESOURCE_EVENT_TYPE},
    {&functions_family, RESOURCE_FUNCTION},
    {&subscriptions_family, RESOURCE_SUBSCRIPTION},
};

struct config_gauges {
    struct registry *registry;
    char *spaces[SPACES_MAX]; // those that have series, also when they are empty again
    size_t space_count;
};

// One collection over all spaces of a snapshot.
struct collection {
    struct config_gauges *gauges;
    const struct snapshot *snapshot;
    int64_t others[ARRAY_LENGTH(counted)];
    bool has_others;
};

static bool is_known(const struct config_gauges *gauges, struct bytes space) {
    for (size_t i = 0; i < gauges->space_count; i++) {
        if (bytes_equal_text(space, gauges->spaces[i])) {
            return true;
        }
    }
    return false;
}

static void meet_space(void *context, struct bytes space) {
    struct collection *collection = context;
    struct config_gauges *gauges = collection->gauges;
    if (is_known(gauges, space)) {
        return;
    }
    if (gauges->space_count < SPACES_MAX) {
        gauges->spaces[gauges->space_count++] = bytes_to_text(space);
        return;
    }
    collection->has_others = true;
    for (size_t i = 0; i < ARRAY_LENGTH(counted); i++) {
        collection->others[i] +=
            (int64_t)snapshot_count(collection->snapshot, counted[i].kind, space);
    }
}

static void set_gauges(const struct collection *collection) {
    const struct config_gauges *gauges = collection->gauges;
    for (size_t i = 0; i < ARRAY_LENGTH(counted); i++) {
        for (size_t j = 0; j < gauges->space_count; j++) {
            size_t count = snapshot_count(collection->snapshot, counted[i].kind,
                                          bytes_of_text(gauges->spaces[j]));
            metric_set(METRIC(counted[i].family, gauges->spaces[j]), (int64_t)count);
        }
        if (collection->has_others) {
            metric_set(METRIC(counted[i].family, "other"), collection->others[i]);
        }
    }
}

static void collect(void *context) {
    struct config_gauges *gauges = context;
    struct collection collection = {.gauges = gauges,
                                    .snapshot = registry_snapshot(gauges->registry)};
    snapshot_each_space(collection.snapshot, meet_space, &collection);
    set_gauges(&collection);
    snapshot_unref(collection.snapshot);
}

struct config_gauges *config_gauges_create(struct registry *registry) {
    struct config_gauges *gauges = memory_allocate(sizeof *gauges);
    gauges->registry = registry;
    metrics_add_collector(collect, gauges);
    return gauges;
}

void config_gauges_destroy(struct config_gauges *gauges) {
    if (!gauges) {
        return;
    }
    metrics_remove_collector(collect, gauges);
    for (size_t i = 0; i < gauges->space_count; i++) {
        free(gauges->spaces[i]);
    }
    free(gauges);
}

void config_metrics_count(const struct snapshot *snapshot, struct bytes space, const char *resource,
                          const char *operation, int64_t duration_us) {
    bool is_label = bytes_equal_text(space, "default") || snapshot_has_space(snapshot, space);
    char *label = is_label ? bytes_to_text(space) : memory_copy_text("other");
    metric_add(METRIC(&requests_family, label, resource, operation), 1);
    metric_observe_us(METRIC(&duration_family), duration_us);
    free(label);
}
