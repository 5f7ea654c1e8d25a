// Deliveries that wait in the log: from tier to tier, over crashes and failures of the log.
#include "tests/unit/dispatcher/dispatcher_log_test.h"
#include "tests/unit/dispatcher/parking_test.h"

#include "core/events/parked_record.h"

// Waits of up to 80 ms, half of which the jitter takes away.
#define SHORT_RETRY "{\"retry\":{\"maxAttempts\":12,\"initialMs\":80,\"factor\":1}}"

// Only what waits for very long is parked, and does not come back.
static const struct retry_tiers slow = {.park_after_ms = 10000,
                                        .wait_ms = {1000000, 2000000, 3000000, 4000000}};

static void emit_later(struct dispatcher_test *test, const char *id, int64_t due_us) {
    char text[TIMESTAMP_TEXT_SIZE];
    timestamp_format(due_us, text);
    test_emit(test, &(struct test_event){
                        .id = id, .extension_name = "delivernotbefore", .extension_value = text});
}

struct parked_record {
    struct parked_delivery parked;
    struct buffer storage;
    const struct event *event;
};

static void read_parked(struct recorder *recorder, size_t index, struct parked_record *ret_record) {
    struct stored_record stored = {.record = recorder->received[index].record};
    struct error error;
    *ret_record = (struct parked_record){0};
    if (parked_delivery_decode(&stored, &ret_record->parked, &ret_record->storage,
                               &ret_record->event, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static void parked_record_clear(struct parked_record *record) {
    buffer_clear(&record->storage);
    event_unref(record->event);
}

static void a_long_wait_is_parked_with_what_is_known_of_the_delivery(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    struct parked_record record;
    test->options.tiers = NULL;
    test_subscribe(test, "s", "/later", NULL);
    test_emit_id(test, "before");
    test_start_dispatcher(test);
    int64_t start_us = clock_wall_us();
    test_emit_id(test, "first");
    test_read_stream(test, &recorder, EVENT_LOG_RETRY_1H);
    recorder_await_received(&recorder, 1);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 2);
    assert_int_equal(test_committed(test), 2);
    read_parked(&recorder, 0, &record);
    assert_true(bytes_equal_text(record.event->id, "first"));
    assert_true(bytes_equal_text(record.parked.subscription_id, "s"));
    assert_true(bytes_equal_text(record.parked.function_id, "s"));
    assert_true(bytes_equal_text(record.parked.space, "default"));
    assert_true(bytes_equal_text(record.parked.reason, "status 429"));
    assert_int_equal(record.parked.attempts, 1);
    assert_int_equal(record.parked.last_status, 429);
    assert_int_equal(record.parked.partition, 0);
    assert_int_equal(record.parked.offset, 1);
    assert_true(record.parked.due_us >= start_us + 3600 * 1000000LL);
    assert_true(record.parked.first_us >= start_us);
    parked_record_clear(&record);
    test_stop_reading(&recorder);
}

static void attempts_count_on_over_the_tiers_with_their_reason(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/fail/5", SHORT_RETRY);
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/fail/5", "e", 6);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 6);
    for (size_t i = 0; i < 6; i++) {
        struct test_call call = test_call_at(&test->functions, i);
        assert_int_equal(call.attempt, i + 1);
        assert_string_equal(call.reason, i == 0 ? "" : "status 503");
        assert_memory_equal(call.traceparent, test_call_at(&test->functions, 0).traceparent, 35);
    }
    assert_int_equal(test_committed(test), 1);
}

static void every_tier_is_finished_when_the_delivery_is(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *parked = dispatcher_metrics()->parked;
    int64_t before = metric_value(parked);
    test_subscribe(test, "s", "/ok", NULL);
    test_start_dispatcher(test);
    int64_t due_us = clock_wall_us() + 500000;
    emit_later(test, "e", due_us);
    test_await_calls(&test->functions, "/ok", "e", 1);
    test_close_dispatcher(test);
    struct test_call call = test_call_at(&test->functions, 0);
    assert_int_equal(test->functions.call_count, 1);
    assert_int_equal(call.attempt, 1);
    assert_string_equal(call.reason, "");
    assert_true(call.time_us >= due_us);
    assert_true(metric_value(parked) - before >= 3); // 200 and 200 and shorter ones
    assert_int_equal(test_committed(test), 1);
    int64_t committed = 0;
    static const struct {
        enum event_log_stream stream;
        const char *group;
    } tiers[] = {{EVENT_LOG_RETRY_10S, "test-dispatcher-retry.10s"},
                 {EVENT_LOG_RETRY_1M, "test-dispatcher-retry.1m"},
                 {EVENT_LOG_RETRY_10M, "test-dispatcher-retry.10m"},
                 {EVENT_LOG_RETRY_1H, "test-dispatcher-retry.1h"}};
    for (size_t i = 0; i < ARRAY_LENGTH(tiers); i++) {
        committed += test_committed_of(test, tiers[i].stream, tiers[i].group);
    }
    assert_int_equal(committed, metric_value(parked) - before);
}

static void what_is_parked_at_a_crash_is_neither_lost_nor_repeated(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *parked = dispatcher_metrics()->parked;
    struct metric *waiting = dispatcher_metrics()->retries_waiting;
    int64_t before = metric_value(parked);
    test->options.tiers = &slow;
    test_subscribe(test, "s", "/ok", NULL);
    test_start_dispatcher(test);
    for (int i = 0; i < 20; i++) {
        char id[24];
        snprintf(id, sizeof id, "%d", i);
        emit_later(test, id, clock_wall_us() + 3600 * 1000000LL);
    }
    test_emit_id(test, "now");
    test_await_calls(&test->functions, "/ok", "now", 1);
    test_await_metric(parked, before + 20);
    test_await_metric(waiting, 20); // They are read and wait; nothing else does.
    test_crash_dispatcher(test);
    assert_int_equal(test_committed(test), 21);
    assert_int_equal(metric_value(waiting), 0);
    // The other tiers look sooner, as an hour later these would.
    test->options.tiers = &quick;
    test_start_dispatcher(test);
    test_await_metric(parked, before + 40);
    assert_int_equal(test->functions.call_count, 1);
}

static void what_is_due_at_a_crash_is_delivered_once_by_the_next(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *parked = dispatcher_metrics()->parked;
    int64_t before = metric_value(parked);
    test->options.tiers = &slow;
    test_subscribe(test, "s", "/later", NULL);
    test_subscribe(test, "t", "/status/503",
                   "{\"retry\":{\"initialMs\":600000,\"factor\":1,\"maxMs\":600000}}");
    test_start_dispatcher(test);
    test_emit_id(test, "first");
    test_await_calls(&test->functions, NULL, "first", 2);
    test_await_metric(parked, before + 2);
    test_crash_dispatcher(test);
    test_start_dispatcher(test);
    test_emit_id(test, "second");
    test_await_calls(&test->functions, NULL, "second", 2);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/later", "first"), 1);
}

static void the_nth_append_of_what_is_parked_may_fail(void **state) {
    (void)state;
    static const enum status statuses[] = {STATUS_UNAVAILABLE, STATUS_FULL, STATUS_TIMEOUT};
    for (uint64_t n = 1; n <= 4; n++) {
        struct dispatcher_test *test = test_create(1, 1);
        struct metric *failed = dispatcher_metrics()->parking_failures;
        int64_t before = metric_value(failed);
        test->options.tiers = &quick;
        test_subscribe(test, "s", "/some/2", SHORT_RETRY);
        for (int tier = EVENT_LOG_RETRY_10S; tier <= EVENT_LOG_RETRY_1H; tier++) {
            event_log_memory_fail_append(test->log, (enum event_log_stream)tier, n, 2,
                                         statuses[n % ARRAY_LENGTH(statuses)]);
        }
        test_start_dispatcher(test);
        // A third of them fail: fewer than what opens a circuit.
        for (int i = 0; i < 60; i++) {
            char id[24];
            snprintf(id, sizeof id, "%d%d", i, i % 3);
            test_emit_id(test, id);
        }
        for (int i = 0; i < 60; i += 3) {
            char id[24];
            snprintf(id, sizeof id, "%d0", i);
            test_await_calls(&test->functions, "/some/2", id, 3);
        }
        test_close_dispatcher(test);
        assert_true(metric_value(failed) > before);
        assert_int_equal(test->functions.call_count, 20 * 3 + 40);
        assert_int_equal(test_committed(test), 60);
        test_destroy(test);
    }
}

static void what_the_log_will_never_take_waits_in_memory(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/fail/2", SHORT_RETRY);
    for (int tier = EVENT_LOG_RETRY_10S; tier <= EVENT_LOG_RETRY_1H; tier++) {
        event_log_memory_fail_append(test->log, (enum event_log_stream)tier, 1, 1000,
                                     STATUS_TOO_LARGE);
    }
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_await_calls(&test->functions, "/fail/2", "e", 3);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 3);
    assert_int_equal(test_committed(test), 1);
}

static void without_the_logs_confirmation_nothing_is_parked(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    test->options.tiers = &slow;
    test->options.hand_over_ms = 50;
    test_subscribe(test, "s", "/later", NULL);
    test_emit_id(test, "first");
    event_log_memory_hold_appends(test->log, true);
    test_start_dispatcher(test);
    test_read_stream(test, &recorder, EVENT_LOG_RETRY_1H);
    test_await_calls(&test->functions, "/later", "first", 1);
    // 1 h is below the longest tier of these.
    struct recorder shortest;
    test_read_stream(test, &shortest, EVENT_LOG_RETRY_10M);
    recorder_await_received(&shortest, 1); // Stored, but not confirmed.
    test_crash_dispatcher(test);
    assert_int_equal(test_committed(test), 0);
    event_log_memory_hold_appends(test->log, false);
    test_stop_reading(&shortest);
    test_stop_reading(&recorder);
}

static void a_parked_delivery_of_a_deleted_subscription_is_dropped(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *unsubscribed = dispatcher_metrics()->deliveries[DELIVERY_END_UNSUBSCRIBED];
    struct metric *parked = dispatcher_metrics()->parked;
    int64_t parked_before = metric_value(parked);
    int64_t before = metric_value(unsubscribed);
    test->options.tiers = &slow;
    test_subscribe(test, "s", "/later", NULL);
    test_subscribe(test, "t", "/later", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "first");
    test_await_metric(parked, parked_before + 2);
    test_await_metric(dispatcher_metrics()->retries_waiting, 2);
    test_put(test, RESOURCE_SUBSCRIPTION, "s", NULL); // while it waits
    test_await_metric(unsubscribed, before + 1);
    test_crash_dispatcher(test);
    test_put(test, RESOURCE_SUBSCRIPTION, "t", NULL); // before it is read
    test_start_dispatcher(test);
    test_await_metric(unsubscribed, before + 2);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 2);
    assert_int_equal(test_committed_of(test, EVENT_LOG_RETRY_10M, "test-dispatcher-retry.10m"), 2);
}

static void what_is_given_up_after_parking_names_its_event_and_all_attempts(void **state) {
    struct dispatcher_test *test = *state;
    struct recorder recorder;
    test_subscribe(test, "s", "/status/500", "{\"retry\":{\"maxAttempts\":3,\"initialMs\":50}}");
    test_emit(test, &(struct test_event){.id = "other", .type = "other"});
    test_start_dispatcher(test);
    test_emit_id(test, "e");
    test_read_dead_letters(test, &recorder);
    recorder_await_received(&recorder, 1);
    test_close_dispatcher(test);
    struct stored_record stored = {.record = recorder.received[0].record};
    struct dead_letter letter;
    struct buffer storage = {0};
    const struct event *event = NULL;
    assert_int_equal(dead_letter_decode(&stored, &letter, &storage, &event, NULL), STATUS_OK);
    assert_int_equal(letter.attempts, 3);
    assert_int_equal(letter.partition, 0);
    assert_int_equal(letter.offset, 1);
    assert_true(letter.first_us < letter.last_us);
    event_unref(event);
    buffer_clear(&storage);
    test_stop_reading(&recorder);
}

static void an_event_that_asks_for_later_is_delivered_no_earlier(void **state) {
    struct dispatcher_test *test = *state;
    // In memory, parked, and long ago.
    static const struct retry_tiers tiers = {.park_after_ms = 100, .wait_ms = {100, 200, 300, 400}};
    test->options.tiers = &tiers;
    test_subscribe(test, "s", "/ok/s", NULL);
    test_subscribe(test, "t", "/ok/t", NULL);
    test_start_dispatcher(test);
    int64_t now_us = clock_wall_us();
    const struct {
        const char *id;
        int64_t due_us;
    } events[] = {{"long", now_us + 700000}, {"short", now_us + 90000}, {"past", now_us - 1}};
    for (size_t i = 0; i < 3; i++) {
        emit_later(test, events[i].id, events[i].due_us);
    }
    test_emit(test, &(struct test_event){.id = "odd",
                                         .extension_name = "delivernotbefore",
                                         .extension_value = "tomorrow"});
    test_await_calls(&test->functions, NULL, NULL, 8);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 8);
    for (size_t i = 0; i < 8; i++) {
        struct test_call call = test_call_at(&test->functions, i);
        assert_int_equal(call.attempt, 1);
        for (size_t j = 0; j < 3; j++) {
            bool is_it = strcmp(call.event_id, events[j].id) == 0;
            assert_true(!is_it || call.time_us >= events[j].due_us);
        }
    }
    assert_int_equal(test_committed(test), 4);
}

static void the_age_of_an_event_that_asks_for_later_begins_then(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/fail/1",
                   "{\"retry\":{\"initialMs\":1,\"factor\":1,\"maxAgeMs\":3600000}}");
    char text[TIMESTAMP_TEXT_SIZE];
    timestamp_format(clock_wall_us() - 1000000, text);
    test_start_dispatcher(test);
    test_emit(test, &(struct test_event){.id = "e",
                                         .extension_name = "delivernotbefore",
                                         .extension_value = text,
                                         .received_us = clock_wall_us() - 7200 * 1000000LL});
    test_await_calls(&test->functions, "/fail/1", "e", 2);
    test_close_dispatcher(test);
    assert_int_equal(test->functions.call_count, 2);
}

static void what_waits_in_a_tier_survives_rebalances(void **state) {
    struct dispatcher_test *test = *state;
    test->options.hand_over_ms = 1000;
    test_subscribe(test, "s", "/some/3", SHORT_RETRY);
    test_start_dispatcher(test);
    for (int round = 0; round < 40; round++) {
        // One of four fails: too few to open a circuit.
        for (int i = 0; i < 4; i++) {
            char id[24];
            snprintf(id, sizeof id, "%d%d", round, i);
            test_emit_id(test, id);
        }
        enum event_log_stream stream =
            (enum event_log_stream)(EVENT_LOG_RETRY_10S + round % RETRY_TIER_COUNT);
        if (round % 3 == 0) {
            event_log_memory_rebalance(test->log, stream, 0);
        } else {
            event_log_memory_lose(test->log, stream, 0);
        }
    }
    for (int round = 0; round < 40; round++) {
        char id[24];
        snprintf(id, sizeof id, "%d0", round);
        test_await_calls(&test->functions, "/some/3", id, 4);
    }
}

// A third of "failing" fails and would wait in memory for a while; the window holds 16.
static void a_share_that_fails_leaves_the_window_to_the_others(void **state) {
    struct dispatcher_test *test = *state;
    static const struct retry_tiers tiers = {.park_after_ms = 3600000,
                                             .wait_ms = {3600000, 3600001, 3600002, 3600003}};
    test->options.tiers = &tiers;
    test->options.window_max_events = 16;
    test_subscribe(test, "s", "/ok", NULL);
    test_put_function(test, "failing", "/some/9");
    test_put_subscription(test, "failing", "failing", "failing",
                          "{\"retry\":{\"initialMs\":3000000,\"factor\":1}}");
    test_start_dispatcher(test);
    for (int i = 0; i < 200; i++) {
        char id[24];
        snprintf(id, sizeof id, "%d%d", i, i % 3);
        test_emit(test, &(struct test_event){.id = id, .type = "failing"});
        test_emit_id(test, id);
    }
    test_await_calls(&test->functions, "/ok", NULL, 200);
    test_await_calls(&test->functions, "/some/9", NULL, 200);
    test_close_dispatcher(test);
}

// The window of the tier holds 8, of which a subscription may hold 2 that are due and wait.
static void what_comes_due_for_a_slow_function_leaves_its_tier_to_the_others(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *parked = dispatcher_metrics()->parked;
    test->options.window_max_events = 8;
    test_subscribe(test, "s", "/hold", "{\"maxInFlight\":1}");
    test_put_function(test, "ok", "/ok");
    test_put_subscription(test, "ok", "ok", "other", NULL);
    test_start_dispatcher(test);
    int64_t before = metric_value(parked);
    int64_t due_us = clock_wall_us() + 300000;
    for (int i = 0; i < 50; i++) {
        char id[24];
        snprintf(id, sizeof id, "%d", i);
        emit_later(test, id, due_us);
    }
    test_await_metric(parked, before + 50);
    char text[TIMESTAMP_TEXT_SIZE];
    timestamp_format(due_us, text);
    test_emit(test, &(struct test_event){.id = "other",
                                         .type = "other",
                                         .extension_name = "delivernotbefore",
                                         .extension_value = text});
    test_await_calls(&test->functions, "/ok", "other", 1);
    test_let_go(&test->functions, false);
    test_await_calls(&test->functions, "/hold", NULL, 50);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 50);
}

// A wait of an ordered subscription passes nothing of its key, however long it is.
static void what_is_ordered_is_never_parked(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *parked = dispatcher_metrics()->parked;
    int64_t before = metric_value(parked);
    test_subscribe(test, "s", "/fail/2",
                   "{\"ordering\":\"key\",\"retry\":{\"initialMs\":100,\"factor\":1}}");
    test_start_dispatcher(test);
    int64_t due_us = clock_wall_us() + 200000;
    emit_later(test, "later", due_us);
    test_emit_id(test, "now");
    test_await_calls(&test->functions, "/fail/2", NULL, 6);
    test_close_dispatcher(test);
    for (size_t i = 0; i < 6; i++) {
        struct test_call call = test_call_at(&test->functions, i);
        assert_true(strcmp(call.event_id, "later") != 0 || call.time_us >= due_us);
    }
    assert_int_equal(metric_value(parked), before);
    assert_int_equal(test_committed(test), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_long_wait_is_parked_with_what_is_known_of_the_delivery),
        TEST(attempts_count_on_over_the_tiers_with_their_reason),
        TEST(every_tier_is_finished_when_the_delivery_is),
        TEST(what_is_parked_at_a_crash_is_neither_lost_nor_repeated),
        TEST(what_is_due_at_a_crash_is_delivered_once_by_the_next),
        cmocka_unit_test(the_nth_append_of_what_is_parked_may_fail),
        TEST(what_the_log_will_never_take_waits_in_memory),
        TEST(without_the_logs_confirmation_nothing_is_parked),
        TEST(a_parked_delivery_of_a_deleted_subscription_is_dropped),
        TEST(what_is_given_up_after_parking_names_its_event_and_all_attempts),
        TEST(an_event_that_asks_for_later_is_delivered_no_earlier),
        TEST(the_age_of_an_event_that_asks_for_later_begins_then),
        TEST(what_waits_in_a_tier_survives_rebalances),
        TEST(a_share_that_fails_leaves_the_window_to_the_others),
        TEST(what_comes_due_for_a_slow_function_leaves_its_tier_to_the_others),
        TEST(what_is_ordered_is_never_parked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
