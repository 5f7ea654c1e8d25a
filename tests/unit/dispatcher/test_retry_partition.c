// What is finished of a tier of eg.retry.*, beyond something that is not, survives.
#include "tests/unit/dispatcher/cursor_records_test.h"

#include "core/events/parked_record.h"

static int set_up(void **state) {
    *state = test_create(1, 1);
    return 0;
}

static int tear_down(void **state) {
    test_destroy(*state);
    return 0;
}

// Due already, with one attempt behind it.
static void park(struct dispatcher_test *test, const char *id, const char *subscription) {
    const struct event *event = test_build(&(struct test_event){.id = id});
    struct parked_delivery parked = {.subscription_id = bytes_of_text(subscription),
                                     .space = BYTES("default"),
                                     .function_id = bytes_of_text(subscription),
                                     .due_us = clock_wall_us() - 1,
                                     .attempts = 1,
                                     .first_us = clock_wall_us() - 2,
                                     .last_us = clock_wall_us() - 2,
                                     .last_status = 503,
                                     .reason = BYTES("status 503"),
                                     .partition = 0,
                                     .offset = 0};
    struct encoded_record encoded;
    parked_delivery_encode(&parked, event, &encoded);
    test_append(test, EVENT_LOG_RETRY_10S, &encoded.record);
    event_record_clear(&encoded);
    event_unref(event);
}

static void park_numbers(struct dispatcher_test *test, const char *subscription, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        park(test, id, subscription);
    }
}

static int64_t committed(struct dispatcher_test *test) {
    return test_committed_of(test, EVENT_LOG_RETRY_10S, "test-dispatcher-retry.10s");
}

static bool is_told(struct dispatcher_test *test, int64_t offset) {
    struct cursor_record record;
    if (!test_read_live(test, CURSOR_OF_RETRY_10S, &record)) {
        return false;
    }
    bool is_it = offset_ranges_contain(&record.finished, offset);
    cursor_record_clear(&record);
    return is_it;
}

static void await_told(struct dispatcher_test *test, int64_t offset) {
    struct timespec until = test_deadline();
    struct timespec now;
    do {
        if (is_told(test, offset)) {
            return;
        }
        sched_yield();
        clock_gettime(CLOCK_REALTIME, &now);
    } while (now.tv_sec < until.tv_sec);
    fail_msg("offset %lld is not told of", (long long)offset);
}

static void subscribe(struct dispatcher_test *test) {
    test_subscribe(test, "hangs", "/hold", "{\"timeoutMs\":900000}");
    test_subscribe(test, "quick", "/ok", NULL);
}

// Two that hang, of which one is the first, and 20 that are finished, which is told.
static void finish_beside_those_that_hang(struct dispatcher_test *test) {
    subscribe(test);
    park(test, "first", "hangs");
    park_numbers(test, "quick", 10);
    park(test, "middle", "hangs");
    park_numbers(test, "quick", 10);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/ok", NULL, 20);
    test_await_calls(&test->functions, "/hold", NULL, 2);
    await_told(test, 10);
    await_told(test, 21);
}

static void what_is_finished_is_not_delivered_again_after_a_crash(void **state) {
    struct dispatcher_test *test = *state;
    finish_beside_those_that_hang(test);
    for (size_t crashes = 1; crashes <= 3; crashes++) {
        test_crash_dispatcher(test);
        assert_int_equal(committed(test), 0);
        test_start_dispatcher(test);
        test_await_calls(&test->functions, "/hold", "first", crashes + 1);
        test_await_calls(&test->functions, "/hold", "middle", crashes + 1);
    }
    park(test, "after", "quick");
    test_await_calls(&test->functions, "/ok", "after", 1);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 21);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 8);
    assert_int_equal(committed(test), 23);
}

static void what_is_passed_over_takes_no_room_in_the_window(void **state) {
    struct dispatcher_test *test = *state;
    enum {
        ROOM = 20
    };
    test->options.window_max_events = ROOM;
    subscribe(test);
    park(test, "first", "hangs");
    test_start_dispatcher(test);
    // One by one, as what cannot keep up is parked again.
    for (size_t i = 1; i <= 2 * ROOM; i++) {
        park(test, "quick", "quick");
        test_await_calls(&test->functions, "/ok", NULL, i);
    }
    await_told(test, 2 * ROOM);
    test_crash_dispatcher(test);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/hold", NULL, 2); // The others were read.
    park(test, "after", "quick");
    test_await_calls(&test->functions, "/ok", "after", 1);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 2 * ROOM + 1);
}

static void a_hand_over_repeats_only_the_calls_that_do_not_end(void **state) {
    struct dispatcher_test *test = *state;
    test->options.hand_over_ms = 2000;
    finish_beside_those_that_hang(test);
    event_log_memory_rebalance(test->log, EVENT_LOG_RETRY_10S, 0);
    test_await_calls(&test->functions, "/hold", NULL, 4);
    park(test, "after", "quick");
    test_await_calls(&test->functions, "/ok", "after", 1);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 21);
    assert_int_equal(committed(test), 23);
}

// Not on the way from here, or to where it went.
static void what_was_parked_again_or_given_up_is_so_once(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *parked = dispatcher_metrics()->parked;
    struct metric *letters = dispatcher_metrics()->dead_letters;
    int64_t parked_before = metric_value(parked);
    int64_t letters_before = metric_value(letters);
    subscribe(test);
    test_subscribe(test, "later", "/later", NULL);
    test_subscribe(test, "refuses", "/status/500", "{\"retry\":{\"maxAttempts\":1}}");
    park(test, "hangs", "hangs");
    park(test, "first", "later"); // In an hour.
    park(test, "refused", "refuses");
    park(test, "of nobody", "gone");
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/hold", NULL, 1);
    for (int64_t offset = 1; offset <= 3; offset++) {
        await_told(test, offset);
    }
    test_crash_dispatcher(test);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/hold", NULL, 2);
    park(test, "after", "quick");
    test_await_calls(&test->functions, "/ok", "after", 1);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/later", NULL), 1);
    assert_int_equal(test_count_calls(&test->functions, "/status/500", NULL), 1);
    assert_int_equal(metric_value(parked) - parked_before, 1);
    assert_int_equal(metric_value(letters) - letters_before, 1);
    assert_int_equal(committed(test), 5);
}

static void what_the_log_has_not_confirmed_is_not_told(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *letters = dispatcher_metrics()->dead_letters;
    int64_t before = metric_value(letters);
    subscribe(test);
    test_subscribe(test, "later", "/later", NULL);
    test_subscribe(test, "refuses", "/status/500", "{\"retry\":{\"maxAttempts\":1}}");
    event_log_memory_fail_append(test->log, EVENT_LOG_DEAD_LETTERS, 1, 1000000, STATUS_UNAVAILABLE);
    event_log_memory_fail_append(test->log, EVENT_LOG_RETRY_1H, 1, 1000000, STATUS_UNAVAILABLE);
    park(test, "hangs", "hangs");
    park(test, "refused", "refuses");
    park(test, "first", "later");
    park(test, "quick", "quick");
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/status/500", NULL, 1);
    test_await_calls(&test->functions, "/later", NULL, 1);
    await_told(test, 3);
    test_crash_dispatcher(test);
    assert_false(is_told(test, 1));
    assert_false(is_told(test, 2));
    event_log_memory_fail_append(test->log, EVENT_LOG_DEAD_LETTERS, 1, 0, STATUS_UNAVAILABLE);
    event_log_memory_fail_append(test->log, EVENT_LOG_RETRY_1H, 1, 0, STATUS_UNAVAILABLE);
    test_start_dispatcher(test);
    test_await_metric(letters, before + 1);
    test_await_calls(&test->functions, "/later", NULL, 2);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 1);
    assert_int_equal(committed(test), 4);
}

static void write_as_owner(struct dispatcher_test *test, int64_t epoch, int64_t end) {
    struct cursor_record record = {
        .kind = CURSOR_LIVE, .stream = CURSOR_OF_RETRY_10S, .epoch = epoch, .until = CURSOR_NO_END};
    offset_ranges_add(&record.finished, 1, end);
    test_write_cursor(test, &record);
    cursor_record_clear(&record);
}

// After a crash of the owner of epoch 2, who was still calling the function with all five.
static void start_after_a_record_of(struct dispatcher_test *test, int64_t epoch, int64_t end) {
    subscribe(test);
    park_numbers(test, "hangs", 5);
    for (size_t calls = 5; calls <= 10; calls += 5) {
        test_start_dispatcher(test);
        test_await_calls(&test->functions, "/hold", NULL, calls);
        test_crash_dispatcher(test);
    }
    write_as_owner(test, epoch, end);
    test_start_dispatcher(test);
    park(test, "after", "hangs");
    test_await_calls(&test->functions, "/hold", "after", 1);
}

static void what_a_former_owner_tells_is_not_believed(void **state) {
    struct dispatcher_test *test = *state;
    start_after_a_record_of(test, 1, 5);
    test_await_calls(&test->functions, "/hold", NULL, 16);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(committed(test), 6);
}

// So that the one before shows something.
static void what_the_last_owner_tells_is_believed(void **state) {
    struct dispatcher_test *test = *state;
    start_after_a_record_of(test, 2, 5);
    test_await_calls(&test->functions, "/hold", "0", 3);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 12);
    assert_int_equal(committed(test), 6);
}

// As when the stream was made anew while eg.cursor stayed.
static void what_is_told_of_offsets_that_do_not_exist_is_not_believed(void **state) {
    struct dispatcher_test *test = *state;
    start_after_a_record_of(test, 2, 1000);
    test_await_calls(&test->functions, "/hold", NULL, 16);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(committed(test), 6);
}

static void a_group_that_has_lost_its_position_goes_on_where_it_was(void **state) {
    struct dispatcher_test *test = *state;
    subscribe(test);
    park_numbers(test, "quick", 5);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/ok", NULL, 5);
    test_close_dispatcher(test);
    test->options.group = "another";
    test_start_dispatcher(test);
    park(test, "after", "quick");
    test_await_calls(&test->functions, "/ok", "after", 1);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", NULL), 6);
}

static void a_tier_that_is_empty_is_not_claimed(void **state) {
    struct dispatcher_test *test = *state;
    struct cursor_record record;
    subscribe(test);
    test_start_dispatcher(test);
    park(test, "parked", "quick");
    test_await_calls(&test->functions, "/ok", NULL, 1);
    test_close_dispatcher(test);
    assert_true(test_read_live(test, CURSOR_OF_RETRY_10S, &record));
    cursor_record_clear(&record);
    assert_false(test_read_live(test, CURSOR_OF_RETRY_1M, &record));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_finished_is_not_delivered_again_after_a_crash),
        TEST(what_is_passed_over_takes_no_room_in_the_window),
        TEST(a_hand_over_repeats_only_the_calls_that_do_not_end),
        TEST(what_was_parked_again_or_given_up_is_so_once),
        TEST(what_the_log_has_not_confirmed_is_not_told),
        TEST(what_a_former_owner_tells_is_not_believed),
        TEST(what_the_last_owner_tells_is_believed),
        TEST(what_is_told_of_offsets_that_do_not_exist_is_not_believed),
        TEST(a_group_that_has_lost_its_position_goes_on_where_it_was),
        TEST(a_tier_that_is_empty_is_not_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
