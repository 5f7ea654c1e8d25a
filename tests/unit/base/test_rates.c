#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/base/rates.h"

#define SECOND_US INT64_C(1000000)

// Of that subscription from that time on, when it is asked for without a pause for 10 s.
static unsigned passed_in_ten_seconds(struct rates *rates, const char *id, double per_second,
                                      int64_t from_us) {
    unsigned passed = 0;
    for (int64_t now_us = from_us; now_us < from_us + 10 * SECOND_US;) {
        int64_t wait_us =
            rates_take(rates, BYTES("space"), bytes_of_text(id), per_second, 1, now_us, RATE_LAST);
        passed += wait_us == 0;
        now_us += wait_us;
    }
    return passed;
}

static void each_subscription_has_its_own_rate(void **state) {
    (void)state;
    struct rates *rates = rates_create(8);
    rates_add_partitions(rates, 8);
    assert_in_range(passed_in_ten_seconds(rates, "a", 100, 100 * SECOND_US), 1000, 1011);
    assert_in_range(passed_in_ten_seconds(rates, "b", 10, 100 * SECOND_US), 100, 102);
    rates_destroy(rates);
}

static void a_node_takes_the_part_that_it_has_of_the_partitions(void **state) {
    (void)state;
    struct rates *rates = rates_create(8);
    rates_add_partitions(rates, 2);
    assert_in_range(passed_in_ten_seconds(rates, "a", 100, 100 * SECOND_US), 250, 254);
    rates_add_partitions(rates, -1);
    assert_in_range(passed_in_ten_seconds(rates, "a", 100, 200 * SECOND_US), 125, 127);
    rates_add_partitions(rates, 20); // More than there were when it started.
    assert_in_range(passed_in_ten_seconds(rates, "a", 100, 300 * SECOND_US), 1000, 1011);
    rates_set_partitions(rates, 42); // Some were added.
    assert_in_range(passed_in_ten_seconds(rates, "a", 100, 400 * SECOND_US), 500, 506);
    rates_destroy(rates);
}

static void what_limits_nobody_any_more_is_forgotten(void **state) {
    (void)state;
    struct rates *rates = rates_create(1);
    rates_add_partitions(rates, 1);
    for (int64_t i = 0; i < 100000; i++) {
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)i);
        assert_int_equal(rates_take(rates, BYTES("space"), bytes_of_text(id), 1, 1,
                                    (1000 + i) * SECOND_US, RATE_LAST),
                         0);
    }
    assert_in_range(rates_count(rates), 1, 32);
    rates_destroy(rates);
}

static void what_still_limits_is_remembered(void **state) {
    (void)state;
    struct rates *rates = rates_create(1);
    rates_add_partitions(rates, 1);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3000; i++) {
            char id[24];
            snprintf(id, sizeof id, "%d", i);
            int64_t wait_us =
                rates_take(rates, BYTES("space"), bytes_of_text(id), 0.001, 1, 1000, RATE_LAST);
            assert_int_equal(wait_us > 0, round > 0);
        }
    }
    assert_int_equal(rates_count(rates), 3000);
    rates_destroy(rates);
}

// Asks for one of 10 in a second.
static int64_t ask(struct rates *rates, int64_t now_us, enum rate_turn turn) {
    return rates_take(rates, BYTES("space"), BYTES("a"), 10, 1, now_us, turn);
}

static void who_is_in_the_line_goes_first(void **state) {
    (void)state;
    struct rates *rates = rates_create(1);
    rates_add_partitions(rates, 1);
    int64_t now_us = 100 * SECOND_US;
    while (ask(rates, now_us, RATE_LAST) == 0) {
    }
    int64_t wait_us = ask(rates, now_us, RATE_FIRST);
    assert_true(wait_us > 0);
    assert_true(ask(rates, now_us, RATE_FIRST) > 0);
    now_us += wait_us;
    assert_true(ask(rates, now_us, RATE_LAST) > 0); // It is due, but two are in the line.
    assert_int_equal(ask(rates, now_us, RATE_AGAIN), 0);
    now_us += SECOND_US / 10;
    assert_true(ask(rates, now_us, RATE_LAST) > 0);
    assert_true(ask(rates, now_us + SECOND_US, RATE_LAST) > 0);
    rates_leave_line(rates, BYTES("space"), BYTES("a"));
    assert_int_equal(ask(rates, now_us, RATE_LAST), 0);
    rates_destroy(rates);
}

// Whoever waits is known as such, also when all others are forgotten.
static void a_line_is_not_forgotten(void **state) {
    (void)state;
    struct rates *rates = rates_create(1);
    rates_add_partitions(rates, 1);
    while (ask(rates, SECOND_US, RATE_FIRST) == 0) {
    }
    for (int64_t i = 0; i < 100; i++) {
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)i);
        (void)rates_take(rates, BYTES("space"), bytes_of_text(id), 1, 1, (1000 + i) * SECOND_US,
                         RATE_LAST);
    }
    assert_true(ask(rates, 2000 * SECOND_US, RATE_LAST) > 0);
    assert_int_equal(ask(rates, 2000 * SECOND_US, RATE_AGAIN), 0);
    assert_int_equal(ask(rates, 2001 * SECOND_US, RATE_LAST), 0);
    rates_destroy(rates);
}

static void a_space_as_a_whole_has_a_rate_beside_those_in_it(void **state) {
    (void)state;
    struct rates *rates = rates_create(1);
    struct bytes none = {0};
    int64_t now_us = 100 * SECOND_US;
    assert_int_equal(rates_take(rates, BYTES("space"), none, 1, 1, now_us, RATE_LAST), 0);
    assert_true(rates_take(rates, BYTES("space"), none, 1, 1, now_us, RATE_LAST) > 0);
    assert_int_equal(rates_take(rates, BYTES("space"), BYTES("id"), 1, 1, now_us, RATE_LAST), 0);
    assert_int_equal(rates_take(rates, BYTES("other"), none, 1, 1, now_us, RATE_LAST), 0);
    assert_int_equal(rates_count(rates), 3);
    rates_destroy(rates);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_subscription_has_its_own_rate),
        cmocka_unit_test(a_node_takes_the_part_that_it_has_of_the_partitions),
        cmocka_unit_test(what_limits_nobody_any_more_is_forgotten),
        cmocka_unit_test(what_still_limits_is_remembered),
        cmocka_unit_test(who_is_in_the_line_goes_first),
        cmocka_unit_test(a_line_is_not_forgotten),
        cmocka_unit_test(a_space_as_a_whole_has_a_rate_beside_those_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
