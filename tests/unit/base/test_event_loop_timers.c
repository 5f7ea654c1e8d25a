// Timers of a loop: order, exactly-once, and what may happen when one expires.
#include "tests/unit/base/event_loop_test.h"

#include <stdlib.h>

static void timers_expire_in_the_order_of_their_times(void **state) {
    struct event_loop *loop = *state;
    enum {
        COUNT = 200
    };
    int log[COUNT];
    int size = 0;
    struct noted_timer *timers = memory_allocate(COUNT * sizeof *timers);
    for (int i = 0; i < COUNT; i++) {
        // A permutation, so that the heap has something to do.
        int place = i * 77 % COUNT;
        timers[i] =
            (struct noted_timer){.timer.expired = timer_note, .loop = loop, .number = place};
        timers[i].log = log;
        timers[i].log_size = &size;
        timers[i].stops_loop = place == COUNT - 1;
        event_loop_timer_start(loop, &timers[i].timer, place * 20);
    }
    event_loop_run(loop);
    assert_int_equal(size, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(log[i], i);
        assert_int_equal(timers[i].timer.heap_index, 0);
    }
    free(timers);
}

static void a_stopped_timer_does_not_expire_and_a_moved_one_only_once(void **state) {
    struct event_loop *loop = *state;
    int log[8];
    int size = 0;
    struct noted_timer stopped = {{timer_note, 0, 0}, loop, 1, log, &size, 0, NULL, false};
    struct noted_timer moved = {{timer_note, 0, 0}, loop, 2, log, &size, 0, NULL, false};
    struct noted_timer last = {{timer_note, 0, 0}, loop, 3, log, &size, 0, NULL, true};
    event_loop_timer_start(loop, &stopped.timer, 10);
    event_loop_timer_start(loop, &moved.timer, 0);
    event_loop_timer_start(loop, &last.timer, 2000);
    event_loop_timer_start(loop, &moved.timer, 1000);
    event_loop_timer_stop(loop, &stopped.timer);
    event_loop_timer_stop(loop, &stopped.timer);
    event_loop_run(loop);
    assert_int_equal(size, 2);
    assert_int_equal(log[0], 2);
    assert_int_equal(log[1], 3);
}

static void a_timer_that_stops_another_due_one_keeps_it_from_expiring(void **state) {
    struct event_loop *loop = *state;
    int log[8];
    int size = 0;
    struct noted_timer other = {{timer_note, 0, 0}, loop, 2, log, &size, 0, NULL, false};
    struct noted_timer first = {{timer_note, 0, 0}, loop, 1, log, &size, 0, &other, false};
    struct noted_timer last = {{timer_note, 0, 0}, loop, 3, log, &size, 0, NULL, true};
    event_loop_timer_start(loop, &first.timer, 0);
    event_loop_timer_start(loop, &other.timer, 1);
    event_loop_timer_start(loop, &last.timer, 2000);
    event_loop_run(loop);
    assert_int_equal(size, 2);
    assert_int_equal(log[0], 1);
    assert_int_equal(log[1], 3);
}

static void a_timer_that_starts_itself_anew_does_not_hold_the_loop(void **state) {
    struct event_loop *loop = *state;
    int log[16];
    int size = 0;
    struct noted_timer again = {{timer_note, 0, 0}, loop, 1, log, &size, 5, NULL, true};
    event_loop_timer_start(loop, &again.timer, 0);
    event_loop_run(loop);
    assert_int_equal(size, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(timers_expire_in_the_order_of_their_times),
        TEST(a_stopped_timer_does_not_expire_and_a_moved_one_only_once),
        TEST(a_timer_that_stops_another_due_one_keeps_it_from_expiring),
        TEST(a_timer_that_starts_itself_anew_does_not_hold_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
