// What retention takes: what the invariants of losses.h promise, over a whole dispatcher.
#include "tests/unit/dispatcher/dispatcher_log_test.h"

#include "core/cursors/cursor_fold.h"
#include "core/registry/snapshot.h"
#include "dispatcher/lane.h"
#include "dispatcher/partition.h"

static int set_up(void **state) {
    *state = test_create(1, 1);
    return 0;
}

static int tear_down(void **state) {
    test_destroy(*state);
    return 0;
}

struct reading {
    struct event_log_slice slice;
    sem_t done;
};

static void slice_done(struct event_log_slice *slice) {
    sem_post(&CONTAINER_OF(slice, struct reading, slice)->done);
}

// What the stream of cursors says that the subscription has lost on the partition.
static int64_t lost_of(struct dispatcher_test *test, const char *subscription) {
    struct reading reading = {.slice = {.stream = EVENT_LOG_CURSORS,
                                        .from_offset = EVENT_LOG_BEGINNING,
                                        .max_records = 10000,
                                        .loop = test->workers[0].loop,
                                        .done = slice_done}};
    const struct cursor_key key = {
        .kind = CURSOR_LOST, .space = BYTES("default"), .name = bytes_of_text(subscription)};
    struct cursor_fold *fold = cursor_fold_create(CURSOR_OF_EVENTS, NULL, 0);
    sem_init(&reading.done, 0, 0);
    assert_int_equal(event_log_read(test->log, &reading.slice), STATUS_OK);
    sem_wait(&reading.done);
    assert_int_equal(reading.slice.status, STATUS_OK);
    assert_int_equal(reading.slice.next_offset, reading.slice.end_offset);
    for (size_t i = 0; i < reading.slice.count; i++) {
        cursor_fold_add(fold, &reading.slice.records[i].record);
    }
    const struct cursor_record *record = cursor_fold_find(fold, &key);
    int64_t lost = record ? record->lost : 0;
    event_log_slice_clear(&reading.slice);
    cursor_fold_destroy(fold);
    sem_destroy(&reading.done);
    return lost;
}

static void deliver(struct dispatcher_test *test, const char *id) {
    test_emit_id(test, id);
    test_await_calls(&test->functions, "/ok", id, 2);
}

// One event is delivered, of five more the first three are removed while nobody reads.
static void lose_three(struct dispatcher_test *test) {
    test_subscribe(test, "a", "/ok", NULL);
    test_subscribe(test, "b", "/ok", NULL);
    test_start_dispatcher(test);
    deliver(test, "first");
    test_close_dispatcher(test);
    test_emit_numbers(test, 5);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 4);
}

static void what_was_lost_at_the_live_position_is_counted_for_each_subscription(void **state) {
    struct dispatcher_test *test = *state;
    struct metric *lost = dispatcher_metrics()->events_lost;
    int64_t before = metric_value(lost);
    lose_three(test);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/ok", "4", 2);
    test_close_dispatcher(test);
    assert_int_equal(lost_of(test, "a"), 3);
    assert_int_equal(lost_of(test, "b"), 3);
    assert_int_equal(metric_value(lost), before + 3);
    // It stays when others take over, and is counted on.
    test_emit_numbers(test, 4);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 8);
    test_start_dispatcher(test);
    deliver(test, "last");
    test_close_dispatcher(test);
    assert_int_equal(lost_of(test, "a"), 5);
}

static void put_paused(struct dispatcher_test *test, const char *is_paused) {
    char document[512];
    snprintf(document, sizeof document,
             "{\"space\":\"default\",\"subscriptionId\":\"p\",\"type\":\"async\",\"eventType\":"
             "\"test\",\"functionId\":\"a\",\"method\":\"POST\",\"path\":\"/\",\"paused\":%s}",
             is_paused);
    test_put(test, RESOURCE_SUBSCRIPTION, "p", document);
}

static void what_a_detached_one_lost_is_counted_when_it_is_attached_again(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "a", "/ok", NULL);
    put_paused(test, "true");
    test_start_dispatcher(test);
    test_emit_numbers(test, 10);
    test_await_calls(&test->functions, "/ok", "9", 1);
    test_await_metric(dispatcher_metrics()->detached, 1);
    test_close_dispatcher(test);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 6);
    put_paused(test, "false");
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/ok", "9", 2);
    test_await_metric(dispatcher_metrics()->detached, 0);
    test_close_dispatcher(test);
    assert_int_equal(lost_of(test, "p"), 6);
    assert_int_equal(lost_of(test, "a"), 0);
}

static void
a_position_that_the_group_has_forgotten_is_counted_from_where_the_log_knows_it(void **state) {
    struct dispatcher_test *test = *state;
    lose_three(test);
    test->options.group = "another group";
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/ok", "4", 2);
    test_close_dispatcher(test);
    assert_int_equal(lost_of(test, "a"), 3);
}

// Nothing is left where the group's position, and that of who is detached, were.
static void
all_that_goes_together_with_the_position_is_counted_for_who_is_live_and_who_is_not(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "a", "/ok", NULL);
    put_paused(test, "true");
    test_start_dispatcher(test);
    test_emit_numbers(test, 4);
    test_await_calls(&test->functions, "/ok", "3", 1);
    test_await_metric(dispatcher_metrics()->detached, 1);
    test_close_dispatcher(test);
    test_emit_numbers(test, 6);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 10);
    test->options.group = "another group";
    put_paused(test, "false");
    test_start_dispatcher(test);
    test_emit_id(test, "last");
    test_await_calls(&test->functions, "/ok", "last", 2);
    test_await_metric(dispatcher_metrics()->detached, 0);
    test_close_dispatcher(test);
    assert_int_equal(lost_of(test, "a"), 6);
    assert_int_equal(lost_of(test, "p"), 10);
}

#define LONG_AGO "2001-01-01T00:00:00Z"

// more: further members, each with a comma before it.
static void put_created(struct dispatcher_test *test, const char *id, const char *created,
                        const char *more) {
    char document[512];
    snprintf(
        document, sizeof document,
        "{\"space\":\"default\",\"subscriptionId\":\"%s\",\"type\":\"async\",\"eventType\":"
        "\"test\",\"functionId\":\"f\",\"method\":\"POST\",\"path\":\"/\",\"created\":\"%s\"%s}",
        id, created, more);
    test_put_function(test, "f", "/ok");
    test_put(test, RESOURCE_SUBSCRIPTION, id, document);
}

static void put_created_ago(struct dispatcher_test *test, const char *id, int64_t ago_us) {
    char created[TIMESTAMP_TEXT_SIZE];
    timestamp_format(clock_wall_us() - ago_us, created);
    put_created(test, id, created, "");
}

static void who_subscribes_for_the_first_time_has_lost_nothing(void **state) {
    struct dispatcher_test *test = *state;
    int64_t before = metric_value(dispatcher_metrics()->events_lost);
    test_emit_numbers(test, 5);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 4);
    put_created_ago(test, "a", 0);
    test_start_dispatcher(test);
    test_await_calls(&test->functions, "/ok", "4", 1);
    test_close_dispatcher(test);
    assert_int_equal(lost_of(test, "a"), 0);
    assert_int_equal(metric_value(dispatcher_metrics()->events_lost), before);
}

static void
what_nobody_read_is_lost_to_whoever_had_subscribed_before_and_counted_once(void **state) {
    struct dispatcher_test *test = *state;
    int64_t before = metric_value(dispatcher_metrics()->events_lost);
    put_created(test, "there", LONG_AGO, "");
    put_created(test, "early", LONG_AGO, ",\"start\":\"earliest\"");
    put_created(test, "for later", LONG_AGO, ",\"start\":\"2201-01-01T00:00:00Z\"");
    put_created(test, "nobody knows", "", "");
    test_emit_numbers(test, 5);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 4);
    put_created_ago(test, "late", 0);
    for (size_t run = 1; run <= 2; run++) {
        test_start_dispatcher(test);
        test_emit_id(test, "last");
        test_await_calls(&test->functions, "/ok", "last", 4 * run);
        test_close_dispatcher(test);
        assert_int_equal(lost_of(test, "there"), 4);
        assert_int_equal(lost_of(test, "early"), 4);
        assert_int_equal(lost_of(test, "for later"), 0);
        assert_int_equal(lost_of(test, "nobody knows"), 0);
        assert_int_equal(lost_of(test, "late"), 0);
        assert_int_equal(metric_value(dispatcher_metrics()->events_lost), before + 4);
    }
}

#define HOUR_US (INT64_C(3600) * 1000000)

// No event is left that tells a time: what was removed is as old as the log keeps events.
static void where_nothing_is_left_it_is_lost_to_whoever_had_subscribed_that_long_ago(void **state) {
    struct dispatcher_test *test = *state;
    int64_t before = metric_value(dispatcher_metrics()->events_lost);
    event_log_memory_set_keeps(test->log, HOUR_US / 1000);
    put_created_ago(test, "longer", 2 * HOUR_US);
    put_created_ago(test, "not so long", HOUR_US / 2);
    test_emit_numbers(test, 5);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 5);
    test_start_dispatcher(test);
    test_await_metric(dispatcher_metrics()->events_lost, before + 5);
    test_emit_id(test, "first");
    test_await_calls(&test->functions, "/ok", "first", 2);
    test_close_dispatcher(test);
    assert_int_equal(lost_of(test, "longer"), 5);
    assert_int_equal(lost_of(test, "not so long"), 0);
    assert_int_equal(metric_value(dispatcher_metrics()->events_lost), before + 5);
}

// Its owner's claim and the first live record are in the log.
static void await_claim(struct dispatcher_test *test) {
    struct event_log_slice slice = {.stream = EVENT_LOG_CURSORS};
    while (slice.next_offset < 2) {
        slice.from_offset = slice.next_offset;
        slice.wait_ms = 60000;
        read_and_wait(test->log, &test->server_loop, &slice);
        assert_int_equal(slice.status, STATUS_OK);
        assert_true(slice.count > 0);
    }
    event_log_slice_clear(&slice);
}

static void where_nothing_is_left_and_nobody_knows_for_how_long_none_is_lost(void **state) {
    struct dispatcher_test *test = *state;
    int64_t before = metric_value(dispatcher_metrics()->events_lost);
    put_created_ago(test, "a", HOUR_US);
    test_emit_numbers(test, 5);
    event_log_memory_remove_before(test->log, EVENT_LOG_EVENTS, 0, 5);
    test_start_dispatcher(test);
    await_claim(test);
    test_emit_id(test, "first");
    test_await_calls(&test->functions, "/ok", "first", 1);
    test_close_dispatcher(test);
    assert_int_equal(lost_of(test, "a"), 0);
    assert_int_equal(metric_value(dispatcher_metrics()->events_lost), before);
}

// Whichever record of a cursor fails, and whenever it ends: nothing is counted twice or forgotten.
static void the_nth_record_may_fail(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 10; n++) {
        struct dispatcher_test *test = test_create(1, 1);
        lose_three(test);
        event_log_memory_fail_append(test->log, EVENT_LOG_CURSORS, n, 2, STATUS_TIMEOUT);
        test_start_dispatcher(test);
        test_await_calls(&test->functions, "/ok", "4", 2);
        test_crash_dispatcher(test);
        test_start_dispatcher(test);
        deliver(test, "last");
        test_close_dispatcher(test);
        assert_int_equal(lost_of(test, "a"), 3);
        assert_int_equal(lost_of(test, "b"), 3);
        test_destroy(test);
    }
}

static void restore(struct partition *partition, const char *id, const char *created) {
    const struct cursor_record record = {.kind = CURSOR_LOST,
                                         .space = BYTES("default"),
                                         .subscription_id = bytes_of_text(id),
                                         .created = bytes_of_text(created),
                                         .position = 10,
                                         .lost = 3};
    losses_restore(partition, &record);
}

static void what_was_counted_goes_with_its_subscription(void **state) {
    struct dispatcher_test *test = *state;
    test_subscribe(test, "a", "/ok", NULL);
    test_subscribe(test, "b", "/ok", NULL);
    struct lane lane = {.snapshot = registry_snapshot(test->registry)};
    struct partition partition = {.lane = &lane};
    restore(&partition, "a", "2026-11-25T00:00:00Z");
    restore(&partition, "b", "2026-11-24T00:00:00Z"); // Another one, of the same id.
    for (int i = 0; i < 200; i++) {
        char id[24];
        snprintf(id, sizeof id, "gone %d", i);
        restore(&partition, id, "2026-11-25T00:00:00Z");
    }
    assert_int_equal(partition.losses.count, 202);
    losses_configuration_changed(&partition);
    assert_int_equal(partition.losses.count, 1);
    losses_clear(&partition.losses);
    assert_int_equal(partition.losses.count, 0);
    snapshot_unref(lane.snapshot);
}

// Nothing is waited for any more when nobody wants to know.
static void
a_count_that_is_not_confirmed_holds_nothing_up_when_its_subscription_goes(void **state) {
    struct dispatcher_test *test = *state;
    struct test_loop loop = {0};
    struct error error;
    test_subscribe(test, "a", "/ok", NULL);
    assert_int_equal(event_loop_create("lane", &loop.loop, &error), STATUS_OK);
    const struct snapshot *before = registry_snapshot(test->registry);
    struct lane lane = {.log = test->log, .loop = loop.loop, .snapshot = before};
    struct partition partition = {.lane = &lane, .epoch = 1};
    losses_note(&partition, snapshot_subscription(before, BYTES("default"), BYTES("a")), 2, 5);
    assert_int_equal(partition.losses.inside, 1);
    losses_configuration_changed(&partition);
    assert_int_equal(partition.losses.inside, 1);
    test_put(test, RESOURCE_SUBSCRIPTION, "a", NULL);
    lane.snapshot = registry_snapshot(test->registry);
    losses_configuration_changed(&partition);
    assert_int_equal(partition.losses.inside, 0);
    assert_int_equal(partition.losses.count, 0);
    assert_ptr_equal(lane.dirty, &partition);
    loop.thread = event_loop_thread_start(loop.loop);
    append_text(test->log, &loop, NULL, "behind it");
    event_loop_stop(loop.loop);
    event_loop_thread_join(loop.thread);
    event_loop_destroy(loop.loop);
    snapshot_unref(lane.snapshot);
    snapshot_unref(before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_lost_at_the_live_position_is_counted_for_each_subscription),
        TEST(what_a_detached_one_lost_is_counted_when_it_is_attached_again),
        TEST(a_position_that_the_group_has_forgotten_is_counted_from_where_the_log_knows_it),
        TEST(all_that_goes_together_with_the_position_is_counted_for_who_is_live_and_who_is_not),
        TEST(who_subscribes_for_the_first_time_has_lost_nothing),
        TEST(what_nobody_read_is_lost_to_whoever_had_subscribed_before_and_counted_once),
        TEST(where_nothing_is_left_it_is_lost_to_whoever_had_subscribed_that_long_ago),
        TEST(where_nothing_is_left_and_nobody_knows_for_how_long_none_is_lost),
        cmocka_unit_test(the_nth_record_may_fail),
        TEST(what_was_counted_goes_with_its_subscription),
        TEST(a_count_that_is_not_confirmed_holds_nothing_up_when_its_subscription_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
