// What the index knows of a subscription as a whole.
#include "event_index_test.h"

#define NOW_US INT64_C(2000000000)

static json_t *describe(struct fixture *fixture, const char *id, int64_t created_us,
                        int64_t now_us) {
    const struct subscription_query query = {.space = BYTES("team1"),
                                             .id = bytes_of_text(id),
                                             .created_us = created_us,
                                             .now_us = now_us};
    json_t *answer = NULL;
    struct error error = {0};
    assert_int_equal(event_index_describe_subscription(fixture->index, &query, &answer, &error),
                     STATUS_OK);
    return answer;
}

static const char *text_in(const json_t *answer, const char *object, const char *member) {
    return json_string_value(json_object_get(json_object_get(answer, object), member));
}

static json_int_t number_in(const json_t *answer, const char *member) {
    return json_integer_value(json_object_get(answer, member));
}

static void a_subscription_shows_how_it_went_lately(void **state) {
    struct fixture *fixture = *state;
    json_t *answer = describe(fixture, "sub", 0, NOW_US);
    assert_true(json_is_null(json_object_get(answer, "lastSuccess")));
    assert_true(json_is_null(json_object_get(answer, "lastError")));
    assert_int_equal(number_in(answer, "waitingForRetry") + number_in(answer, "deadLetters"), 0);
    json_decref(answer);

    add_outcome(fixture, OUTCOME_PARKED, 0, 4000000); // Put off as it asked for: no failure.
    answer = describe(fixture, "sub", 0, NOW_US);
    assert_true(json_is_null(json_object_get(answer, "lastError")));
    assert_int_equal(number_in(answer, "waitingForRetry"), 0);
    json_decref(answer);

    add_outcome(fixture, OUTCOME_RETRY, 1, 5000000);
    answer = describe(fixture, "sub", 0, NOW_US);
    assert_string_equal(text_in(answer, "lastError", "time"), "1970-01-01T00:00:05Z");
    assert_string_equal(text_in(answer, "lastError", "eventId"), "1");
    assert_string_equal(text_in(answer, "lastError", "lastAnswerBase64"), "YnJv/2tlbg==");
    assert_int_equal(number_in(json_object_get(answer, "lastError"), "status"), 503);
    assert_int_equal(number_in(answer, "waitingForRetry"), 1);
    json_decref(answer);

    add_outcome(fixture, OUTCOME_DELIVERED, 2, 6000000);
    add_outcome(fixture, OUTCOME_RETRY, 1, 4500000); // An older one that comes late.
    event_index_begin(fixture->index);
    add_letter(fixture, 0, 5, "sub");
    add_letter(fixture, 0, 6, "another");
    commit(fixture);
    answer = describe(fixture, "sub", 0, NOW_US);
    assert_string_equal(text_in(answer, "lastSuccess", "time"), "1970-01-01T00:00:06Z");
    assert_string_equal(text_in(answer, "lastError", "time"), "1970-01-01T00:00:05Z");
    assert_int_equal(number_in(answer, "waitingForRetry"), 0);
    assert_int_equal(number_in(answer, "deadLetters"), 1);
    json_decref(answer);
}

static void what_lies_ahead_of_the_clock_gives_way(void **state) {
    struct fixture *fixture = *state;
    int64_t now_us = clock_wall_us(), ahead_us = now_us + INT64_C(3600) * 1000000;
    add_outcome(fixture, OUTCOME_RETRY, 1, ahead_us);
    add_outcome(fixture, OUTCOME_DELIVERED, 2, ahead_us);
    json_t *ahead = describe(fixture, "sub", 0, now_us);
    add_outcome(fixture, OUTCOME_RETRY, 1, now_us);
    add_outcome(fixture, OUTCOME_DELIVERED, 2, now_us);
    json_t *answer = describe(fixture, "sub", 0, now_us);
    const char *const results[] = {"lastSuccess", "lastError"};
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        assert_string_not_equal(text_in(answer, results[i], "time"),
                                text_in(ahead, results[i], "time"));
    }
    json_decref(ahead);
    json_decref(answer);
}

static void what_was_before_a_subscription_is_not_its_own(void **state) {
    struct fixture *fixture = *state;
    add_outcome(fixture, OUTCOME_RETRY, 1, 5000000);
    json_t *answer = describe(fixture, "sub", 5000001, NOW_US);
    assert_true(json_is_null(json_object_get(answer, "lastError")));
    assert_int_equal(number_in(answer, "waitingForRetry"), 0);
    json_decref(answer);
}

static void results_go_with_the_outcome_that_the_log_has_removed(void **state) {
    struct fixture *fixture = *state;
    add_outcome(fixture, OUTCOME_DELIVERED, 1, 5000000); // At 1-7.
    event_index_begin(fixture->index);
    assert_false(event_index_trim(fixture->index, EVENT_LOG_OUTCOMES, 1, 7));
    commit(fixture);
    json_t *answer = describe(fixture, "sub", 0, NOW_US);
    assert_true(json_is_object(json_object_get(answer, "lastSuccess")));
    json_decref(answer);
    event_index_close(fixture->index); // It looks at them once a minute.
    open_index(fixture, "log");
    event_index_begin(fixture->index);
    assert_false(event_index_trim(fixture->index, EVENT_LOG_OUTCOMES, 1, 8));
    commit(fixture);
    answer = describe(fixture, "sub", 0, NOW_US);
    assert_true(json_is_null(json_object_get(answer, "lastSuccess")));
    json_decref(answer);
}

static void tell_calls_at(struct fixture *fixture, const char *node, uint32_t lane, uint32_t count,
                          int64_t time_us, int64_t now_us) {
    const struct in_flight_count told = {.space = BYTES("team1"),
                                         .subscription_id = BYTES("sub"),
                                         .node = bytes_of_text(node),
                                         .lane = lane,
                                         .count = count,
                                         .time_us = time_us};
    event_index_begin(fixture->index);
    event_index_add_in_flight(fixture->index, &told, now_us);
    commit(fixture);
}

static void tell_calls(struct fixture *fixture, const char *node, uint32_t lane, uint32_t count,
                       int64_t time_us) {
    tell_calls_at(fixture, node, lane, count, time_us, NOW_US);
}

static void assert_in_flight(struct fixture *fixture, int64_t now_us, int expected) {
    json_t *answer = describe(fixture, "sub", 0, now_us);
    assert_int_equal(number_in(answer, "inFlight"), expected);
    json_decref(answer);
}

static void calls_that_run_are_the_sum_of_what_was_told_last(void **state) {
    struct fixture *fixture = *state;
    assert_in_flight(fixture, NOW_US, 0);
    tell_calls(fixture, "a", 0, 3, NOW_US - 5000000);
    tell_calls(fixture, "a", 1, 4, NOW_US - 4000000);
    tell_calls(fixture, "b", 0, 5, NOW_US - 3000000);
    assert_in_flight(fixture, NOW_US, 12);
    tell_calls(fixture, "a", 0, 1, NOW_US - 2000000);
    tell_calls(fixture, "a", 0, 9, NOW_US - 4500000); // An older one that comes late.
    tell_calls(fixture, "a", 1, 0, NOW_US - 1000000);
    assert_in_flight(fixture, NOW_US, 6);
    tell_calls(fixture, "c", 0, 100, NOW_US - 31000000); // Of a node that is gone.
    assert_in_flight(fixture, NOW_US, 6);
    assert_in_flight(fixture, NOW_US + 27500000, 1); // What b told is too old by now.
    assert_in_flight(fixture, NOW_US + 60000000, 0);
}

static void calls_that_were_told_ahead_of_the_clock_are_replaced(void **state) {
    struct fixture *fixture = *state;
    int64_t now_us = clock_wall_us(), ahead_us = now_us + INT64_C(3600) * 1000000;
    tell_calls_at(fixture, "a", 0, 3, ahead_us, ahead_us);
    tell_calls_at(fixture, "a", 1, 4, ahead_us, ahead_us);
    assert_in_flight(fixture, now_us, 7);
    tell_calls_at(fixture, "a", 0, 2, now_us, now_us);
    tell_calls_at(fixture, "a", 1, 0, now_us, now_us);
    assert_in_flight(fixture, now_us, 2);
}

int main(void) {
    const struct CMUnitTest rules[] = {
        RULE(a_subscription_shows_how_it_went_lately),
        RULE(what_lies_ahead_of_the_clock_gives_way),
        RULE(what_was_before_a_subscription_is_not_its_own),
        RULE(results_go_with_the_outcome_that_the_log_has_removed),
        RULE(calls_that_run_are_the_sum_of_what_was_told_last),
        RULE(calls_that_were_told_ahead_of_the_clock_are_replaced),
    };
    return cmocka_run_group_tests_name("event_index_subscription", rules, NULL, NULL);
}
