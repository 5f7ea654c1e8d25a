// What was put into the index is found again, by every way that the API has.
#include "event_index_test.h"

static void events_come_newest_first_and_only_of_their_space(void **state) {
    struct fixture *fixture = *state;
    add_examples(fixture);
    list(fixture, &(struct event_query){.space = BYTES("team1")}, "6 3 2 1", NULL);
    list(fixture, &(struct event_query){.space = BYTES("team2")}, "4", NULL);
    // What came without a space lies under default.
    list(fixture, &(struct event_query){.space = BYTES("default")}, "5", NULL);
    list(fixture, &(struct event_query){.space = BYTES("none")}, "", NULL);
}

static void every_filter_holds(void **state) {
    struct fixture *fixture = *state;
    const struct bytes space = BYTES("team1");
    add_examples(fixture);
    list(fixture, &(struct event_query){.space = space, .type = BYTES("order.paid")}, "3 2", NULL);
    list(fixture, &(struct event_query){.space = space, .source = BYTES("/shop")}, "6 2 1", NULL);
    list(fixture, &(struct event_query){.space = space, .subject = BYTES("customer-7")}, "1", NULL);
    list(fixture, &(struct event_query){.space = space, .text = BYTES("CUSTOMER")}, "3 1", NULL);
    list(fixture, &(struct event_query){.space = space, .text = BYTES("sent")}, "6", NULL);
    list(fixture, &(struct event_query){.space = space, .since_us = 2000000}, "6 3 2", NULL);
    list(fixture, &(struct event_query){.space = space, .until_us = 3000000}, "2 1", NULL);
    list(fixture,
         &(struct event_query){
             .space = space, .type = BYTES("order.paid"), .source = BYTES("/bank")},
         "3", NULL);
}

static void pages_follow_each_other_without_gap_or_repetition(void **state) {
    struct fixture *fixture = *state;
    struct buffer cursor = {0};
    add_examples(fixture);
    // 6 and 3 have the same time: the cursor tells them apart.
    const char *const pages[] = {"6", "3", "2", "1"};
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        struct buffer next = {0};
        list(fixture,
             &(struct event_query){
                 .space = BYTES("team1"), .limit = 1, .cursor = buffer_bytes(&cursor)},
             pages[i], &next);
        buffer_clear(&cursor);
        cursor = next;
    }
    if (cursor.size > 0) {
        list(fixture,
             &(struct event_query){.space = BYTES("team1"), .cursor = buffer_bytes(&cursor)}, "",
             NULL);
    }
    buffer_clear(&cursor);
}

static void a_cursor_of_somebody_else_is_refused(void **state) {
    struct fixture *fixture = *state;
    const char *const bad[] = {"x", "MQ", "MSwy", "LTEsMiwz", "MSwyLDN4", "MSwyLA"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        const struct event_query query = {
            .space = BYTES("team1"), .limit = 1, .cursor = bytes_of_text(bad[i])};
        json_t *answer = NULL;
        struct error error = {0};
        assert_int_equal(event_index_list_events(fixture->index, &query, &answer, &error),
                         STATUS_INVALID);
        assert_non_null(strstr(error.text, "cursor"));
    }
}

static void assert_delivery(struct fixture *fixture, const char *status, const char *state,
                            int attempts) {
    json_t *answer = find(fixture, "1");
    json_t *delivery = json_array_get(json_object_get(answer, "deliveries"), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "status")), status);
    assert_string_equal(json_string_value(json_object_get(delivery, "state")), state);
    assert_int_equal(json_integer_value(json_object_get(delivery, "attempts")), attempts);
    assert_string_equal(json_string_value(json_object_get(delivery, "lastAnswerBase64")),
                        "YnJv/2tlbg==");
    json_decref(answer);
}

static void an_event_shows_what_came_of_its_deliveries(void **state) {
    struct fixture *fixture = *state;
    // The outcome is read first: it lies in another topic.
    add_outcome(fixture, OUTCOME_RETRY, 1, 5000000);
    add_examples(fixture);
    assert_delivery(fixture, "waiting", "retry", 1);
    add_outcome(fixture, OUTCOME_DEAD_LETTERED, 18, 9000000);
    assert_delivery(fixture, "failed", "dead-lettered", 18);
    list(fixture, &(struct event_query){.space = BYTES("team1"), .status = BYTES("failed")}, "1",
         NULL);
    list(fixture, &(struct event_query){.space = BYTES("team1"), .status = BYTES("none")}, "6 3 2",
         NULL);
    // An older one that comes late changes nothing; a newer one after a redrive does.
    add_outcome(fixture, OUTCOME_RETRY, 2, 6000000);
    assert_delivery(fixture, "failed", "dead-lettered", 18);
    add_outcome(fixture, OUTCOME_DELIVERED, 1, 10000000);
    assert_delivery(fixture, "delivered", "delivered", 1);
    assert_null(find(fixture, "nothing"));
    assert_null(find(fixture, "4")); // of another space
}

#define HOUR_US (INT64_C(3600) * 1000000)

// The clock of who delivers is set ahead, and right again.
static void an_outcome_of_a_time_that_has_not_come_gives_way_to_the_next_one(void **state) {
    struct fixture *fixture = *state;
    int64_t now_us = clock_wall_us();
    add_examples(fixture);
    add_outcome(fixture, OUTCOME_RETRY, 1, now_us + HOUR_US);
    add_outcome(fixture, OUTCOME_DELIVERED, 2, now_us);
    assert_delivery(fixture, "delivered", "delivered", 2);
    // Its time is right again: an older one that comes late changes nothing.
    add_outcome(fixture, OUTCOME_RETRY, 1, now_us - 1);
    assert_delivery(fixture, "delivered", "delivered", 2);
}

// Outcomes lie in several partitions, which are read side by side.
static void
outcomes_that_come_in_the_wrong_order_while_the_clock_is_set_back_are_put_right(void **state) {
    struct fixture *fixture = *state;
    int64_t now_us = clock_wall_us();
    add_examples(fixture);
    add_outcome(fixture, OUTCOME_DELIVERED, 2, now_us);
    add_outcome(fixture, OUTCOME_PARKED, 1, now_us + HOUR_US);
    assert_delivery(fixture, "delivered", "delivered", 2);
}

// By the time at which they are read nobody can see that a clock was wrong.
static void
a_later_attempt_ends_the_waiting_of_an_earlier_one_whatever_the_clocks_say(void **state) {
    struct fixture *fixture = *state;
    int64_t now_us = clock_wall_us();
    add_examples(fixture);
    add_outcome(fixture, OUTCOME_PARKED, 1, now_us);
    add_outcome(fixture, OUTCOME_DELIVERED, 2, now_us - HOUR_US);
    assert_delivery(fixture, "delivered", "delivered", 2);
}

static void attempts_of_a_redriven_letter_count_from_one_again(void **state) {
    struct fixture *fixture = *state;
    int64_t now_us = clock_wall_us();
    add_examples(fixture);
    add_outcome(fixture, OUTCOME_DEAD_LETTERED, 5, now_us - 2);
    add_outcome(fixture, OUTCOME_RETRY, 1, now_us - 1);
    assert_delivery(fixture, "waiting", "retry", 1);
    add_outcome(fixture, OUTCOME_DELIVERED, 2, now_us);
    assert_delivery(fixture, "delivered", "delivered", 2);
    add_outcome(fixture, OUTCOME_DEAD_LETTERED, 5, now_us - 2);
    assert_delivery(fixture, "delivered", "delivered", 2);
}

static void clocks_of_nodes_may_differ_by_seconds(void **state) {
    struct fixture *fixture = *state;
    int64_t now_us = clock_wall_us();
    add_examples(fixture);
    add_outcome(fixture, OUTCOME_DELIVERED, 2, now_us + 10000000);
    add_outcome(fixture, OUTCOME_RETRY, 1, now_us + 9000000);
    assert_delivery(fixture, "delivered", "delivered", 2);
}

static void letters_are_listed_until_they_are_marked(void **state) {
    struct fixture *fixture = *state;
    event_index_begin(fixture->index);
    // A mark may be read before its letter.
    event_index_mark_letter(fixture->index, 0, 7, LETTER_DELETED, (struct bytes){0});
    add_letter(fixture, 0, 5, "a");
    add_letter(fixture, 0, 6, "b");
    add_letter(fixture, 0, 7, "b");
    add_letter(fixture, 1, 6, "b");
    commit(fixture);
    assert_int_equal(count_letters(fixture, NULL), 3);
    assert_int_equal(count_letters(fixture, "b"), 2);
    event_index_begin(fixture->index);
    event_index_mark_letter(fixture->index, 1, 6, LETTER_REDRIVEN, BYTES("r1"));
    commit(fixture);
    assert_int_equal(count_letters(fixture, "b"), 1);
    json_t *answer = NULL;
    struct log_place place;
    struct error error = {0};
    assert_int_equal(event_index_find_letter(fixture->index, BYTES("team1"), BYTES("0-6"), &answer,
                                             &place, &error),
                     STATUS_OK);
    assert_string_equal(json_string_value(json_object_get(answer, "reason")), "given up");
    json_decref(answer);
    const char *const not_found[] = {"1-6", "0-7", "9-9", "0", "-", "0-6x", "x-1", ""};
    for (size_t i = 0; i < ARRAY_LENGTH(not_found); i++) {
        assert_int_equal(event_index_find_letter(fixture->index, BYTES("team1"),
                                                 bytes_of_text(not_found[i]), &answer, &place,
                                                 &error),
                         STATUS_NOT_FOUND);
    }
}

static void letters_are_redriven_oldest_first_from_a_place_on(void **state) {
    struct fixture *fixture = *state;
    event_index_begin(fixture->index);
    for (int64_t i = 0; i < 5; i++) {
        add_letter(fixture, (int32_t)(i % 2), 10 - i, "a");
    }
    commit(fixture);
    struct event_query query = {.space = BYTES("team1"), .subscription_id = BYTES("a")};
    struct letter_place after = {.time_us = -1}, found[2];
    struct error error = {0};
    size_t count, all = 0;
    int64_t last = 0;
    do {
        assert_int_equal(
            event_index_next_letters(fixture->index, &query, &after, found, 2, &count, &error),
            STATUS_OK);
        for (size_t i = 0; i < count; i++, all++) {
            assert_true(found[i].time_us > last);
            last = found[i].time_us;
            after = found[i];
        }
    } while (count > 0);
    assert_int_equal(all, 5);
}

int main(void) {
    const struct CMUnitTest rules[] = {
        RULE(events_come_newest_first_and_only_of_their_space),
        RULE(every_filter_holds),
        RULE(pages_follow_each_other_without_gap_or_repetition),
        RULE(a_cursor_of_somebody_else_is_refused),
        RULE(an_event_shows_what_came_of_its_deliveries),
        RULE(an_outcome_of_a_time_that_has_not_come_gives_way_to_the_next_one),
        RULE(outcomes_that_come_in_the_wrong_order_while_the_clock_is_set_back_are_put_right),
        RULE(a_later_attempt_ends_the_waiting_of_an_earlier_one_whatever_the_clocks_say),
        RULE(attempts_of_a_redriven_letter_count_from_one_again),
        RULE(clocks_of_nodes_may_differ_by_seconds),
        RULE(letters_are_listed_until_they_are_marked),
        RULE(letters_are_redriven_oldest_first_from_a_place_on),
    };
    return cmocka_run_group_tests_name("event_index_query", rules, NULL, NULL);
}
