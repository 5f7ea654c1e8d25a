#include "tests/support/log_kinds.h"

#include "core/base/memory.h"
#include "core/base/text.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static rd_kafka_t *mock_client;
static rd_kafka_mock_cluster_t *mock;

static void fail(const char *what) {
    fprintf(stderr, "log_kinds: %s\n", what);
    abort();
}

static void check(bool holds, const char *what) {
    if (!holds) {
        fail(what);
    }
}

const char *log_kind_name(enum log_kind kind) {
    static const char *const names[LOG_KIND_COUNT] = {"memory", "sqlite", "kafka (mock)",
                                                      "kafka (real)"};
    return kind == LOG_KIND_KAFKA_REAL && !getenv("EG_TEST_KAFKA") ? NULL : names[kind];
}

void log_kind_start(enum log_kind kind) {
    if (kind != LOG_KIND_KAFKA_MOCK) {
        return;
    }
    char reason[256];
    mock_client = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    check(mock_client, "no client for the mock cluster");
    mock = rd_kafka_mock_cluster_new(mock_client, 3);
    check(mock, "no mock cluster");
}

void log_kind_stop(enum log_kind kind) {
    if (kind == LOG_KIND_KAFKA_MOCK) {
        rd_kafka_mock_cluster_destroy(mock);
        rd_kafka_destroy(mock_client);
    }
}

static enum status create_kafka(struct log_fixture *fixture, const char *brokers,
                                struct error *error) {
    // The mock lets a group wait for as long as a session before it forms again; a real broker
    // refuses such a short session.
    static const char *const settings[] = {"session.timeout.ms=3000", "heartbeat.interval.ms=300"};
    struct event_log_kafka_options options = {
        .brokers = brokers,
        .topic_prefix = fixture->prefix,
        .partitions = LOG_KINDS_PARTITIONS,
        .replication = 1,
        .retention_ms = 3600000,
        .dead_letter_retention_ms = 3600000,
        .settings = settings,
        .setting_count = fixture->kind == LOG_KIND_KAFKA_MOCK ? ARRAY_LENGTH(settings) : 0,
        .connect_timeout_ms = 30000,
        .append_timeout_ms = 30000,
    };
    return event_log_kafka_create(&options, &fixture->log, error);
}

static void create_mock_topics(const struct log_fixture *fixture) {
    for (int stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        char topic[128];
        snprintf(topic, sizeof topic, "%s.%s", fixture->prefix,
                 event_log_stream_name((enum event_log_stream)stream));
        int partitions = stream == EVENT_LOG_CURSORS ? 1 : LOG_KINDS_PARTITIONS;
        check(rd_kafka_mock_topic_create(mock, topic, partitions, 1) == 0, "no topic");
    }
}

static enum status create_log(struct log_fixture *fixture, struct error *error) {
    struct event_log_memory_options memory = {.partitions = LOG_KINDS_PARTITIONS};
    char path[128];
    snprintf(path, sizeof path, "%s/events.db", fixture->folder);
    struct event_log_sqlite_options sqlite = {.path = path};
    switch (fixture->kind) {
    case LOG_KIND_MEMORY:
        return event_log_memory_create(&memory, &fixture->log, error);
    case LOG_KIND_SQLITE:
        return event_log_sqlite_create(&sqlite, &fixture->log, error);
    case LOG_KIND_KAFKA_MOCK:
        create_mock_topics(fixture);
        return create_kafka(fixture, rd_kafka_mock_cluster_bootstraps(mock), error);
    case LOG_KIND_KAFKA_REAL:
        return create_kafka(fixture, getenv("EG_TEST_KAFKA"), error);
    default:
        return STATUS_FAILED;
    }
}

struct log_fixture *log_fixture_create(enum log_kind kind) {
    struct log_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->kind = kind;
    snprintf(fixture->folder, sizeof fixture->folder, "%s", "/tmp/event-log-XXXXXX");
    check(mkdtemp(fixture->folder), "no folder");
    char id[UUID_TEXT_SIZE];
    uuid_create(id);
    snprintf(fixture->prefix, sizeof fixture->prefix, "test-%.8s", id);
    struct error error = {0};
    check(create_log(fixture, &error) == STATUS_OK, error.text);
    test_loop_start(&fixture->loop);
    return fixture;
}

void log_fixture_destroy(struct log_fixture *fixture) {
    event_log_close(fixture->log, 10000);
    check(event_log_appends_inside(fixture->log) == 0, "appends are left inside");
    event_log_destroy(fixture->log);
    test_loop_stop(&fixture->loop);
    static const char *const files[] = {"events.db", "events.db-wal", "events.db-shm"};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", fixture->folder, files[i]);
        unlink(path);
    }
    rmdir(fixture->folder);
    free(fixture);
}
