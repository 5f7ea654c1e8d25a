#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dispatcher/adaptive_limit.h"

static void nothing_is_limited_until_a_call_is_refused(void **state) {
    (void)state;
    struct adaptive_limit limit = {0};
    assert_true(adaptive_limit_allows(&limit, 100000));
    adaptive_limit_succeeded(&limit, 64, 1);
    assert_true(adaptive_limit_allows(&limit, 100000));
    adaptive_limit_refused(&limit, 64, 1, 2);
    assert_int_equal(limit.limit, 32);
    assert_true(adaptive_limit_allows(&limit, 31));
    assert_false(adaptive_limit_allows(&limit, 32));
}

static void calls_that_ran_together_halve_it_once(void **state) {
    (void)state;
    struct adaptive_limit limit = {0};
    for (uint32_t in_flight = 64; in_flight > 0; in_flight--) {
        adaptive_limit_refused(&limit, in_flight, 10, 20);
    }
    assert_int_equal(limit.limit, 32);
    adaptive_limit_refused(&limit, 32, 21, 30);
    assert_int_equal(limit.limit, 16);
}

static void it_never_falls_below_one(void **state) {
    (void)state;
    struct adaptive_limit limit = {0};
    for (int64_t now = 1; now < 20; now++) {
        adaptive_limit_refused(&limit, 2, now, now);
        assert_int_equal(limit.limit, 1);
    }
}

static void it_is_raised_when_it_was_reached_and_all_went_well(void **state) {
    (void)state;
    struct adaptive_limit limit = {0};
    adaptive_limit_refused(&limit, 8, 1, 2);
    assert_int_equal(limit.limit, 4);
    for (int i = 0; i < 100; i++) {
        adaptive_limit_succeeded(&limit, 3, 3); // Not reached: says nothing.
        adaptive_limit_succeeded(&limit, 4, 1); // Began before.
    }
    assert_int_equal(limit.limit, 4);
    for (int i = 0; i < 4; i++) {
        adaptive_limit_succeeded(&limit, 4, 3);
    }
    assert_int_equal(limit.limit, 5);
}

static void what_works_for_long_is_not_limited_any_more(void **state) {
    (void)state;
    struct adaptive_limit limit = {0};
    adaptive_limit_refused(&limit, 2, 1, 2);
    for (int i = 0; i < 2000000 && limit.limit > 0; i++) {
        adaptive_limit_succeeded(&limit, limit.limit, 3);
    }
    assert_int_equal(limit.limit, 0);
    assert_true(adaptive_limit_allows(&limit, 100000));
}

// A function that takes so many at once, called without a pause for a long time: rounds in which
// all calls begin together. Returns how many of the calls of the second half are refused.
static unsigned refused_of_a_thousand(uint32_t takes, uint32_t first, uint32_t *ret_limit) {
    struct adaptive_limit limit = {0};
    unsigned calls = 0, refused = 0;
    for (int64_t round = 1; round < 40000; round++) {
        uint32_t in_flight = limit.limit > 0 ? limit.limit : first;
        for (uint32_t i = 0; i < in_flight; i++) {
            bool is_refused = i >= takes;
            if (is_refused) {
                adaptive_limit_refused(&limit, in_flight, round * 10, round * 10 + 5);
            } else {
                adaptive_limit_succeeded(&limit, in_flight, round * 10);
            }
            calls += round > 20000;
            refused += round > 20000 && is_refused;
        }
    }
    *ret_limit = limit.limit;
    return refused * 1000 / calls;
}

static void a_function_that_takes_one_at_a_time_gets_one(void **state) {
    (void)state;
    uint32_t limit;
    assert_in_range(refused_of_a_thousand(1, 64, &limit), 0, 20);
    assert_in_range(limit, 1, 2);
}

static void a_function_that_takes_ten_gets_nearly_ten(void **state) {
    (void)state;
    uint32_t limit;
    assert_in_range(refused_of_a_thousand(10, 64, &limit), 0, 30);
    assert_in_range(limit, 5, 11);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_limited_until_a_call_is_refused),
        cmocka_unit_test(calls_that_ran_together_halve_it_once),
        cmocka_unit_test(it_never_falls_below_one),
        cmocka_unit_test(it_is_raised_when_it_was_reached_and_all_went_well),
        cmocka_unit_test(what_works_for_long_is_not_limited_any_more),
        cmocka_unit_test(a_function_that_takes_one_at_a_time_gets_one),
        cmocka_unit_test(a_function_that_takes_ten_gets_nearly_ten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
