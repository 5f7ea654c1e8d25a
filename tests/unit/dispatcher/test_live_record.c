// What is finished beyond the live position of a partition, and what was tried there, survives.
#include "tests/unit/dispatcher/cursor_records_test.h"

static int set_up(void **state) {
    struct dispatcher_test *test = test_create(1, 1);
    test->options.tiers = &no_parking;
    *state = test;
    return 0;
}

static int tear_down(void **state) {
    test_destroy(*state);
    return 0;
}

// Until somebody is told to have finished the offset.
static void await_told(struct dispatcher_test *test, int64_t offset) {
    struct timespec until = test_deadline();
    struct timespec now;
    do {
        struct cursor_record record;
        bool is_told = false;
        if (test_read_live(test, CURSOR_OF_EVENTS, &record)) {
            for (size_t i = 0; i < record.share_count; i++) {
                is_told |= offset_ranges_contain(&record.shares[i].finished, offset);
            }
            cursor_record_clear(&record);
        }
        if (is_told) {
            return;
        }
        sched_yield();
        clock_gettime(CLOCK_REALTIME, &now);
    } while (now.tv_sec < until.tv_sec);
    fail_msg("offset %lld is not told of", (long long)offset);
}

// Of an event that comes twice, the later one.
static unsigned last_attempt(struct dispatcher_test *test, const char *path, const char *id) {
    unsigned attempt = 0;
    for (size_t i = 0; i < test->functions.call_count; i++) {
        struct test_call call = test_call_at(&test->functions, i);
        if (strcmp(call.path, path) == 0 && strcmp(call.event_id, id) == 0) {
            attempt = call.attempt;
        }
    }
    return attempt;
}

static void subscribe_one_that_hangs(struct dispatcher_test *test) {
    test_subscribe(test, "quick", "/ok", NULL);
    test_subscribe(test, "hangs", "/hold", "{\"timeoutMs\":900000}");
}

// So many events that one subscription has finished, which is told, and another has not.
static void finish_beside_one_that_hangs(struct dispatcher_test *test, size_t count) {
    subscribe_one_that_hangs(test);
    test_start_dispatcher(test);
    test_emit_numbers(test, count);
    test_await_calls(&test->functions, "/ok", NULL, count);
    await_told(test, (int64_t)count - 1);
}

static void what_is_finished_is_not_delivered_again_after_a_crash(void **state) {
    struct dispatcher_test *test = *state;
    finish_beside_one_that_hangs(test, 20);
    test_crash_dispatcher(test);
    assert_int_equal(test_committed(test), 0);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/hold", NULL, 40);
    test_emit_id(test, "after");
    test_await_calls(&test->functions, "/ok", "after", 1);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 21);
    assert_int_equal(test_committed(test), 21);
}

static void a_second_crash_soon_after_knows_of_it_as_well(void **state) {
    struct dispatcher_test *test = *state;
    finish_beside_one_that_hangs(test, 20);
    for (size_t crashes = 1; crashes <= 3; crashes++) {
        test_crash_dispatcher(test);
        test_start_dispatcher(test);
        test_await_calls(&test->functions, "/hold", NULL, 20 * (crashes + 1));
    }
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 20);
    assert_int_equal(test_committed(test), 20);
}

// Its id is the same, but it is not the one that has finished them.
static void another_subscription_of_the_same_id_is_passed_over_by_nobody(void **state) {
    struct dispatcher_test *test = *state;
    finish_beside_one_that_hangs(test, 5);
    test_crash_dispatcher(test);
    test_put(test, RESOURCE_SUBSCRIPTION, "quick", NULL);
    test_put(test, RESOURCE_SUBSCRIPTION, "quick",
             "{\"space\":\"default\",\"subscriptionId\":\"quick\",\"type\":\"async\",\"eventType\":"
             "\"test\",\"functionId\":\"quick\",\"method\":\"POST\",\"path\":\"/\","
             "\"created\":\"2026-11-25T00:00:01Z\"}");
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/ok", NULL, 10);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 5);
}

static void a_new_subscription_is_passed_over_by_nobody(void **state) {
    struct dispatcher_test *test = *state;
    finish_beside_one_that_hangs(test, 5);
    test_crash_dispatcher(test);
    test_subscribe(test, "new", "/status/204", NULL);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/status/204", NULL, 5);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 5);
}

// What an owner of that epoch would write, of whom everything is finished.
static void write_as_owner(struct dispatcher_test *test, int64_t epoch, const char *id,
                           int64_t end) {
    struct cursor_share share = {{0}, {0}, {0}};
    struct cursor_record record = {.kind = CURSOR_LIVE,
                                   .epoch = epoch,
                                   .until = CURSOR_NO_END,
                                   .shares = &share,
                                   .share_count = 1};
    const struct snapshot *snapshot = registry_snapshot(test->registry);
    const struct subscription *subscription =
        snapshot_subscription(snapshot, BYTES("default"), bytes_of_text(id));
    memcpy(share.fingerprint, subscription->fingerprint, sizeof share.fingerprint);
    snapshot_unref(snapshot);
    offset_ranges_add(&share.finished, 0, end);
    test_write_cursor(test, &record);
    offset_ranges_clear(&share.finished);
}

// After a crash of the owner of epoch 2, who was still calling the function with all five.
static void start_after_a_record_of(struct dispatcher_test *test, int64_t epoch) {
    test_subscribe(test, "hangs", "/hold", "{\"timeoutMs\":900000}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 5);
    test_await_calls(&test->functions, "/hold", NULL, 5);
    test_crash_dispatcher(test);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/hold", NULL, 10);
    test_crash_dispatcher(test);
    write_as_owner(test, epoch, "hangs", 5);
    test_start_dispatcher(test);
    test_emit_id(test, "after");
    test_await_calls(&test->functions, "/hold", "after", 1);
}

static void what_a_former_owner_tells_is_not_believed(void **state) {
    struct dispatcher_test *test = *state;
    start_after_a_record_of(test, 1);
    test_await_calls(&test->functions, "/hold", NULL, 16);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
}

// So that the one before shows something.
static void what_the_last_owner_tells_is_believed(void **state) {
    struct dispatcher_test *test = *state;
    start_after_a_record_of(test, 2);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 11);
    assert_int_equal(test_committed(test), 6);
}

// As when eg.events was made anew while eg.cursor stayed.
static void what_is_told_of_offsets_that_do_not_exist_is_not_believed(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "quick", "/ok", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 5);
    test_await_calls(&test->functions, "/ok", NULL, 5);
    test_close_dispatcher(test);
    write_as_owner(test, 2, "quick", 1000);
    test_start_dispatcher(test);
    test_emit_id(test, "after");
    test_await_calls(&test->functions, "/ok", "after", 1);
    test_close_dispatcher(test);
}

static void a_hand_over_repeats_only_the_calls_that_do_not_end(void **state) {
    struct dispatcher_test *test = *state;
    test->options.hand_over_ms = 2000;
    subscribe_one_that_hangs(test);
    test_start_dispatcher(test);
    test_emit_numbers(test, 20);
    test_await_calls(&test->functions, "/ok", NULL, 20);
    test_await_calls(&test->functions, "/hold", NULL, 20);
    event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, 0);
    test_await_calls(&test->functions, "/hold", NULL, 40);
    test_emit_id(test, "after");
    test_await_calls(&test->functions, "/ok", "after", 1);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 21);
}

// What waited is forgotten, and told to be unfinished.
static void a_hand_over_loses_nothing_that_waits(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "quick", "/ok", NULL);
    test_subscribe(test, "narrow", "/hold", "{\"maxInFlight\":2}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 50);
    test_await_calls(&test->functions, "/ok", NULL, 50);
    test_await_calls(&test->functions, "/hold", NULL, 2);
    event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, 0);
    test_let_go(&test->functions, false);
    test_await_calls(&test->functions, "/hold", NULL, 50);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 50);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 50);
    assert_int_equal(test_committed(test), 50);
}

// When the last calls of a hand-over fail, its circuit opens; what waited is forgotten by then.
static void a_circuit_that_opens_in_a_hand_over_loses_nothing(void **state) {
    struct dispatcher_test *test = *state;
    test->options.hand_over_ms = 60000;
    test_subscribe(test, "later", "/later", NULL);
    test_subscribe(test, "s", "/hold", "{\"maxInFlight\":12,\"retry\":{\"initialMs\":1}}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 60);
    test_await_calls(&test->functions, "/hold", NULL, 12);
    test_emit_id(test, "first");
    test_await_metric(dispatcher_metrics()->retries_waiting, 1);
    test->functions.held_status = 500;
    event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, 0);
    test_await_exactly(dispatcher_metrics()->retries_waiting, 0); // It hands over.
    test_let_go(&test->functions, true);
    test_await_metric(dispatcher_metrics()->circuits_open, 1);
    test->functions.held_status = 200;
    test_let_go(&test->functions, false);
    for (size_t i = 0; i < 60; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        test_await_calls(&test->functions, "/hold", id, i < 12 ? 2 : 1);
    }
}

static void attempts_go_on_to_count_after_a_hand_over(void **state) {
    struct dispatcher_test *test = *state;
    test->options.hand_over_ms = 60000;
    test_subscribe(test, "s", "/later", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "first");
    test_await_metric(dispatcher_metrics()->retries_waiting, 1);
    for (unsigned attempt = 2; attempt <= 4; attempt++) {
        event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, 0);
        test_await_calls(&test->functions, "/later", "first", attempt);
        assert_int_equal(last_attempt(test, "/later", "first"), attempt);
    }
    assert_string_equal(test_call_at(&test->functions, 3).reason, "status 429");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_finished_is_not_delivered_again_after_a_crash,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_crash_soon_after_knows_of_it_as_well, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            another_subscription_of_the_same_id_is_passed_over_by_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_subscription_is_passed_over_by_nobody, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_former_owner_tells_is_not_believed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_the_last_owner_tells_is_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_told_of_offsets_that_do_not_exist_is_not_believed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hand_over_repeats_only_the_calls_that_do_not_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_hand_over_loses_nothing_that_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_circuit_that_opens_in_a_hand_over_loses_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(attempts_go_on_to_count_after_a_hand_over, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
