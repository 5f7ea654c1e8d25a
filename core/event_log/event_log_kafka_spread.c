// Which partition the producer that gathers sends to: its records have no key. They go together for
// a moment, then to a partition that has nothing in flight. An idempotent librdkafka producer has
// one batch of a partition on its way at a time, and while the next one waits behind it the
// broker's thread spins.
#include "core/event_log/event_log_kafka.h"

#include "core/base/clock.h"

#include <limits.h>
#include <string.h>

// As long as a batch is open: the linger of the producer that gathers.
#define TOGETHER_US 150

void kafka_spread_init(struct kafka_spread *spread) {
    atomic_init(&spread->current, 0);
    atomic_init(&spread->since_us, 0);
    for (size_t i = 0; i < KAFKA_SPREAD_PARTITIONS; i++) {
        atomic_init(&spread->in_flight[i], 0);
    }
}

static atomic_uint *in_flight_of(struct kafka_spread *spread, int32_t partition) {
    return &spread->in_flight[(size_t)partition % KAFKA_SPREAD_PARTITIONS];
}

// The first one after the current that is idle, else the one with the least in flight.
static int32_t next_partition(struct kafka_spread *spread, const rd_kafka_topic_t *topic,
                              int32_t current, int32_t count) {
    int32_t best = -1;
    unsigned best_in_flight = UINT_MAX;
    for (int32_t i = 1; i <= count && best_in_flight > 0; i++) {
        int32_t candidate = (current + i) % count;
        unsigned in_flight =
            atomic_load_explicit(in_flight_of(spread, candidate), memory_order_relaxed);
        if (in_flight < best_in_flight && rd_kafka_topic_partition_available(topic, candidate)) {
            best = candidate;
            best_in_flight = in_flight;
        }
    }
    return best >= 0 ? best : (current + 1) % count;
}

static int32_t current_partition(struct kafka_spread *spread, const rd_kafka_topic_t *topic,
                                 int32_t count) {
    int32_t current = atomic_load_explicit(&spread->current, memory_order_relaxed) % count;
    long long since_us = atomic_load_explicit(&spread->since_us, memory_order_relaxed);
    int64_t now_us = clock_monotonic_us();
    // Of several threads that find the moment over, one chooses; the others are a moment late.
    if (now_us - since_us >= TOGETHER_US &&
        atomic_compare_exchange_strong(&spread->since_us, &since_us, now_us)) {
        current = next_partition(spread, topic, current, count);
        atomic_store_explicit(&spread->current, current, memory_order_relaxed);
    }
    return current;
}

static int32_t choose_partition(const rd_kafka_topic_t *topic, const void *key, size_t key_size,
                                int32_t count, void *topic_opaque, void *opaque) {
    (void)key;
    (void)key_size;
    (void)opaque;
    struct kafka_spread *spread = topic_opaque;
    int32_t partition = current_partition(spread, topic, count);
    atomic_fetch_add_explicit(in_flight_of(spread, partition), 1, memory_order_relaxed);
    return partition;
}

void kafka_spread_confirmed(struct kafka_spread *spread, int32_t partition) {
    if (partition < 0) {
        return;
    }
    // A record that was counted by nobody (the operator's own partitioner) must not wrap around.
    atomic_uint *in_flight = in_flight_of(spread, partition);
    unsigned before = atomic_load_explicit(in_flight, memory_order_relaxed);
    while (before > 0 && !atomic_compare_exchange_weak(in_flight, &before, before - 1)) {
    }
}

static bool has_own_partitioner(const struct kafka_log *log) {
    const char name[] = "partitioner=";
    for (size_t i = 0; i < log->options.setting_count; i++) {
        if (strncmp(log->options.settings[i], name, sizeof name - 1) == 0) {
            return true;
        }
    }
    return false;
}

rd_kafka_topic_conf_t *kafka_spread_conf(struct kafka_log *log, rd_kafka_t *handle) {
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(handle);
    if (!has_own_partitioner(log)) {
        rd_kafka_topic_conf_set_opaque(conf, &log->spread);
        rd_kafka_topic_conf_set_partitioner_cb(conf, choose_partition);
    }
    return conf;
}
