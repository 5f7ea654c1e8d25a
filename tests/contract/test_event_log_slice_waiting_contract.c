// What every kind of event log keeps: slices that wait, until records come, time is up or it
// closes.
#include "tests/contract/event_log_contract_test.h"

#include <stdlib.h>
#include <time.h>

#include "core/base/memory.h"

static bool is_answered(struct pending_slice *pending) {
    pthread_mutex_lock(&pending->lock);
    bool is_done = pending->is_done;
    pthread_mutex_unlock(&pending->lock);
    return is_done;
}

static void a_slice_that_waits_gets_the_first_record(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 3);
    struct pending_slice named = {
        .slice = {.partition = first.partition, .from_offset = first.offset + 3, .wait_ms = 60000}};
    struct pending_slice at_end = {
        .slice = {.partition = first.partition, .from_offset = EVENT_LOG_END, .wait_ms = 60000}};
    // Both are set aside: there are fewer threads than slices of partitions where nothing comes.
    struct pending_slice others[8] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        others[i].slice.stream = EVENT_LOG_RETRY_1H;
        others[i].slice.wait_ms = 60000;
        pending_slice_start(&others[i], fixture->log, &fixture->loop);
    }
    pending_slice_start(&named, fixture->log, &fixture->loop);
    // The end is where it is when the slice is looked at; so another one is waited for first.
    struct event_log_slice probe = {.partition = first.partition, .from_offset = first.offset};
    read_slice(fixture, &probe);
    event_log_slice_clear(&probe);
    pending_slice_start(&at_end, fixture->log, &fixture->loop);
    struct timespec moment = {.tv_nsec = 50000000};
    nanosleep(&moment, NULL);
    assert_false(named.is_done);
    struct append_answer answer = append_text(fixture->log, &fixture->loop, "key", "3");
    pending_slice_await(&named);
    assert_int_equal(named.slice.status, STATUS_OK);
    assert_int_equal(named.slice.records[0].offset, answer.offset);
    // When the slice is looked at only after an append, a later one ends its waiting.
    while (!is_answered(&at_end)) {
        append_text(fixture->log, &fixture->loop, "key", "4");
    }
    pending_slice_await(&at_end);
    assert_int_equal(at_end.slice.status, STATUS_OK);
    assert_true(at_end.slice.count > 0 && at_end.slice.records[0].offset >= answer.offset);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        event_log_slice_cancel(fixture->log, &others[i].slice);
        pending_slice_await(&others[i]);
        assert_int_equal(others[i].slice.status, STATUS_CLOSED);
        event_log_slice_clear(&others[i].slice);
    }
    event_log_slice_clear(&named.slice);
    event_log_slice_clear(&at_end.slice);
}

static void a_slice_whose_time_is_up_is_answered_without_records(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 3);
    struct event_log_slice slice = {
        .partition = first.partition, .from_offset = first.offset + 3, .wait_ms = 20};
    read_slice(fixture, &slice);
    assert_int_equal(slice.status, STATUS_OK);
    assert_int_equal(slice.count, 0);
    assert_int_equal(slice.next_offset, first.offset + 3);
    // Beyond the end as well: the caller sees the end.
    slice.from_offset = first.offset + 100;
    read_slice(fixture, &slice);
    assert_int_equal(slice.status, STATUS_OK);
    assert_int_equal(slice.count, 0);
    assert_int_equal(slice.next_offset, first.offset + 100);
    assert_int_equal(slice.end_offset, first.offset + 3);
    event_log_slice_clear(&slice);
}

static void a_closed_log_lets_no_slice_wait_and_takes_none(void **state) {
    struct log_fixture *fixture = *state;
    struct pending_slice pending = {.slice = {.from_offset = EVENT_LOG_END, .wait_ms = 600000}};
    pending_slice_start(&pending, fixture->log, &fixture->loop);
    event_log_close(fixture->log, 10000);
    pending_slice_await(&pending);
    assert_int_equal(pending.slice.status, STATUS_CLOSED);
    assert_int_equal(event_log_read(fixture->log, &pending.slice), STATUS_CLOSED);
    struct event_log_time_query query = {.loop = fixture->loop.loop,
                                         .done = (void (*)(struct event_log_time_query *))abort};
    assert_int_equal(event_log_find_time(fixture->log, &query), STATUS_CLOSED);
    event_log_slice_clear(&pending.slice);
}

// Whoever closed the log may free its slices when the loop has run what was posted until then.
static void closing_answers_what_is_being_read(void **state) {
    struct log_fixture *fixture = *state;
    struct pending_slice pending[9] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(pending); i++) {
        pending[i].slice.stream = (enum event_log_stream)(i % EVENT_LOG_STREAM_COUNT);
        pending[i].slice.from_offset = EVENT_LOG_BEGINNING;
        pending[i].slice.wait_ms = 60000;
        pending_slice_start(&pending[i], fixture->log, &fixture->loop);
    }
    event_log_close(fixture->log, 10000);
    test_loop_stop(&fixture->loop); // runs what was posted
    for (size_t i = 0; i < ARRAY_LENGTH(pending); i++) {
        assert_true(pending[i].is_done);
        event_log_slice_clear(&pending[i].slice);
    }
    test_loop_start(&fixture->loop);
}

static const struct CMUnitTest rules[] = {
    RULE(a_slice_that_waits_gets_the_first_record),
    RULE(a_slice_whose_time_is_up_is_answered_without_records),
    RULE(a_closed_log_lets_no_slice_wait_and_takes_none),
    RULE(closing_answers_what_is_being_read),
};

static int run_rules(const char *name) {
    return cmocka_run_group_tests_name(name, rules, NULL, NULL);
}

int main(int argument_count, char **arguments) {
    return run_over_kinds(argument_count, arguments, run_rules) > 0;
}
