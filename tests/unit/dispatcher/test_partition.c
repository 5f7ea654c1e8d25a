// Partitions that come and go: rebalances, crashes, windows, and several loops at once.
#include "tests/unit/dispatcher/dispatcher_log_test.h"

static int set_up(void **state) {
    *state = test_create(1, 1);
    return 0;
}

static int tear_down(void **state) {
    test_destroy(*state);
    return 0;
}

static void what_is_in_flight_at_a_rebalance_finishes_and_is_not_repeated(void **state) {
    struct dispatcher_test *test = *state;
    test->options.hand_over_ms = 60000;
    test_subscribe(test, "s", "/hold", "{\"maxInFlight\":2}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 3);
    test_await_calls(&test->functions, "/hold", NULL, 2);
    event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, 0);
    test_let_go(&test->functions, false);
    // The third was waiting; it, or the same one taken again, is called once in any case.
    test_await_calls(&test->functions, "/hold", "2", 1);
    test_emit_id(test, "after");
    test_await_calls(&test->functions, "/hold", "after", 1);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 4);
    assert_int_equal(test_committed(test), 4);
}

static void what_waits_for_a_retry_at_a_rebalance_is_delivered_by_the_next_owner(void **state) {
    struct dispatcher_test *test = *state;
    test->options.tiers = &no_parking;
    test_subscribe(test, "s", "/later", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "first");
    test_await_metric(dispatcher_metrics()->retries_waiting, 1); // Nothing else waits here.
    event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, 0);
    test_await_calls(&test->functions, "/later", "first", 2);
    test_crash_dispatcher(test);
    assert_int_equal(test_call_at(&test->functions, 1).attempt, 2);
    assert_int_equal(test_committed(test), 0);
    assert_int_equal(metric_value(dispatcher_metrics()->retries_waiting), 0);
}

static void a_call_that_does_not_end_holds_a_rebalance_only_for_its_time(void **state) {
    struct dispatcher_test *test = *state;
    test->options.hand_over_ms = 50;
    test_subscribe(test, "s", "/hold", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/hold", "e", 1);
    event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, 0);
    test_await_calls(&test->functions, "/hold", "e", 2);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 2);
    assert_int_equal(test_committed(test), 1);
}

static void results_of_a_lost_partition_change_nothing(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/hold", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 5);
    test_await_calls(&test->functions, "/hold", NULL, 5);
    event_log_memory_lose(test->log, EVENT_LOG_EVENTS, 0);
    test_await_calls(&test->functions, "/hold", NULL, 10);
    event_log_memory_lose(test->log, EVENT_LOG_EVENTS, 0);
    test_await_calls(&test->functions, "/hold", NULL, 15);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 15);
    assert_int_equal(test_committed(test), 5);
}

static void what_was_in_flight_at_a_crash_is_delivered_again(void **state) {
    struct dispatcher_test *test = *state;
    // Neither of these counts, but the destroyer's deadline.
    test->options.hand_over_ms = 3600000;
    test_subscribe(test, "s", "/hold", "{\"timeoutMs\":900000}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 3);
    test_await_calls(&test->functions, "/hold", NULL, 3);
    test_crash_dispatcher(test);
    assert_int_equal(test_committed(test), 0);
    test_let_go(&test->functions, false);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/hold", NULL, 6);
    test_close_dispatcher(test);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(test_call_at(&test->functions, i).attempt, 1);
    }
    assert_int_equal(test_committed(test), 3);
}

static void the_position_stops_at_the_lowest_unfinished_event(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *processed = dispatcher_metrics()->events_processed;
    int64_t before = metric_value(processed);
    test_subscribe(test, "s", "/ok", NULL);
    test_put_function(test, "hold", "/hold");
    test_put_subscription(test, "hold", "hold", "held", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 2);
    test_emit(test, &(struct test_event){.id = "h", .type = "held"});
    test_emit_numbers(test, 3);
    test_await_calls(&test->functions, "/hold", "h", 1);
    test_await_metric(processed, before + 5);
    test_crash_dispatcher(test);
    assert_int_equal(test_committed(test), 2);
}

static void a_dead_letter_on_its_way_when_its_partition_goes_is_harmless(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *ended = dispatcher_metrics()->deliveries[DELIVERY_END_DEAD_LETTERED];
    struct metric *stored = dispatcher_metrics()->dead_letters;
    int64_t ended_before = metric_value(ended);
    int64_t stored_before = metric_value(stored);
    test->options.hand_over_ms = 50;
    test_subscribe(test, "s", "/hold", NULL);
    test_emit_id(test, "e");
    test_start_dispatcher(test);
    struct recorder recorder;
    test_read_dead_letters(test, &recorder);
    test_await_calls(&test->functions, "/hold", "e", 1);
    event_log_memory_hold_appends(test->log, true);
    test->functions.held_status = 400;
    test_let_go(&test->functions, true);
    recorder_await_received(&recorder, 1); // Stored, but not confirmed.
    test_crash_dispatcher(test);
    assert_int_equal(metric_value(ended), ended_before);
    assert_int_equal(test_committed(test), 0);
    event_log_memory_hold_appends(test->log, false);
    test_await_metric(stored, stored_before + 1);
    assert_int_equal(metric_value(ended), ended_before);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/hold", "e", 2);
    test_let_go(&test->functions, false);
    recorder_await_received(&recorder, 2);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 1);
    recorder_close(&recorder);
    recorder_clear(&recorder);
}

static void a_full_window_lets_everything_through_in_the_end(void **state) {
    struct dispatcher_test *test = *state;
    test->options.window_max_events = 4;
    test_subscribe(test, "s", "/ok", "{\"maxInFlight\":2}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 400);
    test_await_calls(&test->functions, "/ok", NULL, 400);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 400);
    assert_int_equal(test_committed(test), 400);
}

static void a_window_of_few_bytes_lets_everything_through_in_the_end(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 4);
    test->options.window_max_bytes = 1000;
    test_subscribe(test, "s", "/ok", "{\"maxInFlight\":2}");
    test_emit_numbers(test, 200);
    test_start_dispatcher(test);
    test_emit_numbers(test, 200);
    test_await_calls(&test->functions, "/ok", NULL, 400);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 400);
    test_destroy(test);
}

static void while_the_window_is_full_nothing_further_is_taken(void **state) {
    struct dispatcher_test *test = *state;
    test->options.window_max_events = 3;
    test_subscribe(test, "s", "/hold", "{\"maxInFlight\":100}");
    test_start_dispatcher(test);
    // One by one, so that each comes in a slice of its own.
    for (int i = 0; i < 3; i++) {
        test_emit_id(test, "taken");
        test_await_calls(&test->functions, "/hold", "taken", (size_t)i + 1);
    }
    for (int i = 0; i < 10; i++) {
        test_emit_id(test, "late");
    }
    test_let_go(&test->functions, false);
    test_await_calls(&test->functions, "/hold", "late", 10);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.held_most, 3);
    assert_int_equal(test->functions.call_count, 13);
}

static void partitions_of_several_loops_deliver_everything_once(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 6);
    test_subscribe(test, "a", "/ok/a", NULL);
    test_subscribe(test, "b", "/some/1", "{\"retry\":{\"initialMs\":1,\"factor\":1}}");
    test_emit_numbers(test, 150);
    test_start_dispatcher(test);
    test_emit_numbers(test, 150);
    test_await_calls(&test->functions, "/ok/a", NULL, 300);
    test_await_calls(&test->functions, "/some/1", NULL, 330);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 630);
    test_destroy(test);
}

static void nothing_is_lost_while_partitions_come_and_go(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 3);
    test->options.hand_over_ms = 20;
    test->options.window_max_events = 16;
    test_subscribe(test, "s", "/ok", NULL);
    test_subscribe(test, "t", "/some/1", "{\"retry\":{\"initialMs\":1,\"factor\":1}}");
    test_start_dispatcher(test);
    for (int round = 0; round < 60; round++) {
        char id[24];
        snprintf(id, sizeof id, "%d", round);
        test_emit_id(test, id);
        if (round % 2) {
            event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, round % 3);
        } else {
            event_log_memory_lose(test->log, EVENT_LOG_EVENTS, round % 3);
        }
        if (round % 20 == 19) {
            test_crash_dispatcher(test);
            test_start_dispatcher(test);
        }
        if (round % 7 == 0) {
            test_put_subscription(test, "s", "s", "test", NULL);
        }
    }
    for (int round = 0; round < 60; round++) {
        char id[24];
        snprintf(id, sizeof id, "%d", round);
        test_await_calls(&test->functions, "/ok", id, 1);
        test_await_calls(&test->functions, "/some/1", id, round % 10 == 0 ? 2 : 1);
    }
    test_destroy(test);
}

static void events_that_retention_removed_are_counted_and_passed(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *lost = dispatcher_metrics()->events_lost;
    int64_t before = metric_value(lost);
    test_subscribe(test, "s", "/ok", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "0");
    test_await_calls(&test->functions, "/ok", "0", 1);
    test_close_dispatcher(test);
    test_emit_numbers(test, 5);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 4);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/ok", "4", 1);
    test_close_dispatcher(test);
    assert_int_equal(metric_value(lost), before + 3);
    assert_int_equal(test->functions.call_count, 3);
    assert_int_equal(test_committed(test), 6);
}

static void the_position_passes_what_retention_removed_although_nothing_follows(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *lost = dispatcher_metrics()->events_lost;
    struct metric *processed = dispatcher_metrics()->events_processed;
    int64_t before = metric_value(lost);
    int64_t processed_before = metric_value(processed);
    test_start_dispatcher(test);
    test_emit_id(test, "0");
    test_await_metric(processed, processed_before + 1);
    test_close_dispatcher(test);
    test_emit_numbers(test, 5);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 6);
    test_start_dispatcher(test);
    test_await_metric(lost, before + 5);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 6);
}

static void the_backlog_is_what_is_not_finished(void **state) {
    struct dispatcher_test *test = *state;
    struct buffer text = {0};
    test_subscribe(test, "s", "/hold", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 7);
    test_await_calls(&test->functions, "/hold", NULL, 7);
    metrics_write(&text);
    assert_non_null(strstr(text.data, "\neventgateway_events_backlog 7\n"));
    buffer_clear(&text);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
}

static void a_dispatcher_without_anything_to_do_closes(void **state) {
    struct dispatcher_test *test = *state;
    test_start_dispatcher(test);
    test_close_dispatcher(test);
    test_start_dispatcher(test);
    test_crash_dispatcher(test);
    assert_int_equal(test_committed(test), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_in_flight_at_a_rebalance_finishes_and_is_not_repeated),
        TEST(what_waits_for_a_retry_at_a_rebalance_is_delivered_by_the_next_owner),
        TEST(a_call_that_does_not_end_holds_a_rebalance_only_for_its_time),
        TEST(results_of_a_lost_partition_change_nothing),
        TEST(what_was_in_flight_at_a_crash_is_delivered_again),
        TEST(the_position_stops_at_the_lowest_unfinished_event),
        TEST(a_dead_letter_on_its_way_when_its_partition_goes_is_harmless),
        TEST(a_full_window_lets_everything_through_in_the_end),
        cmocka_unit_test(a_window_of_few_bytes_lets_everything_through_in_the_end),
        TEST(while_the_window_is_full_nothing_further_is_taken),
        cmocka_unit_test(partitions_of_several_loops_deliver_everything_once),
        cmocka_unit_test(nothing_is_lost_while_partitions_come_and_go),
        TEST(events_that_retention_removed_are_counted_and_passed),
        TEST(the_position_passes_what_retention_removed_although_nothing_follows),
        TEST(the_backlog_is_what_is_not_finished),
        TEST(a_dispatcher_without_anything_to_do_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
