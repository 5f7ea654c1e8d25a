// The faults that the kind for tests makes on order.
#include "core/event_log/event_log_kinds.h"

#include "tests/support/log_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct test_loop loop;
    struct event_log *log;
};
static struct fixture fixture;

static int set_up(void **state) {
    (void)state;
    test_loop_start(&fixture.loop);
    struct event_log_memory_options options = {.partitions = 2};
    struct error error;
    return event_log_memory_create(&options, &fixture.log, &error) == STATUS_OK ? 0 : 1;
}

static int tear_down(void **state) {
    (void)state;
    event_log_close(fixture.log, 1000);
    test_loop_stop(&fixture.loop);
    event_log_destroy(fixture.log);
    return 0;
}

static struct append_answer append_value(enum event_log_stream stream) {
    struct record record = {.key = BYTES("k"), .value = BYTES("v"), .has_value = true};
    return append_and_wait(fixture.log, &fixture.loop, stream, &record);
}

static void the_ordered_appends_fail_and_no_others(void **state) {
    (void)state;
    event_log_memory_fail_append(fixture.log, EVENT_LOG_EVENTS, 2, 2, STATUS_TIMEOUT);
    const enum status expected[] = {STATUS_OK, STATUS_TIMEOUT, STATUS_TIMEOUT, STATUS_OK};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(append_value(EVENT_LOG_DEAD_LETTERS).status, STATUS_OK);
        struct append_answer answer = append_value(EVENT_LOG_EVENTS);
        assert_int_equal(answer.taken, STATUS_OK);
        assert_int_equal(answer.status, expected[i]);
    }
}

static void full_is_said_at_once(void **state) {
    (void)state;
    event_log_memory_fail_append(fixture.log, EVENT_LOG_EVENTS, 1, 1, STATUS_FULL);
    assert_int_equal(append_value(EVENT_LOG_EVENTS).taken, STATUS_FULL);
    assert_int_equal(append_value(EVENT_LOG_EVENTS).taken, STATUS_OK);
}

static void an_away_log_refuses_and_says_so(void **state) {
    (void)state;
    struct error error;
    event_log_memory_set_away(fixture.log, true);
    assert_int_equal(append_value(EVENT_LOG_EVENTS).taken, STATUS_UNAVAILABLE);
    assert_int_equal(event_log_health(fixture.log, &error), STATUS_UNAVAILABLE);
    event_log_memory_set_away(fixture.log, false);
    assert_int_equal(append_value(EVENT_LOG_EVENTS).status, STATUS_OK);
}

static void ignore_answer(struct event_log_append *append) {
    (void)append;
}

static void a_held_append_is_inside_until_it_is_let_go(void **state) {
    (void)state;
    event_log_memory_hold_appends(fixture.log, true);
    struct event_log_append append = {.loop = fixture.loop.loop, .done = ignore_answer};
    assert_int_equal(event_log_append(fixture.log, &append), STATUS_OK);
    assert_int_equal(event_log_appends_inside(fixture.log), 1);
    event_log_memory_hold_appends(fixture.log, false);
    assert_int_equal(event_log_appends_inside(fixture.log), 0);
    test_loop_stop(&fixture.loop);
    test_loop_start(&fixture.loop);
    assert_int_equal(append.status, STATUS_OK);
}

static bool was_assigned(struct recorder *recorder, size_t count) {
    return recorder->assigned_count >= count;
}

static bool has_lost(struct recorder *recorder, size_t count) {
    return recorder->lost_count >= count;
}

static bool has_passed(struct recorder *recorder, size_t count) {
    return recorder->passed_count >= count;
}

static void a_rebalance_takes_a_partition_and_gives_it_back(void **state) {
    (void)state;
    int32_t partition = append_value(EVENT_LOG_EVENTS).partition;
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture.log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 1);
    recorder_await(&recorder, was_assigned, 2, "not assigned");
    event_log_memory_rebalance(fixture.log, EVENT_LOG_EVENTS, partition);
    recorder_await(&recorder, was_assigned, 3, "not assigned again");
    assert_int_equal(recorder.revoked_count, 1);
    assert_int_equal(recorder.start[partition], 1);
    recorder_close(&recorder);
    assert_false(recorder.has_order_error);
    recorder_clear(&recorder);
}

static void a_lost_partition_comes_again_from_the_committed_position(void **state) {
    (void)state;
    int32_t partition = append_value(EVENT_LOG_EVENTS).partition;
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture.log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 1);
    event_log_memory_lose(fixture.log, EVENT_LOG_EVENTS, partition);
    recorder_await(&recorder, has_lost, 1, "not lost");
    recorder_await_received(&recorder, 2);
    assert_int_equal(recorder.start[partition], 0);
    recorder_close(&recorder);
    recorder_clear(&recorder);
}

static void what_retention_removes_undelivered_is_reported(void **state) {
    (void)state;
    assert_int_equal(append_numbers(fixture.log, &fixture.loop, "k", 10), 10);
    int32_t partition = append_value(EVENT_LOG_EVENTS).partition;
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture.log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 11);
    recorder_close(&recorder);
    recorder_clear(&recorder);
    recorder.releases = true;
    assert_int_equal(append_numbers(fixture.log, &fixture.loop, "k", 10), 10);
    event_log_memory_remove_before(fixture.log, EVENT_LOG_EVENTS, partition, 15);
    recorder_start(&recorder, fixture.log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await(&recorder, has_passed, 1, "not reported");
    assert_int_equal(recorder.passed_position, 11);
    assert_int_equal(recorder.passed_first, 15);
    recorder_await_received(&recorder, 6);
    recorder_close(&recorder);
    recorder_clear(&recorder);
}

static void a_slice_shows_what_retention_removed(void **state) {
    (void)state;
    assert_int_equal(append_numbers(fixture.log, &fixture.loop, "k", 10), 10);
    int32_t partition = append_value(EVENT_LOG_EVENTS).partition;
    event_log_memory_remove_before(fixture.log, EVENT_LOG_EVENTS, partition, 6);
    struct event_log_slice slice = {.partition = partition, .from_offset = 2};
    read_and_wait(fixture.log, &fixture.loop, &slice);
    assert_int_equal(slice.status, STATUS_OK);
    assert_int_equal(slice.first_offset, 6);
    assert_int_equal(slice.count, 5);
    assert_int_equal(slice.records[0].offset, 6);
    event_log_slice_clear(&slice);
}

static int64_t append_cursor(const char *key, const char *value) {
    struct record record = {
        .key = bytes_of_text(key), .value = bytes_of_text(value), .has_value = value != NULL};
    return append_and_wait(fixture.log, &fixture.loop, EVENT_LOG_CURSORS, &record).offset;
}

static void compaction_leaves_the_last_record_of_each_key_and_gaps(void **state) {
    (void)state;
    append_cursor("a", "1");
    int64_t b = append_cursor("b", "1");
    append_cursor("c", "1");
    int64_t a = append_cursor("a", "2");
    int64_t tombstone = append_cursor("c", NULL);
    event_log_memory_compact(fixture.log, EVENT_LOG_CURSORS);
    struct event_log_slice slice = {.stream = EVENT_LOG_CURSORS, .max_records = 1};
    read_and_wait(fixture.log, &fixture.loop, &slice);
    assert_int_equal(slice.count, 1);
    assert_int_equal(slice.records[0].offset, b);
    slice.from_offset = slice.next_offset;
    read_and_wait(fixture.log, &fixture.loop, &slice);
    assert_int_equal(slice.count, 1);
    assert_int_equal(slice.records[0].offset, a);
    slice.from_offset = slice.next_offset;
    read_and_wait(fixture.log, &fixture.loop, &slice);
    assert_int_equal(slice.count, 0);
    // The gap at the end is behind it as well.
    assert_int_equal(slice.next_offset, tombstone + 1);
    event_log_slice_clear(&slice);
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

int main(void) {
    const struct CMUnitTest rules[] = {
        RULE(the_ordered_appends_fail_and_no_others),
        RULE(full_is_said_at_once),
        RULE(an_away_log_refuses_and_says_so),
        RULE(a_held_append_is_inside_until_it_is_let_go),
        RULE(a_rebalance_takes_a_partition_and_gives_it_back),
        RULE(a_lost_partition_comes_again_from_the_committed_position),
        RULE(what_retention_removes_undelivered_is_reported),
        RULE(a_slice_shows_what_retention_removed),
        RULE(compaction_leaves_the_last_record_of_each_key_and_gaps),
    };
    return cmocka_run_group_tests_name("event_log_memory", rules, NULL, NULL);
}
