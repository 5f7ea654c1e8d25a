// The life of deliveries: attempts, retries, dead letters, and what the configuration changes.
#include "tests/unit/dispatcher/dispatcher_test.h"

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

struct letter {
    struct dead_letter letter;
    struct buffer storage;
    const struct event *event;
};

static void read_letter(struct recorder *recorder, size_t index, struct letter *ret_letter) {
    struct stored_record stored = {.record = recorder->received[index].record};
    struct error error;
    *ret_letter = (struct letter){0};
    if (dead_letter_decode(&stored, &ret_letter->letter, &ret_letter->storage, &ret_letter->event,
                           &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static void letter_clear(struct letter *letter) {
    buffer_clear(&letter->storage);
    event_unref(letter->event);
}

static void assert_text(struct bytes bytes, const char *expected) {
    char *text = bytes_to_text(bytes);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_begins(struct bytes bytes, const char *expected) {
    if (!bytes_start_with(bytes, bytes_of_text(expected))) {
        fail_msg("\"%.*s\" does not begin with \"%s\"", (int)bytes.size, bytes.data, expected);
    }
}

// Waits for the one dead letter that there is, and checks that all are committed past.
static void await_letter(struct dispatcher_test *test, struct letter *ret_letter) {
    struct recorder recorder;
    test_read_dead_letters(test, &recorder);
    recorder_await_received(&recorder, 1);
    test_close_dispatcher(test);
    assert_int_equal(recorder.received_count, 1);
    read_letter(&recorder, 0, ret_letter);
    recorder_close(&recorder);
    recorder_clear(&recorder);
}

static void an_event_goes_to_each_subscription_that_matches(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "first", "/ok/1", NULL);
    test_subscribe(test, "second", "/ok/2", NULL);
    test_put_subscription(test, "other", "first", "other", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(test, "/ok/1", "e", 1);
    test_await_calls(test, "/ok/2", "e", 1);
    test_close_dispatcher(test);
    assert_int_equal(test->call_count, 2);
    assert_int_equal(test_committed(test), 1);
    for (size_t i = 0; i < 2; i++) {
        struct test_call call = test_call_at(test, i);
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
    test_await_calls(test, NULL, NULL, 4);
    test_close_dispatcher(test);
    char spans[4][17], traces[4][33];
    for (size_t i = 0; i < 4; i++) {
        struct test_call call = test_call_at(test, i);
        assert_int_equal(strlen(call.traceparent), 55);
        memcpy(traces[i], call.traceparent + 3, 32);
        memcpy(spans[i], call.traceparent + 36, 16);
        traces[i][32] = spans[i][16] = '\0';
        bool is_traced = strcmp(call.event_id, "traced") == 0;
        assert_int_equal(strcmp(traces[i], "4bf92f3577b34da6a3ce929d0e0e4736") == 0, is_traced);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(spans[i], spans[j]);
            bool is_same_event = strcmp(test_call_at(test, j).event_id, call.event_id) == 0;
            assert_int_equal(strcmp(traces[i], traces[j]) == 0, is_same_event);
        }
    }
}

static void a_failed_delivery_is_tried_again_until_it_succeeds(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/fail/3", FAST_RETRY);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(test, "/fail/3", "e", 4);
    test_close_dispatcher(test);
    assert_int_equal(test->call_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(test_call_at(test, i).attempt, i + 1);
    }
    assert_int_equal(test_committed(test), 1);
}

static void after_the_last_attempt_the_event_is_a_dead_letter(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    test_subscribe(test, "s", "/status/500", FAST_RETRY);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_letter(test, &letter);
    assert_int_equal(test->call_count, 5);
    assert_text(letter.event->id, "e");
    assert_text(letter.letter.subscription_id, "s");
    assert_text(letter.letter.function_id, "s");
    assert_text(letter.letter.space, "default");
    assert_begins(letter.letter.reason, "attempts used up");
    assert_text(letter.letter.last_answer, "what the function said");
    assert_int_equal(letter.letter.attempts, 5);
    assert_int_equal(letter.letter.last_status, 500);
    assert_int_equal(letter.letter.partition, 0);
    assert_int_equal(letter.letter.offset, 0);
    assert_true(letter.letter.first_us <= letter.letter.last_us);
    assert_int_equal(test_committed(test), 1);
    letter_clear(&letter);
}

static void a_final_status_is_not_tried_again(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    test_subscribe(test, "s", "/status/422", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_letter(test, &letter);
    assert_int_equal(test->call_count, 1);
    assert_begins(letter.letter.reason, "final status");
    assert_int_equal(letter.letter.last_status, 422);
    letter_clear(&letter);
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
    test_await_calls(test, "/ok", "e", 1);
    test_await_calls(test, "/ok", "later", 1);
    while (metric_value(dispatcher_metrics()->detached) > 0) {
        sched_yield();
    }
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(test, "/status/410", NULL), 1);
    assert_int_equal(metric_value(letters), letters_before);
}

static void a_redirect_is_a_failure_and_not_followed(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    test_subscribe(test, "s", "/status/307", FAST_RETRY);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_letter(test, &letter);
    assert_int_equal(test->call_count, 5);
    assert_int_equal(letter.letter.last_status, 307);
    letter_clear(&letter);
}

static void an_event_that_has_expired_is_not_delivered(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    test_subscribe(test, "s", "/ok", NULL);
    test_start_dispatcher(test);
    test_emit(test, &(struct test_event){.id = "e",
                                         .extension_name = "expirytime",
                                         .extension_value = "2001-01-01T00:00:00Z"});
    await_letter(test, &letter);
    assert_int_equal(test->call_count, 0);
    assert_int_equal(letter.letter.attempts, 0);
    assert_text(letter.letter.reason, "expired");
    assert_int_equal(test_committed(test), 1);
    letter_clear(&letter);
}

static void an_old_event_gets_one_attempt_and_no_further_one(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    test_subscribe(test, "s", "/status/500",
                   "{\"retry\":{\"initialMs\":1,\"factor\":1,\"maxAgeMs\":3600000}}");
    test_start_dispatcher(test);
    test_emit(test,
              &(struct test_event){.id = "e", .received_us = clock_wall_us() - 3600000000LL - 1});
    await_letter(test, &letter);
    assert_int_equal(test->call_count, 1);
    assert_begins(letter.letter.reason, "expired");
    letter_clear(&letter);
}

static void without_dead_letters_what_is_given_up_is_dropped_and_counted(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *dropped = dispatcher_metrics()->deliveries[DELIVERY_END_DROPPED];
    struct metric *dead_letters = dispatcher_metrics()->dead_letters;
    int64_t dropped_before = metric_value(dropped);
    int64_t letters_before = metric_value(dead_letters);
    test_subscribe(test, "s", "/status/400", "{\"deadLetter\":false}");
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    // Dropped without a call, too.
    test_emit(test, &(struct test_event){.id = "f",
                                         .extension_name = "expirytime",
                                         .extension_value = "2001-01-01T00:00:00Z"});
    test_await_metric(dropped, dropped_before + 2);
    test_close_dispatcher(test);
    assert_int_equal(metric_value(dead_letters), letters_before);
    assert_int_equal(test_committed(test), 2);
}

static void check_failing_appends(enum status status) {
    for (uint64_t failures = 1; failures <= 3; failures++) {
        struct dispatcher_test *test = test_create(1, 1);
        struct letter letter;
        struct metric *failed = dispatcher_metrics()->dead_letter_failures;
        int64_t failed_before = metric_value(failed);
        event_log_memory_fail_append(test->log, EVENT_LOG_DEAD_LETTERS, 1, failures, status);
        test_subscribe(test, "s", "/status/400", NULL);
        test_start_dispatcher(test);
        test_emit_id(test, "e");
        await_letter(test, &letter);
        assert_int_equal(metric_value(failed) - failed_before, failures);
        assert_int_equal(test_committed(test), 1);
        letter_clear(&letter);
        test_destroy(test);
    }
}

static void a_dead_letter_that_the_log_refuses_is_appended_again(void **state) {
    (void)state;
    check_failing_appends(STATUS_FULL);
}

static void a_dead_letter_that_fails_in_the_log_is_appended_again(void **state) {
    (void)state;
    check_failing_appends(STATUS_TIMEOUT);
}

static void a_dead_letter_that_is_too_large_goes_without_the_answer(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    event_log_memory_fail_append(test->log, EVENT_LOG_DEAD_LETTERS, 1, 1, STATUS_TOO_LARGE);
    test_subscribe(test, "s", "/status/400", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_letter(test, &letter);
    assert_int_equal(letter.letter.last_answer.size, 0);
    assert_int_equal(letter.letter.last_status, 400);
    letter_clear(&letter);
}

static void the_nth_dead_letter_may_fail(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 4; n++) {
        struct dispatcher_test *test = test_create(1, 1);
        struct recorder recorder;
        event_log_memory_fail_append(test->log, EVENT_LOG_DEAD_LETTERS, n, 2, STATUS_UNAVAILABLE);
        test_subscribe(test, "s", "/status/400", NULL);
        test_start_dispatcher(test);
        test_emit_numbers(test, 4);
        test_read_dead_letters(test, &recorder);
        recorder_await_received(&recorder, 4);
        test_close_dispatcher(test);
        assert_int_equal(recorder.received_count, 4);
        assert_int_equal(test_committed(test), 4);
        recorder_close(&recorder);
        recorder_clear(&recorder);
        test_destroy(test);
    }
}

static void without_the_logs_confirmation_a_delivery_is_not_finished(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    struct metric *failed = dispatcher_metrics()->dead_letter_failures;
    int64_t before = metric_value(failed);
    test->options.hand_over_ms = 100;
    test_subscribe(test, "s", "/status/400", NULL);
    test_start_dispatcher(test);
    event_log_memory_fail_append(test->log, EVENT_LOG_DEAD_LETTERS, 1, 1000000, STATUS_TIMEOUT);
    test_emit_id(test, "e");
    test_await_metric(failed, before + 2);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 0);

    event_log_memory_fail_append(test->log, EVENT_LOG_DEAD_LETTERS, 1, 0, STATUS_TIMEOUT);
    test_start_dispatcher(test);
    test_read_dead_letters(test, &recorder);
    recorder_await_received(&recorder, 1);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 1);
    assert_int_equal(test_count_calls(test, NULL, "e"), 2);
    recorder_close(&recorder);
    recorder_clear(&recorder);
}

static void no_more_calls_run_than_max_in_flight(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "slow", "/hold", "{\"maxInFlight\":3}");
    test_subscribe(test, "other", "/ok", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 20);
    test_await_calls(test, "/ok", NULL, 20);
    for (size_t answered = 3; answered < 20; answered += 3) {
        test_await_calls(test, "/hold", NULL, answered);
        assert_true(test_count_calls(test, "/hold", NULL) <= answered);
        test_let_go(test, true);
    }
    test_await_calls(test, "/hold", NULL, 20);
    test_let_go(test, false);
    test_close_dispatcher(test);
    assert_int_equal(test->held_most, 3);
    assert_int_equal(test->call_count, 40);
    assert_int_equal(test_committed(test), 20);
}

static void what_waits_in_memory_holds_the_position(void **state) {
    struct dispatcher_test *test = *state;
    test->options.tiers = &no_parking;
    test_subscribe(test, "s", "/later", ONE_AT_A_TIME);
    test_start_dispatcher(test);
    test_emit_id(test, "first");
    test_emit_numbers(test, 10);
    test_await_calls(test, "/later", NULL, 11);
    test_close_dispatcher(test);
    assert_int_equal(test->call_count, 11);
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
    test_await_calls(test, "/later", NULL, 11);
    test_await_metric(waiting, before + 1);
    test_close_dispatcher(test);
    assert_int_equal(test->call_count, 11);
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
    test_await_calls(test, "/later", NULL, 2);
    test_await_calls(test, "/hold", NULL, 1);
    test_put(test, RESOURCE_SUBSCRIPTION, "s", NULL);
    test_put(test, RESOURCE_SUBSCRIPTION, "held", NULL);
    test_await_metric(ended, before + 2); // One waits for a retry, one for its turn.
    test_let_go(test, false);
    test_close_dispatcher(test);
    assert_int_equal(test->call_count, 3);
    assert_int_equal(test_committed(test), 2);
}

static void a_changed_function_is_called_by_the_next_attempt(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/status/500",
                   "{\"retry\":{\"maxAttempts\":1000,\"initialMs\":20,\"factor\":1}}");
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(test, "/status/500", "e", 2);
    test_put_function(test, "s", "/ok");
    test_await_calls(test, "/ok", "e", 1);
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
    test_await_calls(test, "/status/500", "e", 2);
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
    test_await_calls(test, "/hold", NULL, 1);
    test_put_subscription(test, "s", "s", "test", "{\"maxInFlight\":4}");
    test_await_calls(test, "/hold", NULL, 4);
    test_let_go(test, false);
    test_close_dispatcher(test);
    assert_int_equal(test->call_count, 4);
}

static void a_change_that_changes_nothing_disturbs_nothing(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/hold", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 3);
    test_await_calls(test, "/hold", NULL, 3);
    test_put_subscription(test, "s", "s", "test", NULL);
    test_put_function(test, "s", "/hold");
    test_let_go(test, false);
    test_close_dispatcher(test);
    assert_int_equal(test->call_count, 3);
    assert_int_equal(test_committed(test), 3);
}

static void a_missing_function_is_waited_for_until_the_attempts_are_used_up(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    test_put_subscription(test, "s", "missing", "test", FAST_RETRY);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_letter(test, &letter);
    assert_int_equal(letter.letter.attempts, 5);
    assert_begins(letter.letter.reason, "attempts used up");
    assert_text(letter.letter.function_id, "missing");
    letter_clear(&letter);
}

static void the_subscription_that_has_handled_an_event_already_does_not_get_it(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "handled", "/ok/handled", NULL);
    test_subscribe(test, "other", "/ok/other", NULL);
    test_start_dispatcher(test);
    test_emit(test, &(struct test_event){.id = "e", .sync = "handled"});
    test_await_calls(test, "/ok/other", "e", 1);
    test_close_dispatcher(test);
    assert_int_equal(test->call_count, 1);
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
        test_await_calls(test, path, id, 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_event_goes_to_each_subscription_that_matches),
        TEST(deliveries_of_an_event_share_a_trace_and_have_spans_of_their_own),
        TEST(a_failed_delivery_is_tried_again_until_it_succeeds),
        TEST(after_the_last_attempt_the_event_is_a_dead_letter),
        TEST(a_final_status_is_not_tried_again),
        TEST(gone_pauses_the_subscription_and_its_event_stays),
        TEST(a_redirect_is_a_failure_and_not_followed),
        TEST(an_event_that_has_expired_is_not_delivered),
        TEST(an_old_event_gets_one_attempt_and_no_further_one),
        TEST(without_dead_letters_what_is_given_up_is_dropped_and_counted),
        cmocka_unit_test(a_dead_letter_that_the_log_refuses_is_appended_again),
        cmocka_unit_test(a_dead_letter_that_fails_in_the_log_is_appended_again),
        TEST(a_dead_letter_that_is_too_large_goes_without_the_answer),
        cmocka_unit_test(the_nth_dead_letter_may_fail),
        TEST(without_the_logs_confirmation_a_delivery_is_not_finished),
        TEST(no_more_calls_run_than_max_in_flight),
        TEST(what_waits_in_memory_holds_the_position),
        TEST(what_waits_for_a_retry_takes_no_place_of_what_runs),
        TEST(deliveries_of_a_deleted_subscription_are_finished),
        TEST(a_changed_function_is_called_by_the_next_attempt),
        TEST(a_changed_policy_applies_to_the_next_attempt),
        TEST(a_higher_max_in_flight_is_used_at_once),
        TEST(a_change_that_changes_nothing_disturbs_nothing),
        TEST(a_missing_function_is_waited_for_until_the_attempts_are_used_up),
        TEST(the_subscription_that_has_handled_an_event_already_does_not_get_it),
        TEST(events_without_a_subscription_and_records_without_an_event_are_finished),
        TEST(a_subscription_is_served_from_the_moment_its_creation_was_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
