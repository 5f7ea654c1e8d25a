// How long Kafka keeps the events: the topic's own setting, which whoever made the topic has
// chosen, and which an operator can change at any time.

#include "core/event_log/event_log_kafka.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"

#include <stdlib.h>
#include <string.h>

#define INTERVAL_US 60000000
#define ANSWER_MS 30000

static void note(struct kafka_log *log, const char *text) {
    char *end;
    long long keeps_ms = strtoll(text, &end, 10);
    if (end == text || *end != '\0') {
        return;
    }
    keeps_ms = keeps_ms > 0 ? keeps_ms : 0; // -1: for ever
    if (atomic_exchange(&log->keeps_ms, keeps_ms) != keeps_ms) {
        log_line(LOG_INFO, "events are kept for as long as their topic says",
                 LOG_TEXT("topic", log->topic_names[EVENT_LOG_EVENTS]),
                 LOG_NUMBER("retention_ms", keeps_ms));
    }
}

static void read_answer(struct kafka_log *log, rd_kafka_event_t *event) {
    size_t count = 0, entry_count = 0;
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **resources =
        result ? rd_kafka_DescribeConfigs_result_resources(result, &count) : NULL;
    if (count == 0 || rd_kafka_ConfigResource_error(resources[0])) {
        return;
    }
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(resources[0], &entry_count);
    for (size_t i = 0; i < entry_count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), "retention.ms") == 0) {
            note(log, value);
        }
    }
}

static void ask(const struct kafka_log *log, rd_kafka_t *client, rd_kafka_queue_t *queue) {
    char reason[256];
    rd_kafka_ConfigResource_t *topic =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, log->topic_names[EVENT_LOG_EVENTS]);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, reason, sizeof reason);
    rd_kafka_DescribeConfigs(client, &topic, 1, options, queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(topic);
}

void kafka_retention_look(struct kafka_log *log, rd_kafka_t *client, rd_kafka_queue_t *queue) {
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        read_answer(log, event);
        rd_kafka_event_destroy(event);
    }
    long long now_us = clock_monotonic_us();
    long long due_us = atomic_load(&log->keeps_due_us);
    if (now_us >= due_us &&
        atomic_compare_exchange_strong(&log->keeps_due_us, &due_us, now_us + INTERVAL_US)) {
        ask(log, client, queue);
    }
}
