// The life of deliveries: attempts, retries, and what the configuration changes.
#include "tests/unit/dispatcher/dead_letter_test.h"

// Retries without noticeable waits.
#define FAST_RETRY "{\"retry\":{\"maxAttempts\":5,\"initialMs\":1,\"factor\":1}}"
#define ONE_ATTEMPT "{\"retry\":{\"maxAttempts\":1}}"
#define ONE_AT_A_TIME "{\"maxInFlight\":1}"

static int set_up(void **state) {
    *state = test_create(1, 1);
    return 0;
}

static int tear_down(void **state) {
    test_destroy(*state);
    return 0;
}

static void an_event_goes_to_each_subscription_that_matches(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "first", "/ok/1", NULL);
    test_subscribe(test, "second", "/ok/2", NULL);
    test_put_subscription(test, "other", "first", "other", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/ok/1", "e", 1);
    test_await_calls(&test->functions, "/ok/2", "e", 1);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 2);
    assert_int_equal(test_committed(test), 1);
    for (size_t i = 0; i < 2; i++) {
        struct test_call call = test_call_at(&test->functions, i);
        assert_int_equal(call.attempt, 1);
        assert_string_equal(call.subscription, call.path[4] == '1' ? "first" : "second");
    }
}

static void deliveries_of_an_event_share_a_trace_and_have_spans_of_their_own(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "first", "/fail/1", FAST_RETRY);
    test_start_dispatcher(test);
    test_emit(test,
              &(struct test_event){.id = "traced",
                                   .extension_name = "traceparent",
                                   .extension_value =
                                       "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"});
    test_emit_id(test, "untraced");
    test_await_calls(&test->functions, NULL, NULL, 4);
    test_close_dispatcher(test);
    char spans[4][17], traces[4][33];
    for (size_t i = 0; i < 4; i++) {
        struct test_call call = test_call_at(&test->functions, i);
        assert_int_equal(strlen(call.traceparent), 55);
        memcpy(traces[i], call.traceparent + 3, 32);
        memcpy(spans[i], call.traceparent + 36, 16);
        traces[i][32] = spans[i][16] = '\0';
        bool is_traced = strcmp(call.event_id, "traced") == 0;
        assert_int_equal(strcmp(traces[i], "4bf92f3577b34da6a3ce929d0e0e4736") == 0, is_traced);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(spans[i], spans[j]);
            bool is_same_event =
                strcmp(test_call_at(&test->functions, j).event_id, call.event_id) == 0;
            assert_int_equal(strcmp(traces[i], traces[j]) == 0, is_same_event);
        }
    }
}

static void a_failed_delivery_is_tried_again_until_it_succeeds(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/fail/3", FAST_RETRY);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/fail/3", "e", 4);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(test_call_at(&test->functions, i).attempt, i + 1);
    }
    assert_int_equal(test_committed(test), 1);
}

static bool is_paused(struct dispatcher_test *test, const char *id) {
    const struct snapshot *snapshot = registry_snapshot(test->registry);
    const struct subscription *subscription =
        snapshot_subscription(snapshot, BYTES("default"), bytes_of_text(id));
    bool is_paused = subscription->is_paused;
    snapshot_unref(snapshot);
    return is_paused;
}

static void gone_pauses_the_subscription_and_its_event_stays(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *letters = dispatcher_metrics()->dead_letters;
    int64_t letters_before = metric_value(letters);
    test_subscribe(test, "s", "/status/410", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    while (!is_paused(test, "s")) {
        sched_yield();
    }
    test_emit_id(test, "later");
    test_put_function(test, "s", "/ok");
    test_put_subscription(test, "s", "s", "test", NULL); // Not paused any more.
    test_await_calls(&test->functions, "/ok", "e", 1);
    test_await_calls(&test->functions, "/ok", "later", 1);
    while (metric_value(dispatcher_metrics()->detached) > 0) {
        sched_yield();
    }
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/status/410", NULL), 1);
    assert_int_equal(metric_value(letters), letters_before);
}

static void no_more_calls_run_than_max_in_flight(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "slow", "/hold", "{\"maxInFlight\":3}");
    test_subscribe(test, "other", "/ok", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 20);
    test_await_calls(&test->functions, "/ok", NULL, 20);
    for (size_t answered = 3; answered < 20; answered += 3) {
        test_await_calls(&test->functions, "/hold", NULL, answered);
        assert_true(test_count_calls(&test->functions, "/hold", NULL) <= answered);
        test_let_go(&test->functions, true);
    }
    test_await_calls(&test->functions, "/hold", NULL, 20);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.held_most, 3);
    assert_int_equal(test->functions.call_count, 40);
    assert_int_equal(test_committed(test), 20);
}

static void what_waits_in_memory_holds_the_position(void **state) {
    struct dispatcher_test *test = *state;
    test->options.tiers = &no_parking;
    test_subscribe(test, "s", "/later", ONE_AT_A_TIME);
    test_start_dispatcher(test);
    test_emit_id(test, "first");
    test_emit_numbers(test, 10);
    test_await_calls(&test->functions, "/later", NULL, 11);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 11);
    // The first one is not finished, so all are delivered again rather than one of them never.
    assert_int_equal(test_committed(test), 0);
}

static void what_waits_for_a_retry_takes_no_place_of_what_runs(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *waiting = dispatcher_metrics()->retries_waiting;
    int64_t before = metric_value(waiting);
    test_subscribe(test, "s", "/later", ONE_AT_A_TIME);
    test_start_dispatcher(test);
    test_emit_id(test, "first");
    test_emit_numbers(test, 10);
    test_await_calls(&test->functions, "/later", NULL, 11);
    test_await_metric(waiting, before + 1);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 11);
    // The first one was parked, and waits there.
    assert_int_equal(test_committed(test), 11);
    assert_int_equal(metric_value(waiting), before);
}

static void deliveries_of_a_deleted_subscription_are_finished(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *ended = dispatcher_metrics()->deliveries[DELIVERY_END_UNSUBSCRIBED];
    int64_t before = metric_value(ended);
    test_subscribe(test, "s", "/later", ONE_AT_A_TIME);
    test_subscribe(test, "held", "/hold", ONE_AT_A_TIME);
    test_start_dispatcher(test);
    test_emit_id(test, "first");
    test_emit_id(test, "second");
    test_await_calls(&test->functions, "/later", NULL, 2);
    test_await_calls(&test->functions, "/hold", NULL, 1);
    test_put(test, RESOURCE_SUBSCRIPTION, "s", NULL);
    test_put(test, RESOURCE_SUBSCRIPTION, "held", NULL);
    test_await_metric(ended, before + 2); // One waits for a retry, one for its turn.
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 3);
    assert_int_equal(test_committed(test), 2);
}

static void a_changed_function_is_called_by_the_next_attempt(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/status/500",
                   "{\"retry\":{\"maxAttempts\":1000,\"initialMs\":20,\"factor\":1}}");
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/status/500", "e", 2);
    test_put_function(test, "s", "/ok");
    test_await_calls(&test->functions, "/ok", "e", 1);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 1);
}

static void a_changed_policy_applies_to_the_next_attempt(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    test_subscribe(test, "s", "/status/500",
                   "{\"retry\":{\"maxAttempts\":1000,\"initialMs\":20,\"factor\":1}}");
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/status/500", "e", 2);
    test_put_subscription(test, "s", "s", "test", ONE_ATTEMPT);
    await_letter(test, &letter);
    assert_begins(letter.letter.reason, "attempts used up");
    letter_clear(&letter);
}

static void a_higher_max_in_flight_is_used_at_once(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/hold", ONE_AT_A_TIME);
    test_start_dispatcher(test);
    test_emit_numbers(test, 4);
    test_await_calls(&test->functions, "/hold", NULL, 1);
    test_put_subscription(test, "s", "s", "test", "{\"maxInFlight\":4}");
    test_await_calls(&test->functions, "/hold", NULL, 4);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 4);
}

static void a_change_that_changes_nothing_disturbs_nothing(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/hold", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 3);
    test_await_calls(&test->functions, "/hold", NULL, 3);
    test_put_subscription(test, "s", "s", "test", NULL);
    test_put_function(test, "s", "/hold");
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 3);
    assert_int_equal(test_committed(test), 3);
}

static void the_subscription_that_has_handled_an_event_already_does_not_get_it(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "handled", "/ok/handled", NULL);
    test_subscribe(test, "other", "/ok/other", NULL);
    test_start_dispatcher(test);
    test_emit(test, &(struct test_event){.id = "e", .sync = "handled"});
    test_await_calls(&test->functions, "/ok/other", "e", 1);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 1);
    assert_int_equal(test_committed(test), 1);
}

static void events_without_a_subscription_and_records_without_an_event_are_finished(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *refused = dispatcher_metrics()->records_refused;
    struct metric *processed = dispatcher_metrics()->events_processed;
    int64_t refused_before = metric_value(refused);
    int64_t processed_before = metric_value(processed);
    test_start_dispatcher(test);
    test_emit_id(test, "nobody's");
    test_emit_id(test, "nobody's either");
    append_text(test->log, &test->server_loop, NULL, "no event");
    test_await_metric(refused, refused_before + 1);
    test_await_metric(processed, processed_before + 2);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 3);
}

static void a_subscription_is_served_from_the_moment_its_creation_was_answered(void **state) {
    struct dispatcher_test *test = *state;
    test_start_dispatcher(test);
    for (int i = 0; i < 30; i++) {
        char id[16], path[24];
        snprintf(id, sizeof id, "s%d", i);
        snprintf(path, sizeof path, "/ok/%d", i);
        test_subscribe(test, id, path, NULL);
        test_emit_id(test, id);
        test_await_calls(&test->functions, path, id, 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_event_goes_to_each_subscription_that_matches),
        TEST(deliveries_of_an_event_share_a_trace_and_have_spans_of_their_own),
        TEST(a_failed_delivery_is_tried_again_until_it_succeeds),
        TEST(gone_pauses_the_subscription_and_its_event_stays),
        TEST(no_more_calls_run_than_max_in_flight),
        TEST(what_waits_in_memory_holds_the_position),
        TEST(what_waits_for_a_retry_takes_no_place_of_what_runs),
        TEST(deliveries_of_a_deleted_subscription_are_finished),
        TEST(a_changed_function_is_called_by_the_next_attempt),
        TEST(a_changed_policy_applies_to_the_next_attempt),
        TEST(a_higher_max_in_flight_is_used_at_once),
        TEST(a_change_that_changes_nothing_disturbs_nothing),
        TEST(the_subscription_that_has_handled_an_event_already_does_not_get_it),
        TEST(events_without_a_subscription_and_records_without_an_event_are_finished),
        TEST(a_subscription_is_served_from_the_moment_its_creation_was_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
