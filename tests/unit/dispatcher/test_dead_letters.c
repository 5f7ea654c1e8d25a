// What is given up: why, what its dead letter says, and the log that does not take it.
#include "tests/unit/dispatcher/dead_letter_test.h"

// Retries without noticeable waits.
#define FAST_RETRY "{\"retry\":{\"maxAttempts\":5,\"initialMs\":1,\"factor\":1}}"

static int set_up(void **state) {
    *state = test_create(1, 1);
    return 0;
}

static int tear_down(void **state) {
    test_destroy(*state);
    return 0;
}

static void after_the_last_attempt_the_event_is_a_dead_letter(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    test_subscribe(test, "s", "/status/500", FAST_RETRY);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_letter(test, &letter);
    assert_int_equal(test->functions.call_count, 5);
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
    assert_int_equal(test->functions.call_count, 1);
    assert_begins(letter.letter.reason, "final status");
    assert_int_equal(letter.letter.last_status, 422);
    letter_clear(&letter);
}

static void a_redirect_is_a_failure_and_not_followed(void **state) {
    struct dispatcher_test *test = *state;
    struct letter letter;
    test_subscribe(test, "s", "/status/307", FAST_RETRY);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_letter(test, &letter);
    assert_int_equal(test->functions.call_count, 5);
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
    assert_int_equal(test->functions.call_count, 0);
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
    assert_int_equal(test->functions.call_count, 1);
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
    assert_int_equal(test_count_calls(&test->functions, NULL, "e"), 2);
    recorder_close(&recorder);
    recorder_clear(&recorder);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(after_the_last_attempt_the_event_is_a_dead_letter),
        TEST(a_final_status_is_not_tried_again),
        TEST(a_redirect_is_a_failure_and_not_followed),
        TEST(an_event_that_has_expired_is_not_delivered),
        TEST(an_old_event_gets_one_attempt_and_no_further_one),
        TEST(without_dead_letters_what_is_given_up_is_dropped_and_counted),
        cmocka_unit_test(a_dead_letter_that_the_log_refuses_is_appended_again),
        cmocka_unit_test(a_dead_letter_that_fails_in_the_log_is_appended_again),
        TEST(a_dead_letter_that_is_too_large_goes_without_the_answer),
        cmocka_unit_test(the_nth_dead_letter_may_fail),
        TEST(without_the_logs_confirmation_a_delivery_is_not_finished),
        TEST(a_missing_function_is_waited_for_until_the_attempts_are_used_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
