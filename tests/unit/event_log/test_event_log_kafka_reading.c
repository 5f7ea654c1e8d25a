// What is special about reading from the Kafka kind, against librdkafka's mock cluster: groups,
// what retention removes, and slices.
#include "tests/support/log_capture.h"
#include "tests/unit/event_log/kafka_log_test.h"

// Kafka's numbers of the requests.
#define FETCH_REQUEST 1
#define LIST_OFFSETS_REQUEST 2
#define OFFSET_COMMIT_REQUEST 8

static bool has_lost(struct recorder *recorder, size_t count) {
    return recorder->lost_count >= count;
}

static void an_expelled_member_loses_its_partitions_and_goes_on_at_its_position(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, "key", 3), 3);
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 3);
    rd_kafka_mock_push_request_errors(fixture->mock, OFFSET_COMMIT_REQUEST, 1,
                                      RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    event_log_reader_commit(recorder.reader, 0, 2);
    recorder_await(&recorder, has_lost, 1, "the loss was not told");
    // What was not committed comes again.
    recorder_await_received(&recorder, 6);
    assert_int_equal(recorder.start[0], 0);
    recorder_close(&recorder);
    assert_false(recorder.has_order_error);
    recorder_clear(&recorder);
}

static bool has_passed(struct recorder *recorder, size_t count) {
    return recorder->passed_count >= count;
}

static void a_position_before_the_logs_beginning_is_reported_at_the_start(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, NULL, 3), 3);
    struct recorder recorder = {.commits = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 1);
    recorder_await_received(&recorder, 3);
    recorder_close(&recorder);
    recorder_clear(&recorder);
    push_out_old_records(fixture);
    recorder.releases = true;
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await(&recorder, has_passed, 1, "retention was not reported");
    assert_int_equal(recorder.start[0], 3);
    assert_int_equal(recorder.passed_position, 3);
    assert_true(recorder.passed_first > 3);
    recorder_await_received(&recorder, 11 - (size_t)recorder.passed_first);
    recorder_close(&recorder);
    assert_false(recorder.has_order_error);
    recorder_clear(&recorder);
}

static void a_position_that_retention_passes_while_reading_is_reported(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, NULL, 3), 3);
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 3);
    event_log_reader_pause(recorder.reader, 0);
    push_out_old_records(fixture);
    event_log_reader_resume(recorder.reader, 0);
    recorder_await_received(&recorder, 4);
    // How much came before the pause took hold depends on the machine; the last record always
    // comes.
    append_text(fixture->log, &fixture->loop, NULL, "last");
    while (event_log_reader_end_offset(recorder.reader, 0) != 12) {
        sched_yield();
    }
    recorder_close(&recorder);
    assert_false(recorder.has_order_error);
    if (recorder.passed_count > 0) {
        assert_true(recorder.passed_first > recorder.passed_position);
    }
    recorder_clear(&recorder);
}

static void a_slice_goes_on_where_the_log_begins_now(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, NULL, 3), 3);
    struct event_log_slice slice = {.from_offset = 1};
    read_and_wait(fixture->log, &fixture->loop, &slice);
    assert_int_equal(slice.records[0].offset, 1);
    push_out_old_records(fixture);
    slice.from_offset = 2;
    do {
        read_and_wait(fixture->log, &fixture->loop, &slice);
        assert_int_equal(slice.status, STATUS_OK);
    } while (slice.first_offset == 0);
    assert_true(slice.first_offset > 2);
    int64_t last = 0;
    for (; slice.next_offset < 11; slice.from_offset = slice.next_offset) {
        assert_true(slice.count == 0 || slice.records[0].offset >= slice.first_offset);
        read_and_wait(fixture->log, &fixture->loop, &slice);
        assert_int_equal(slice.status, STATUS_OK);
        last = slice.count > 0 ? slice.records[slice.count - 1].offset : last;
    }
    assert_true(last == 10 || last == 0);
    event_log_slice_clear(&slice);
}

static void slices_fail_while_the_brokers_are_away_and_work_again(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, NULL, 3), 3);
    struct event_log_slice slice = {.from_offset = EVENT_LOG_END};
    read_and_wait(fixture->log, &fixture->loop, &slice);
    assert_int_equal(slice.status, STATUS_OK);
    // Who leads the partition is known, and does not answer.
    rd_kafka_mock_broker_set_down(fixture->mock, BROKER);
    read_and_wait(fixture->log, &fixture->loop, &slice);
    assert_true(slice.status == STATUS_UNAVAILABLE || slice.status == STATUS_TIMEOUT);
    assert_int_equal(slice.count, 0);
    slice.from_offset = 1;
    rd_kafka_mock_broker_set_up(fixture->mock, BROKER);
    do {
        read_and_wait(fixture->log, &fixture->loop, &slice);
    } while (slice.status != STATUS_OK);
    assert_int_equal(slice.records[0].offset, 1);
    event_log_slice_clear(&slice);
}

struct time_answer {
    struct event_log_time_query query;
    atomic_bool is_there;
};

static void time_found(struct event_log_time_query *query) {
    atomic_store(&CONTAINER_OF(query, struct time_answer, query)->is_there, true);
}

// The broker has taken one of the requests whose answers are held back, and knows the answer.
static void await_one_held_back(struct fixture *fixture, int16_t request, size_t count) {
    size_t left = count;
    while (left == count) {
        sched_yield();
        assert_int_equal(
            rd_kafka_mock_broker_error_stack_cnt(fixture->mock, BROKER, request, &left), 0);
    }
}

// Between what is asked of the broker, a record is appended. It must not be passed over: to the
// mock no record is young enough, so the answer is the end, and it has to be the one before.
static void what_comes_while_a_time_is_looked_up_is_not_passed_over(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    struct time_answer answer = {
        .query = {.stream = EVENT_LOG_EVENTS, .loop = fixture->loop.loop, .done = time_found}};
    int no_error = 0, first_ms = 1000, second_ms = 1;
    rd_kafka_mock_broker_push_request_error_rtts(fixture->mock, BROKER, LIST_OFFSETS_REQUEST, 2,
                                                 no_error, first_ms, no_error, second_ms);
    assert_int_equal(event_log_find_time(fixture->log, &answer.query), STATUS_OK);
    await_one_held_back(fixture, LIST_OFFSETS_REQUEST, 2);
    assert_int_equal(append_value(fixture, "value").status, STATUS_OK);
    while (!atomic_load(&answer.is_there)) {
        sched_yield();
    }
    assert_int_equal(answer.query.status, STATUS_OK);
    assert_int_equal(answer.query.offsets[0], 0);
    event_log_time_query_clear(&answer.query);
}

// The broker holds its answer back, as it does where a partition ends with what no reader sees.
static void a_slice_that_waits_when_the_log_is_closed_is_no_failure(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, NULL, 3), 3);
    int no_error = 0, answer_ms = 3600 * 1000;
    rd_kafka_mock_broker_push_request_error_rtts(fixture->mock, BROKER, FETCH_REQUEST, 1, no_error,
                                                 answer_ms);
    struct pending_slice pending = {.slice = {.from_offset = 0, .wait_ms = 60000}};
    struct log_capture capture = log_capture_start();
    pending_slice_start(&pending, fixture->log, &fixture->loop);
    await_one_held_back(fixture, FETCH_REQUEST, 1);
    event_log_close(fixture->log, 5000);
    pending_slice_await(&pending);
    struct buffer text = {0};
    log_capture_end(&capture, &text);
    assert_int_equal(pending.slice.status, STATUS_CLOSED);
    assert_string_equal(text.data, "");
    buffer_clear(&text);
    event_log_slice_clear(&pending.slice);
}

int main(int argument_count, char **arguments) {
    if (argument_count > 1) {
        cmocka_set_test_filter(arguments[1]);
    }
    const struct CMUnitTest rules[] = {
        RULE(an_expelled_member_loses_its_partitions_and_goes_on_at_its_position),
        RULE(a_position_before_the_logs_beginning_is_reported_at_the_start),
        RULE(a_position_that_retention_passes_while_reading_is_reported),
        RULE(a_slice_goes_on_where_the_log_begins_now),
        RULE(slices_fail_while_the_brokers_are_away_and_work_again),
        RULE(what_comes_while_a_time_is_looked_up_is_not_passed_over),
        RULE(a_slice_that_waits_when_the_log_is_closed_is_no_failure),
    };
    return cmocka_run_group_tests_name("event_log_kafka_reading", rules, NULL, NULL);
}
