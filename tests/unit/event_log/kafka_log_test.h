// A log of the Kafka kind over librdkafka's mock cluster, which is in this process.
#ifndef EVENT_GATEWAY_TESTS_UNIT_EVENT_LOG_KAFKA_LOG_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_EVENT_LOG_KAFKA_LOG_TEST_H

#include "core/event_log/event_log_kinds.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "tests/support/log_recorder.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define BROKER 1

struct fixture {
    rd_kafka_t *client;
    rd_kafka_mock_cluster_t *mock;
    struct test_loop loop;
    struct event_log *log;
};

// The mock's thread misses what is asked of it right after it has done something else, and looks
// again after a second. Nothing but time depends on it.
static inline void let_mock_rest(void) {
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static inline int set_up(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    fixture->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    fixture->mock = rd_kafka_mock_cluster_new(fixture->client, 1);
    assert_non_null(fixture->mock);
    for (int i = 0; i < EVENT_LOG_STREAM_COUNT; i++) {
        char topic[64];
        snprintf(topic, sizeof topic, "eg.%s", event_log_stream_name((enum event_log_stream)i));
        let_mock_rest();
        assert_int_equal(rd_kafka_mock_topic_create(fixture->mock, topic, 1, 1), 0);
    }
    test_loop_start(&fixture->loop);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    if (fixture->log) {
        event_log_close(fixture->log, 5000);
        assert_int_equal(event_log_appends_inside(fixture->log), 0);
        event_log_destroy(fixture->log);
    }
    test_loop_stop(&fixture->loop);
    let_mock_rest();
    rd_kafka_mock_cluster_destroy(fixture->mock);
    rd_kafka_destroy(fixture->client);
    free(fixture);
    return 0;
}

static inline struct event_log_kafka_options plain_options(const struct fixture *fixture) {
    // The mock lets a group wait for as long as a session before it forms again.
    static const char *const settings[] = {"session.timeout.ms=3000", "heartbeat.interval.ms=300"};
    return (struct event_log_kafka_options){
        .brokers = rd_kafka_mock_cluster_bootstraps(fixture->mock),
        .topic_prefix = "eg",
        .partitions = 1,
        .replication = 1,
        .append_timeout_ms = 60000,
        .settings = settings,
        .setting_count = ARRAY_LENGTH(settings),
    };
}

static inline void create(struct fixture *fixture, const struct event_log_kafka_options *options) {
    struct error error;
    if (event_log_kafka_create(options, &fixture->log, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static inline void create_plain(struct fixture *fixture) {
    struct event_log_kafka_options options = plain_options(fixture);
    create(fixture, &options);
}

static inline struct append_answer append_value(struct fixture *fixture, const char *value) {
    struct record record = {.value = bytes_of_text(value), .has_value = true};
    return append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record);
}

// The mock keeps 5 MB of a partition.
static inline void push_out_old_records(struct fixture *fixture) {
    static char value[1000000];
    struct record record = {.value = {value, sizeof value}, .has_value = true};
    for (int i = 0; i < 8; i++) {
        struct append_answer answer =
            append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record);
        assert_int_equal(answer.status, STATUS_OK);
    }
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

#endif
