#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/condition.h"

struct place {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_changed;
};

static int set_up(void **state) {
    static struct place place;
    pthread_mutex_init(&place.lock, NULL);
    condition_init(&place.changed);
    place.has_changed = false;
    *state = &place;
    return 0;
}

static int tear_down(void **state) {
    struct place *place = *state;
    pthread_cond_destroy(&place->changed);
    pthread_mutex_destroy(&place->lock);
    return 0;
}

static void *change(void *context) {
    struct place *place = context;
    pthread_mutex_lock(&place->lock);
    place->has_changed = true;
    pthread_cond_signal(&place->changed);
    pthread_mutex_unlock(&place->lock);
    return NULL;
}

static void expect_change_before(struct place *place, int64_t until_us) {
    pthread_t thread;
    pthread_mutex_lock(&place->lock);
    assert_int_equal(pthread_create(&thread, NULL, change, place), 0);
    while (!place->has_changed) {
        assert_true(condition_wait_until(&place->changed, &place->lock, until_us));
    }
    pthread_mutex_unlock(&place->lock);
    pthread_join(thread, NULL);
}

static void a_signal_ends_a_wait_without_a_limit(void **state) {
    expect_change_before(*state, INT64_MAX);
}

static void a_signal_ends_a_wait_before_its_limit(void **state) {
    expect_change_before(*state, clock_monotonic_us() + 60 * INT64_C(1000000));
}

static void without_a_signal_the_wait_ends_with_its_limit_in_monotonic_time(void **state) {
    struct place *place = *state;
    int64_t until_us = clock_monotonic_us() + 2000;
    pthread_mutex_lock(&place->lock);
    while (condition_wait_until(&place->changed, &place->lock, until_us)) {
    }
    assert_true(clock_monotonic_us() >= until_us);
    assert_false(condition_wait_until(&place->changed, &place->lock, 0));
    pthread_mutex_unlock(&place->lock);
}

#define CONDITION_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CONDITION_TEST(a_signal_ends_a_wait_without_a_limit),
        CONDITION_TEST(a_signal_ends_a_wait_before_its_limit),
        CONDITION_TEST(without_a_signal_the_wait_ends_with_its_limit_in_monotonic_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
