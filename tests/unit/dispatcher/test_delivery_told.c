// What the dispatcher tells of its work: system events of calls and of dead letters, and where
// chains of events end.
#include "tests/unit/dispatcher/dispatcher_log_test.h"

#include <jansson.h>

#include "core/base/json.h"

#define FAST_RETRY "{\"retry\":{\"initialMs\":1,\"maxMs\":2}}"
#define ONE_ATTEMPT "{\"retry\":{\"maxAttempts\":1}}"

static int setup(void **state) {
    *state = test_create(1, 1);
    return 0;
}

static int two_loops_setup(void **state) {
    *state = test_create(2, 4);
    return 0;
}

static int teardown(void **state) {
    test_destroy(*state);
    return 0;
}

static void listen_to(struct dispatcher_test *test, const char *id, const char *event_type) {
    test_put_function(test, id, "/ok/listener");
    test_put_subscription(test, id, id, event_type, NULL);
}

static void read_events(struct dispatcher_test *test, struct recorder *recorder) {
    *recorder = (struct recorder){.releases = true};
    recorder_start(recorder, test->log, EVENT_LOG_EVENTS, "told-test", 0);
}

static void recorder_end(struct recorder *recorder) {
    recorder_close(recorder);
    recorder_clear(recorder);
}

// The number of a type's events among what was read so far; the last one's data if it is asked for.
static size_t count_of(struct recorder *recorder, const char *type, json_t **ret_data) {
    size_t count = 0;
    pthread_mutex_lock(&recorder->lock);
    for (size_t i = 0; i < recorder->received_count; i++) {
        const struct event *event = NULL;
        struct error error;
        struct stored_record stored = {.record = recorder->received[i].record};
        assert_int_equal(event_record_decode(&stored, &event, &error), STATUS_OK);
        if (bytes_equal_text(event->type, type)) {
            count++;
            if (ret_data) {
                json_decref(*ret_data);
                assert_int_equal(json_parse(event->data, ret_data, &error), STATUS_OK);
            }
        }
        event_unref(event);
    }
    pthread_mutex_unlock(&recorder->lock);
    return count;
}

static void each_attempt_is_told_while_somebody_listens(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    test_subscribe(test, "s", "/fail/1", FAST_RETRY);
    listen_to(test, "l1", "gateway.function.invoking");
    listen_to(test, "l2", "eventgateway.function.invoking");
    listen_to(test, "l3", "gateway.function.invoked");
    listen_to(test, "l4", "eventgateway.function.invocationFailed");
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/ok/listener", NULL, 6);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok/listener", NULL), 6);
    read_events(test, &recorder);
    recorder_await_received(&recorder, 5);
    assert_int_equal(count_of(&recorder, "eventgateway.function.invoking", NULL), 2);
    assert_int_equal(count_of(&recorder, "eventgateway.function.invoked", NULL), 1);
    assert_int_equal(count_of(&recorder, "eventgateway.function.invocationFailed", NULL), 1);
    assert_int_equal(test_committed(test), 5);
    recorder_end(&recorder);
}

static void nothing_is_told_while_nobody_listens(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    test_subscribe(test, "s", "/fail/1", FAST_RETRY);
    listen_to(test, "l", "gateway.event.received");
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/fail/1", "e", 2);
    test_close_dispatcher(test);
    test_emit_id(test, "last");
    read_events(test, &recorder);
    recorder_await_received(&recorder, 2);
    assert_int_equal(count_of(&recorder, "test", NULL), 2);
    recorder_end(&recorder);
}

static void what_is_told_that_the_log_refuses_delays_nothing(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/ok", NULL);
    listen_to(test, "l", "gateway.function.invoking");
    test_start_dispatcher(test);
    event_log_memory_fail_append(test->log, EVENT_LOG_EVENTS, 2, 1, STATUS_FULL);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/ok", "e", 1);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok/listener", NULL), 0);
    assert_int_equal(test_committed(test), 1);
}

static void a_chain_ends_in_the_dead_letters(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    test_subscribe(test, "s", "/ok", NULL);
    test_start_dispatcher(test);
    test_emit(test, &(struct test_event){
                        .id = "deep", .extension_name = "causationdepth", .extension_value = "16"});
    test_emit(test, &(struct test_event){.id = "too deep",
                                         .extension_name = "causationdepth",
                                         .extension_value = "17"});
    test_read_dead_letters(test, &recorder);
    recorder_await_received(&recorder, 1);
    test_await_calls(&test->functions, "/ok", "deep", 1);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", "too deep"), 0);
    assert_int_equal(test_committed(test), 2);
    struct dead_letter letter;
    struct buffer storage = {0};
    struct error error;
    const struct event *event = NULL;
    struct stored_record stored = {.record = recorder.received[0].record};
    assert_int_equal(dead_letter_decode(&stored, &letter, &storage, &event, &error), STATUS_OK);
    assert_true(bytes_equal_text(letter.reason, "too many causes"));
    assert_int_equal(letter.attempts, 0);
    event_unref(event);
    buffer_clear(&storage);
    recorder_end(&recorder);
}

// Each loop has a circuit of its own.
static void a_circuit_that_opens_and_closes_on_several_loops_is_told_once(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 4);
    test_subscribe(test, "s", "/gate", "{\"retry\":{\"initialMs\":1}}");
    listen_to(test, "l1", "eventgateway.subscription.suspended");
    listen_to(test, "l2", "eventgateway.subscription.resumed");
    test_start_dispatcher(test);
    test_emit_numbers(test, 80);
    test_await_metric(dispatcher_metrics()->circuits_open, 2);
    test_await_calls(&test->functions, "/ok/listener", NULL, 1);
    atomic_store(&test->functions.gate_is_open, true);
    test_await_metric(dispatcher_metrics()->circuits_open, 0);
    test_await_calls(&test->functions, "/ok/listener", NULL, 2);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok/listener", NULL), 2);
    test_destroy(test);
}

static void dead_letters_are_told_once_in_an_interval_with_their_number(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder, letters;
    json_t *data = NULL;
    test->options.notice_interval_ms = 3600000;
    test_subscribe(test, "s", "/status/422", NULL);
    listen_to(test, "l", "eventgateway.subscription.deadlettered");
    test_start_dispatcher(test);
    test_emit_id(test, "e1");
    test_await_calls(&test->functions, "/ok/listener", NULL, 1);
    test_emit_id(test, "e2");
    test_emit_id(test, "e3");
    test_read_dead_letters(test, &letters);
    recorder_await_received(&letters, 3);
    recorder_end(&letters);
    read_events(test, &recorder);
    recorder_await_received(&recorder, 4);
    assert_int_equal(count_of(&recorder, "eventgateway.subscription.deadlettered", &data), 1);
    assert_int_equal(json_integer_value(json_object_get(data, "count")), 1);
    // What is counted is told at the latest when the dispatcher ends.
    test_close_dispatcher(test);
    recorder_await_received(&recorder, 5);
    assert_int_equal(count_of(&recorder, "eventgateway.subscription.deadlettered", &data), 2);
    assert_int_equal(json_integer_value(json_object_get(data, "count")), 2);
    assert_string_equal(json_string_value(json_object_get(data, "subscriptionId")), "s");
    assert_string_equal(json_string_value(json_object_get(data, "reason")),
                        "final status: answered with status 422");
    json_decref(data);
    recorder_end(&recorder);
}

static void after_an_interval_what_was_counted_is_told(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    test->options.notice_interval_ms = 1;
    test_subscribe(test, "s", "/status/422", NULL);
    listen_to(test, "l", "eventgateway.subscription.deadlettered");
    test_start_dispatcher(test);
    for (size_t count = 1; count <= 5; count++) {
        test_emit_id(test, "e");
        test_await_calls(&test->functions, "/ok/listener", NULL, count);
    }
    test_close_dispatcher(test);
    read_events(test, &recorder);
    recorder_await_received(&recorder, 10);
    assert_int_equal(count_of(&recorder, "eventgateway.subscription.deadlettered", NULL), 5);
    recorder_end(&recorder);
}

// The sum of count over all notices that were read so far; under the recorder's lock.
static int64_t told_dead_letters(const struct recorder *recorder) {
    int64_t sum = 0;
    for (size_t i = 0; i < recorder->received_count; i++) {
        json_t *data = NULL;
        struct error error;
        if (json_parse(recorder->received[i].record.value, &data, &error) == STATUS_OK) {
            sum += json_integer_value(json_object_get(data, "count"));
            json_decref(data);
        }
    }
    return sum;
}

static bool has_told(struct recorder *recorder, size_t count) {
    return told_dead_letters(recorder) >= (int64_t)count;
}

static void every_dead_letter_is_told_of_whatever_loop_it_comes_from(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder, letters;
    test->options.notice_interval_ms = 1;
    test_subscribe(test, "s", "/status/422", NULL);
    listen_to(test, "l", "eventgateway.subscription.deadlettered");
    test_start_dispatcher(test);
    test_emit_numbers(test, 100);
    test_read_dead_letters(test, &letters);
    recorder_await_received(&letters, 100);
    test_close_dispatcher(test);
    read_events(test, &recorder);
    recorder_await(&recorder, has_told, 100, "all dead letters to be told of");
    recorder_close(&recorder);
    assert_int_equal(told_dead_letters(&recorder), 100);
    recorder_clear(&recorder);
    recorder_end(&letters);
}

static void dead_letters_of_listeners_are_not_told(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder letters;
    test_subscribe(test, "s", "/status/422", NULL);
    test_put_function(test, "l", "/status/500");
    test_put_subscription(test, "l", "l", "gateway.subscription.deadlettered", ONE_ATTEMPT);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_read_dead_letters(test, &letters);
    recorder_await_received(&letters, 2);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/status/500", NULL), 1);
    assert_int_equal(test_committed(test), 2);
    recorder_end(&letters);
}

#define DISPATCHER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        DISPATCHER_TEST(each_attempt_is_told_while_somebody_listens),
        DISPATCHER_TEST(nothing_is_told_while_nobody_listens),
        DISPATCHER_TEST(what_is_told_that_the_log_refuses_delays_nothing),
        DISPATCHER_TEST(a_chain_ends_in_the_dead_letters),
        cmocka_unit_test(a_circuit_that_opens_and_closes_on_several_loops_is_told_once),
        DISPATCHER_TEST(dead_letters_are_told_once_in_an_interval_with_their_number),
        DISPATCHER_TEST(after_an_interval_what_was_counted_is_told),
        cmocka_unit_test_setup_teardown(every_dead_letter_is_told_of_whatever_loop_it_comes_from,
                                        two_loops_setup, teardown),
        DISPATCHER_TEST(dead_letters_of_listeners_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
