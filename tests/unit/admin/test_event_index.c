// The index by itself: what survives in its file, and what goes.
#include "event_index_test.h"

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

int main(void) {
    const struct CMUnitTest rules[] = {
        RULE(a_letter_counts_once_for_the_redrive_that_marked_it_first),
        RULE(what_the_log_has_removed_goes),
        RULE(positions_and_contents_survive_and_go_together),
        RULE(the_index_of_another_log_is_made_anew),
        RULE(a_damaged_file_is_made_anew),
        RULE(a_file_that_another_one_has_open_is_left_alone),
        cmocka_unit_test(a_file_that_cannot_be_made_says_where),
    };
    return cmocka_run_group_tests_name("event_index", rules, NULL, NULL);
}
