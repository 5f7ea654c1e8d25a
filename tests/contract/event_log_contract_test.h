// The rules of a contract over every kind of event log: each has a log of its own, of the kind that
// runs.
#ifndef EVENT_GATEWAY_TESTS_CONTRACT_EVENT_LOG_CONTRACT_TEST_H
#define EVENT_GATEWAY_TESTS_CONTRACT_EVENT_LOG_CONTRACT_TEST_H

#include "tests/support/log_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static enum log_kind kind; // of the group that runs

static inline int set_up(void **state) {
    *state = log_fixture_create(kind);
    return 0;
}

static inline int tear_down(void **state) {
    log_fixture_destroy(*state);
    return 0;
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

// Runs a group for each kind; the program's argument, if any, is a filter. Returns how many failed.
static inline int run_over_kinds(int argument_count, char **arguments,
                                 int (*run_group)(const char *name)) {
    if (argument_count > 1) {
        cmocka_set_test_filter(arguments[1]);
    }
    int failures = 0;
    for (kind = 0; kind < LOG_KIND_COUNT; kind++) {
        if (log_kind_name(kind)) {
            log_kind_start(kind);
            failures += run_group(log_kind_name(kind));
            log_kind_stop(kind);
        }
    }
    return failures;
}

// --- Slices.

static inline void read_slice(struct log_fixture *fixture, struct event_log_slice *slice) {
    read_and_wait(fixture->log, &fixture->loop, slice);
}

// Appends count numbered records to one partition, and gives where the first one lies.
static inline struct append_answer append_run(struct log_fixture *fixture, size_t count) {
    struct append_answer first = append_text(fixture->log, &fixture->loop, "key", "before");
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, "key", count), count);
    first.offset++;
    return first;
}

#endif
