#include "tests/unit/events/events_test.h"

#include "core/events/outcome_record.h"

static const struct outcome failed = {
    .event_id = {"e\"1", 3},
    .event_source = {"/shop", 5},
    .partition = 3,
    .offset = 12345678901,
    .space = {"team1", 5},
    .subscription_id = {"sub", 3},
    .kind = OUTCOME_PARKED,
    .attempt = 7,
    .status = 503,
    .duration_us = 1500,
    .reason = {"status 503", 10},
    .answer = {"no\0pe\xff", 6},
    .next_attempt_us = RECEIVED_US + 1000000,
    .node = {"a:4001", 6},
    .time_us = RECEIVED_US,
};
static const struct outcome delivered = {
    .event_id = {"2", 1},
    .event_source = {"/shop", 5},
    .space = {"team1", 5},
    .subscription_id = {"sub", 3},
    .kind = OUTCOME_DELIVERED,
    .attempt = 1,
    .status = 200,
    .duration_us = 10,
    .node = {"a:4001", 6},
    .time_us = RECEIVED_US,
};

// Compares each outcome that comes with the next of those expected.
struct expectation {
    const struct outcome *const *outcomes;
    size_t count, seen;
};

static void assert_same(struct bytes a, struct bytes b) {
    assert_true(bytes_equal(a, b));
}

static void visit(void *context, const struct outcome *outcome) {
    struct expectation *expectation = context;
    assert_true(expectation->seen < expectation->count);
    const struct outcome *expected = expectation->outcomes[expectation->seen++];
    assert_same(outcome->event_id, expected->event_id);
    assert_same(outcome->event_source, expected->event_source);
    assert_same(outcome->space, expected->space);
    assert_same(outcome->subscription_id, expected->subscription_id);
    assert_same(outcome->reason, expected->reason);
    assert_same(outcome->answer, expected->answer);
    assert_same(outcome->node, expected->node);
    assert_int_equal(outcome->partition, expected->partition);
    assert_int_equal(outcome->offset, expected->offset);
    assert_int_equal(outcome->kind, expected->kind);
    assert_int_equal(outcome->attempt, expected->attempt);
    assert_int_equal(outcome->status, expected->status);
    assert_int_equal(outcome->duration_us, expected->duration_us);
    assert_int_equal(outcome->next_attempt_us, expected->next_attempt_us);
    assert_int_equal(outcome->time_us, expected->time_us);
}

static const struct outcome_visitor visitor = {.outcome = visit};

static size_t decode(struct bytes value, const struct outcome *const *outcomes, size_t count) {
    struct expectation expectation = {.outcomes = outcomes, .count = count};
    struct error error;
    size_t refused = SIZE_MAX;
    if (outcome_record_decode(value, &visitor, &expectation, &refused, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(expectation.seen, count);
    return refused;
}

static void a_batch_comes_back_in_order(void **state) {
    (void)state;
    const struct outcome *const all[] = {&failed, &delivered, &failed};
    struct outcome_batch batch = {0};
    for (size_t i = 0; i < 3; i++) {
        outcome_batch_add(&batch, all[i]);
    }
    assert_int_equal(batch.count, 3);
    assert_int_equal(decode(outcome_batch_finish(&batch), all, 3), 0);
    outcome_batch_reset(&batch);
    assert_int_equal(decode(outcome_batch_finish(&batch), NULL, 0), 0);
    outcome_batch_clear(&batch);
}

static void the_format_is_the_documented_one(void **state) {
    (void)state;
    struct outcome_batch batch = {0};
    outcome_batch_add(&batch, &failed);
    outcome_batch_add(&batch, &delivered);
    assert_json(outcome_batch_finish(&batch),
                "[{\"outcome\":\"parked\",\"id\":\"e\\\"1\",\"source\":\"/shop\",\"partition\":3,"
                "\"offset\":12345678901,\"space\":\"team1\",\"subscriptionId\":\"sub\","
                "\"attempt\":7,\"status\":503,\"durationUs\":1500,\"reason\":\"status 503\","
                "\"answer\":\"bm8AcGX/\",\"nextAttempt\":\"2026-11-24T02:14:06.004005Z\","
                "\"node\":\"a:4001\",\"time\":\"2026-11-24T02:14:05.004005Z\"},"
                "{\"outcome\":\"delivered\",\"id\":\"2\",\"source\":\"/shop\",\"partition\":0,"
                "\"offset\":0,\"space\":\"team1\",\"subscriptionId\":\"sub\",\"attempt\":1,"
                "\"status\":200,\"durationUs\":10,\"node\":\"a:4001\","
                "\"time\":\"2026-11-24T02:14:05.004005Z\"}]");
    outcome_batch_clear(&batch);
}

static void see_in_flight(void *context, const struct in_flight_count *count) {
    struct in_flight_count *seen = context;
    assert_same(count->space, BYTES("team1"));
    assert_same(count->subscription_id, BYTES("sub"));
    assert_same(count->node, BYTES("a:4001"));
    seen->lane = count->lane;
    seen->count = count->count;
    seen->time_us = count->time_us;
}

static void calls_that_run_are_told_beside_the_outcomes(void **state) {
    (void)state;
    const struct in_flight_count running = {.space = BYTES("team1"),
                                            .subscription_id = BYTES("sub"),
                                            .node = BYTES("a:4001"),
                                            .lane = 2,
                                            .count = 64,
                                            .time_us = RECEIVED_US};
    const struct outcome_visitor both = {.outcome = visit, .in_flight = see_in_flight};
    struct outcome_batch batch = {0};
    struct in_flight_count seen = {0};
    size_t refused = 1;
    outcome_batch_add_in_flight(&batch, &running);
    assert_int_equal(batch.count, 1);
    struct bytes value = outcome_batch_finish(&batch);
    assert_json(value, "[{\"inFlight\":64,\"space\":\"team1\",\"subscriptionId\":\"sub\","
                       "\"node\":\"a:4001\",\"lane\":2,"
                       "\"time\":\"2026-11-24T02:14:05.004005Z\"}]");
    assert_int_equal(outcome_record_decode(value, &both, &seen, &refused, NULL), STATUS_OK);
    assert_int_equal(refused, 0);
    assert_int_equal(seen.count, 64);
    assert_int_equal(seen.lane, 2);
    assert_int_equal(seen.time_us, RECEIVED_US);
    assert_int_equal(decode(value, NULL, 0), 0); // Nobody has to care.
    assert_int_equal(decode(BYTES("[{\"inFlight\":-1,\"subscriptionId\":\"s\"},"
                                  "{\"inFlight\":1},{\"inFlight\":\"1\",\"subscriptionId\":\"s\"},"
                                  "{\"inFlight\":1,\"subscriptionId\":\"s\",\"lane\":-1}]"),
                            NULL, 0),
                     4);
    outcome_batch_clear(&batch);
}

static void every_kind_has_a_name_that_comes_back(void **state) {
    (void)state;
    for (int i = 0; i < OUTCOME_KIND_COUNT; i++) {
        struct outcome outcome = delivered;
        outcome.kind = (enum outcome_kind)i;
        const struct outcome *const all[] = {&outcome};
        struct outcome_batch batch = {0};
        outcome_batch_add(&batch, &outcome);
        assert_int_equal(decode(outcome_batch_finish(&batch), all, 1), 0);
        outcome_batch_clear(&batch);
    }
    assert_string_equal(outcome_kind_name(OUTCOME_KIND_COUNT), "unknown");
}

static void a_long_answer_is_cut(void **state) {
    (void)state;
    char answer[OUTCOME_ANSWER_MAX + 1] = {0};
    struct outcome written = failed;
    struct outcome read = failed;
    written.answer = (struct bytes){answer, sizeof answer};
    read.answer = (struct bytes){answer, OUTCOME_ANSWER_MAX};
    const struct outcome *const all[] = {&read};
    struct outcome_batch batch = {0};
    outcome_batch_add(&batch, &written);
    assert_int_equal(decode(outcome_batch_finish(&batch), all, 1), 0);
    outcome_batch_clear(&batch);
}

static void what_is_no_outcome_is_passed_over(void **state) {
    (void)state;
    static const char value[] =
        "[1,null,{},{\"outcome\":\"eaten\",\"id\":\"1\",\"subscriptionId\":\"s\"},"
        "{\"outcome\":\"delivered\",\"subscriptionId\":\"s\"},"
        "{\"outcome\":\"delivered\",\"id\":\"1\"},"
        "{\"outcome\":\"delivered\",\"id\":1,\"subscriptionId\":\"s\"},"
        "{\"outcome\":\"delivered\",\"id\":\"1\",\"subscriptionId\":\"s\",\"status\":1000},"
        "{\"outcome\":\"delivered\",\"id\":\"1\",\"subscriptionId\":\"s\",\"attempt\":-1},"
        "{\"outcome\":\"delivered\",\"id\":\"1\",\"subscriptionId\":\"s\",\"offset\":1.5},"
        "{\"outcome\":\"delivered\",\"id\":\"1\",\"subscriptionId\":\"s\",\"time\":\"now\"},"
        "{\"outcome\":\"delivered\",\"id\":\"1\",\"subscriptionId\":\"s\",\"answer\":\"%\"},"
        "{\"outcome\":\"delivered\",\"id\":\"1\",\"subscriptionId\":\"s\",\"later\":[{}]}]";
    static const struct outcome least = {
        .event_id = {"1", 1}, .subscription_id = {"s", 1}, .partition = -1, .offset = -1};
    const struct outcome *const all[] = {&least};
    assert_int_equal(decode(bytes_of_text(value), all, 1), 12);
}

static void a_value_that_is_no_array_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"", "{}", "[", "[{\"outcome\":\"delivered\"]", "[]]", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct expectation none = {0};
        struct error error = {{0}};
        size_t refused = 0;
        assert_int_equal(
            outcome_record_decode(bytes_of_text(bad[i]), &visitor, &none, &refused, &error),
            STATUS_INVALID);
        assert_true(error.text[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_comes_back_in_order),
        cmocka_unit_test(the_format_is_the_documented_one),
        cmocka_unit_test(calls_that_run_are_told_beside_the_outcomes),
        cmocka_unit_test(every_kind_has_a_name_that_comes_back),
        cmocka_unit_test(a_long_answer_is_cut),
        cmocka_unit_test(what_is_no_outcome_is_passed_over),
        cmocka_unit_test(a_value_that_is_no_array_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
