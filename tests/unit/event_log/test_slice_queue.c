#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/memory.h"
#include "core/event_log/slice_queue.h"

// Long enough for a job to be left to any worker.
#define LONG_US 1000000

static struct event_log_slice slice_at(int32_t partition, int64_t position) {
    return (struct event_log_slice){
        .stream = EVENT_LOG_EVENTS, .partition = partition, .job.position = position};
}

static void jobs_are_taken_in_the_order_in_which_they_came(void **state) {
    (void)state;
    struct slice_queue queue = {0};
    struct slice_stops stops = {0};
    struct event_log_job jobs[3] = {0};
    assert_null(slice_queue_take(&queue, 1, &stops, 0));
    assert_null(slice_queue_take_first(&queue));
    for (size_t i = 0; i < ARRAY_LENGTH(jobs); i++) {
        slice_queue_add(&queue, &jobs[i], 0);
    }
    assert_ptr_equal(slice_queue_take(&queue, 1, &stops, 0), &jobs[0]);
    assert_ptr_equal(slice_queue_take_first(&queue), &jobs[1]);
    slice_queue_add(&queue, &jobs[0], 0);
    assert_ptr_equal(slice_queue_take(&queue, 2, &stops, 0), &jobs[2]);
    assert_ptr_equal(slice_queue_take(&queue, 2, &stops, 0), &jobs[0]);
    assert_null(slice_queue_take(&queue, 2, &stops, 0));
}

static void a_job_is_left_to_the_worker_that_stopped_there_but_not_for_long(void **state) {
    (void)state;
    struct slice_queue queue = {0};
    struct slice_stops stops = {0};
    struct event_log_job job = {.worker = 1};
    assert_true(slice_queue_left_until_us(&queue) == INT64_MAX);
    slice_queue_add(&queue, &job, 100);
    int64_t left_until_us = slice_queue_left_until_us(&queue);
    assert_true(left_until_us > 100 && left_until_us < LONG_US);
    assert_null(slice_queue_take(&queue, 2, &stops, left_until_us - 1));
    assert_ptr_equal(slice_queue_take(&queue, 2, &stops, left_until_us), &job);
}

static void a_workers_own_jobs_come_first_but_others_get_their_turn(void **state) {
    (void)state;
    struct slice_queue queue = {0};
    struct slice_stops stops = {0};
    struct event_log_job others = {0}, own = {.worker = 1};
    slice_queue_add(&queue, &others, 0);
    int own_count = 0;
    slice_queue_add(&queue, &own, 0);
    while (slice_queue_take(&queue, 1, &stops, 0) == &own && own_count < 100) {
        own_count++;
        slice_queue_add(&queue, &own, 0);
    }
    assert_in_range(own_count, 2, 20);
    assert_ptr_equal(slice_queue_take_first(&queue), &own);
    assert_null(slice_queue_take_first(&queue));
}

static void a_stop_is_known_until_it_moves_on_or_is_forgotten(void **state) {
    (void)state;
    struct slice_stops stops = {0};
    struct event_log_slice slice = slice_at(3, 10);
    assert_false(slice_stops_have(&stops, &slice.job));
    slice.next_offset = 10;
    slice_stops_keep(&stops, &slice, 5);
    assert_true(slice_stops_have(&stops, &slice.job));
    struct event_log_slice elsewhere = slice_at(4, 10), query = slice_at(3, 10);
    query.job.is_query = true;
    assert_false(slice_stops_have(&stops, &elsewhere.job));
    assert_false(slice_stops_have(&stops, &query.job));
    slice.next_offset = 20;
    slice_stops_keep(&stops, &slice, 10);
    assert_false(slice_stops_have(&stops, &slice.job));
    slice.job.position = 20;
    assert_true(slice_stops_have(&stops, &slice.job));
    slice_stops_forget(&stops);
    assert_false(slice_stops_have(&stops, &slice.job));
}

static void a_new_stop_takes_the_place_of_the_oldest(void **state) {
    (void)state;
    struct slice_stops stops = {0};
    for (int32_t i = 0; i <= SLICE_STOPS_KEPT; i++) {
        struct event_log_slice slice = slice_at(i, 7);
        slice.next_offset = 7;
        slice_stops_keep(&stops, &slice, 1);
    }
    for (int32_t i = 0; i <= SLICE_STOPS_KEPT; i++) {
        struct event_log_slice slice = slice_at(i, 7);
        assert_int_equal(slice_stops_have(&stops, &slice.job), i > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_are_taken_in_the_order_in_which_they_came),
        cmocka_unit_test(a_job_is_left_to_the_worker_that_stopped_there_but_not_for_long),
        cmocka_unit_test(a_workers_own_jobs_come_first_but_others_get_their_turn),
        cmocka_unit_test(a_stop_is_known_until_it_moves_on_or_is_forgotten),
        cmocka_unit_test(a_new_stop_takes_the_place_of_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
