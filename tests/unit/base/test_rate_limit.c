#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/rate_limit.h"

#define SECOND_US INT64_C(1000000)

// How many pass within that time when somebody always waits for as long as it is told.
static unsigned passed_within(struct rate_limit *limit, double per_second, uint32_t count,
                              int64_t from_us, int64_t until_us) {
    unsigned passed = 0;
    int64_t now_us = from_us;
    while (now_us < until_us) {
        int64_t wait_us = rate_limit_take(limit, per_second, count, now_us);
        assert_true(wait_us >= 0);
        passed += wait_us == 0 ? count : 0;
        now_us += wait_us;
    }
    return passed;
}

static void so_many_pass_in_a_second_and_a_tenth_of_it_at_once(void **state) {
    (void)state;
    const double rates[] = {1, 7, 100, 12345, 100000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct rate_limit limit = {0};
        unsigned passed = passed_within(&limit, rates[i], 1, 50 * SECOND_US, 60 * SECOND_US);
        double wanted = rates[i] * 10;
        assert_in_range(passed, (uintmax_t)wanted, (uintmax_t)(wanted + rates[i] / 10 + 2));
    }
}

static void rates_below_one_a_second_are_kept(void **state) {
    (void)state;
    struct rate_limit limit = {0};
    assert_int_equal(passed_within(&limit, 0.1, 1, 1000 * SECOND_US, 1099 * SECOND_US), 10);
}

static void several_at_once_count_as_many(void **state) {
    (void)state;
    struct rate_limit limit = {0};
    unsigned passed = passed_within(&limit, 100, 50, 50 * SECOND_US, 60 * SECOND_US);
    assert_in_range(passed, 1000, 1060);
}

static void a_pause_is_not_made_up_for(void **state) {
    (void)state;
    struct rate_limit limit = {0};
    (void)passed_within(&limit, 100, 1, 50 * SECOND_US, 51 * SECOND_US);
    unsigned passed = passed_within(&limit, 100, 1, 3600 * SECOND_US, 3601 * SECOND_US);
    assert_in_range(passed, 100, 111);
}

static void a_wait_that_was_said_is_long_enough(void **state) {
    (void)state;
    struct rate_limit limit = {0};
    int64_t now_us = 77;
    while (rate_limit_take(&limit, 3, 1, now_us) == 0) {
    }
    int64_t wait_us = rate_limit_take(&limit, 3, 1, now_us);
    assert_true(wait_us > 0);
    assert_true(rate_limit_take(&limit, 3, 1, now_us + wait_us - 1) > 0);
    assert_int_equal(rate_limit_take(&limit, 3, 1, now_us + wait_us), 0);
}

static void the_smallest_rate_and_the_largest_count_overflow_nothing(void **state) {
    (void)state;
    struct rate_limit limit = {0};
    assert_int_equal(rate_limit_take(&limit, 1e-6, UINT32_MAX, SECOND_US), 0);
    assert_true(rate_limit_take(&limit, 1e-6, UINT32_MAX, SECOND_US) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_pass_in_a_second_and_a_tenth_of_it_at_once),
        cmocka_unit_test(rates_below_one_a_second_are_kept),
        cmocka_unit_test(several_at_once_count_as_many),
        cmocka_unit_test(a_pause_is_not_made_up_for),
        cmocka_unit_test(a_wait_that_was_said_is_long_enough),
        cmocka_unit_test(the_smallest_rate_and_the_largest_count_overflow_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
