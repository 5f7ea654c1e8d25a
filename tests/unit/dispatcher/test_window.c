#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "core/base/memory.h"
#include "core/event_log/event_log_kind.h"
#include "dispatcher/window.h"

// A reader that only knows whether it flows.
struct flow {
    struct event_log_reader base;
    atomic_bool is_paused;
    atomic_int orders;
    struct window *emptied_before_pause; // what the lane does just then; NULL = nothing
};

static void order(struct event_log_reader *reader, int32_t partition, bool is_paused) {
    struct flow *flow = CONTAINER_OF(reader, struct flow, base);
    assert_int_equal(partition, 3);
    struct window *window = flow->emptied_before_pause;
    if (is_paused && window) {
        flow->emptied_before_pause = NULL;
        window_give(window, 10, 10);
        window_resume_if_low(window);
    }
    atomic_store(&flow->is_paused, is_paused);
    atomic_fetch_add(&flow->orders, 1);
}

static const struct event_log_reader_ops flow_ops = {.pause = order};

static void flow_init(struct flow *flow) {
    *flow = (struct flow){.base = {&flow_ops}};
}

static void a_full_window_pauses_and_a_half_empty_one_resumes(void **state) {
    (void)state;
    struct flow flow;
    struct window_budget budget = {.bytes_max = 1000000};
    struct window window;
    flow_init(&flow);
    window_init(&window, &budget, 10, &flow.base, 3);
    window_take(&window, 9, 90);
    assert_int_equal(atomic_load(&flow.orders), 0);
    window_take(&window, 1, 10);
    assert_true(atomic_load(&flow.is_paused));
    window_give(&window, 4, 40);
    window_resume_if_low(&window);
    assert_true(atomic_load(&flow.is_paused));
    window_give(&window, 1, 10);
    window_resume_if_low(&window);
    assert_false(atomic_load(&flow.is_paused));
    assert_int_equal(atomic_load(&flow.orders), 2);
}

static void what_comes_in_spite_of_a_pause_pauses_again(void **state) {
    (void)state;
    struct flow flow;
    struct window_budget budget = {.bytes_max = 1000000};
    struct window window;
    flow_init(&flow);
    window_init(&window, &budget, 10, &flow.base, 3);
    window_take(&window, 10, 10);
    atomic_store(&flow.is_paused, false); // A resume of an earlier assignment came late.
    window_take(&window, 1, 1);
    assert_true(atomic_load(&flow.is_paused));
}

static void the_bytes_of_all_windows_are_counted_together(void **state) {
    (void)state;
    struct flow flow_a, flow_b;
    struct window_budget budget = {.bytes_max = 1000};
    struct window a, b;
    flow_init(&flow_a);
    flow_init(&flow_b);
    window_init(&a, &budget, 100, &flow_a.base, 3);
    window_init(&b, &budget, 100, &flow_b.base, 3);
    window_take(&a, 1, 600);
    window_charge(&a, 300);
    assert_false(atomic_load(&flow_a.is_paused));
    window_take(&b, 1, 100);
    assert_true(atomic_load(&flow_b.is_paused));
    window_give(&a, 1, 900);
    window_resume_if_low(&b);
    assert_false(atomic_load(&flow_b.is_paused));
    window_give(&b, 1, 100);
    assert_int_equal(atomic_load(&budget.bytes), 0);
}

static void a_window_that_is_emptied_while_the_reader_is_paused_flows_again(void **state) {
    (void)state;
    struct flow flow;
    struct window_budget budget = {.bytes_max = 1000000};
    struct window window;
    flow_init(&flow);
    flow.emptied_before_pause = &window;
    window_init(&window, &budget, 10, &flow.base, 3);
    window_take(&window, 10, 10);
    assert_false(atomic_load(&flow.is_paused));
    assert_false(atomic_load(&window.is_paused));
}

enum {
    EVENTS = 20000
};

struct race {
    struct flow flow;
    struct window_budget budget;
    struct window window;
    atomic_int taken; // by the consumer, not yet given back
};

static void *consume(void *context) {
    struct race *race = context;
    for (int i = 0; i < EVENTS;) {
        if (atomic_load(&race->flow.is_paused)) {
            sched_yield();
            continue;
        }
        window_take(&race->window, 1, 1);
        atomic_fetch_add(&race->taken, 1);
        i++;
    }
    return NULL;
}

// Ends only if a paused flow is always resumed, whoever comes first.
static void a_pause_and_what_is_given_back_at_the_same_time_do_not_miss_each_other(void **state) {
    (void)state;
    struct race race = {.budget = {.bytes_max = 1000}};
    pthread_t consumer;
    flow_init(&race.flow);
    window_init(&race.window, &race.budget, 2, &race.flow.base, 3);
    assert_int_equal(pthread_create(&consumer, NULL, consume, &race), 0);
    for (int given = 0; given < EVENTS;) {
        if (atomic_load(&race.taken) == 0) {
            sched_yield();
            continue;
        }
        atomic_fetch_sub(&race.taken, 1);
        window_give(&race.window, 1, 1);
        window_resume_if_low(&race.window);
        given++;
    }
    pthread_join(consumer, NULL);
    assert_false(atomic_load(&race.flow.is_paused));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_window_pauses_and_a_half_empty_one_resumes),
        cmocka_unit_test(what_comes_in_spite_of_a_pause_pauses_again),
        cmocka_unit_test(the_bytes_of_all_windows_are_counted_together),
        cmocka_unit_test(a_window_that_is_emptied_while_the_reader_is_paused_flows_again),
        cmocka_unit_test(a_pause_and_what_is_given_back_at_the_same_time_do_not_miss_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
