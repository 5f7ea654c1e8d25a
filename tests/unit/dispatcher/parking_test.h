// A dispatcher that parks whatever waits, in tiers that are over at once.
#ifndef EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_PARKING_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_PARKING_TEST_H

#include "tests/unit/dispatcher/dispatcher_test.h"

// Everything is parked, and waits for about as long as nothing.
static const struct retry_tiers quick = {.park_after_ms = 0, .wait_ms = {5, 20, 60, 200}};

static inline int set_up(void **state) {
    struct dispatcher_test *test = test_create(1, 1);
    test->options.tiers = &quick;
    *state = test;
    return 0;
}

static inline int tear_down(void **state) {
    test_destroy(*state);
    return 0;
}

#endif
