// The event loop: order, exactly-once, and what may happen inside callbacks.
#include "core/base/event_loop.h"
#include "core/base/event_loop_call.h"

#include "core/base/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_loop *create_loop(void) {
    struct event_loop *loop;
    struct error error;
    assert_int_equal(event_loop_create("test", &loop, &error), STATUS_OK);
    return loop;
}

static int setup(void **state) {
    *state = create_loop();
    return 0;
}

static int teardown(void **state) {
    event_loop_destroy(*state);
    return 0;
}

// A task that writes down its number.
struct noted_task {
    struct event_loop_task task;
    struct event_loop *loop;
    int *log;
    int *log_size;
    struct noted_task *posts;
    int number;
    bool stops;
};

static void note(struct event_loop_task *task) {
    struct noted_task *noted = CONTAINER_OF(task, struct noted_task, task);
    noted->log[(*noted->log_size)++] = noted->number;
    if (noted->posts) {
        event_loop_post(noted->loop, &noted->posts->task);
    }
    if (noted->stops) {
        event_loop_stop(noted->loop);
    }
}

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

struct noted_timer {
    struct event_loop_timer timer;
    struct event_loop *loop;
    int number;
    int *log;
    int *log_size;
    int restarts;
    struct noted_timer *stops_other;
    bool stops_loop;
};

static void timer_note(struct event_loop_timer *timer) {
    struct noted_timer *noted = CONTAINER_OF(timer, struct noted_timer, timer);
    noted->log[(*noted->log_size)++] = noted->number;
    if (noted->restarts-- > 0) {
        event_loop_timer_start(noted->loop, timer, 0);
        return;
    }
    if (noted->stops_other) {
        event_loop_timer_stop(noted->loop, &noted->stops_other->timer);
    }
    if (noted->stops_loop) {
        event_loop_stop(noted->loop);
    }
}

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

// Two watches on sockets that are both readable: whichever is called first removes the other.
struct pair_watch {
    struct event_loop_watch watch;
    struct event_loop *loop;
    struct pair_watch *other;
    int *calls;
};

static void remove_other(struct event_loop_watch *watch, uint32_t events) {
    struct pair_watch *self = CONTAINER_OF(watch, struct pair_watch, watch);
    assert_true(events & EPOLLIN);
    (*self->calls)++;
    event_loop_watch_remove(self->loop, &self->other->watch);
    // The memory is free for something else at once.
    memset(&self->other->watch, 0xff, sizeof self->other->watch);
    event_loop_watch_remove(self->loop, watch);
    event_loop_stop(self->loop);
}

static void a_removed_watch_is_not_called_for_what_was_reported_already(void **state) {
    struct event_loop *loop = *state;
    int calls = 0;
    int sockets[2][2];
    struct pair_watch watches[2];
    struct error error;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets[i]), 0);
        assert_int_equal(write(sockets[i][1], "x", 1), 1);
        watches[i] = (struct pair_watch){
            {sockets[i][0], EPOLLIN, remove_other, false}, loop, &watches[1 - i], &calls};
        assert_int_equal(event_loop_watch_add(loop, &watches[i].watch, &error), STATUS_OK);
    }
    event_loop_run(loop);
    assert_int_equal(calls, 1);
    for (int i = 0; i < 2; i++) {
        close(sockets[i][0]);
        close(sockets[i][1]);
    }
}

struct changing_watch {
    struct event_loop_watch watch;
    struct event_loop *loop;
    uint32_t seen;
};

static void change_then_stop(struct event_loop_watch *watch, uint32_t events) {
    struct changing_watch *self = CONTAINER_OF(watch, struct changing_watch, watch);
    self->seen |= events;
    if (events & EPOLLIN) {
        event_loop_watch_change(self->loop, watch, EPOLLOUT);
    } else {
        event_loop_stop(self->loop);
    }
}

static void a_changed_watch_reports_what_it_was_changed_to(void **state) {
    struct event_loop *loop = *state;
    int sockets[2];
    struct error error;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    assert_int_equal(write(sockets[1], "x", 1), 1);
    struct changing_watch self = {{sockets[0], EPOLLIN, change_then_stop, false}, loop, 0};
    assert_int_equal(event_loop_watch_add(loop, &self.watch, &error), STATUS_OK);
    event_loop_run(loop);
    assert_int_equal(self.seen, EPOLLIN | EPOLLOUT);
    event_loop_watch_remove(loop, &self.watch);
    event_loop_watch_remove(loop, &self.watch);
    close(sockets[0]);
    close(sockets[1]);
}

static void a_descriptor_that_cannot_be_watched_is_an_error(void **state) {
    struct error error;
    struct event_loop_watch watch = {-1, EPOLLIN, NULL, false};
    assert_int_equal(event_loop_watch_add(*state, &watch, &error), STATUS_UNAVAILABLE);
    assert_false(watch.is_added);
    assert_non_null(strstr(error.text, "descriptor -1"));
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

static void the_current_thread_is_the_one_that_runs_the_loop(void **state) {
    struct event_loop *loop = *state;
    assert_true(event_loop_is_current(loop));
    struct event_loop_thread *thread = event_loop_thread_start(loop);
    while (event_loop_is_current(loop)) {
        sched_yield();
    }
    assert_false(event_loop_is_current(loop));
    event_loop_stop(loop);
    event_loop_thread_join(thread);
    assert_true(event_loop_is_current(loop));
}

// Many threads post; each task runs exactly once, and those of one thread in their order.
enum {
    POSTERS = 4,
    TASKS_EACH = 5000
};

struct counted_task {
    struct event_loop_task task;
    struct poster *poster;
    int number;
};

struct poster {
    struct event_loop *loop;
    struct counted_task *tasks;
    int next_expected; // the loop's
    bool in_order;     // the loop's
    pthread_t thread;
};

static atomic_int tasks_run;

static void count_task(struct event_loop_task *task) {
    struct counted_task *counted = CONTAINER_OF(task, struct counted_task, task);
    struct poster *poster = counted->poster;
    poster->in_order &= counted->number == poster->next_expected;
    poster->next_expected++;
    if (atomic_fetch_add(&tasks_run, 1) + 1 == POSTERS * TASKS_EACH) {
        event_loop_stop(poster->loop);
    }
}

static void *post_all(void *context) {
    struct poster *poster = context;
    for (int i = 0; i < TASKS_EACH;) {
        if (i % 7 == 0 && i + 2 < TASKS_EACH) {
            poster->tasks[i].task.next = &poster->tasks[i + 1].task;
            event_loop_post_chain(poster->loop, &poster->tasks[i].task, &poster->tasks[i + 1].task);
            i += 2;
        } else {
            event_loop_post(poster->loop, &poster->tasks[i].task);
            i++;
        }
        if (i % 100 == 0) {
            sched_yield(); // lets the loop fall asleep now and then
        }
    }
    return NULL;
}

static void tasks_of_many_threads_run_once_each_and_in_order(void **state) {
    struct event_loop *loop = *state;
    struct poster posters[POSTERS];
    atomic_store(&tasks_run, 0);
    struct event_loop_thread *thread = event_loop_thread_start(loop);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.loop = loop, .in_order = true};
        posters[i].tasks = memory_allocate(TASKS_EACH * sizeof *posters[i].tasks);
        for (int j = 0; j < TASKS_EACH; j++) {
            posters[i].tasks[j] = (struct counted_task){{count_task, NULL}, &posters[i], j};
        }
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_create(&posters[i].thread, NULL, post_all, &posters[i]);
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
    }
    event_loop_thread_join(thread);
    assert_int_equal(atomic_load(&tasks_run), POSTERS * TASKS_EACH);
    for (int i = 0; i < POSTERS; i++) {
        assert_true(posters[i].in_order);
        free(posters[i].tasks);
    }
}

// A lost wake-up would leave both loops asleep.
struct player {
    struct event_loop_task task;
    struct event_loop *loop;
    struct player *other;
    int left;
};

static void play(struct event_loop_task *task) {
    struct player *player = CONTAINER_OF(task, struct player, task);
    if (player->left-- > 0) {
        event_loop_post(player->other->loop, &player->other->task);
    } else {
        event_loop_stop(player->loop);
        event_loop_stop(player->other->loop);
    }
}

static void two_loops_that_wake_each_other_never_lose_a_wake_up(void **state) {
    struct event_loop *second = create_loop();
    struct player players[2];
    players[0] = (struct player){{play, NULL}, *state, &players[1], 10000};
    players[1] = (struct player){{play, NULL}, second, &players[0], 10000};
    struct event_loop_thread *threads[2] = {event_loop_thread_start(players[0].loop),
                                            event_loop_thread_start(players[1].loop)};
    event_loop_post(players[0].loop, &players[0].task);
    event_loop_thread_join(threads[0]);
    event_loop_thread_join(threads[1]);
    assert_true(players[0].left < 0 || players[1].left < 0);
    event_loop_destroy(second);
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

static void note_thread(void *context) {
    *(pthread_t *)context = pthread_self();
}

static void a_call_has_run_on_the_loops_thread_when_it_returns(void **state) {
    struct event_loop *loop = *state;
    struct event_loop_thread *thread = event_loop_thread_start(loop);
    for (int i = 0; i < 100; i++) {
        pthread_t ran_on = pthread_self();
        event_loop_call(loop, note_thread, &ran_on);
        assert_false(pthread_equal(ran_on, pthread_self()));
    }
    event_loop_stop(loop);
    event_loop_thread_join(thread);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tasks_run_in_the_order_posted),
        TEST(a_task_posted_by_a_task_waits_for_what_was_posted_before),
        TEST(stop_before_run_still_runs_what_was_posted),
        TEST(a_loop_can_run_again_after_a_stop),
        TEST(timers_expire_in_the_order_of_their_times),
        TEST(a_stopped_timer_does_not_expire_and_a_moved_one_only_once),
        TEST(a_timer_that_stops_another_due_one_keeps_it_from_expiring),
        TEST(a_timer_that_starts_itself_anew_does_not_hold_the_loop),
        TEST(a_removed_watch_is_not_called_for_what_was_reported_already),
        TEST(a_changed_watch_reports_what_it_was_changed_to),
        TEST(a_descriptor_that_cannot_be_watched_is_an_error),
        TEST(a_hook_gets_further_turns_as_long_as_it_wants_them),
        TEST(a_hook_may_remove_another_and_itself),
        TEST(the_current_thread_is_the_one_that_runs_the_loop),
        TEST(tasks_of_many_threads_run_once_each_and_in_order),
        TEST(two_loops_that_wake_each_other_never_lose_a_wake_up),
        TEST(a_call_has_run_on_the_loops_thread_when_it_returns),
        cmocka_unit_test(what_is_left_is_forgotten_when_the_loop_is_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
