// Waits of the tests of the dispatcher: by condition, with a limit that only a broken program
// reaches.
#ifndef EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_AWAIT_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_AWAIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <time.h>

#include "core/base/metrics.h"

enum {
    TEST_AWAIT_SECONDS = 60
};

static inline struct timespec test_deadline(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TEST_AWAIT_SECONDS;
    return until;
}

// Waits until a metric has a value, and no other. There is nothing to be told by, so it looks again
// and again.
static inline void test_await_exactly(struct metric *metric, int64_t value) {
    struct timespec until = test_deadline();
    struct timespec now;
    do {
        if (metric_value(metric) == value) {
            return;
        }
        sched_yield();
        clock_gettime(CLOCK_REALTIME, &now);
    } while (now.tv_sec < until.tv_sec);
    fail_msg("a metric is %lld instead of %lld", (long long)metric_value(metric), (long long)value);
}

// The same for a value that it reaches or passes.
static inline void test_await_metric(struct metric *metric, int64_t value) {
    struct timespec until = test_deadline();
    struct timespec now;
    do {
        if (metric_value(metric) >= value) {
            return;
        }
        sched_yield();
        clock_gettime(CLOCK_REALTIME, &now);
    } while (now.tv_sec < until.tv_sec);
    fail_msg("a metric is %lld instead of %lld", (long long)metric_value(metric), (long long)value);
}

#endif
