#include "dispatcher/retry_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND_US 1000000

// First attempts for that time, one each millisecond; returns when it is.
static int64_t begin_for(struct retry_budget *budget, int64_t now_us, int64_t duration_us,
                         bool others_wait) {
    for (int64_t end_us = now_us + duration_us; now_us < end_us; now_us += 1000) {
        retry_budget_begun(budget, others_wait, now_us);
    }
    return now_us;
}

static size_t take_all(struct retry_budget *budget, int64_t now_us, size_t most) {
    size_t taken = 0;
    while (taken < most && retry_budget_take(budget, now_us)) {
        taken++;
    }
    return taken;
}

static void where_nothing_waits_every_retry_passes(void **state) {
    (void)state;
    struct retry_budget budget = {0};
    assert_int_equal(take_all(&budget, SECOND_US, 1000), 1000);
    int64_t now_us = begin_for(&budget, SECOND_US, 10 * SECOND_US, false);
    assert_int_equal(take_all(&budget, now_us, 1000), 1000);
}

static void a_short_rush_holds_nothing_up(void **state) {
    (void)state;
    struct retry_budget budget = {0};
    int64_t now_us = begin_for(&budget, SECOND_US, SECOND_US / 2, false);
    now_us = begin_for(&budget, now_us, SECOND_US * 2 / 5, true);
    assert_int_equal(take_all(&budget, now_us, 1000), 1000);
}

static void while_first_attempts_wait_retries_take_a_share(void **state) {
    (void)state;
    struct retry_budget budget = {0};
    int64_t now_us = begin_for(&budget, SECOND_US, 3 * SECOND_US, true);
    assert_int_equal(take_all(&budget, now_us, 1000), 32); // saved up
    size_t taken = 0;
    for (int i = 0; i < 100; i++) {
        now_us = begin_for(&budget, now_us, SECOND_US / 10, true);
        taken += take_all(&budget, now_us, 1000);
    }
    assert_int_equal(taken, 100 * 100 / RETRY_BUDGET_SHARE);
}

static void a_rest_lets_all_pass_again(void **state) {
    (void)state;
    struct retry_budget budget = {0};
    int64_t now_us = begin_for(&budget, SECOND_US, 5 * SECOND_US, true);
    assert_int_equal(take_all(&budget, now_us, 1000), 32);
    assert_int_equal(take_all(&budget, now_us + SECOND_US, 1000), 1000);
    // The next second in which one of eight has nobody behind it.
    for (int i = 0; i < 1500; i++, now_us += 1000) {
        retry_budget_begun(&budget, i % 8 != 0, now_us);
    }
    assert_int_equal(take_all(&budget, now_us, 1000), 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_nothing_waits_every_retry_passes),
        cmocka_unit_test(a_short_rush_holds_nothing_up),
        cmocka_unit_test(while_first_attempts_wait_retries_take_a_share),
        cmocka_unit_test(a_rest_lets_all_pass_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
