#include "tests/unit/dispatcher/dispatcher_log_test.h"

#include "core/events/event.h"

// Events of one worker and one partition, so that their order is that in which they are emitted.

static void emit_of_key(struct dispatcher_test *test, const char *id, const char *key) {
    test_emit(test, &(struct test_event){
                        .id = id, .extension_name = "partitionkey", .extension_value = key});
}

static struct dispatcher_test *start(const char *path, const char *delivery) {
    struct dispatcher_test *test = test_create(1, 1);
    test_subscribe(test, "s", path, delivery);
    test_start_dispatcher(test);
    return test;
}

static void close_all(struct dispatcher_test *test) {
    test_close_dispatcher(test);
    test_destroy(test);
}

// The ids of all calls so far, as they came, with blanks between them.
static void write_ids(struct dispatcher_test *test, char *ret_text, size_t size) {
    ret_text[0] = '\0';
    pthread_mutex_lock(&test->functions.lock);
    for (size_t i = 0; i < test->functions.call_count; i++) {
        size_t used = strlen(ret_text);
        snprintf(ret_text + used, size - used, "%s%s", i > 0 ? " " : "",
                 test->functions.calls[i].event_id);
    }
    pthread_mutex_unlock(&test->functions.lock);
}

static void of_a_key_one_runs_at_a_time_and_keys_do_not_wait_for_each_other(void **state) {
    (void)state;
    struct dispatcher_test *test = start("/hold", "{\"ordering\":\"key\"}");
    char ids[256];
    emit_of_key(test, "a1", "a");
    emit_of_key(test, "a2", "a");
    emit_of_key(test, "b1", "b");
    emit_of_key(test, "a3", "a");
    test_emit_id(test, "none1"); // Without a key there is no order.
    test_emit_id(test, "none2");
    test_await_calls(&test->functions, "/hold", NULL, 4);
    write_ids(test, ids, sizeof ids);
    assert_string_equal(ids, "a1 b1 none1 none2");
    test_let_go(&test->functions, true);
    test_await_calls(&test->functions, "/hold", "a2", 1);
    assert_int_equal(test_count_calls(&test->functions, "/hold", "a3"), 0);
    test_let_go(&test->functions, false);
    test_await_calls(&test->functions, "/hold", "a3", 1);
    close_all(test);
}

static void a_retry_keeps_its_key_waiting_and_no_other(void **state) {
    (void)state;
    struct dispatcher_test *test =
        start("/fail/3", "{\"ordering\":\"key\",\"retry\":{\"initialMs\":20,\"maxMs\":20}}");
    char ids[256];
    emit_of_key(test, "a1", "a");
    emit_of_key(test, "a2", "a");
    test_await_calls(&test->functions, "/fail/3", NULL, 8);
    write_ids(test, ids, sizeof ids);
    assert_string_equal(ids, "a1 a1 a1 a1 a2 a2 a2 a2");
    close_all(test);
}

static void the_subject_is_a_key_too(void **state) {
    (void)state;
    struct dispatcher_test *test = start("/hold", "{\"ordering\":\"key\"}");
    test_emit(test, &(struct test_event){
                        .id = "1", .extension_name = "subject", .extension_value = "order/7"});
    test_emit(test, &(struct test_event){
                        .id = "2", .extension_name = "subject", .extension_value = "order/7"});
    test_emit_id(test, "3");
    test_await_calls(&test->functions, "/hold", "3", 1);
    assert_int_equal(test_count_calls(&test->functions, "/hold", "2"), 0);
    test_let_go(&test->functions, false);
    test_await_calls(&test->functions, "/hold", "2", 1);
    close_all(test);
}

// A dead letter lets the next one of its key go, but only when it is stored.
static void what_is_given_up_lets_the_next_one_go(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(1, 1);
    test_subscribe(test, "s", "/hold", "{\"ordering\":\"key\"}");
    emit_of_key(test, "a1", "a");
    emit_of_key(test, "a2", "a");
    test_emit_id(test, "other");
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/hold", NULL, 2);
    event_log_memory_hold_appends(test->log, true);
    test->functions.held_status = 400;
    test_let_go(&test->functions, true);
    while (event_log_appends_inside(test->log) < 2) {
        sched_yield(); // The dead letters are on their way.
    }
    assert_int_equal(test_count_calls(&test->functions, "/hold", "a2"), 0);
    event_log_memory_hold_appends(test->log, false);
    test_await_calls(&test->functions, "/hold", "a2", 1);
    assert_int_equal(test_count_calls(&test->functions, "/hold", "a1"), 1);
    test_let_go(&test->functions, false);
    close_all(test);
}

static void an_order_that_is_ended_lets_all_go(void **state) {
    (void)state;
    struct dispatcher_test *test = start("/hold", "{\"ordering\":\"key\"}");
    emit_of_key(test, "a1", "a");
    emit_of_key(test, "a2", "a");
    emit_of_key(test, "a3", "a");
    test_await_calls(&test->functions, "/hold", NULL, 1);
    test_put_subscription(test, "s", "s", "test", "{\"ordering\":\"none\"}");
    test_await_calls(&test->functions, "/hold", NULL, 3);
    test_let_go(&test->functions, false);
    close_all(test);
}

static void a_deleted_subscription_keeps_nothing_held(void **state) {
    (void)state;
    struct dispatcher_test *test = start("/hold", "{\"ordering\":\"key\"}");
    const struct dispatcher_metrics *metrics = dispatcher_metrics();
    int64_t before = metric_value(metrics->deliveries[DELIVERY_END_UNSUBSCRIBED]);
    emit_of_key(test, "a1", "a");
    emit_of_key(test, "a2", "a");
    emit_of_key(test, "a3", "a");
    test_emit_id(test, "behind them");
    test_await_calls(&test->functions, "/hold", NULL, 2);
    test_put(test, RESOURCE_SUBSCRIPTION, "s", NULL);
    test_await_metric(metrics->deliveries[DELIVERY_END_UNSUBSCRIBED], before + 2);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 4);
    test_destroy(test);
}

static void what_is_held_at_a_crash_is_delivered_anew_in_order(void **state) {
    (void)state;
    struct dispatcher_test *test = start("/hold", "{\"ordering\":\"key\"}");
    char ids[256];
    emit_of_key(test, "a1", "a");
    emit_of_key(test, "a2", "a");
    emit_of_key(test, "a3", "a");
    test_await_calls(&test->functions, "/hold", NULL, 1);
    test_crash_dispatcher(test);
    test_let_go(&test->functions, false);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/hold", NULL, 4);
    write_ids(test, ids, sizeof ids);
    assert_string_equal(ids, "a1 a1 a2 a3");
    close_all(test);
}

// --- Batches. The server notes the ids of a batch with '+' between them.

static void so_many_as_wait_go_in_one_call(void **state) {
    (void)state;
    struct dispatcher_test *test =
        start("/ok", "{\"batch\":{\"maxEvents\":3,\"maxWaitMs\":60000}}");
    char ids[256];
    test_emit_numbers(test, 6);
    test_await_calls(&test->functions, "/ok", NULL, 2);
    write_ids(test, ids, sizeof ids);
    assert_string_equal(ids, "0+1+2 3+4+5");
    test_close_dispatcher(test);
    assert_int_equal(test_committed(test), 6);
    test_destroy(test);
}

static void a_batch_that_does_not_get_full_goes_after_its_wait(void **state) {
    (void)state;
    struct dispatcher_test *test = start("/ok", "{\"batch\":{\"maxEvents\":100,\"maxWaitMs\":1}}");
    test_emit_id(test, "0");
    test_await_calls(&test->functions, "/ok", "0", 1);
    assert_string_equal(test_call_at(&test->functions, 0).content_type,
                        "application/cloudevents-batch+json");
    close_all(test);
}

static void one_poisoned_event_of_a_batch_is_given_up_alone(void **state) {
    (void)state;
    static const char *const policies[] = {
        "{\"batch\":{\"maxEvents\":16,\"maxWaitMs\":5}}",
        "{\"batch\":{\"maxEvents\":16,\"maxWaitMs\":5},\"ordering\":\"key\"}",
        "{\"batch\":{\"maxEvents\":16,\"maxWaitMs\":0},\"retry\":{\"finalStatuses\":[],"
        "\"maxAttempts\":3,\"initialMs\":1}}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(policies); i++) {
        struct dispatcher_test *test = start("/poison/9", policies[i]);
        const struct dispatcher_metrics *metrics = dispatcher_metrics();
        int64_t letters = metric_value(metrics->deliveries[DELIVERY_END_DEAD_LETTERED]);
        int64_t delivered = metric_value(metrics->deliveries[DELIVERY_END_DELIVERED]);
        for (size_t n = 0; n < 16; n++) {
            char id[24];
            snprintf(id, sizeof id, "%zu", n);
            emit_of_key(test, id, n % 2 == 0 ? "even" : "odd");
        }
        test_await_metric(metrics->deliveries[DELIVERY_END_DELIVERED], delivered + 15);
        test_await_metric(metrics->deliveries[DELIVERY_END_DEAD_LETTERED], letters + 1);
        assert_int_equal(metric_value(metrics->deliveries[DELIVERY_END_DEAD_LETTERED]),
                         letters + 1);
        test_close_dispatcher(test);
        assert_int_equal(test_committed(test), 16);
        test_destroy(test);
    }
}

// Halved until they are alone, with few calls: what was the last attempt has no wait behind it.
static void a_batch_whose_attempts_are_used_up_ends(void **state) {
    (void)state;
    static const char *const paths[] = {"/status/429", "/status/500"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct dispatcher_test *test =
            start(paths[i], "{\"batch\":{\"maxEvents\":8,\"maxWaitMs\":5},\"retry\":"
                            "{\"maxAttempts\":1}}");
        const struct dispatcher_metrics *metrics = dispatcher_metrics();
        int64_t letters = metric_value(metrics->deliveries[DELIVERY_END_DEAD_LETTERED]);
        test_emit_numbers(test, 8);
        test_await_metric(metrics->deliveries[DELIVERY_END_DEAD_LETTERED], letters + 8);
        assert_in_range(test_count_calls(&test->functions, paths[i], NULL), 8, 40);
        close_all(test);
    }
}

static void of_a_key_a_batch_holds_those_that_come_next(void **state) {
    (void)state;
    struct dispatcher_test *test =
        start("/ok", "{\"ordering\":\"key\",\"batch\":{\"maxEvents\":4,\"maxWaitMs\":60000}}");
    char ids[256];
    emit_of_key(test, "a1", "a");
    emit_of_key(test, "b1", "b");
    emit_of_key(test, "a2", "a");
    emit_of_key(test, "b2", "b");
    test_await_calls(&test->functions, "/ok", NULL, 1);
    write_ids(test, ids, sizeof ids);
    assert_string_equal(ids, "a1+a2+b1+b2");
    close_all(test);
}

static void a_function_that_takes_no_batches_gets_single_events(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(1, 1);
    char document[512];
    char ids[256];
    snprintf(document, sizeof document,
             "{\"space\":\"default\",\"functionId\":\"s\",\"type\":\"http\",\"eventFormat\":"
             "\"classic\",\"provider\":{\"url\":\"http://127.0.0.1:%u/ok\"}}",
             test->functions.port);
    test_put(test, RESOURCE_FUNCTION, "s", document);
    test_put_subscription(test, "s", "s", "test",
                          "{\"batch\":{\"maxEvents\":2,\"maxWaitMs\":60000}}");
    test_start_dispatcher(test);
    test_emit_numbers(test, 3);
    test_await_calls(&test->functions, "/ok", NULL, 3);
    write_ids(test, ids, sizeof ids);
    assert_null(strchr(ids, '+'));
    close_all(test);
}

// --- Flow.

static void a_function_that_takes_one_call_at_a_time_gets_one(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 4);
    test_subscribe(test, "s", "/one", "{\"retry\":{\"initialMs\":1,\"maxMs\":10}}");
    test_start_dispatcher(test);
    int64_t delivered =
        metric_value(dispatcher_metrics()->deliveries[DELIVERY_END_DELIVERED]) + 600;
    for (size_t i = 0; i < 600; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        emit_of_key(test, id, id); // Over all partitions.
    }
    test_await_metric(dispatcher_metrics()->deliveries[DELIVERY_END_DELIVERED], delivered);
    // Each call beyond 600 was refused: at first as many as ran, later the few that try for more,
    // and on a busy machine those whose answers were late. Not throttled, events used up 18
    // attempts.
    assert_in_range(test_count_calls(&test->functions, "/one", NULL), 600, 3000);
    close_all(test);
}

static void the_rate_of_a_subscription_is_kept_over_all_partitions(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(2, 4);
    test_subscribe(test, "s", "/ok", "{\"ratePerSecond\":50}");
    test_start_dispatcher(test);
    int64_t began_us = clock_monotonic_us();
    for (size_t i = 0; i < 30; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", i);
        emit_of_key(test, id, id);
    }
    test_await_calls(&test->functions, "/ok", NULL, 30);
    // 5 at once, then one each 20 ms; nodes that have not got all partitions yet take less.
    assert_true(clock_monotonic_us() - began_us >= 24 * 20000);
    close_all(test);
}

static void no_more_calls_run_than_there_are_places(void **state) {
    (void)state;
    struct dispatcher_test *test = test_create(1, 1);
    test->options.calls_max = 12;
    test_subscribe(test, "hog", "/hold", NULL);
    test_put_function(test, "ok", "/ok");
    test_put_subscription(test, "other", "ok", "other", NULL);
    test_start_dispatcher(test);
    test_emit_numbers(test, 100);
    test_await_calls(&test->functions, "/hold", NULL, 4); // A third.
    // It takes no more, so that another subscription finds a place at once.
    test_emit(test, &(struct test_event){.id = "other", .type = "other"});
    test_await_calls(&test->functions, "/ok", "other", 1);
    assert_int_equal(test_count_calls(&test->functions, "/hold", NULL), 4);
    test_let_go(&test->functions, false);
    test_await_calls(&test->functions, "/hold", NULL, 100);
    close_all(test);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_key_one_runs_at_a_time_and_keys_do_not_wait_for_each_other),
        cmocka_unit_test(a_retry_keeps_its_key_waiting_and_no_other),
        cmocka_unit_test(the_subject_is_a_key_too),
        cmocka_unit_test(what_is_given_up_lets_the_next_one_go),
        cmocka_unit_test(an_order_that_is_ended_lets_all_go),
        cmocka_unit_test(a_deleted_subscription_keeps_nothing_held),
        cmocka_unit_test(what_is_held_at_a_crash_is_delivered_anew_in_order),
        cmocka_unit_test(so_many_as_wait_go_in_one_call),
        cmocka_unit_test(a_batch_that_does_not_get_full_goes_after_its_wait),
        cmocka_unit_test(one_poisoned_event_of_a_batch_is_given_up_alone),
        cmocka_unit_test(a_batch_whose_attempts_are_used_up_ends),
        cmocka_unit_test(of_a_key_a_batch_holds_those_that_come_next),
        cmocka_unit_test(a_function_that_takes_no_batches_gets_single_events),
        cmocka_unit_test(a_function_that_takes_one_call_at_a_time_gets_one),
        cmocka_unit_test(the_rate_of_a_subscription_is_kept_over_all_partitions),
        cmocka_unit_test(no_more_calls_run_than_there_are_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
