// Somebody sets the wall clock while events are on their way. The program's clock_gettime is this
// file's, so that the wall clock can be set; the monotonic one stays as it is.
#include "tests/unit/dispatcher/dispatcher_log_test.h"

#include "core/events/outcome_record.h"

#include <sys/syscall.h>
#include <unistd.h>

#define HOUR_US (INT64_C(3600) * 1000000)

static atomic_llong shift_us;

int clock_gettime(clockid_t clock, struct timespec *ret_now) {
    int result = (int)syscall(SYS_clock_gettime, clock, ret_now);
    if (clock == CLOCK_REALTIME) {
        int64_t now_us = (int64_t)ret_now->tv_sec * 1000000 + ret_now->tv_nsec / 1000;
        now_us += atomic_load(&shift_us);
        *ret_now = (struct timespec){now_us / 1000000, now_us % 1000000 * 1000};
    }
    return result;
}

// A deadline by the wall clock lies as far ahead as it did when it was reckoned. One by the
// monotonic clock is told by its being years from now.
int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict lock,
                           const struct timespec *restrict until) {
    if (until->tv_sec < 1000000000) {
        return pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, until);
    }
    int64_t until_us = (int64_t)until->tv_sec * 1000000 + until->tv_nsec / 1000;
    until_us -= atomic_load(&shift_us);
    const struct timespec real = {until_us / 1000000, until_us % 1000000 * 1000};
    return pthread_cond_clockwait(condition, lock, CLOCK_REALTIME, &real);
}

static int set_up(void **state) {
    atomic_store(&shift_us, 0);
    *state = test_create(1, 1);
    ((struct dispatcher_test *)*state)->options.tiers = &no_parking;
    return 0;
}

static int tear_down(void **state) {
    atomic_store(&shift_us, 0);
    test_destroy(*state);
    return 0;
}

// By the clock that nobody sets.
static bool is_too_late(int64_t begun_us) {
    return clock_monotonic_us() - begun_us > INT64_C(1000000) * TEST_AWAIT_SECONDS;
}

static void await_calls(struct dispatcher_test *test, const char *path, const char *id,
                        size_t count) {
    int64_t begun_us = clock_monotonic_us();
    while (test_count_calls(&test->functions, path, id) < count) {
        if (is_too_late(begun_us)) {
            fail_msg("%zu calls for %s instead of %zu",
                     test_count_calls(&test->functions, path, id), id ? id : "all events", count);
        }
        sched_yield();
    }
}

static void await_value(const struct metric *metric, int64_t value) {
    int64_t begun_us = clock_monotonic_us();
    while (metric_value(metric) != value) {
        assert_false(is_too_late(begun_us));
        sched_yield();
    }
}

static void a_clock_that_jumps_ahead_does_not_end_the_attempts(void **state) {
    struct dispatcher_test *test = *state;
    int64_t letters = metric_value(dispatcher_metrics()->dead_letters);
    int64_t processed = metric_value(dispatcher_metrics()->events_processed);
    test_subscribe(test, "s", "/gate",
                   "{\"retry\":{\"initialMs\":1,\"maxMs\":5,\"maxAttempts\":1000,"
                   "\"maxAgeMs\":3600000}}");
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_calls(test, "/gate", "e", 2);
    atomic_store(&shift_us, 2 * HOUR_US);
    await_calls(test, "/gate", "e", test_count_calls(&test->functions, "/gate", "e") + 5);
    atomic_store(&test->functions.gate_is_open, true);
    await_value(dispatcher_metrics()->events_processed, processed + 1);
    test_close_dispatcher(test);
    assert_int_equal(metric_value(dispatcher_metrics()->dead_letters), letters);
}

static void a_clock_that_is_set_back_does_not_make_an_event_younger(void **state) {
    struct dispatcher_test *test = *state;
    int64_t letters = metric_value(dispatcher_metrics()->dead_letters);
    test_subscribe(test, "s", "/gate",
                   "{\"retry\":{\"initialMs\":1,\"maxMs\":5,\"maxAttempts\":1000,"
                   "\"maxAgeMs\":1000}}");
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_calls(test, "/gate", "e", 1);
    atomic_store(&shift_us, -HOUR_US);
    await_value(dispatcher_metrics()->dead_letters, letters + 1);
    assert_true(test_count_calls(&test->functions, "/gate", "e") < 1000);
    test_close_dispatcher(test);
}

static void expirytime_is_a_time_of_the_wall_clock(void **state) {
    struct dispatcher_test *test = *state;
    int64_t letters = metric_value(dispatcher_metrics()->dead_letters);
    char expiry[TIMESTAMP_TEXT_SIZE];
    timestamp_format(clock_wall_us() + HOUR_US, expiry);
    test_subscribe(test, "s", "/gate",
                   "{\"retry\":{\"initialMs\":1,\"maxMs\":5,\"maxAttempts\":1000}}");
    test_start_dispatcher(test);
    test_emit(test, &(struct test_event){
                        .id = "e", .extension_name = "expirytime", .extension_value = expiry});
    await_calls(test, "/gate", "e", 2);
    atomic_store(&shift_us, 2 * HOUR_US);
    await_value(dispatcher_metrics()->dead_letters, letters + 1);
    test_close_dispatcher(test);
}

static void emit_early(struct dispatcher_test *test, const char *id, int64_t wait_us) {
    char time[TIMESTAMP_TEXT_SIZE];
    timestamp_format(clock_wall_us() + wait_us, time);
    test_emit(test, &(struct test_event){
                        .id = id, .extension_name = "delivernotbefore", .extension_value = time});
}

// The clock is an hour ahead when the first one is asked for, and is set to where it belongs. The
// second one is asked for later than the first one was, and by the clock as it is set now.
static void check_not_before(struct dispatcher_test *test, int64_t right_us) {
    int64_t waiting = metric_value(dispatcher_metrics()->retries_waiting);
    atomic_store(&shift_us, right_us + HOUR_US);
    test_subscribe(test, "s", "/ok", NULL);
    test_start_dispatcher(test);
    emit_early(test, "first", HOUR_US / 3600);
    await_value(dispatcher_metrics()->retries_waiting, waiting + 1);
    atomic_store(&shift_us, right_us);
    emit_early(test, "second", HOUR_US / 3600 * 3 / 2);
    await_calls(test, "/ok", "second", 1);
    assert_int_equal(test_count_calls(&test->functions, "/ok", "first"), 0);
    test_close_dispatcher(test);
}

static void delivernotbefore_is_a_time_of_the_wall_clock(void **state) {
    check_not_before(*state, -HOUR_US);
}

static void
delivernotbefore_by_a_clock_that_was_ahead_is_waited_for_when_it_is_right(void **state) {
    check_not_before(*state, 0);
}

// The clock is an hour behind when it is taken, and is set to where it belongs: then it is time.
static void delivernotbefore_in_memory_goes_by_a_clock_that_is_put_right(void **state) {
    struct dispatcher_test *test = *state;
    int64_t waiting = metric_value(dispatcher_metrics()->retries_waiting);
    atomic_store(&shift_us, -HOUR_US);
    test_subscribe(test, "s", "/ok", NULL);
    test_start_dispatcher(test);
    emit_early(test, "first", HOUR_US);
    await_value(dispatcher_metrics()->retries_waiting, waiting + 1);
    atomic_store(&shift_us, 0);
    await_calls(test, "/ok", "first", 1);
    test_close_dispatcher(test);
}

struct outcome_times {
    int64_t latest_retry_us, delivered_us;
};

static void note_time(void *context, const struct outcome *outcome) {
    struct outcome_times *times = context;
    if (outcome->kind == OUTCOME_DELIVERED) {
        times->delivered_us = outcome->time_us;
    } else if (outcome->time_us > times->latest_retry_us) {
        times->latest_retry_us = outcome->time_us;
    }
}

static void await_outcome_times(struct recorder *recorder, struct outcome_times *ret_times) {
    static const struct outcome_visitor visitor = {.outcome = note_time};
    *ret_times = (struct outcome_times){0};
    for (size_t i = 0; ret_times->delivered_us == 0; i++) {
        size_t refused = 0;
        recorder_await_received(recorder, i + 1);
        assert_int_equal(outcome_record_decode(recorder->received[i].record.value, &visitor,
                                               ret_times, &refused, NULL),
                         STATUS_OK);
    }
}

static void attempts_go_on_when_a_clock_that_was_ahead_is_right_and_tell_its_time(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    struct outcome_times times;
    int64_t begun_us = clock_wall_us();
    atomic_store(&shift_us, HOUR_US);
    test_subscribe(test, "s", "/gate",
                   "{\"retry\":{\"initialMs\":20,\"factor\":1,\"maxAttempts\":1000}}");
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    await_calls(test, "/gate", "e", 2);
    atomic_store(&shift_us, 0);
    await_calls(test, "/gate", "e", test_count_calls(&test->functions, "/gate", "e") + 2);
    atomic_store(&test->functions.gate_is_open, true);
    test_read_stream(test, &recorder, EVENT_LOG_OUTCOMES);
    await_outcome_times(&recorder, &times);
    assert_true(times.latest_retry_us >= begun_us + HOUR_US);
    assert_true(times.delivered_us < begun_us + HOUR_US);
    test_close_dispatcher(test);
    test_stop_reading(&recorder);
}

static void an_open_circuit_is_probed_whatever_the_clock_says(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/gate",
                   "{\"retry\":{\"initialMs\":1,\"maxMs\":5,\"maxAttempts\":1000}}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 20);
    await_value(dispatcher_metrics()->detached, 1);
    atomic_store(&shift_us, -HOUR_US);
    atomic_store(&test->functions.gate_is_open, true);
    await_value(dispatcher_metrics()->detached, 0);
    test_emit_id(test, "back");
    await_calls(test, "/gate", "back", 1);
    atomic_store(&shift_us, HOUR_US);
    test_emit_id(test, "ahead");
    await_calls(test, "/gate", "ahead", 1);
    test_close_dispatcher(test);
    atomic_store(&shift_us, 0);
    assert_int_equal(test_committed(test), 22);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_clock_that_jumps_ahead_does_not_end_the_attempts),
        TEST(a_clock_that_is_set_back_does_not_make_an_event_younger),
        TEST(expirytime_is_a_time_of_the_wall_clock),
        TEST(delivernotbefore_is_a_time_of_the_wall_clock),
        TEST(delivernotbefore_by_a_clock_that_was_ahead_is_waited_for_when_it_is_right),
        TEST(delivernotbefore_in_memory_goes_by_a_clock_that_is_put_right),
        TEST(attempts_go_on_when_a_clock_that_was_ahead_is_right_and_tell_its_time),
        TEST(an_open_circuit_is_probed_whatever_the_clock_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
