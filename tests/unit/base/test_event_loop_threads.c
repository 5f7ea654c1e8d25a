// A loop and other threads: who it belongs to, posts and calls from outside, no lost wake-up.
#include "tests/unit/base/event_loop_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/event_loop_call.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_current_thread_is_the_one_that_runs_the_loop),
        TEST(tasks_of_many_threads_run_once_each_and_in_order),
        TEST(two_loops_that_wake_each_other_never_lose_a_wake_up),
        TEST(a_call_has_run_on_the_loops_thread_when_it_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
