// The threads that serve slices, over a store whose partition grows while it is read.
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/memory.h"
#include "core/event_log/record_slice.h"
#include "core/event_log/slice_pool.h"
#include "tests/support/log_recorder.h"

#define END_BEFORE 3 // as the store learns it before it reads
#define END 5        // of what it finds then

static enum status read_on_beyond_the_end(void *store, void *reader,
                                          struct event_log_slice *slice) {
    (void)store;
    (void)reader;
    int64_t position = slice->job.position;
    slice->end_offset = END_BEFORE;
    slice->next_offset = position == EVENT_LOG_END ? END_BEFORE : position;
    while (slice->next_offset < END && !record_slice_is_full(slice->bytes)) {
        record_slice_add(slice->bytes)->offset = slice->next_offset++;
    }
    return STATUS_OK;
}

struct fixture {
    struct slice_pool *pool;
    struct test_loop loop;
    struct event_log_slice slice;
    atomic_bool is_done;
};

static int set_up(void **state) {
    static const struct slice_store_ops ops = {.read = read_on_beyond_the_end};
    static const int32_t partition_counts[EVENT_LOG_STREAM_COUNT] = {[EVENT_LOG_EVENTS] = 1};
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->pool = slice_pool_create(&ops, NULL, partition_counts);
    test_loop_start(&fixture->loop);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    slice_pool_destroy(fixture->pool);
    test_loop_stop(&fixture->loop);
    event_log_slice_clear(&fixture->slice);
    free(fixture);
    return 0;
}

static void slice_done(struct event_log_slice *slice) {
    atomic_store(&CONTAINER_OF(slice, struct fixture, slice)->is_done, true);
}

static void read_from(struct fixture *fixture, int64_t offset) {
    fixture->slice.from_offset = offset;
    fixture->slice.loop = fixture->loop.loop;
    fixture->slice.done = slice_done;
    atomic_store(&fixture->is_done, false);
    assert_int_equal(slice_pool_read(fixture->pool, &fixture->slice), STATUS_OK);
    while (!atomic_load(&fixture->is_done)) {
        sched_yield();
    }
    assert_int_equal(fixture->slice.status, STATUS_OK);
}

static void what_came_while_a_slice_was_read_moves_the_end_that_it_tells(void **state) {
    struct fixture *fixture = *state;
    read_from(fixture, 0);
    assert_int_equal(fixture->slice.count, 5);
    assert_int_equal(fixture->slice.next_offset, 5);
    assert_int_equal(fixture->slice.end_offset, 5);
    read_from(fixture, EVENT_LOG_END);
    assert_int_equal(fixture->slice.count, 2);
    assert_int_equal(fixture->slice.end_offset, 5);
}

static void a_slice_that_stops_before_the_end_tells_the_end_as_it_was_learned(void **state) {
    struct fixture *fixture = *state;
    fixture->slice.max_records = 2;
    read_from(fixture, 0);
    assert_int_equal(fixture->slice.next_offset, 2);
    assert_int_equal(fixture->slice.end_offset, END_BEFORE);
}

static void a_slice_that_is_asked_for_beyond_the_end_tells_the_end(void **state) {
    struct fixture *fixture = *state;
    read_from(fixture, 100);
    assert_int_equal(fixture->slice.count, 0);
    assert_int_equal(fixture->slice.next_offset, 100);
    assert_int_equal(fixture->slice.end_offset, END_BEFORE);
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

int main(void) {
    const struct CMUnitTest rules[] = {
        RULE(what_came_while_a_slice_was_read_moves_the_end_that_it_tells),
        RULE(a_slice_that_stops_before_the_end_tells_the_end_as_it_was_learned),
        RULE(a_slice_that_is_asked_for_beyond_the_end_tells_the_end),
    };
    return cmocka_run_group_tests_name("slice_pool", rules, NULL, NULL);
}
