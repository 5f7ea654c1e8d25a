// What the stream of outcomes is told of attempts, and of calls that run.
#include "tests/unit/dispatcher/dispatcher_log_test.h"
#include "tests/unit/dispatcher/parking_test.h"

#include "core/events/outcome_record.h"

struct seen_outcome {
    char id[24];
    enum outcome_kind kind;
    uint32_t attempt;
    unsigned status;
    int64_t next_us;
    bool has_answer;
    char node[24];
};

struct seen_outcomes {
    struct seen_outcome items[64];
    size_t count;
};

static void see(void *context, const struct outcome *outcome) {
    struct seen_outcomes *seen = context;
    assert_true(seen->count < ARRAY_LENGTH(seen->items));
    struct seen_outcome *item = &seen->items[seen->count++];
    snprintf(item->id, sizeof item->id, "%.*s", (int)outcome->event_id.size,
             outcome->event_id.data);
    snprintf(item->node, sizeof item->node, "%.*s", (int)outcome->node.size, outcome->node.data);
    item->kind = outcome->kind;
    item->attempt = outcome->attempt;
    item->status = outcome->status;
    item->next_us = outcome->next_attempt_us;
    item->has_answer = bytes_equal_text(outcome->answer, "what the function said");
    assert_true(bytes_equal_text(outcome->subscription_id, "s"));
    assert_int_equal(outcome->partition, 0);
    assert_int_equal(outcome->offset, 0);
}

static const struct outcome_visitor visitor = {.outcome = see};

static void await_outcomes(struct recorder *recorder, size_t count,
                           struct seen_outcomes *ret_seen) {
    size_t records = 0;
    *ret_seen = (struct seen_outcomes){0};
    while (ret_seen->count < count) {
        recorder_await_received(recorder, records + 1);
        size_t refused = 0;
        assert_int_equal(outcome_record_decode(recorder->received[records++].record.value, &visitor,
                                               ret_seen, &refused, NULL),
                         STATUS_OK);
        assert_int_equal(refused, 0);
    }
    assert_int_equal(ret_seen->count, count);
}

static void the_outcome_of_each_attempt_is_told(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    struct seen_outcomes seen;
    test->options.node = "here:1";
    test_subscribe(test, "s", "/fail/2",
                   "{\"retry\":{\"maxAttempts\":12,\"initialMs\":80,\"factor\":1}}");
    test_start_dispatcher(test);
    test_read_stream(test, &recorder, EVENT_LOG_OUTCOMES);
    test_emit_id(test, "e");
    await_outcomes(&recorder, 3, &seen);
    for (size_t i = 0; i < 3; i++) {
        const struct seen_outcome *item = &seen.items[i];
        assert_string_equal(item->id, "e");
        assert_string_equal(item->node, "here:1");
        // The wait that is drawn can be nothing, and what waits for nothing is not parked.
        bool is_retried = item->kind == OUTCOME_PARKED || item->kind == OUTCOME_RETRY;
        assert_true(i < 2 ? is_retried : item->kind == OUTCOME_DELIVERED);
        assert_int_equal(item->attempt, i + 1);
        assert_int_equal(item->status, i < 2 ? 503 : 200);
        assert_int_equal(item->next_us > 0, i < 2);
        assert_int_equal(item->has_answer, i < 2);
    }
    test_close_dispatcher(test);
    test_stop_reading(&recorder);
}

struct seen_calls {
    uint32_t counts[8];
    size_t count;
};

static void pass_over(void *context, const struct outcome *outcome) {
    (void)context;
    (void)outcome;
}

static void see_calls(void *context, const struct in_flight_count *told) {
    struct seen_calls *seen = context;
    assert_true(seen->count < ARRAY_LENGTH(seen->counts));
    assert_true(bytes_equal_text(told->subscription_id, "s"));
    assert_true(bytes_equal_text(told->node, "here:1"));
    assert_true(told->time_us > 0);
    seen->counts[seen->count++] = told->count;
}

static void await_calls_told(struct recorder *recorder, size_t count, struct seen_calls *ret_seen) {
    const struct outcome_visitor calls = {.outcome = pass_over, .in_flight = see_calls};
    *ret_seen = (struct seen_calls){0};
    for (size_t records = 0; ret_seen->count < count; records++) {
        size_t refused = 0;
        recorder_await_received(recorder, records + 1);
        assert_int_equal(outcome_record_decode(recorder->received[records].record.value, &calls,
                                               ret_seen, &refused, NULL),
                         STATUS_OK);
    }
}

// Also when no outcomes are recorded.
static void how_many_calls_run_is_told_until_none_does(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    struct seen_calls seen;
    test->options.node = "here:1";
    test->options.recording = OUTCOMES_OFF;
    test_subscribe(test, "s", "/hold", NULL);
    test_start_dispatcher(test);
    test_read_stream(test, &recorder, EVENT_LOG_OUTCOMES);
    test_emit_numbers(test, 3);
    test_await_calls(&test->functions, "/hold", NULL, 3);
    await_calls_told(&recorder, 1, &seen);
    assert_int_equal(seen.counts[0], 3);
    test_let_go(&test->functions, false);
    await_calls_told(&recorder, 2, &seen);
    assert_int_equal(seen.counts[1], 0);
    test_close_dispatcher(test);
    test_stop_reading(&recorder);
}

static void what_is_given_up_or_waits_in_memory_is_told(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    struct seen_outcomes seen;
    test->options.tiers = &no_parking;
    test_subscribe(test, "s", "/status/500",
                   "{\"retry\":{\"maxAttempts\":2,\"initialMs\":1,\"factor\":1}}");
    test_start_dispatcher(test);
    test_read_stream(test, &recorder, EVENT_LOG_OUTCOMES);
    test_emit_id(test, "e");
    await_outcomes(&recorder, 2, &seen);
    assert_int_equal(seen.items[0].kind, OUTCOME_RETRY);
    assert_int_equal(seen.items[1].kind, OUTCOME_DEAD_LETTERED);
    assert_true(seen.items[1].has_answer);
    test_close_dispatcher(test);
    test_stop_reading(&recorder);
}

static void only_failures_are_told_when_asked_so(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *recorded = dispatcher_metrics()->outcomes;
    int64_t before = metric_value(recorded);
    test->options.recording = OUTCOMES_OF_FAILURES;
    test_subscribe(test, "s", "/later", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 3);
    test_emit_id(test, "first");
    test_await_metric(recorded, before + 1);
    test_close_dispatcher(test);
    assert_int_equal(metric_value(recorded), before + 1);
    test->options.recording = OUTCOMES_OFF;
    test_put(test, RESOURCE_SUBSCRIPTION, "s", NULL);
    test_start_dispatcher(test);
    test_subscribe(test, "t", "/status/400", NULL);
    struct metric *letters = dispatcher_metrics()->dead_letters;
    int64_t letters_before = metric_value(letters);
    test_emit_id(test, "e");
    test_await_metric(letters, letters_before + 1);
    test_close_dispatcher(test);
    assert_int_equal(metric_value(recorded), before + 1);
}

static void outcomes_that_the_log_does_not_take_are_counted_and_forgotten(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *dropped = dispatcher_metrics()->outcomes_dropped;
    int64_t before = metric_value(dropped);
    event_log_memory_fail_append(test->log, EVENT_LOG_OUTCOMES, 1, 1000000, STATUS_UNAVAILABLE);
    test_subscribe(test, "s", "/ok", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 50);
    test_await_calls(&test->functions, "/ok", NULL, 50);
    test_await_metric(dropped, before + 50);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_outcome_of_each_attempt_is_told),
        TEST(how_many_calls_run_is_told_until_none_does),
        TEST(what_is_given_up_or_waits_in_memory_is_told),
        TEST(only_failures_are_told_when_asked_so),
        TEST(outcomes_that_the_log_does_not_take_are_counted_and_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
