#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "dispatcher/throttles.h"

enum {
    LANES = 2
};

struct woken {
    unsigned lanes[LANES];
};

static void wake(void *context, size_t lane) {
    struct woken *woken = context;
    woken->lanes[lane]++;
}

static struct throttle *enter(struct throttles *throttles, size_t lane,
                              struct throttle_waiter *waiter) {
    struct throttle *throttle = NULL;
    return throttles_enter(throttles, lane, BYTES("space"), BYTES("function"), waiter, &throttle)
               ? throttle
               : NULL;
}

static void nothing_is_limited_before_a_refusal(void **state) {
    (void)state;
    struct woken woken = {0};
    struct throttles *throttles = throttles_create(LANES, wake, &woken);
    struct throttle *entered[200];
    for (size_t i = 0; i < 200; i++) {
        entered[i] = enter(throttles, i % LANES, NULL);
        assert_non_null(entered[i]);
    }
    assert_false(throttles_limits(throttles, BYTES("space"), BYTES("function")));
    for (size_t i = 0; i < 200; i++) {
        throttles_leave(throttles, entered[i], THROTTLE_SUCCEEDED, 1, 2);
    }
    assert_int_equal(throttles_count(throttles), 0);
    throttles_destroy(throttles);
}

// Leaves it with a limit of one and one call inside.
static struct throttle *limit_to_one(struct throttles *throttles) {
    struct throttle *first = enter(throttles, 0, NULL);
    struct throttle *second = enter(throttles, 1, NULL);
    assert_non_null(first);
    assert_ptr_equal(first, second);
    assert_true(throttles_leave(throttles, second, THROTTLE_REFUSED, 1, 2)); // Not alone.
    assert_true(throttles_limits(throttles, BYTES("space"), BYTES("function")));
    return first;
}

static void all_lanes_together_keep_the_limit_and_are_woken(void **state) {
    (void)state;
    struct woken woken = {0};
    struct throttles *throttles = throttles_create(LANES, wake, &woken);
    struct throttle *inside = limit_to_one(throttles);
    struct throttle_waiter waiters[3] = {{0}};
    assert_null(enter(throttles, 0, &waiters[0]));
    assert_null(enter(throttles, 1, &waiters[1]));
    assert_null(enter(throttles, 1, &waiters[2]));
    assert_null(throttles_next(throttles, 0));
    assert_false(throttles_leave(throttles, inside, THROTTLE_OTHER, 3, 4));
    assert_int_equal(woken.lanes[0], 1);
    assert_int_equal(woken.lanes[1], 1);
    assert_ptr_equal(throttles_next(throttles, 1), &waiters[1]);
    assert_null(waiters[1].throttle);
    inside = enter(throttles, 1, &waiters[1]);
    assert_non_null(inside);
    assert_null(throttles_next(throttles, 1)); // No room for the other one any more,
    assert_null(throttles_next(throttles, 0)); // nor for the other lane.
    throttles_leave(throttles, inside, THROTTLE_OTHER, 5, 6);
    assert_int_equal(woken.lanes[0], 2);
    assert_int_equal(woken.lanes[1], 2);
    assert_ptr_equal(throttles_next(throttles, 0), &waiters[0]);
    assert_null(throttles_next(throttles, 0));
    assert_ptr_equal(throttles_next(throttles, 1), &waiters[2]);
    throttles_destroy(throttles);
}

static void a_lane_that_was_woken_is_not_woken_again_before_it_looked(void **state) {
    (void)state;
    struct woken woken = {0};
    struct throttles *throttles = throttles_create(LANES, wake, &woken);
    struct throttle *inside = limit_to_one(throttles);
    struct throttle_waiter waiter = {0};
    assert_null(enter(throttles, 0, &waiter));
    throttles_leave(throttles, inside, THROTTLE_OTHER, 3, 4);
    inside = enter(throttles, 1, NULL);
    throttles_leave(throttles, inside, THROTTLE_OTHER, 5, 6);
    assert_int_equal(woken.lanes[0], 1);
    assert_ptr_equal(throttles_next(throttles, 0), &waiter);
    throttles_destroy(throttles);
}

static void who_waits_no_longer_is_not_called(void **state) {
    (void)state;
    struct woken woken = {0};
    struct throttles *throttles = throttles_create(LANES, wake, &woken);
    struct throttle *inside = limit_to_one(throttles);
    struct throttle_waiter waiters[2] = {{0}};
    assert_null(enter(throttles, 0, &waiters[0]));
    assert_null(enter(throttles, 1, &waiters[1]));
    throttles_wait_no_longer(throttles, 0, &waiters[0]);
    throttles_leave(throttles, inside, THROTTLE_OTHER, 3, 4);
    assert_int_equal(woken.lanes[0], 0);
    throttles_wait_no_longer(throttles, 1, &waiters[1]);
    assert_null(throttles_next(throttles, 1)); // It had been woken already.
    throttles_destroy(throttles);
}

static void a_function_of_another_space_is_another_function(void **state) {
    (void)state;
    struct woken woken = {0};
    struct throttles *throttles = throttles_create(LANES, wake, &woken);
    struct throttle *inside = limit_to_one(throttles);
    struct throttle *other = NULL;
    assert_true(throttles_enter(throttles, 0, BYTES("other"), BYTES("function"), NULL, &other));
    assert_ptr_not_equal(other, inside);
    throttles_leave(throttles, other, THROTTLE_SUCCEEDED, 1, 2);
    throttles_leave(throttles, inside, THROTTLE_SUCCEEDED, 1, 2);
    throttles_destroy(throttles);
}

static void many_functions_are_told_apart(void **state) {
    (void)state;
    struct woken woken = {0};
    struct throttles *throttles = throttles_create(LANES, wake, &woken);
    static struct throttle *entered[3000];
    for (size_t i = 0; i < 3000; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        assert_true(
            throttles_enter(throttles, 0, BYTES("space"), bytes_of_text(id), NULL, &entered[i]));
    }
    for (size_t i = 0; i < 3000; i++) {
        throttles_leave(throttles, entered[i], i % 3 == 0 ? THROTTLE_REFUSED : THROTTLE_SUCCEEDED,
                        1, 2);
    }
    assert_int_equal(throttles_count(throttles), 1000);
    throttles_destroy(throttles);
}

// Functions that were limited long ago and are not called any more take no memory for ever.
static void limits_that_nobody_needs_are_forgotten(void **state) {
    (void)state;
    struct woken woken = {0};
    struct throttles *throttles = throttles_create(LANES, wake, &woken);
    for (size_t i = 0; i < 5000; i++) {
        char id[24];
        struct throttle *throttle = NULL;
        snprintf(id, sizeof id, "%zu", i);
        assert_true(
            throttles_enter(throttles, 0, BYTES("space"), bytes_of_text(id), NULL, &throttle));
        throttles_leave(throttles, throttle, THROTTLE_REFUSED, (int64_t)i * 60000000,
                        (int64_t)i * 60000000);
    }
    assert_in_range(throttles_count(throttles), 1, 1100);
    throttles_destroy(throttles);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_limited_before_a_refusal),
        cmocka_unit_test(all_lanes_together_keep_the_limit_and_are_woken),
        cmocka_unit_test(a_lane_that_was_woken_is_not_woken_again_before_it_looked),
        cmocka_unit_test(who_waits_no_longer_is_not_called),
        cmocka_unit_test(a_function_of_another_space_is_another_function),
        cmocka_unit_test(many_functions_are_told_apart),
        cmocka_unit_test(limits_that_nobody_needs_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
