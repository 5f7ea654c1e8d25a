// What is special about the Kafka kind, against librdkafka's mock cluster.
#include "core/event_log/event_log_kinds.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "tests/support/log_recorder.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PRODUCE_REQUEST 0 // Kafka's number of the request
#define LIST_OFFSETS_REQUEST 2
#define OFFSET_COMMIT_REQUEST 8
#define BROKER 1

struct fixture {
    rd_kafka_t *client;
    rd_kafka_mock_cluster_t *mock;
    struct test_loop loop;
    struct event_log *log;
};

// The mock's thread misses what is asked of it right after it has done something else, and looks
// again after a second. Nothing but time depends on it.
static void let_mock_rest(void) {
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static int set_up(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    fixture->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    fixture->mock = rd_kafka_mock_cluster_new(fixture->client, 1);
    assert_non_null(fixture->mock);
    for (int i = 0; i < EVENT_LOG_STREAM_COUNT; i++) {
        char topic[64];
        snprintf(topic, sizeof topic, "eg.%s", event_log_stream_name((enum event_log_stream)i));
        let_mock_rest();
        assert_int_equal(rd_kafka_mock_topic_create(fixture->mock, topic, 1, 1), 0);
    }
    test_loop_start(&fixture->loop);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    if (fixture->log) {
        event_log_close(fixture->log, 5000);
        assert_int_equal(event_log_appends_inside(fixture->log), 0);
        event_log_destroy(fixture->log);
    }
    test_loop_stop(&fixture->loop);
    let_mock_rest();
    rd_kafka_mock_cluster_destroy(fixture->mock);
    rd_kafka_destroy(fixture->client);
    free(fixture);
    return 0;
}

static struct event_log_kafka_options plain_options(const struct fixture *fixture) {
    // The mock lets a group wait for as long as a session before it forms again.
    static const char *const settings[] = {"session.timeout.ms=3000", "heartbeat.interval.ms=300"};
    return (struct event_log_kafka_options){
        .brokers = rd_kafka_mock_cluster_bootstraps(fixture->mock),
        .topic_prefix = "eg",
        .partitions = 1,
        .replication = 1,
        .append_timeout_ms = 60000,
        .settings = settings,
        .setting_count = ARRAY_LENGTH(settings),
    };
}

static void create(struct fixture *fixture, const struct event_log_kafka_options *options) {
    struct error error;
    if (event_log_kafka_create(options, &fixture->log, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static void create_plain(struct fixture *fixture) {
    struct event_log_kafka_options options = plain_options(fixture);
    create(fixture, &options);
}

static struct append_answer append_value(struct fixture *fixture, const char *value) {
    struct record record = {.value = bytes_of_text(value), .has_value = true};
    return append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record);
}

static void await_health(struct fixture *fixture, enum status status) {
    struct error error;
    while (event_log_health(fixture->log, &error) != status) {
        sched_yield();
    }
}

static void assert_setting_refused(struct fixture *fixture, const char *setting,
                                   const char *reason) {
    struct event_log_kafka_options options = plain_options(fixture);
    options.settings = &setting;
    options.setting_count = 1;
    struct event_log *log;
    struct error error = {0};
    assert_int_equal(event_log_kafka_create(&options, &log, &error), STATUS_INVALID);
    if (!strstr(error.text, reason)) {
        fail_msg("'%s' does not say '%s'", error.text, reason);
    }
}

static void a_bad_setting_is_named(void **state) {
    assert_setting_refused(*state, "no.such.setting=1", "no.such.setting");
    assert_setting_refused(*state, "linger.ms=often", "linger.ms");
    assert_setting_refused(*state, "linger.ms", "NAME=VALUE");
    assert_setting_refused(*state, "=5", "NAME=VALUE");
}

static void a_setting_that_would_break_a_promise_is_refused(void **state) {
    assert_setting_refused(*state, "acks=1", "'acks' is the gateway's own");
    assert_setting_refused(*state, "enable.auto.commit=true", "enable.auto.commit");
    assert_setting_refused(*state, "auto.offset.reset=latest", "auto.offset.reset");
}

static void a_bad_setting_does_not_show_a_secret(void **state) {
    struct fixture *fixture = *state;
    const char *setting = "ssl.key.pem=hunter2";
    struct event_log_kafka_options options = plain_options(fixture);
    options.settings = &setting;
    options.setting_count = 1;
    struct event_log *log;
    struct error error = {0};
    enum status status = event_log_kafka_create(&options, &log, &error);
    if (status == STATUS_OK) {
        event_log_destroy(log);
    }
    assert_null(strstr(error.text, "hunter2"));
}

static void settings_of_consumers_and_producers_may_stand_together(void **state) {
    struct fixture *fixture = *state;
    const char *const settings[] = {"fetch.wait.max.ms=10", "batch.size=65536", "client.id=a=b"};
    struct event_log_kafka_options options = plain_options(fixture);
    options.settings = settings;
    options.setting_count = ARRAY_LENGTH(settings);
    create(fixture, &options);
    assert_int_equal(append_value(fixture, "x").status, STATUS_OK);
}

static void brokers_that_cannot_be_reached_are_named(void **state) {
    struct fixture *fixture = *state;
    struct event_log_kafka_options options = plain_options(fixture);
    options.brokers = "127.0.0.1:1";
    options.connect_timeout_ms = 200;
    struct event_log *log;
    struct error error = {0};
    assert_int_equal(event_log_kafka_create(&options, &log, &error), STATUS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "127.0.0.1:1"));
    assert_non_null(strstr(error.text, "Connection refused"));
}

static void a_passing_error_of_a_broker_is_not_seen(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    rd_kafka_mock_push_request_errors(fixture->mock, PRODUCE_REQUEST, 2,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
    assert_int_equal(append_value(fixture, "x").status, STATUS_OK);
}

static void a_record_that_the_topic_never_takes_is_too_large(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    rd_kafka_mock_push_request_errors(fixture->mock, PRODUCE_REQUEST, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_int_equal(append_value(fixture, "x").status, STATUS_TOO_LARGE);
    assert_int_equal(append_value(fixture, "x").status, STATUS_OK);
}

static void brokers_that_go_away_are_noticed_and_taken_back(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    assert_int_equal(append_value(fixture, "before").status, STATUS_OK);
    rd_kafka_mock_broker_set_down(fixture->mock, BROKER);
    await_health(fixture, STATUS_UNAVAILABLE);
    assert_int_equal(append_value(fixture, "while away").taken, STATUS_UNAVAILABLE);
    rd_kafka_mock_broker_set_up(fixture->mock, BROKER);
    await_health(fixture, STATUS_OK);
    assert_int_equal(append_value(fixture, "after").status, STATUS_OK);
}

static void an_append_inside_fails_when_its_time_is_up(void **state) {
    struct fixture *fixture = *state;
    struct event_log_kafka_options options = plain_options(fixture);
    options.append_timeout_ms = 300;
    create(fixture, &options);
    assert_int_equal(append_value(fixture, "before").status, STATUS_OK);
    rd_kafka_mock_broker_set_rtt(fixture->mock, BROKER, 3000);
    struct append_answer answer = append_value(fixture, "too slow");
    assert_int_equal(answer.taken, STATUS_OK);
    assert_int_equal(answer.status, STATUS_TIMEOUT);
    rd_kafka_mock_broker_set_rtt(fixture->mock, BROKER, 0);
    await_health(fixture, STATUS_OK);
}

static void a_fatal_error_of_the_producer_is_survived(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    assert_int_equal(append_value(fixture, "before").status, STATUS_OK);
    // The broker says that the producer was replaced by another one: fatal for this one.
    rd_kafka_mock_push_request_errors(fixture->mock, PRODUCE_REQUEST, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    struct append_answer answer = append_value(fixture, "lost");
    assert_int_equal(answer.taken, STATUS_OK);
    assert_int_not_equal(answer.status, STATUS_OK);
    await_health(fixture, STATUS_OK);
    while (append_value(fixture, "after").taken != STATUS_OK) {
        sched_yield();
    }
    assert_int_equal(append_value(fixture, "after").status, STATUS_OK);
}

#define MANY 400

// Appended at once, so most of them find many inside; every fourth has a key.
struct many {
    struct event_log_append appends[MANY];
    atomic_size_t answered;
};

static struct many *many_now; // the answers' way back

static void count_answer(struct event_log_append *append) {
    (void)append;
    atomic_fetch_add(&many_now->answered, 1);
}

static void append_many(struct fixture *fixture, struct many *many) {
    many_now = many;
    for (size_t i = 0; i < MANY; i++) {
        many->appends[i] = (struct event_log_append){
            .record = {.value = BYTES("x"), .has_value = true},
            .loop = fixture->loop.loop,
            .done = count_answer,
        };
        if (i % 4 == 0) {
            many->appends[i].record.key = BYTES("key");
        }
        enum status taken = event_log_append(fixture->log, &many->appends[i]);
        if (taken != STATUS_OK) {
            many->appends[i].status = taken;
            count_answer(&many->appends[i]);
        }
    }
}

static void await_many(struct many *many) {
    while (atomic_load(&many->answered) < MANY) {
        sched_yield();
    }
}

static void hundreds_at_once_are_confirmed_and_keys_keep_their_order(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    // Confirmations take their time, so that what comes later finds the others inside.
    rd_kafka_mock_broker_set_rtt(fixture->mock, BROKER, 50);
    struct many *many = memory_allocate(sizeof *many);
    append_many(fixture, many);
    await_many(many);
    int64_t last_offset = -1;
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(many->appends[i].status, STATUS_OK);
        if (many->appends[i].record.key.size > 0) {
            assert_true(many->appends[i].offset > last_offset);
            last_offset = many->appends[i].offset;
        }
    }
    free(many);
}

static bool are_many_confirmed(struct fixture *fixture) {
    struct many *many = memory_allocate(sizeof *many);
    size_t confirmed = 0;
    append_many(fixture, many);
    await_many(many);
    for (size_t i = 0; i < MANY; i++) {
        confirmed += many->appends[i].status == STATUS_OK;
    }
    free(many);
    return confirmed == MANY;
}

static void a_fatal_error_under_hundreds_is_survived(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    rd_kafka_mock_broker_set_rtt(fixture->mock, BROKER, 50);
    struct many *many = memory_allocate(sizeof *many);
    rd_kafka_mock_push_request_errors(fixture->mock, PRODUCE_REQUEST, 4,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    append_many(fixture, many);
    await_many(many);
    free(many);
    rd_kafka_mock_broker_set_rtt(fixture->mock, BROKER, 0);
    // Each producer that was hit is replaced; then all goes on.
    while (!are_many_confirmed(fixture)) {
        sched_yield();
    }
}

static void ignore_answer(struct event_log_append *append) {
    (void)append;
}

static enum status append_without_waiting(struct fixture *fixture,
                                          struct event_log_append *append) {
    *append = (struct event_log_append){
        .record = {.value = BYTES("x"), .has_value = true},
        .loop = fixture->loop.loop,
        .done = ignore_answer,
    };
    return event_log_append(fixture->log, append);
}

static void a_full_buffer_refuses(void **state) {
    struct fixture *fixture = *state;
    struct event_log_kafka_options options = plain_options(fixture);
    options.buffer_max_records = 5;
    create(fixture, &options);
    rd_kafka_mock_broker_set_rtt(fixture->mock, BROKER, 1000);
    struct event_log_append appends[6];
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(append_without_waiting(fixture, &appends[i]), STATUS_OK);
    }
    assert_int_equal(append_without_waiting(fixture, &appends[5]), STATUS_FULL);
    assert_int_equal(event_log_appends_inside(fixture->log), 5);
    rd_kafka_mock_broker_set_rtt(fixture->mock, BROKER, 0);
    event_log_close(fixture->log, 30000);
    assert_int_equal(event_log_appends_inside(fixture->log), 0);
    // The answers are on their way to the loop; it runs them before it stops.
    test_loop_stop(&fixture->loop);
    test_loop_start(&fixture->loop);
}

static void close_fails_what_is_not_confirmed_by_its_deadline(void **state) {
    struct fixture *fixture = *state;
    create_plain(fixture);
    rd_kafka_mock_broker_set_down(fixture->mock, BROKER);
    struct event_log_append append;
    enum status taken = append_without_waiting(fixture, &append);
    event_log_close(fixture->log, 100);
    assert_int_equal(event_log_appends_inside(fixture->log), 0);
    test_loop_stop(&fixture->loop);
    test_loop_start(&fixture->loop);
    if (taken == STATUS_OK) {
        assert_int_not_equal(append.status, STATUS_OK);
    }
}

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

// The mock keeps 5 MB of a partition.
static void push_out_old_records(struct fixture *fixture) {
    static char value[1000000];
    struct record record = {.value = {value, sizeof value}, .has_value = true};
    for (int i = 0; i < 8; i++) {
        struct append_answer answer =
            append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record);
        assert_int_equal(answer.status, STATUS_OK);
    }
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

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

int main(int argument_count, char **arguments) {
    if (argument_count > 1) {
        cmocka_set_test_filter(arguments[1]);
    }
    const struct CMUnitTest rules[] = {
        RULE(a_bad_setting_is_named),
        RULE(a_setting_that_would_break_a_promise_is_refused),
        RULE(a_bad_setting_does_not_show_a_secret),
        RULE(settings_of_consumers_and_producers_may_stand_together),
        RULE(brokers_that_cannot_be_reached_are_named),
        RULE(a_passing_error_of_a_broker_is_not_seen),
        RULE(a_record_that_the_topic_never_takes_is_too_large),
        RULE(brokers_that_go_away_are_noticed_and_taken_back),
        RULE(an_append_inside_fails_when_its_time_is_up),
        RULE(a_fatal_error_of_the_producer_is_survived),
        RULE(hundreds_at_once_are_confirmed_and_keys_keep_their_order),
        RULE(a_fatal_error_under_hundreds_is_survived),
        RULE(a_full_buffer_refuses),
        RULE(close_fails_what_is_not_confirmed_by_its_deadline),
        RULE(an_expelled_member_loses_its_partitions_and_goes_on_at_its_position),
        RULE(a_position_before_the_logs_beginning_is_reported_at_the_start),
        RULE(a_position_that_retention_passes_while_reading_is_reported),
        RULE(a_slice_goes_on_where_the_log_begins_now),
        RULE(slices_fail_while_the_brokers_are_away_and_work_again),
        RULE(what_comes_while_a_time_is_looked_up_is_not_passed_over),
    };
    return cmocka_run_group_tests_name("event_log_kafka", rules, NULL, NULL);
}
