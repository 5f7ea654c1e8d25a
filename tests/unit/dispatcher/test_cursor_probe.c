// What an open circuit is probed with: an event that was not tried, far from those that were.
#include "tests/unit/dispatcher/dispatcher_log_test.h"

// Refused for ever by /some/1000000, which takes all others.
#define BAD_COUNT 40
#define SUBSCRIPTION                                                                               \
    "{\"maxInFlight\":4,\"retry\":{\"initialMs\":1,\"maxMs\":100,\"maxAttempts\":1000}}"

static int set_up(void **state) {
    *state = test_create(1, 1);
    return 0;
}

static int tear_down(void **state) {
    test_destroy(*state);
    return 0;
}

static void emit(struct dispatcher_test *test, const char *prefix, size_t count, char last) {
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "%s%zu%c", prefix, i, last);
        test_emit_id(test, id);
    }
}

static void await_good(struct dispatcher_test *test, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "good-%zu1", i);
        test_await_calls(&test->functions, "/some/1000000", id, 1);
    }
}

static void assert_good_came_once(struct dispatcher_test *test, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "good-%zu1", i);
        assert_int_equal(test_count_calls(&test->functions, "/some/1000000", id), 1);
    }
}

// Two probes for each of those that are refused, with pauses that grow, would take an hour.
static void a_run_of_refused_events_does_not_stop_those_behind_it(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "choosy", "/some/1000000", SUBSCRIPTION);
    emit(test, "bad-", BAD_COUNT, '0');
    emit(test, "good-", 20, '1');
    test_start_dispatcher(test);
    await_good(test, 20);
    test_close_dispatcher(test);
    assert_good_came_once(test, 20);
}

static void what_comes_while_the_circuit_is_open_is_a_probe(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "choosy", "/some/1000000", SUBSCRIPTION);
    test_start_dispatcher(test);
    emit(test, "bad-", BAD_COUNT, '0');
    test_await_metric(dispatcher_metrics()->circuits_open, 1);
    emit(test, "good-", 20, '1');
    await_good(test, 20);
    test_close_dispatcher(test);
    assert_good_came_once(test, 20);
}

// Of all partitions and loops.
static void it_is_the_newest_of_any_partition(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 4);
    test_subscribe(test, "choosy", "/some/1000000", SUBSCRIPTION);
    emit(test, "bad-", 4 * BAD_COUNT, '0');
    emit(test, "good-", 40, '1');
    test_start_dispatcher(test);
    await_good(test, 40);
    test_close_dispatcher(test);
    assert_good_came_once(test, 40);
    test_destroy(test);
}

static void who_fails_on_first_sight_is_asked_again(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "shy", "/fail/1", SUBSCRIPTION);
    emit(test, "bad-", BAD_COUNT, '0');
    test_start_dispatcher(test);
    for (size_t i = 0; i < BAD_COUNT; i++) {
        char id[32];
        snprintf(id, sizeof id, "bad-%zu0", i);
        test_await_calls(&test->functions, "/fail/1", id, 2);
    }
    test_close_dispatcher(test);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argument_count, char **arguments) {
    if (argument_count > 1) {
        cmocka_set_test_filter(arguments[1]);
    }
    const struct CMUnitTest tests[] = {
        TEST(a_run_of_refused_events_does_not_stop_those_behind_it),
        TEST(what_comes_while_the_circuit_is_open_is_a_probe),
        cmocka_unit_test(it_is_the_newest_of_any_partition),
        TEST(who_fails_on_first_sight_is_asked_again),
    };
    return cmocka_run_group_tests_name("cursor_probe", tests, NULL, NULL);
}
