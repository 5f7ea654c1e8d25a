// What is special about the Kafka kind, against librdkafka's mock cluster: settings, appends, and
// brokers that go away.
#include "tests/unit/event_log/kafka_log_test.h"

#define PRODUCE_REQUEST 0 // Kafka's number of the request

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
    };
    return cmocka_run_group_tests_name("event_log_kafka", rules, NULL, NULL);
}
