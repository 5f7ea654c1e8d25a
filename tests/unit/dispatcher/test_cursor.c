// Subscriptions that are detached: what the invariants of cursor.h, claim.h, catch_up.h and
// laggards.h promise, over a whole dispatcher.
#include "tests/unit/dispatcher/dispatcher_log_test.h"

#include "core/base/clock.h"
#include "core/base/text.h"
#include "core/cursors/cursor_fold.h"

#define WINDOW 16

static int setup(void **state) {
    struct dispatcher_test *test = test_create(1, 1);
    test->options.window_max_events = WINDOW;
    *state = test;
    return 0;
}

static int teardown(void **state) {
    test_destroy(*state);
    return 0;
}

static void who_hangs_does_not_hold_up_the_others(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":4}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 200);
    test_await_range(&test->functions, "/ok", 0, 200, 1);
    assert_true(test_count_calls(&test->functions, "/hold", NULL) <= 4);
    test_let_go(&test->functions, false);
    test_await_range(&test->functions, "/hold", 0, 200, 1);
    test_await_exactly(dispatcher_metrics()->detached, 0);
    test_emit_range(test, 200, 220);
    test_await_range(&test->functions, "/hold", 200, 220, 1);
    test_await_range(&test->functions, "/ok", 200, 220, 1);
    test_close_dispatcher(test);
    test_assert_range(&test->functions, "/ok", 0, 220, 1, 1);
    test_assert_range(&test->functions, "/hold", 0, 220, 1, 1);
    assert_int_equal(test_committed(test), 220);
}

static void who_hangs_gets_everything_after_a_crash(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":4}");
    test_start_dispatcher(test);
    for (size_t round = 0; round < 3; round++) {
        test_emit_range(test, round * 100, (round + 1) * 100);
        test_await_range(&test->functions, "/ok", round * 100, (round + 1) * 100, 1);
        test_crash_dispatcher(test);
        test_start_dispatcher(test);
    }
    test_let_go(&test->functions, false);
    test_await_range(&test->functions, "/hold", 0, 300, 1);
    test_await_exactly(dispatcher_metrics()->detached, 0);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 300);
}

static void whose_calls_fail_is_probed_and_gets_everything(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/gate", "{\"maxInFlight\":8,\"retry\":{\"initialMs\":1}}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 300);
    test_await_range(&test->functions, "/ok", 0, 300, 1);
    test_await_metric(dispatcher_metrics()->circuits_open, 1);
    atomic_store(&test->functions.gate_is_open, true);
    test_await_range(&test->functions, "/gate", 0, 300, 1);
    test_await_exactly(dispatcher_metrics()->detached, 0);
    assert_int_equal(metric_value(dispatcher_metrics()->circuits_open), 0);
    test_emit_range(test, 300, 310);
    test_await_range(&test->functions, "/gate", 300, 310, 1);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 310);
}

// Of each event, one after the other.
static void assert_attempts_grow(struct dispatcher_test *test, const char *path) {
    for (size_t i = 0; i < test->functions.call_count; i++) {
        struct test_call call = test_call_at(&test->functions, i);
        unsigned before = 0;
        for (size_t j = 0; j < i; j++) {
            struct test_call earlier = test_call_at(&test->functions, j);
            before = strcmp(earlier.event_id, call.event_id) == 0 ? earlier.attempt : before;
        }
        if (strcmp(call.path, path) == 0 && call.attempt != before + 1) {
            fail_msg("event %s: call %zu is attempt %u after %u", call.event_id, i, call.attempt,
                     before);
        }
    }
}

static void attempts_go_on_to_count_while_it_is_detached(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "bad", "/gate", "{\"maxInFlight\":8,\"retry\":{\"initialMs\":1}}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 40);
    test_await_metric(dispatcher_metrics()->circuits_open, 1);
    test_await_exactly(dispatcher_metrics()->detached, 1);
    test_close_dispatcher(test); // The next owner knows as well.
    test_start_dispatcher(test);
    test_await_exactly(dispatcher_metrics()->detached, 1);
    atomic_store(&test->functions.gate_is_open, true);
    test_await_range(&test->functions, "/gate", 0, 40, 1);
    test_await_exactly(dispatcher_metrics()->detached, 0);
    test_close_dispatcher(test);
    assert_attempts_grow(test, "/gate");
    assert_true(test_count_calls(&test->functions, "/gate", NULL) >= 50);
}

static void cursors_that_the_log_does_not_take_are_written_again(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":4}");
    for (uint64_t n = 1; n <= 8; n++) {
        event_log_memory_fail_append(test->log, EVENT_LOG_CURSORS, n, 2, STATUS_TIMEOUT);
        test->functions.lets_go = false;
        test_start_dispatcher(test);
        test_emit_range(test, (n - 1) * 60, n * 60);
        test_await_range(&test->functions, "/ok", (n - 1) * 60, n * 60, 1);
        test_let_go(&test->functions, false);
        test_await_range(&test->functions, "/hold", (n - 1) * 60, n * 60, 1);
        test_await_exactly(dispatcher_metrics()->detached, 0);
        test_close_dispatcher(test);
        test_assert_range(&test->functions, "/hold", (n - 1) * 60, n * 60, 1, 1);
        assert_int_equal(test_committed(test), (int64_t)n * 60);
    }
}

static void a_hand_over_in_the_middle_repeats_only_what_runs(void **state) {
    struct dispatcher_test *test = *state;
    test->options.hand_over_ms = 200;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":4}");
    test_start_dispatcher(test);
    test_emit_range(test, 0, 100);
    test_await_range(&test->functions, "/ok", 0, 100, 1);
    test_await_exactly(dispatcher_metrics()->detached, 1);
    event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, 0);
    test_emit_range(test, 100, 200);
    test_await_range(&test->functions, "/ok", 100, 200, 1);
    test_let_go(&test->functions, false);
    test_await_range(&test->functions, "/hold", 0, 200, 1);
    test_await_exactly(dispatcher_metrics()->detached, 0);
    test_close_dispatcher(test);
    test_assert_range(&test->functions, "/ok", 0, 200, 1, 2);
    test_assert_range(&test->functions, "/hold", 0, 200, 1, 2);
    assert_true(test_count_calls(&test->functions, "/hold", NULL) <= 200 + 4);
}

static void a_deleted_subscription_leaves_no_cursor(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":4}");
    test_start_dispatcher(test);
    test_emit_range(test, 0, 100);
    test_await_range(&test->functions, "/ok", 0, 100, 1);
    test_await_exactly(dispatcher_metrics()->detached, 1);
    test_put(test, RESOURCE_SUBSCRIPTION, "bad", NULL);
    test_emit_id(test, "seen");
    test_await_calls(&test->functions, "/ok", "seen",
                     1); // The deletion is known where the calls begin.
    test_let_go(&test->functions, false);
    test_await_exactly(dispatcher_metrics()->detached, 0);
    test_put_subscription(test, "bad", "bad", "test", NULL);
    test_emit_range(test, 100, 105);
    test_await_range(&test->functions, "/hold", 100, 105, 1);
    test_close_dispatcher(test);
    assert_true(test_count_calls(&test->functions, "/hold", NULL) <= 4 + 5);
}

static void a_position_that_the_group_has_lost_is_taken_from_the_cursors(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_start_dispatcher(test);
    test_emit_range(test, 0, 100);
    test_await_range(&test->functions, "/ok", 0, 100, 1);
    test_close_dispatcher(test);
    test->options.group = "another"; // It has no position.
    test_start_dispatcher(test);
    test_emit_range(test, 100, 110);
    test_await_range(&test->functions, "/ok", 100, 110, 1);
    test_close_dispatcher(test);
    test_assert_range(&test->functions, "/ok", 0, 110, 1, 1);
    assert_int_equal(test_committed(test), 110);
}

static void what_retention_took_from_a_cursor_is_counted(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *lost = dispatcher_metrics()->events_lost;
    int64_t lost_before = metric_value(lost);
    struct metric *processed = dispatcher_metrics()->events_processed;
    int64_t processed_before = metric_value(processed);
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":4}");
    test_start_dispatcher(test);
    test_emit_range(test, 0, 100);
    test_await_range(&test->functions, "/ok", 0, 100, 1);
    test_await_metric(processed, processed_before + 100); // The live position has passed by all.
    test_close_dispatcher(test);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 50);
    test_start_dispatcher(test);
    test_let_go(&test->functions, false);
    test_await_range(&test->functions, "/hold", 50, 100, 1);
    test_await_exactly(dispatcher_metrics()->detached, 0);
    test_close_dispatcher(test);
    assert_in_range(metric_value(lost) - lost_before, 45, 50);
}

static void several_loops_and_partitions_catch_up_together(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 4);
    test->options.window_max_events = WINDOW;
    test_subscribe(test, "good", "/ok", NULL);
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "bad%d", i);
        test_subscribe(test, id, "/hold", "{\"maxInFlight\":4}");
    }
    test_start_dispatcher(test);
    test_emit_numbers(test, 400);
    test_await_range(&test->functions, "/ok", 0, 400, 1);
    test_let_go(&test->functions, false);
    test_await_calls(&test->functions, "/hold", NULL, 5 * 400);
    test_await_exactly(dispatcher_metrics()->detached, 0);
    test_close_dispatcher(test);
    test_assert_range(&test->functions, "/hold", 0, 400, 1, 5);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 5 * 400);
    test_destroy(test);
}

// Events 0 to 9 lie before the time, 10 to 14 at or after it: offsets by time are of milliseconds.
static int64_t emit_around_a_time(struct dispatcher_test *test) {
    test_emit_range(test, 0, 10);
    int64_t time_ms = clock_wall_us() / 1000 + 1;
    while (clock_wall_us() / 1000 < time_ms) {
        sched_yield();
    }
    test_emit_range(test, 10, 15);
    return time_ms;
}

static void subscribe_from(struct dispatcher_test *test, const char *id, int64_t time_ms) {
    char document[512];
    char start[TIMESTAMP_TEXT_SIZE];
    timestamp_format(time_ms * 1000, start);
    snprintf(document, sizeof document,
             "{\"space\":\"default\",\"subscriptionId\":\"%s\",\"type\":\"async\",\"eventType\":"
             "\"test\",\"functionId\":\"late\",\"method\":\"POST\",\"path\":\"/\",\"start\":\"%s\","
             "\"created\":\"1\"}",
             id, start);
    test_put_function(test, "late", "/late");
    test_put(test, RESOURCE_SUBSCRIPTION, id, document);
}

static void assert_began_at_the_time(struct dispatcher_test *test) {
    test_await_range(&test->functions, "/late", 10, 15, 1);
    test_emit_range(test, 15, 20);
    test_await_range(&test->functions, "/late", 10, 20, 1);
    test_await_exactly(dispatcher_metrics()->detached, 0);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/late", NULL), 10);
}

static void a_start_by_time_goes_back_behind_the_live_position(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_start_dispatcher(test);
    int64_t time_ms = emit_around_a_time(test);
    test_await_range(&test->functions, "/ok", 0, 15, 1);
    subscribe_from(test, "late", time_ms);
    assert_began_at_the_time(test);
}

static void a_start_by_time_holds_where_the_live_position_is_behind_it(void **state) {
    struct dispatcher_test *test = *state;
    int64_t time_ms = emit_around_a_time(test);
    subscribe_from(test, "late", time_ms);
    test_start_dispatcher(test); // It has read nothing yet.
    assert_began_at_the_time(test);
    assert_int_equal(test_committed(test), 20);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_hangs_does_not_hold_up_the_others),
        TEST(who_hangs_gets_everything_after_a_crash),
        TEST(whose_calls_fail_is_probed_and_gets_everything),
        TEST(attempts_go_on_to_count_while_it_is_detached),
        TEST(cursors_that_the_log_does_not_take_are_written_again),
        TEST(a_hand_over_in_the_middle_repeats_only_what_runs),
        TEST(a_deleted_subscription_leaves_no_cursor),
        TEST(a_position_that_the_group_has_lost_is_taken_from_the_cursors),
        TEST(what_retention_took_from_a_cursor_is_counted),
        TEST(a_start_by_time_goes_back_behind_the_live_position),
        TEST(a_start_by_time_holds_where_the_live_position_is_behind_it),
        cmocka_unit_test(several_loops_and_partitions_catch_up_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
