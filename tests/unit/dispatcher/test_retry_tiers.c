#include "dispatcher/retry_tiers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_wait_lies_in_the_longest_tier_that_ends_before_it(void **state) {
    (void)state;
    static const struct {
        int64_t wait_ms;
        size_t tier;
    } cases[] = {{0, 0},       {5001, 0},      {10000, 0},    {59999, 0},
                 {60000, 1},   {599999, 1},    {600000, 2},   {3599999, 2},
                 {3600000, 3}, {604800000, 3}, {INT64_MAX, 3}};
    struct retry_tiers tiers = retry_tiers_divided(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(retry_tiers_choose(&tiers, cases[i].wait_ms), cases[i].tier);
    }
}

static void a_record_is_looked_at_when_it_is_due_or_its_tiers_wait_is_over(void **state) {
    (void)state;
    struct retry_tiers tiers = retry_tiers_divided(1);
    assert_int_equal(retry_tiers_look_us(&tiers, 0, 1000, 7000000), 7000000);
    assert_int_equal(retry_tiers_look_us(&tiers, 0, 1000, 99000000), 11000000);
    assert_int_equal(retry_tiers_look_us(&tiers, 3, 1000, INT64_MAX), 3601000000);
    assert_int_equal(retry_tiers_look_us(&tiers, 3, 1000, -5), -5);
    // A timestamp that makes no sense.
    assert_int_equal(retry_tiers_look_us(&tiers, 0, INT64_MAX, 5), 5);
    assert_int_equal(retry_tiers_look_us(&tiers, 0, INT64_MAX / 10, 5), 5);
}

// From any wait there are only so many hops to the end, each to a shorter rest.
static void hops_come_to_an_end(void **state) {
    (void)state;
    struct retry_tiers tiers = retry_tiers_divided(1);
    for (int64_t wait_ms = 5001; wait_ms <= 7 * 86400000LL; wait_ms = wait_ms * 3 / 2) {
        int64_t left_ms = wait_ms;
        int hops = 0;
        while (left_ms > tiers.park_after_ms) {
            size_t tier = retry_tiers_choose(&tiers, left_ms);
            int64_t looked_us = retry_tiers_look_us(&tiers, tier, 0, left_ms * 1000);
            assert_true(looked_us > 0);
            left_ms -= looked_us / 1000;
            hops++;
        }
        assert_true(left_ms >= 0);
        assert_true(hops <= 7 * 24 + 5 + 9 + 6);
    }
}

static void each_tier_has_its_stream(void **state) {
    (void)state;
    for (size_t i = 0; i < RETRY_TIER_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "retry.%s", retry_tier_name(i));
        assert_string_equal(event_log_stream_name(retry_tier_stream(i)), name);
    }
}

static void tests_have_less_time(void **state) {
    (void)state;
    struct retry_tiers tiers = retry_tiers_divided(100);
    assert_int_equal(tiers.park_after_ms, 50);
    assert_int_equal(tiers.wait_ms[0], 100);
    assert_int_equal(tiers.wait_ms[3], 36000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_lies_in_the_longest_tier_that_ends_before_it),
        cmocka_unit_test(a_record_is_looked_at_when_it_is_due_or_its_tiers_wait_is_over),
        cmocka_unit_test(hops_come_to_an_end),
        cmocka_unit_test(each_tier_has_its_stream),
        cmocka_unit_test(tests_have_less_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
