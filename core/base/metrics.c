#include "core/base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"

#define LABELS_MAX 4
#define SERIES_MAX 1000
#define COLLECTORS_MAX 32

// Upper bounds of the histogram's buckets.
static const int64_t bucket_us[] = {100,     250,     500,     1000,     2500,     5000,
                                    10000,   25000,   50000,   100000,   250000,   500000,
                                    1000000, 2500000, 5000000, 10000000, 30000000, 60000000};
#define BUCKET_COUNT (sizeof bucket_us / sizeof bucket_us[0])

struct metric {
    _Atomic int64_t value;    // counter, gauge; a histogram's sum in microseconds
    _Atomic int64_t count;    // of a histogram
    _Atomic int64_t *buckets; // of a histogram: BUCKET_COUNT of them, not cumulated
    char *labels[LABELS_MAX];
    uint64_t hash;
    struct metric *next; // in its slot
};

struct metric_family_state {
    struct metric_family *family;
    size_t label_count;
    size_t series_count;
    struct metric **slots;
    size_t slot_count; // a power of two
    struct metric_family_state *next;
};

struct collector {
    void (*collect)(void *context);
    void *context;
};

// The program's registry of metrics. The lock guards everything but the numbers.
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct metric_family_state *families;
// Collectors run under this one, since they look metrics up themselves.
static pthread_mutex_t collector_lock = PTHREAD_MUTEX_INITIALIZER;
static struct collector collectors[COLLECTORS_MAX];
static size_t collector_count;

static struct metric_family_state *family_state(struct metric_family *family) {
    if (!family->state) {
        struct metric_family_state *state = memory_allocate(sizeof *state);
        state->family = family;
        while (state->label_count < LABELS_MAX && family->label_names[state->label_count]) {
            state->label_count++;
        }
        state->slot_count = 16;
        state->slots = memory_allocate(state->slot_count * sizeof(struct metric *));
        state->next = families;
        families = state;
        __atomic_store_n(&family->state, state, __ATOMIC_RELEASE);
    }
    return family->state;
}

static uint64_t hash_labels(const char *const *values, size_t count) {
    uint64_t hash = 0;
    for (size_t i = 0; i < count; i++) {
        assert(values[i]); // The caller gives a value for each label.
        hash = hash * 31 + bytes_hash(bytes_of_text(values[i]));
    }
    return hash;
}

static struct metric *find_series(const struct metric_family_state *state, uint64_t hash,
                                  const char *const *values) {
    struct metric *metric = state->slots[hash & (state->slot_count - 1)];
    for (; metric; metric = metric->next) {
        size_t same = 0;
        while (same < state->label_count && strcmp(metric->labels[same], values[same]) == 0) {
            same++;
        }
        if (metric->hash == hash && same == state->label_count) {
            return metric;
        }
    }
    return NULL;
}

static void grow(struct metric_family_state *state) {
    size_t count = state->slot_count * 2;
    struct metric **slots = memory_allocate(count * sizeof(struct metric *));
    for (size_t i = 0; i < state->slot_count; i++) {
        struct metric *metric = state->slots[i];
        while (metric) {
            struct metric *next = metric->next;
            metric->next = slots[metric->hash & (count - 1)];
            slots[metric->hash & (count - 1)] = metric;
            metric = next;
        }
    }
    free(state->slots);
    state->slots = slots;
    state->slot_count = count;
}

static struct metric *add_series(struct metric_family_state *state, uint64_t hash,
                                 const char *const *values) {
    if (state->series_count == state->slot_count) {
        grow(state);
    }
    struct metric *metric = memory_allocate(sizeof *metric);
    metric->hash = hash;
    for (size_t i = 0; i < state->label_count; i++) {
        metric->labels[i] = memory_copy_text(values[i]);
    }
    if (state->family->kind == METRIC_HISTOGRAM) {
        metric->buckets = memory_allocate(BUCKET_COUNT * sizeof *metric->buckets);
    }
    metric->next = state->slots[hash & (state->slot_count - 1)];
    state->slots[hash & (state->slot_count - 1)] = metric;
    state->series_count++;
    return metric;
}

static struct metric *find_or_add(struct metric_family *family, const char *const *values) {
    static const char *const others[LABELS_MAX] = {"other", "other", "other", "other"};
    struct metric_family_state *state = family_state(family);
    uint64_t hash = hash_labels(values, state->label_count);
    struct metric *metric = find_series(state, hash, values);
    size_t most = family->series_max > 0 ? family->series_max : SERIES_MAX;
    if (!metric && state->series_count >= most) {
        values = others;
        hash = hash_labels(values, state->label_count);
        metric = find_series(state, hash, values);
    }
    return metric ? metric : add_series(state, hash, values);
}

struct metric *metric_of(struct metric_family *family, const char *const *label_values) {
    struct metric_family_state *state = __atomic_load_n(&family->state, __ATOMIC_ACQUIRE);
    struct metric *metric = NULL;
    if (state) {
        uint64_t hash = hash_labels(label_values, state->label_count);
        pthread_rwlock_rdlock(&lock);
        metric = find_series(state, hash, label_values);
        pthread_rwlock_unlock(&lock);
    }
    if (!metric) {
        pthread_rwlock_wrlock(&lock);
        metric = find_or_add(family, label_values);
        pthread_rwlock_unlock(&lock);
    }
    return metric;
}

void metric_add(struct metric *metric, int64_t amount) {
    atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value) {
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *metric, int64_t duration_us) {
    size_t bucket = 0;
    // A clock that went back must not make the sum fall.
    duration_us = duration_us < 0 ? 0 : duration_us;
    while (bucket < BUCKET_COUNT && duration_us > bucket_us[bucket]) {
        bucket++;
    }
    if (bucket < BUCKET_COUNT) {
        atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&metric->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->value, duration_us, memory_order_relaxed);
}

int64_t metric_value(const struct metric *metric) {
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

// One value that is not UTF-8 would make Prometheus refuse all the metrics.
static void append_label_value(const char *value, struct buffer *ret_buffer) {
    struct bytes rest = bytes_of_text(value);
    while (rest.size > 0) {
        size_t size = utf8_sequence(rest);
        if (rest.data[0] == '\\' || rest.data[0] == '"') {
            buffer_append_byte(ret_buffer, '\\');
            buffer_append_byte(ret_buffer, rest.data[0]);
        } else if (rest.data[0] == '\n') {
            buffer_append_text(ret_buffer, "\\n");
        } else {
            buffer_append(ret_buffer,
                          size > 0 ? bytes_slice(rest, 0, size) : BYTES("\xef\xbf\xbd"));
        }
        rest = bytes_slice(rest, size > 0 ? size : 1, SIZE_MAX);
    }
}

// name_suffix{labels,le="..."} and a blank; le NULL = none.
static void append_name(const struct metric_family_state *state, const struct metric *metric,
                        const char *suffix, const char *le, struct buffer *ret_buffer) {
    const struct metric_family *family = state->family;
    const char *separator = "{";
    buffer_append_format(ret_buffer, "%s%s", family->name, suffix);
    for (size_t i = 0; i < state->label_count; i++) {
        buffer_append_format(ret_buffer, "%s%s=\"", separator, family->label_names[i]);
        append_label_value(metric->labels[i], ret_buffer);
        buffer_append_byte(ret_buffer, '"');
        separator = ",";
    }
    if (le) {
        buffer_append_format(ret_buffer, "%sle=\"%s\"", separator, le);
        separator = ",";
    }
    buffer_append_text(ret_buffer, separator[0] == ',' ? "} " : " ");
}

static void append_seconds(int64_t us, struct buffer *ret_buffer) {
    buffer_append_format(ret_buffer, "%" PRId64 ".%06d\n", us / 1000000, (int)(us % 1000000));
}

static void write_histogram(const struct metric_family_state *state, const struct metric *metric,
                            struct buffer *ret_buffer) {
    int64_t below = 0;
    // The total first: buckets that grow meanwhile must not exceed it.
    int64_t count = atomic_load_explicit(&metric->count, memory_order_relaxed);
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        struct buffer le = {0};
        buffer_append_format(&le, "%g", (double)bucket_us[i] / 1e6);
        below += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        append_name(state, metric, "_bucket", le.data, ret_buffer);
        buffer_append_format(ret_buffer, "%" PRId64 "\n", below < count ? below : count);
        buffer_clear(&le);
    }
    append_name(state, metric, "_bucket", "+Inf", ret_buffer);
    buffer_append_format(ret_buffer, "%" PRId64 "\n", count);
    append_name(state, metric, "_sum", NULL, ret_buffer);
    append_seconds(metric_value(metric), ret_buffer);
    append_name(state, metric, "_count", NULL, ret_buffer);
    buffer_append_format(ret_buffer, "%" PRId64 "\n", count);
}

static int compare_series(const void *a, const void *b) {
    const struct metric *const *left = a;
    const struct metric *const *right = b;
    for (size_t i = 0; i < LABELS_MAX && (*left)->labels[i]; i++) {
        int order = strcmp((*left)->labels[i], (*right)->labels[i]);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

static void write_family(const struct metric_family_state *state, struct buffer *ret_buffer) {
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const struct metric_family *family = state->family;
    struct metric **series = memory_allocate((state->series_count + 1) * sizeof(struct metric *));
    size_t count = 0;
    for (size_t i = 0; i < state->slot_count; i++) {
        for (struct metric *metric = state->slots[i]; metric; metric = metric->next) {
            series[count++] = metric;
        }
    }
    qsort(series, count, sizeof(struct metric *), compare_series);
    buffer_append_format(ret_buffer, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help,
                         family->name, kinds[family->kind]);
    for (size_t i = 0; i < count; i++) {
        if (family->kind == METRIC_HISTOGRAM) {
            write_histogram(state, series[i], ret_buffer);
        } else {
            append_name(state, series[i], "", NULL, ret_buffer);
            buffer_append_format(ret_buffer, "%" PRId64 "\n", metric_value(series[i]));
        }
    }
    free(series);
}

static int compare_families(const void *a, const void *b) {
    const struct metric_family_state *const *left = a;
    const struct metric_family_state *const *right = b;
    return strcmp((*left)->family->name, (*right)->family->name);
}

static void run_collectors(void) {
    pthread_mutex_lock(&collector_lock);
    for (size_t i = 0; i < collector_count; i++) {
        collectors[i].collect(collectors[i].context);
    }
    pthread_mutex_unlock(&collector_lock);
}

void metrics_write(struct buffer *ret_buffer) {
    size_t count = 0;
    run_collectors();
    pthread_rwlock_rdlock(&lock);
    for (struct metric_family_state *state = families; state; state = state->next) {
        count++;
    }
    struct metric_family_state **sorted =
        memory_allocate((count + 1) * sizeof(struct metric_family_state *));
    size_t filled = 0;
    for (struct metric_family_state *state = families; state; state = state->next) {
        sorted[filled++] = state;
    }
    qsort(sorted, count, sizeof(struct metric_family_state *), compare_families);
    for (size_t i = 0; i < count; i++) {
        write_family(sorted[i], ret_buffer);
    }
    pthread_rwlock_unlock(&lock);
    free(sorted);
}

void metrics_add_collector(void (*collect)(void *context), void *context) {
    pthread_mutex_lock(&collector_lock);
    assert(collector_count < COLLECTORS_MAX);
    collectors[collector_count++] = (struct collector){collect, context};
    pthread_mutex_unlock(&collector_lock);
}

void metrics_remove_collector(void (*collect)(void *context), void *context) {
    pthread_mutex_lock(&collector_lock);
    for (size_t i = 0; i < collector_count; i++) {
        if (collectors[i].collect == collect && collectors[i].context == context) {
            collectors[i] = collectors[--collector_count];
            break;
        }
    }
    pthread_mutex_unlock(&collector_lock);
}
