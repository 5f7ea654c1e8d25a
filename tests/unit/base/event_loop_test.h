// A loop for each test, and tasks and timers that write down their number when they run.
#ifndef EVENT_GATEWAY_TESTS_UNIT_BASE_EVENT_LOOP_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_BASE_EVENT_LOOP_TEST_H

#include "core/base/event_loop.h"

#include "core/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline struct event_loop *create_loop(void) {
    struct event_loop *loop;
    struct error error;
    assert_int_equal(event_loop_create("test", &loop, &error), STATUS_OK);
    return loop;
}

static inline int setup(void **state) {
    *state = create_loop();
    return 0;
}

static inline int teardown(void **state) {
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

static inline void note(struct event_loop_task *task) {
    struct noted_task *noted = CONTAINER_OF(task, struct noted_task, task);
    noted->log[(*noted->log_size)++] = noted->number;
    if (noted->posts) {
        event_loop_post(noted->loop, &noted->posts->task);
    }
    if (noted->stops) {
        event_loop_stop(noted->loop);
    }
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

static inline void timer_note(struct event_loop_timer *timer) {
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
