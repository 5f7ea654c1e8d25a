#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/event_log/slice_waiting.h"

static struct event_log_slice slice_until(int32_t partition, int64_t position, int64_t until_us) {
    return (struct event_log_slice){
        .stream = EVENT_LOG_EVENTS,
        .partition = partition,
        .job = {.position = position, .wait_until_us = until_us},
    };
}

static int set_up(void **state) {
    struct slice_waiting *waiting = calloc(1, sizeof *waiting);
    slice_waiting_grow(waiting, EVENT_LOG_EVENTS, 2);
    *state = waiting;
    return 0;
}

static int tear_down(void **state) {
    slice_waiting_clear(*state);
    free(*state);
    return 0;
}

static bool raise_end(struct slice_waiting *waiting, int32_t partition, int64_t end) {
    return slice_waiting_raise_end(waiting,
                                   &(struct slice_place){EVENT_LOG_EVENTS, partition, end});
}

static void a_slice_waits_until_the_end_of_its_partition_has_moved(void **state) {
    struct slice_waiting *waiting = *state;
    struct event_log_slice slice = slice_until(1, 5, 1000);
    slice_waiting_add(waiting, &slice.job);
    assert_true(slice.job.is_waiting);
    assert_true(raise_end(waiting, 0, 9));
    assert_int_equal(slice_waiting_end(waiting, &slice), 0);
    assert_true(raise_end(waiting, 1, 5));
    assert_int_equal(slice_waiting_end(waiting, &slice), 5);
    slice.partition = 2;
    assert_int_equal(slice_waiting_end(waiting, &slice), 0);
    slice.partition = 1;
    assert_null(slice_waiting_take(waiting, false, 0));
    assert_true(raise_end(waiting, 1, 6));
    assert_true(slice_waiting_is_woken(waiting, &slice.job));
    assert_ptr_equal(slice_waiting_take(waiting, false, 0), &slice.job);
    assert_false(slice.job.is_waiting);
    assert_null(slice_waiting_take(waiting, true, 0));
}

static void an_end_never_falls(void **state) {
    struct slice_waiting *waiting = *state;
    struct event_log_slice slice = slice_until(0, 5, 1000);
    assert_true(raise_end(waiting, 0, 9));
    assert_false(raise_end(waiting, 0, 9));
    assert_false(raise_end(waiting, 0, 3));
    assert_true(slice_waiting_is_woken(waiting, &slice.job));
}

static void waiting_ends_with_the_time_a_cancel_or_the_close(void **state) {
    struct slice_waiting *waiting = *state;
    struct event_log_slice early = slice_until(0, 5, 100), cancelled = slice_until(0, 5, 900),
                           late = slice_until(1, 5, 800);
    assert_true(slice_waiting_due_us(waiting) == INT64_MAX);
    slice_waiting_add(waiting, &early.job);
    slice_waiting_add(waiting, &cancelled.job);
    slice_waiting_add(waiting, &late.job);
    assert_int_equal(slice_waiting_due_us(waiting), 100);
    assert_ptr_equal(slice_waiting_take(waiting, false, 100), &early.job);
    assert_null(early.job.next);
    assert_int_equal(slice_waiting_due_us(waiting), 800);
    cancelled.job.is_cancelled = true;
    assert_ptr_equal(slice_waiting_take(waiting, false, 100), &cancelled.job);
    assert_ptr_equal(slice_waiting_take(waiting, true, 100), &late.job);
}

static void each_partition_that_somebody_waits_for_is_listed_once(void **state) {
    struct slice_waiting *waiting = *state;
    struct event_log_slice slices[3] = {slice_until(0, 5, 100), slice_until(1, 6, 100),
                                        slice_until(0, 7, 100)};
    size_t count;
    for (size_t i = 0; i < 3; i++) {
        slice_waiting_add(waiting, &slices[i].job);
    }
    struct slice_place *places = slice_waiting_places(waiting, &count);
    assert_int_equal(count, 2);
    assert_int_equal(places[0].partition + places[1].partition, 1);
    assert_int_equal(places[0].end_offset, -1);
    assert_int_equal(places[1].end_offset, -1);
    free(places);
}

static void the_ends_stay_when_partitions_are_added(void **state) {
    struct slice_waiting *waiting = *state;
    struct event_log_slice old = slice_until(1, 5, 100), added = slice_until(3, 0, 100);
    assert_true(raise_end(waiting, 1, 6));
    slice_waiting_grow(waiting, EVENT_LOG_EVENTS, 4);
    assert_true(slice_waiting_is_woken(waiting, &old.job));
    assert_false(slice_waiting_is_woken(waiting, &added.job));
    assert_true(raise_end(waiting, 3, 1));
    assert_true(slice_waiting_is_woken(waiting, &added.job));
}

#define WAITING_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WAITING_TEST(a_slice_waits_until_the_end_of_its_partition_has_moved),
        WAITING_TEST(an_end_never_falls),
        WAITING_TEST(waiting_ends_with_the_time_a_cancel_or_the_close),
        WAITING_TEST(each_partition_that_somebody_waits_for_is_listed_once),
        WAITING_TEST(the_ends_stay_when_partitions_are_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
