// The index by itself: what is put in is found again, by every way that the API has.
#include "admin/event_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>

#include "core/base/memory.h"
#include "core/events/event_builder.h"

struct fixture {
    char path[64];
    struct event_index *index;
};

static void open_index(struct fixture *fixture, const char *identity) {
    struct error error = {0};
    if (event_index_open(fixture->path, identity, &fixture->index, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static int set_up(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    snprintf(fixture->path, sizeof fixture->path, "%s", "/tmp/event-index-XXXXXX");
    int file = mkstemp(fixture->path);
    assert_true(file >= 0);
    close(file);
    open_index(fixture, "log");
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    event_index_close(fixture->index);
    unlink(fixture->path);
    free(fixture);
    return 0;
}

static void commit(struct fixture *fixture) {
    struct error error = {0};
    if (event_index_commit(fixture->index, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

struct example {
    const char *id, *source, *type, *subject, *space;
    int32_t partition;
    int64_t offset, time_us;
};

static const struct event *build(const struct example *example) {
    const struct event_context context = {.space = bytes_of_text(example->space),
                                          .method = BYTES("POST"),
                                          .path = BYTES("/"),
                                          .received_us = example->time_us};
    const char *const attributes[][2] = {
        {"id", example->id},
        {"source", example->source},
        {"type", example->type},
        {"subject", example->subject},
    };
    struct event_builder *builder = event_builder_create();
    for (size_t i = 0; i < ARRAY_LENGTH(attributes); i++) {
        if (attributes[i][1]) {
            event_builder_set(builder, bytes_of_text(attributes[i][0]),
                              bytes_of_text(attributes[i][1]), EVENT_VALUE_STRING);
        }
    }
    event_builder_set_context(builder, &context);
    const struct event *event;
    struct error error;
    assert_int_equal(event_builder_finish_take(builder, &event, &error), STATUS_OK);
    return event;
}

static void add(struct fixture *fixture, const struct example *examples, size_t count) {
    event_index_begin(fixture->index);
    for (size_t i = 0; i < count; i++) {
        const struct event *event = build(&examples[i]);
        struct stored_record stored = {.partition = examples[i].partition,
                                       .offset = examples[i].offset};
        event_index_add_event(fixture->index, &stored, event);
        event_unref(event);
    }
    commit(fixture);
}

static const struct example examples[] = {
    {"1", "/shop", "order.created", "customer-7", "team1", 0, 10, 1000000},
    {"2", "/shop", "order.paid", NULL, "team1", 1, 10, 2000000},
    {"3", "/bank", "order.paid", "Customer-8", "team1", 0, 11, 3000000},
    {"4", "/bank", "order.paid", NULL, "team2", 0, 12, 4000000},
    {"5", "/bank", "order.paid", NULL, "", 0, 13, 4000000},
    {"6", "/shop", "order.sent", NULL, "team1", 1, 11, 3000000},
};

static void add_examples(struct fixture *fixture) {
    add(fixture, examples, ARRAY_LENGTH(examples));
}

// The ids of a page, "6 3 2 1", and the cursor if there is one.
static void list(struct fixture *fixture, struct event_query *query, const char *expected,
                 struct buffer *ret_cursor) {
    json_t *answer = NULL, *event;
    struct error error = {0};
    struct buffer ids = {0};
    size_t place;
    query->limit = query->limit > 0 ? query->limit : 100;
    if (event_index_list_events(fixture->index, query, &answer, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    json_array_foreach(json_object_get(answer, "events"), place, event) {
        buffer_append_format(&ids, "%s%s", ids.size > 0 ? " " : "",
                             json_string_value(json_object_get(event, "id")));
    }
    assert_string_equal(ids.data ? ids.data : "", expected);
    if (ret_cursor) {
        buffer_reset(ret_cursor);
        const char *cursor = json_string_value(json_object_get(answer, "cursor"));
        buffer_append_text(ret_cursor, cursor ? cursor : "");
    }
    buffer_clear(&ids);
    json_decref(answer);
}

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

static void add_outcome(struct fixture *fixture, enum outcome_kind kind, uint32_t attempt,
                        int64_t time_us) {
    const struct outcome outcome = {
        .event_id = BYTES("1"),
        .event_source = BYTES("/shop"),
        .partition = 0,
        .offset = 10,
        .space = BYTES("team1"),
        .subscription_id = BYTES("sub"),
        .kind = kind,
        .attempt = attempt,
        .status = 503,
        .answer = BYTES("bro\xffken"),
        .next_attempt_us = kind == OUTCOME_RETRY ? time_us + 5000000 : 0,
        .node = BYTES("node-1"),
        .time_us = time_us,
    };
    event_index_begin(fixture->index);
    event_index_add_outcome(fixture->index, &(struct log_place){1, 7}, &outcome);
    commit(fixture);
}

static json_t *find(struct fixture *fixture, const char *id) {
    json_t *answer = NULL;
    struct log_place place;
    struct error error = {0};
    enum status status = event_index_find_event(fixture->index, BYTES("team1"), bytes_of_text(id),
                                                (struct bytes){0}, &answer, &place, &error);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    return answer;
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

static void add_letter(struct fixture *fixture, int32_t partition, int64_t offset,
                       const char *subscription) {
    const struct event *event = build(&examples[0]);
    const struct dead_letter letter = {.subscription_id = bytes_of_text(subscription),
                                       .function_id = BYTES("f"),
                                       .space = BYTES("team1"),
                                       .reason = BYTES("given up"),
                                       .attempts = 3,
                                       .last_status = 500};
    struct stored_record stored = {
        .partition = partition, .offset = offset, .timestamp_ms = offset * 1000};
    event_index_add_letter(fixture->index, &stored, &letter, event);
    event_unref(event);
}

static size_t count_letters(struct fixture *fixture, const char *subscription) {
    const struct event_query query = {
        .space = BYTES("team1"), .subscription_id = bytes_of_text(subscription), .limit = 100};
    json_t *answer = NULL;
    struct error error = {0};
    int64_t count;
    assert_int_equal(event_index_list_letters(fixture->index, &query, &answer, &error), STATUS_OK);
    size_t size = json_array_size(json_object_get(answer, "deadLetters"));
    assert_int_equal(event_index_count_letters(fixture->index, &query, &count, &error), STATUS_OK);
    assert_int_equal(count, size);
    json_decref(answer);
    return size;
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

// --- A subscription.

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

static void tell_calls(struct fixture *fixture, const char *node, uint32_t lane, uint32_t count,
                       int64_t time_us) {
    const struct in_flight_count told = {.space = BYTES("team1"),
                                         .subscription_id = BYTES("sub"),
                                         .node = bytes_of_text(node),
                                         .lane = lane,
                                         .count = count,
                                         .time_us = time_us};
    event_index_begin(fixture->index);
    event_index_add_in_flight(fixture->index, &told, NOW_US);
    commit(fixture);
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

static int64_t count_marks(struct fixture *fixture, struct bytes redrive_id) {
    struct error error = {0};
    int64_t count = -1;
    assert_int_equal(event_index_count_marks(fixture->index, redrive_id, &count, &error),
                     STATUS_OK);
    return count;
}

static void a_letter_counts_once_for_the_redrive_that_marked_it_first(void **state) {
    struct fixture *fixture = *state;
    event_index_begin(fixture->index);
    event_index_mark_letter(fixture->index, 0, 1, LETTER_REDRIVEN, BYTES("r1"));
    event_index_mark_letter(fixture->index, 0, 2, LETTER_REDRIVEN, BYTES("r1"));
    event_index_mark_letter(fixture->index, 0, 2, LETTER_REDRIVEN, BYTES("r1"));
    event_index_mark_letter(fixture->index, 0, 2, LETTER_REDRIVEN, BYTES("r2"));
    event_index_mark_letter(fixture->index, 1, 2, LETTER_REDRIVEN, BYTES("r2"));
    event_index_mark_letter(fixture->index, 1, 3, LETTER_DELETED, (struct bytes){0});
    commit(fixture);
    assert_int_equal(count_marks(fixture, BYTES("r1")), 2);
    assert_int_equal(count_marks(fixture, BYTES("r2")), 1);
    assert_int_equal(count_marks(fixture, BYTES("r3")), 0);
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

static void what_the_log_has_removed_goes(void **state) {
    struct fixture *fixture = *state;
    add_examples(fixture);
    add_outcome(fixture, OUTCOME_DELIVERED, 1, 5000000);
    event_index_begin(fixture->index);
    add_letter(fixture, 0, 5, "a");
    add_letter(fixture, 0, 6, "a");
    while (event_index_trim(fixture->index, EVENT_LOG_EVENTS, 0, 11)) {
    }
    while (event_index_trim(fixture->index, EVENT_LOG_DEAD_LETTERS, 0, 6)) {
    }
    commit(fixture);
    list(fixture, &(struct event_query){.space = BYTES("team1")}, "6 3 2", NULL);
    assert_null(find(fixture, "1"));
    assert_int_equal(count_letters(fixture, NULL), 1);
}

static void positions_and_contents_survive_and_go_together(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    assert_int_equal(event_index_position(fixture->index, EVENT_LOG_EVENTS, 0),
                     EVENT_LOG_BEGINNING);
    event_index_begin(fixture->index);
    event_index_set_position(fixture->index, EVENT_LOG_EVENTS, 0, 77);
    event_index_set_position(fixture->index, EVENT_LOG_OUTCOMES, 0, 5);
    commit(fixture);
    add_examples(fixture);
    event_index_close(fixture->index);
    open_index(fixture, "log");
    assert_int_equal(event_index_position(fixture->index, EVENT_LOG_EVENTS, 0), 77);
    list(fixture, &(struct event_query){.space = BYTES("team2")}, "4", NULL);
    assert_int_equal(event_index_empty(fixture->index, &error), STATUS_OK);
    assert_int_equal(event_index_position(fixture->index, EVENT_LOG_OUTCOMES, 0),
                     EVENT_LOG_BEGINNING);
    list(fixture, &(struct event_query){.space = BYTES("team2")}, "", NULL);
}

static void the_index_of_another_log_is_made_anew(void **state) {
    struct fixture *fixture = *state;
    add_examples(fixture);
    event_index_close(fixture->index);
    open_index(fixture, "another log");
    list(fixture, &(struct event_query){.space = BYTES("team2")}, "", NULL);
}

static void a_damaged_file_is_made_anew(void **state) {
    struct fixture *fixture = *state;
    add_examples(fixture);
    event_index_close(fixture->index);
    FILE *file = fopen(fixture->path, "w");
    for (int i = 0; i < 5000; i++) {
        fputs("no database", file);
    }
    fclose(file);
    open_index(fixture, "log");
    add_examples(fixture);
    list(fixture, &(struct event_query){.space = BYTES("team2")}, "4", NULL);
}

static void a_file_that_another_one_has_open_is_left_alone(void **state) {
    struct fixture *fixture = *state;
    struct fixture second = *fixture;
    struct error error = {0};
    add_examples(fixture);
    assert_int_equal(event_index_open(second.path, "another log", &second.index, &error),
                     STATUS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "locked"));
    list(fixture, &(struct event_query){.space = BYTES("team2")}, "4", NULL);
}

static void a_file_that_cannot_be_made_says_where(void **state) {
    (void)state;
    struct event_index *index = NULL;
    struct error error = {0};
    assert_int_equal(event_index_open("/nowhere/x.index", "log", &index, &error),
                     STATUS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "/nowhere/x.index"));
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

int main(void) {
    const struct CMUnitTest rules[] = {
        RULE(events_come_newest_first_and_only_of_their_space),
        RULE(every_filter_holds),
        RULE(pages_follow_each_other_without_gap_or_repetition),
        RULE(a_cursor_of_somebody_else_is_refused),
        RULE(an_event_shows_what_came_of_its_deliveries),
        RULE(letters_are_listed_until_they_are_marked),
        RULE(a_subscription_shows_how_it_went_lately),
        RULE(what_was_before_a_subscription_is_not_its_own),
        RULE(results_go_with_the_outcome_that_the_log_has_removed),
        RULE(calls_that_run_are_the_sum_of_what_was_told_last),
        RULE(a_letter_counts_once_for_the_redrive_that_marked_it_first),
        RULE(letters_are_redriven_oldest_first_from_a_place_on),
        RULE(what_the_log_has_removed_goes),
        RULE(positions_and_contents_survive_and_go_together),
        RULE(the_index_of_another_log_is_made_anew),
        RULE(a_damaged_file_is_made_anew),
        RULE(a_file_that_another_one_has_open_is_left_alone),
        cmocka_unit_test(a_file_that_cannot_be_made_says_where),
    };
    return cmocka_run_group_tests_name("event_index", rules, NULL, NULL);
}
