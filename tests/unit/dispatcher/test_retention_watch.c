// Which positions are shown to be at risk of the log's retention, over a whole dispatcher. The log
// keeps events for a few milliseconds in name only, so every event is old at the next look.
#include "tests/unit/dispatcher/dispatcher_log_test.h"

#include "tests/support/log_capture.h"

#define SHORT_MS 10
#define LONG_MS (INT64_C(3600) * 1000)
#define WARNING "the log's retention threatens events that are not delivered"

static int set_up(void **state) {
    *state = test_create(1, 1);
    event_log_memory_set_keeps(((struct dispatcher_test *)*state)->log, SHORT_MS);
    return 0;
}

static int tear_down(void **state) {
    test_destroy(*state);
    return 0;
}

// -1: not shown.
static long at_risk(const char *position) {
    struct buffer text = {0};
    char line[80];
    snprintf(line, sizeof line, "\neventgateway_retention_at_risk{position=\"%s\"} ", position);
    metrics_write(&text);
    const char *at = strstr(text.data, line);
    long value = at ? strtol(at + strlen(line), NULL, 10) : -1;
    buffer_clear(&text);
    return value;
}

static void await_at_risk(const char *position, long value) {
    struct timespec until = test_deadline();
    struct timespec now;
    do {
        if (at_risk(position) == value) {
            return;
        }
        sched_yield();
        clock_gettime(CLOCK_REALTIME, &now);
    } while (now.tv_sec < until.tv_sec);
    fail_msg("%ld %s positions are at risk instead of %ld", at_risk(position), position, value);
}

static void put_paused(struct dispatcher_test *test, const char *id, const char *is_paused) {
    char document[512];
    snprintf(document, sizeof document,
             "{\"space\":\"default\",\"subscriptionId\":\"%s\",\"type\":\"async\",\"eventType\":"
             "\"test\",\"functionId\":\"p\",\"method\":\"POST\",\"path\":\"/\",\"paused\":%s}",
             id, is_paused);
    test_put_function(test, "p", "/ok");
    test_put(test, RESOURCE_SUBSCRIPTION, id, document);
}

static void an_old_event_at_the_live_position_is_at_risk_until_it_is_finished(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/hold", NULL);
    test_start_dispatcher(test);
    await_at_risk("live", 0); // Shown before anything is.
    await_at_risk("detached", 0);
    test_emit_id(test, "old");
    await_at_risk("live", 1);
    assert_int_equal(at_risk("detached"), 0);
    test_let_go(&test->functions, false);
    await_at_risk("live", 0);
    test_close_dispatcher(test);
}

static void an_old_event_of_a_detached_subscription_puts_its_position_alone_at_risk(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/ok", NULL);
    put_paused(test, "p", "true");
    test_start_dispatcher(test);
    test_emit_id(test, "old");
    await_at_risk("detached", 1);
    await_at_risk("live", 0);
    put_paused(test, "p", "false");
    await_at_risk("detached", 0);
    test_close_dispatcher(test);
    assert_int_equal(test_count_calls(&test->functions, "/ok", "old"), 2);
}

// That it looked is seen by what another retention makes of the same event.
static void an_event_that_is_young_for_the_retention_is_not_at_risk(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/hold", NULL);
    test_start_dispatcher(test);
    test_emit_id(test, "old");
    await_at_risk("live", 1);
    event_log_memory_set_keeps(test->log, LONG_MS);
    await_at_risk("live", 0);
    event_log_memory_set_keeps(test->log, SHORT_MS);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
}

static void nothing_is_at_risk_any_more_when_the_log_keeps_events_for_ever(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/hold", NULL);
    put_paused(test, "p", "true");
    test_start_dispatcher(test);
    test_emit_id(test, "old");
    await_at_risk("live", 1);
    await_at_risk("detached", 1);
    event_log_memory_set_keeps(test->log, 0);
    await_at_risk("live", 0);
    await_at_risk("detached", 0);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
}

static void a_node_that_ends_shows_nothing_at_risk(void **state) {
    struct dispatcher_test *test = *state;
    put_paused(test, "p", "true");
    test_start_dispatcher(test);
    test_emit_id(test, "old");
    await_at_risk("detached", 1);
    test_close_dispatcher(test);
    assert_int_equal(at_risk("detached"), 0);
    assert_int_equal(at_risk("live"), 0);
    // Whoever takes over sees it, too.
    test_start_dispatcher(test);
    await_at_risk("detached", 1);
    test_crash_dispatcher(test);
    assert_int_equal(at_risk("detached"), 0);
}

static size_t count_warnings(const char *text) {
    size_t count = 0;
    for (const char *at = strstr(text, WARNING); at; at = strstr(at + 1, WARNING)) {
        count++;
    }
    return count;
}

static void the_warning_comes_once_for_each_time_that_the_risk_begins(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "s", "/hold", NULL);
    test_start_dispatcher(test);
    struct log_capture capture = log_capture_start();
    test_emit_id(test, "old");
    await_at_risk("live", 1);
    test_emit_id(test, "older by the next look");
    put_paused(test, "p", "true");
    test_emit_id(test, "of both");
    await_at_risk("detached", 1); // Another look, which saw the live position again.
    put_paused(test, "q", "true");
    test_emit_id(test, "of three");
    await_at_risk("detached", 2);
    struct buffer text = {0};
    log_capture_end(&capture, &text);
    assert_int_equal(count_warnings(text.data), 3);
    buffer_clear(&text);
    test_let_go(&test->functions, false);
    test_close_dispatcher(test);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_old_event_at_the_live_position_is_at_risk_until_it_is_finished),
        TEST(an_old_event_of_a_detached_subscription_puts_its_position_alone_at_risk),
        TEST(an_event_that_is_young_for_the_retention_is_not_at_risk),
        TEST(nothing_is_at_risk_any_more_when_the_log_keeps_events_for_ever),
        TEST(a_node_that_ends_shows_nothing_at_risk),
        TEST(the_warning_comes_once_for_each_time_that_the_risk_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
