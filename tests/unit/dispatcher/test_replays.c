// Replays: what the invariants of replays.h promise, over a whole dispatcher.
#include "tests/unit/dispatcher/dispatcher_log_test.h"

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

static void put_replay(struct dispatcher_test *test, const char *id, const char *subscription,
                       const char *parts) {
    char document[512];
    snprintf(document, sizeof document,
             "{\"space\":\"default\",\"replayId\":\"%s\",\"subscriptionId\":\"%s\","
             "\"created\":\"2026-11-25T00:00:00Z\","
             "\"subscriptionCreated\":\"2026-11-25T00:00:00Z\",\"partitions\":%s}",
             id, subscription, parts);
    test_put(test, RESOURCE_REPLAY, id, document);
}

// The function has taken the calls; a dispatcher that closes before it has the answers would make
// the last one again.
static void await_answers(void) {
    test_await_exactly(dispatcher_metrics()->in_flight, 0);
}

// Delivered live, and committed, so that a crash repeats nothing of it.
static void start_with(struct dispatcher_test *test, size_t count, const char *other) {
    test_start_dispatcher(test);
    test_emit_numbers(test, count);
    test_await_calls(&test->functions, "/ok", NULL, count);
    test_await_calls(&test->functions, other, NULL, count);
    await_answers();
    test_close_dispatcher(test);
    test_start_dispatcher(test);
}

// So many events are delivered; from then on calls of /hold are held.
static void start_and_hold(struct dispatcher_test *test, size_t count) {
    test_let_go(&test->functions, false);
    start_with(test, count, "/hold");
    pthread_mutex_lock(&test->functions.lock);
    test->functions.lets_go = false;
    pthread_mutex_unlock(&test->functions.lock);
}

static void it_delivers_its_range_to_its_subscription_once(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "other", "/status/200", NULL);
    start_with(test, 100, "/status/200");
    put_replay(test, "r", "good", "[[20,70]]");
    test_await_range(&test->functions, "/ok", 20, 70, 2);
    test_close_dispatcher(test);
    test_start_dispatcher(test); // Its end is known.
    test_emit_id(test, "live");
    test_await_calls(&test->functions, "/ok", "live", 1);
    test_close_dispatcher(test);
    test_assert_range(&test->functions, "/ok", 0, 20, 1, 1);
    test_assert_range(&test->functions, "/ok", 20, 70, 2, 2);
    test_assert_range(&test->functions, "/ok", 70, 100, 1, 1);
    assert_int_equal(test_count_calls(&test->functions, "/status/200", NULL), 101);
    assert_int_equal(test_committed(test), 101);
}

static void it_goes_on_after_a_crash_and_a_rebalance(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", "{\"maxInFlight\":1}");
    start_with(test, 300, "/ok");
    put_replay(test, "r", "good", "[[0,300]]");
    test_await_calls(&test->functions, "/ok", NULL, 330);
    test_crash_dispatcher(test);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/ok", NULL, 400);
    event_log_memory_rebalance(test->log, EVENT_LOG_EVENTS, 0);
    test_await_range(&test->functions, "/ok", 0, 300, 2);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 300);
}

static void one_that_hangs_holds_up_nothing_that_is_live(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":4}");
    start_and_hold(test, 100);
    put_replay(test, "r", "bad", "[[0,100]]");
    test_await_calls(&test->functions, "/hold", NULL, 104);
    for (size_t i = 0; i < 50; i++) {
        test_emit(test, &(struct test_event){.id = "live"});
    }
    test_await_calls(&test->functions, "/ok", "live", 50);
    test_let_go(&test->functions, false);
    test_await_range(&test->functions, "/hold", 0, 100, 2);
    test_await_calls(&test->functions, "/hold", "live", 50);
    test_close_dispatcher(test);
    test_assert_range(&test->functions, "/hold", 0, 100, 2, 2);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 150);
}

static void emit_live(struct dispatcher_test *test, size_t count) {
    for (size_t i = 0; i < count; i++) {
        test_emit(test, &(struct test_event){.id = "live"});
    }
}

static void its_calls_and_live_ones_share_the_places_and_live_goes_first(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":4}");
    start_and_hold(test, 60);
    put_replay(test, "r1", "bad", "[[0,60]]");
    put_replay(test, "r2", "bad", "[[0,60]]");
    test_await_calls(&test->functions, "/hold", NULL, 64);
    emit_live(test, 8);
    test_await_calls(&test->functions, "/ok", "live", 8);
    assert_int_equal(test_count_calls(&test->functions, "/hold", "live"), 0);
    test_let_go(&test->functions, true);
    test_await_calls(&test->functions, "/hold", NULL, 68);
    assert_int_equal(test_count_calls(&test->functions, "/hold", "live"), 4);
    test_let_go(&test->functions, true);
    test_await_calls(&test->functions, "/hold", NULL, 72);
    assert_int_equal(test_count_calls(&test->functions, "/hold", "live"), 8);
    test_let_go(&test->functions, true);
    test_await_calls(&test->functions, "/hold", NULL, 76); // They go on when nothing live waits.
    test_let_go(&test->functions, false);
    test_await_range(&test->functions, "/hold", 0, 60, 3);
    test_close_dispatcher(test);
    test_assert_range(&test->functions, "/hold", 0, 60, 3, 3);
    assert_int_equal(test->functions.held_most, 4);
}

static void its_rate_is_a_part_of_that_of_its_subscription(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    start_with(test, 60, "/ok");
    test_subscribe(test, "good", "/ok", "{\"ratePerSecond\":60}");
    put_replay(test, "r", "good", "[[0,60]]");
    emit_live(test, 60);
    test_await_range(&test->functions, "/ok", 0, 60, 2);
    test_await_calls(&test->functions, "/ok", "live", 60);
    test_close_dispatcher(test);
    int64_t took_us =
        test_call_at(&test->functions, 179).time_us - test_call_at(&test->functions, 60).time_us;
    // 120 of them, of which the first six go at once.
    assert_true(took_us > 114 * INT64_C(1000000) / 60 - 200000);
}

// A function that refuses more than one call at a time, and a rate: each may make either wait.
static void nobody_waits_for_ever_beside_the_other(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 4);
    test_subscribe(test, "one", "/one",
                   "{\"maxInFlight\":2,\"ratePerSecond\":2000,"
                   "\"retry\":{\"initialMs\":1,\"maxMs\":5,\"maxAttempts\":100}}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 40);
    const struct dispatcher_metrics *metrics = dispatcher_metrics();
    int64_t before = metric_value(metrics->deliveries[DELIVERY_END_DELIVERED]);
    test_await_range(&test->functions, "/one", 0, 40, 1);
    put_replay(test, "r1", "one", "[[0,10],[0,10],[0,10],[0,10]]");
    put_replay(test, "r2", "one", "[[0,10],[0,10],[0,10],[0,10]]");
    emit_live(test, 40);
    test_await_range(&test->functions, "/one", 0, 40, 3);
    test_await_calls(&test->functions, "/one", "live", 40);
    test_await_metric(metrics->deliveries[DELIVERY_END_DELIVERED], before + 80);
    test_close_dispatcher(test);
    test_destroy(test);
}

static void records_that_the_log_does_not_take_are_written_again(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    start_with(test, 50, "/ok");
    for (uint64_t n = 1; n <= 4; n++) {
        char id[8];
        snprintf(id, sizeof id, "r%d", (int)n);
        event_log_memory_fail_append(test->log, EVENT_LOG_CURSORS, n, 2, STATUS_TIMEOUT);
        put_replay(test, id, "good", "[[0,50]]");
        test_await_range(&test->functions, "/ok", 0, 50, 1 + n);
        test_close_dispatcher(test);
        test_start_dispatcher(test);
        test_assert_range(&test->functions, "/ok", 0, 50, 1 + n, 1 + n);
    }
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 250);
}

static void it_is_stopped_with_its_document_or_its_subscription(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":2}");
    start_and_hold(test, 60);
    put_replay(test, "r1", "bad", "[[0,60]]");
    test_await_calls(&test->functions, "/hold", NULL, 62);
    test_put(test, RESOURCE_REPLAY, "r1", NULL);
    test_emit_id(test, "seen");
    test_await_calls(&test->functions, "/ok", "seen", 1); // The end is known where the calls begin.
    test_let_go(&test->functions, false);
    test_await_calls(&test->functions, "/hold", "seen", 1);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 63);

    pthread_mutex_lock(&test->functions.lock);
    test->functions.lets_go = false;
    pthread_mutex_unlock(&test->functions.lock);
    put_replay(test, "r2", "bad", "[[0,60]]");
    test_await_calls(&test->functions, "/hold", NULL, 65);
    test_put(test, RESOURCE_SUBSCRIPTION, "bad", NULL);
    test_emit_id(test, "later");
    test_await_calls(&test->functions, "/ok", "later", 1);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 65);
    assert_int_equal(test_committed(test), 62);
}

static void one_that_is_stopped_is_not_begun_again(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "good", "/ok", NULL);
    test_subscribe(test, "bad", "/hold", "{\"maxInFlight\":2}");
    start_and_hold(test, 60);
    put_replay(test, "r1", "bad", "[[0,60]]");
    test_await_calls(&test->functions, "/hold", NULL, 62);
    put_replay(test, "r1", "bad", "[[0,60]],\"stopped\":\"2026-11-25T01:00:00Z\"");
    test_emit_id(test, "seen");
    test_await_calls(&test->functions, "/ok", "seen",
                     1); // The stop is known where the calls begin.
    test_let_go(&test->functions, false);
    test_await_calls(&test->functions, "/hold", "seen", 1);
    test_close_dispatcher(test);
    test_start_dispatcher(test);
    test_emit_id(test, "later");
    test_await_calls(&test->functions, "/hold", "later", 1);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 64);
}

static void partitions_that_it_has_nothing_of_and_empty_ranges_end_at_once(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 4);
    test_subscribe(test, "good", "/ok", NULL);
    start_with(test, 40, "/ok");
    put_replay(test, "r1", "good", "[]");
    put_replay(test, "r2", "good", "[[3,3],[0,2]]");
    put_replay(test, "r3", "nobody", "[[0,2],[0,2]]");
    test_await_calls(&test->functions, "/ok", NULL, 42);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 42);
    test_destroy(test);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_delivers_its_range_to_its_subscription_once),
        TEST(it_goes_on_after_a_crash_and_a_rebalance),
        TEST(one_that_hangs_holds_up_nothing_that_is_live),
        TEST(its_calls_and_live_ones_share_the_places_and_live_goes_first),
        TEST(its_rate_is_a_part_of_that_of_its_subscription),
        cmocka_unit_test(nobody_waits_for_ever_beside_the_other),
        TEST(records_that_the_log_does_not_take_are_written_again),
        TEST(it_is_stopped_with_its_document_or_its_subscription),
        TEST(one_that_is_stopped_is_not_begun_again),
        cmocka_unit_test(partitions_that_it_has_nothing_of_and_empty_ranges_end_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
