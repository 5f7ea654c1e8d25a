// For contract suites: every kind of event log under one fixture. Memory, SQLite, Kafka against
// librdkafka's mock cluster, and, when EG_TEST_KAFKA=HOST:PORT is set, a real Kafka.
#ifndef EVENT_GATEWAY_TESTS_LOG_KINDS_H
#define EVENT_GATEWAY_TESTS_LOG_KINDS_H

#include "core/event_log/event_log_kinds.h"
#include "tests/support/log_recorder.h"

#define LOG_KINDS_PARTITIONS 4 // of streams that have several, where the kind has partitions

enum log_kind {
    LOG_KIND_MEMORY,
    LOG_KIND_SQLITE,
    LOG_KIND_KAFKA_MOCK,
    LOG_KIND_KAFKA_REAL,
    LOG_KIND_COUNT,
};

struct log_fixture {
    enum log_kind kind;
    struct event_log *log;
    struct test_loop loop;
    char folder[64];
    char prefix[64];
};

// The kind that log_fixture_create makes; NULL when it is not to be tested here.
const char *log_kind_name(enum log_kind kind);
// Before and after the tests of a kind.
void log_kind_start(enum log_kind kind);
void log_kind_stop(enum log_kind kind);
struct log_fixture *log_fixture_create(enum log_kind kind);
// Closes what is open, and asserts that nothing is left inside.
void log_fixture_destroy(struct log_fixture *fixture);

#endif
