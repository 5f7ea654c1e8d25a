// What the invariants of redrives.h, redrive_run.h and redrive_letter.h promise.
#include "tests/unit/admin/redrive_letters_test.h"

#include <jansson.h>

#define ALL_OF_S ",'state':'waiting','subscriptionId':'s','total':3"

static void append_letters(struct redrives_fixture *fixture) {
    append_letter(fixture, "s", "a");
    append_letter(fixture, "s", "b");
    append_letter(fixture, "other", "not meant");
    append_letter(fixture, "s", "c");
}

#define MANY 60 // at one a second, more than any test waits for

static void append_many(struct redrives_fixture *fixture) {
    for (size_t i = 0; i < MANY; i++) {
        append_letter(fixture, "s", "x");
    }
}

static void assert_counts(const struct redrive *redrive, int64_t redriven, int64_t failed,
                          int64_t missing) {
    assert_int_equal(redrive->redriven, redriven);
    assert_int_equal(redrive->failed, failed);
    assert_int_equal(redrive->missing, missing);
    assert_int_equal(redrive->total, redriven + failed + missing);
}

static void assert_failure(const struct redrive *redrive, const char *reason) {
    assert_string_equal(json_string_value(json_object_get(redrive->document, "lastFailure")),
                        reason);
}

static void its_letters_are_parked_and_marked(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    put_redrive(fixture, "r", "node-1", ALL_OF_S);
    start_redrives(fixture, "node-1");
    const struct redrive *redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 3, 0, 0);
    assert_true(redrive->ended_us > 0);
    assert_string_equal(parked(fixture, NULL), "a b c ");
    assert_string_equal(marked(fixture), "0 1 3 ");
    struct index_count count = count_letters(fixture);
    assert_int_equal(count.letters, 1);
    assert_int_equal(count.marks, 3);
    redrive_unref(redrive);
}

static void one_by_ids_drives_those_alone(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    append_mark(fixture, 1, "another");
    put_redrive(fixture, "r", "node-1",
                ",'state':'waiting','total':4,'letters':[[0,3],[0,1],[0,99],[0,0]]");
    start_redrives(fixture, "node-1");
    const struct redrive *redrive = await_state(fixture, "r", REDRIVE_DONE);
    // One is not there, and one was redriven by another before.
    assert_counts(redrive, 2, 0, 2);
    assert_null(json_object_get(redrive->document, "letters"));
    assert_string_equal(parked(fixture, NULL), "a c ");
    redrive_unref(redrive);
}

static void a_letter_without_its_subscription_fails_and_stays_dead(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letter(fixture, "gone", "a");
    append_letter(fixture, "s", "b");
    put_redrive(fixture, "r", "node-1", ",'state':'waiting','total':2");
    start_redrives(fixture, "node-1");
    const struct redrive *redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 1, 1, 0);
    assert_failure(redrive, "the subscription is not there any more");
    assert_string_equal(parked(fixture, NULL), "b ");
    assert_int_equal(count_letters(fixture).letters, 1);
    redrive_unref(redrive);
}

static void add_garbage_on_loop(void *context) {
    struct redrives_fixture *fixture = context;
    const struct event *event = build_event("garbage");
    struct dead_letter letter = letter_of("s");
    const struct stored_record stored = {.offset = 0, .timestamp_ms = 1000};
    struct error error;
    event_index_begin(fixture->index);
    event_index_add_letter(fixture->index, &stored, &letter, event);
    assert_int_equal(event_index_commit(fixture->index, &error), STATUS_OK);
    event_unref(event);
}

static void a_record_that_is_no_dead_letter_fails_and_holds_nobody_up(void **state) {
    struct redrives_fixture *fixture = *state;
    append_encoded(fixture, &(struct record){.value = BYTES("rubbish"), .has_value = true});
    append_letter(fixture, "s", "b");
    event_loop_call(fixture->loop.loop, add_garbage_on_loop, fixture);
    put_redrive(fixture, "r", "node-1", ",'state':'waiting','total':2,'letters':[[0,0],[0,1]]");
    start_redrives(fixture, "node-1");
    const struct redrive *redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 1, 1, 0);
    assert_failure(redrive, "the record is no dead letter");
    assert_string_equal(parked(fixture, NULL), "b ");
    redrive_unref(redrive);
}

static void what_the_log_refuses_for_a_moment_is_appended_again_and_once(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    event_log_memory_fail_append(fixture->log, EVENT_LOG_RETRY_10S, 1, 2, STATUS_UNAVAILABLE);
    event_log_memory_fail_append(fixture->log, EVENT_LOG_DEAD_LETTERS, 2, 1, STATUS_TIMEOUT);
    put_redrive(fixture, "r", "node-1", ALL_OF_S);
    start_redrives(fixture, "node-1");
    const struct redrive *redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 3, 0, 0);
    assert_int_equal(strlen(parked(fixture, NULL)), strlen("a b c "));
    assert_int_equal(count_letters(fixture).marks, 3);
    redrive_unref(redrive);
}

static void what_the_log_never_takes_fails(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    event_log_memory_fail_append(fixture->log, EVENT_LOG_RETRY_10S, 1, 1, STATUS_TOO_LARGE);
    put_redrive(fixture, "r", "node-1", ALL_OF_S);
    start_redrives(fixture, "node-1");
    const struct redrive *redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 2, 1, 0);
    assert_failure(redrive, "the log does not take the record");
    redrive_unref(redrive);
}

static void redrives_of_a_space_are_driven_one_after_the_other(void **state) {
    struct redrives_fixture *fixture = *state;
    put_subscription(fixture, "other");
    append_letters(fixture);
    put_redrive(fixture, "newer", "node-1",
                ",'state':'waiting','subscriptionId':'other','total':1");
    put_redrive(fixture, "r", "node-1", ALL_OF_S);
    start_redrives(fixture, "node-1");
    redrive_unref(await_state(fixture, "newer", REDRIVE_DONE));
    redrive_unref(await_state(fixture, "r", REDRIVE_DONE));
    char last[16];
    assert_string_equal(parked(fixture, last), "a b c not meant ");
    assert_string_equal(last, "not meant");
}

static void another_nodes_is_left_alone_until_its_owner_is_missing(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    atomic_store(&fixture->store->has_other, true);
    put_redrive(fixture, "r", "node-2", ALL_OF_S);
    start_redrives(fixture, "node-1");
    await_listings(fixture, 3);
    const struct redrive *redrive = stored_redrive(fixture, "r");
    assert_true(bytes_equal_text(redrive->owner, "node-2"));
    assert_string_equal(parked(fixture, NULL), "");
    redrive_unref(redrive);
    atomic_store(&fixture->store->has_other, false);
    redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_true(bytes_equal_text(redrive->owner, "node-1"));
    assert_counts(redrive, 3, 0, 0);
    redrive_unref(redrive);
}

static void an_owner_that_is_missing_for_one_look_keeps_what_it_has(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    put_redrive(fixture, "r", "node-2", ALL_OF_S);
    atomic_store(&fixture->store->has_other, true);
    atomic_store(&fixture->store->absences, 1);
    start_redrives(fixture, "node-1");
    await_listings(fixture, 4);
    const struct redrive *redrive = stored_redrive(fixture, "r");
    assert_true(bytes_equal_text(redrive->owner, "node-2"));
    assert_int_equal(redrive->state, REDRIVE_WAITING);
    redrive_unref(redrive);
}

static void one_that_was_given_away_is_taken_at_the_next_look(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    put_redrive(fixture, "r", "", ALL_OF_S);
    start_redrives(fixture, "node-1");
    const struct redrive *redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_true(bytes_equal_text(redrive->owner, "node-1"));
    assert_counts(redrive, 3, 0, 0);
    redrive_unref(redrive);
}

static void of_two_nodes_that_want_one_the_first_gets_it(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    atomic_store(&fixture->store->has_other, true);
    put_redrive(fixture, "r", "", ALL_OF_S);
    atomic_store(&fixture->store->other_is_first, true);
    start_redrives(fixture, "node-1");
    await_listings(fixture, 3);
    assert_false(atomic_load(&fixture->store->other_is_first));
    const struct redrive *redrive = stored_redrive(fixture, "r");
    assert_true(bytes_equal_text(redrive->owner, "node-2"));
    assert_string_equal(parked(fixture, NULL), "");
    redrive_unref(redrive);
}

// The one before has written down two letters, and has redriven a fourth one beyond them.
static void whoever_takes_over_goes_on_behind_the_last_one_that_was_written_down(void **state) {
    struct redrives_fixture *fixture = *state;
    const char *const ids[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        append_letter(fixture, "s", ids[i]);
    }
    append_mark(fixture, 0, "r");
    append_mark(fixture, 3, "r");
    // The second one had failed, and is not tried again.
    struct event_log_slice slice = {
        .stream = EVENT_LOG_DEAD_LETTERS, .from_offset = 1, .max_records = 1};
    char more[256];
    read_and_wait(fixture->log, &fixture->loop, &slice);
    snprintf(more, sizeof more,
             ",'state':'running','subscriptionId':'s','total':5,'redriven':1,'failed':1,"
             "'after':[%lld,0,1]",
             (long long)slice.records[0].timestamp_ms * 1000);
    event_log_slice_clear(&slice);
    put_redrive(fixture, "r", "", more);
    start_redrives(fixture, "node-1");
    const struct redrive *redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 4, 1, 0);
    assert_string_equal(parked(fixture, NULL), "c e ");
    redrive_unref(redrive);
}

static void no_letter_begins_before_the_registry_has_told_who_is_there(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    atomic_store(&fixture->store->hides_members, true);
    put_redrive(fixture, "r", "node-1", ALL_OF_S);
    start_redrives(fixture, "node-1");
    redrive_unref(await_state(fixture, "r", REDRIVE_RUNNING));
    await_listings(fixture, 2);
    assert_string_equal(parked(fixture, NULL), "");
    atomic_store(&fixture->store->hides_members, false);
    const struct redrive *redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 3, 0, 0);
    redrive_unref(redrive);
}

static void one_that_is_stopped_begins_no_further_letter(void **state) {
    struct redrives_fixture *fixture = *state;
    append_many(fixture);
    put_redrive(fixture, "r", "node-1", ALL_OF_S ",'ratePerSecond':1");
    start_redrives(fixture, "node-1");
    redrive_unref(await_state(fixture, "r", REDRIVE_RUNNING));
    put_redrive(
        fixture, "r", "node-1",
        ",'state':'stopped','subscriptionId':'s','total':60,'ended':'2026-11-25T03:00:00Z'");
    // The next one in the space is begun when that one is over.
    put_redrive(fixture, "next", "node-1", ",'state':'waiting','subscriptionId':'s','total':60");
    redrive_unref(await_state(fixture, "next", REDRIVE_DONE));
    const struct redrive *redrive = stored_redrive(fixture, "r");
    assert_int_equal(redrive->state, REDRIVE_STOPPED);
    assert_int_equal(redrive->redriven, count_letters(fixture).marks);
    assert_true(redrive->redriven < MANY);
    // When it was stopped stays as it was said.
    assert_string_equal(json_string_value(json_object_get(redrive->document, "ended")),
                        "2026-11-25T03:00:00Z");
    assert_int_equal(strlen(parked(fixture, NULL)), MANY * strlen("x "));
    redrive_unref(redrive);
}

static void one_that_is_removed_ends_and_others_go_on(void **state) {
    struct redrives_fixture *fixture = *state;
    append_many(fixture);
    put_redrive(fixture, "r", "node-1", ALL_OF_S ",'ratePerSecond':1");
    start_redrives(fixture, "node-1");
    redrive_unref(await_state(fixture, "r", REDRIVE_RUNNING));
    put(fixture, RESOURCE_REDRIVE, "default", "r", NULL);
    put_redrive(fixture, "next", "node-1", ",'state':'waiting','subscriptionId':'s','total':60");
    redrive_unref(await_state(fixture, "next", REDRIVE_DONE));
    assert_null(stored_redrive(fixture, "r"));
    assert_int_equal(strlen(parked(fixture, NULL)), MANY * strlen("x "));
}

static void a_node_that_ends_gives_away_what_it_drives_and_another_goes_on_there(void **state) {
    struct redrives_fixture *fixture = *state;
    struct timespec until = deadline();
    append_letters(fixture);
    put_redrive(fixture, "r", "node-1", ALL_OF_S ",'ratePerSecond':2");
    start_redrives(fixture, "node-1");
    while (count_letters(fixture).marks == 0) {
        assert_false(is_too_late(&until));
    }
    stop_redrives(fixture);
    int64_t marks = count_letters(fixture).marks;
    const struct redrive *redrive = stored_redrive(fixture, "r");
    assert_int_equal(redrive->owner.size, 0);
    assert_int_equal(redrive->state, marks < 3 ? REDRIVE_RUNNING : REDRIVE_DONE);
    assert_int_equal(redrive->redriven, marks);
    assert_int_equal(redrive->failed, 0);
    redrive_unref(redrive);
    start_redrives(fixture, "node-2");
    atomic_store(&fixture->store->has_other, true);
    redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 3, 0, 0);
    assert_string_equal(parked(fixture, NULL), "a b c ");
    redrive_unref(redrive);
}

static void a_node_that_ends_does_not_wait_for_a_registry_that_is_away(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    put_redrive(fixture, "r", "node-1", ALL_OF_S ",'ratePerSecond':1");
    start_redrives(fixture, "node-1");
    redrive_unref(await_state(fixture, "r", REDRIVE_RUNNING));
    atomic_store(&fixture->store->is_read_only, true);
    stop_redrives(fixture);
    const struct redrive *redrive = stored_redrive(fixture, "r");
    assert_true(bytes_equal_text(redrive->owner, "node-1"));
    redrive_unref(redrive);
    // Whoever goes on does not park twice what was marked.
    atomic_store(&fixture->store->is_read_only, false);
    start_redrives(fixture, "node-2");
    atomic_store(&fixture->store->has_other, true);
    put_redrive(fixture, "r", "", ALL_OF_S);
    redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 3, 0, 0);
    assert_string_equal(parked(fixture, NULL), "a b c ");
    redrive_unref(redrive);
}

// A letter that was begun and is not in the log when the node ends is nobody's failure.
static void a_letter_that_the_end_cuts_short_is_left_to_the_next_node(void **state) {
    struct redrives_fixture *fixture = *state;
    append_letters(fixture);
    put_redrive(fixture, "r", "node-1", ALL_OF_S);
    event_log_memory_fail_append(fixture->log, EVENT_LOG_RETRY_10S, 1, 1000, STATUS_UNAVAILABLE);
    start_redrives(fixture, "node-1");
    redrive_unref(await_state(fixture, "r", REDRIVE_RUNNING));
    stop_redrives(fixture);
    const struct redrive *redrive = stored_redrive(fixture, "r");
    assert_int_equal(redrive->state, REDRIVE_RUNNING);
    assert_int_equal(redrive->redriven + redrive->failed + redrive->missing, 0);
    assert_int_equal(redrive->owner.size, 0);
    redrive_unref(redrive);
    event_log_memory_fail_append(fixture->log, EVENT_LOG_RETRY_10S, 1, 0, STATUS_OK);
    start_redrives(fixture, "node-1");
    redrive = await_state(fixture, "r", REDRIVE_DONE);
    assert_counts(redrive, 3, 0, 0);
    redrive_unref(redrive);
}

static void what_is_over_for_long_goes_and_what_goes_on_stays(void **state) {
    struct redrives_fixture *fixture = *state;
    struct registry_edit edits[8];
    char more[128], now[TIMESTAMP_TEXT_SIZE];
    timestamp_format(clock_wall_us(), now);
    snprintf(more, sizeof more, ",'state':'done','ended':'%s'", now);
    put_redrive(fixture, "old", "node-1", ",'state':'done','ended':'2020-01-01T00:00:00Z'");
    put_redrive(fixture, "older", "node-1", ",'state':'failed','ended':'2019-01-01T00:00:00Z'");
    put_redrive(fixture, "fresh", "node-1", more);
    put_redrive(fixture, "running", "node-1", ",'state':'running','ended':'2019-01-01T00:00:00Z'");
    const struct snapshot *snapshot = registry_snapshot(fixture->registry);
    assert_int_equal(redrives_sweep(snapshot, BYTES(""), 0, edits, 8), 2);
    assert_true(bytes_equal_text(edits[0].id, "older"));
    assert_true(bytes_equal_text(edits[1].id, "old"));
    assert_int_equal(edits[1].document.size, 0);
    assert_int_equal(redrives_sweep(snapshot, BYTES(""), 0, edits, 1), 1);
    assert_int_equal(redrives_sweep(snapshot, BYTES("team2"), 0, edits, 8), 0);
    snapshot_unref(snapshot);
}

int main(int argument_count, char **arguments) {
    if (argument_count > 1) {
        cmocka_set_test_filter(arguments[1]);
    }
    const struct CMUnitTest tests[] = {
        REDRIVES_TEST(its_letters_are_parked_and_marked),
        REDRIVES_TEST(one_by_ids_drives_those_alone),
        REDRIVES_TEST(a_letter_without_its_subscription_fails_and_stays_dead),
        REDRIVES_TEST(a_record_that_is_no_dead_letter_fails_and_holds_nobody_up),
        REDRIVES_TEST(what_the_log_refuses_for_a_moment_is_appended_again_and_once),
        REDRIVES_TEST(what_the_log_never_takes_fails),
        REDRIVES_TEST(redrives_of_a_space_are_driven_one_after_the_other),
        REDRIVES_TEST(another_nodes_is_left_alone_until_its_owner_is_missing),
        REDRIVES_TEST(an_owner_that_is_missing_for_one_look_keeps_what_it_has),
        REDRIVES_TEST(one_that_was_given_away_is_taken_at_the_next_look),
        REDRIVES_TEST(of_two_nodes_that_want_one_the_first_gets_it),
        REDRIVES_TEST(whoever_takes_over_goes_on_behind_the_last_one_that_was_written_down),
        REDRIVES_TEST(no_letter_begins_before_the_registry_has_told_who_is_there),
        REDRIVES_TEST(one_that_is_stopped_begins_no_further_letter),
        REDRIVES_TEST(one_that_is_removed_ends_and_others_go_on),
        REDRIVES_TEST(a_node_that_ends_gives_away_what_it_drives_and_another_goes_on_there),
        REDRIVES_TEST(a_node_that_ends_does_not_wait_for_a_registry_that_is_away),
        REDRIVES_TEST(a_letter_that_the_end_cuts_short_is_left_to_the_next_node),
        REDRIVES_TEST(what_is_over_for_long_goes_and_what_goes_on_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
