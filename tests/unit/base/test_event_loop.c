// What one thread does with its loop: tasks in their order, hooks, and the end of a run.
#include "tests/unit/base/event_loop_test.h"

static void tasks_run_in_the_order_posted(void **state) {
    struct event_loop *loop = *state;
    int log[8];
    int size = 0;
    struct noted_task tasks[5];
    for (int i = 0; i < 5; i++) {
        tasks[i] = (struct noted_task){{note, NULL}, loop, log, &size, NULL, i, i == 4};
    }
    event_loop_post(loop, &tasks[0].task);
    tasks[1].task.next = &tasks[2].task;
    tasks[2].task.next = &tasks[3].task;
    event_loop_post_chain(loop, &tasks[1].task, &tasks[3].task);
    event_loop_post(loop, &tasks[4].task);
    event_loop_run(loop);
    assert_int_equal(size, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(log[i], i);
    }
}

static void a_task_posted_by_a_task_waits_for_what_was_posted_before(void **state) {
    struct event_loop *loop = *state;
    int log[8];
    int size = 0;
    struct noted_task inner = {{note, NULL}, loop, log, &size, NULL, 9, true};
    struct noted_task first = {{note, NULL}, loop, log, &size, &inner, 1, false};
    struct noted_task second = {{note, NULL}, loop, log, &size, NULL, 2, false};
    event_loop_post(loop, &first.task);
    event_loop_post(loop, &second.task);
    event_loop_run(loop);
    assert_int_equal(size, 3);
    assert_int_equal(log[0], 1);
    assert_int_equal(log[1], 2);
    assert_int_equal(log[2], 9);
}

static void stop_before_run_still_runs_what_was_posted(void **state) {
    struct event_loop *loop = *state;
    int log[2];
    int size = 0;
    struct noted_task task = {{note, NULL}, loop, log, &size, NULL, 1, false};
    event_loop_post(loop, &task.task);
    event_loop_stop(loop);
    event_loop_run(loop);
    assert_int_equal(size, 1);
}

static void a_loop_can_run_again_after_a_stop(void **state) {
    struct event_loop *loop = *state;
    int log[2];
    int size = 0;
    struct noted_task task = {{note, NULL}, loop, log, &size, NULL, 1, true};
    event_loop_stop(loop);
    event_loop_run(loop);
    event_loop_post(loop, &task.task);
    event_loop_run(loop);
    assert_int_equal(size, 1);
}

struct counting_hook {
    struct event_loop_hook hook;
    struct event_loop *loop;
    int calls;
    int wants;
    struct counting_hook *removes;
};

static bool count_turn(struct event_loop_hook *hook) {
    struct counting_hook *counting = CONTAINER_OF(hook, struct counting_hook, hook);
    counting->calls++;
    if (counting->removes) {
        event_loop_hook_remove(counting->loop, &counting->removes->hook);
    }
    if (counting->wants == 0) {
        event_loop_stop(counting->loop);
        return false;
    }
    counting->wants--;
    return true;
}

static void a_hook_gets_further_turns_as_long_as_it_wants_them(void **state) {
    struct counting_hook hook = {{count_turn, NULL}, *state, 0, 3, NULL};
    event_loop_hook_add(*state, &hook.hook);
    event_loop_stop(*state);
    event_loop_run(*state);
    assert_int_equal(hook.calls, 1);
    hook.wants = 3;
    // Nothing else wakes this loop: without the further turns it would sleep for ever.
    int log[1];
    int size = 0;
    struct noted_task waker = {{note, NULL}, *state, log, &size, NULL, 1, false};
    event_loop_post(*state, &waker.task);
    event_loop_run(*state);
    assert_true(hook.calls >= 5);
    event_loop_hook_remove(*state, &hook.hook);
}

static void a_hook_may_remove_another_and_itself(void **state) {
    struct event_loop *loop = *state;
    struct counting_hook last = {{count_turn, NULL}, loop, 0, 100, NULL};
    struct counting_hook removed = {{count_turn, NULL}, loop, 0, 100, NULL};
    struct counting_hook remover = {{count_turn, NULL}, loop, 0, 0, &removed};
    event_loop_hook_add(loop, &last.hook);
    event_loop_hook_add(loop, &removed.hook);
    event_loop_hook_add(loop, &remover.hook);
    event_loop_stop(loop);
    event_loop_run(loop);
    assert_int_equal(remover.calls, 1);
    assert_int_equal(removed.calls, 0);
    assert_int_equal(last.calls, 1);
    event_loop_hook_remove(loop, &last.hook);
    event_loop_hook_remove(loop, &remover.hook);
}

static void what_is_left_is_forgotten_when_the_loop_is_destroyed(void **state) {
    (void)state;
    struct event_loop *loop = create_loop();
    int log[1];
    int size = 0;
    struct noted_task task = {{note, NULL}, loop, log, &size, NULL, 1, false};
    struct noted_timer timer = {{timer_note, 0, 0}, loop, 1, log, &size, 0, NULL, false};
    event_loop_post(loop, &task.task);
    event_loop_timer_start(loop, &timer.timer, 0);
    event_loop_destroy(loop);
    assert_int_equal(size, 0);
    event_loop_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tasks_run_in_the_order_posted),
        TEST(a_task_posted_by_a_task_waits_for_what_was_posted_before),
        TEST(stop_before_run_still_runs_what_was_posted),
        TEST(a_loop_can_run_again_after_a_stop),
        TEST(a_hook_gets_further_turns_as_long_as_it_wants_them),
        TEST(a_hook_may_remove_another_and_itself),
        cmocka_unit_test(what_is_left_is_forgotten_when_the_loop_is_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
