// What the embedded log removes, and what it keeps.
#include "sqlite_log_test.h"

#include <sched.h>

static void await_count(const struct fixture *fixture, const char *table, int64_t count) {
    while (count_rows(fixture, table) != count) {
        sched_yield();
    }
}

// The rows are gone a moment before readers know of it.
static void await_first(struct fixture *fixture, struct event_log *log, int64_t first) {
    struct event_log_slice slice = {
        .stream = EVENT_LOG_EVENTS, .from_offset = EVENT_LOG_BEGINNING, .max_records = 1};
    do {
        read_and_wait(log, &fixture->loop, &slice);
        assert_int_equal(slice.status, STATUS_OK);
    } while (slice.first_offset < first);
    event_log_slice_clear(&slice);
}

static bool has_passed(struct recorder *recorder, size_t count) {
    return recorder->passed_count >= count;
}

static void records_that_retention_removes_undelivered_are_reported(void **state) {
    struct fixture *fixture = *state;
    struct event_log *log = create_plain(fixture);
    assert_int_equal(append_numbers(log, &fixture->loop, NULL, 1500), 1500);
    struct recorder recorder = {.commits = true};
    recorder_start(&recorder, log, EVENT_LOG_EVENTS, "group", 1);
    recorder_await_assigned(&recorder, 1);
    recorder_close(&recorder);
    recorder_clear(&recorder);
    close_log(log);
    execute(fixture, "UPDATE events SET timestamp_ms = 1000 WHERE offset <= 1400");
    // The group's position is set back, as if it had been away for long.
    execute(fixture, "REPLACE INTO positions VALUES('group', 'events', 100)");

    log = create(fixture, (struct event_log_sqlite_options){.retention_ms = 3600000});
    await_first(fixture, log, 1401);
    recorder.releases = true;
    recorder_start(&recorder, log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await(&recorder, has_passed, 1, "retention was not reported");
    assert_int_equal(recorder.start[0], 100);
    assert_int_equal(recorder.passed_position, 100);
    assert_int_equal(recorder.passed_first, 1401);
    recorder_await_received(&recorder, 100);
    assert_int_equal(recorder.received[recorder.received_count - 1].offset, 1500);
    recorder_close(&recorder);
    assert_false(recorder.has_order_error);
    recorder_clear(&recorder);
    close_log(log);
}

static void append_cursor(struct event_log *log, struct fixture *fixture, const char *key,
                          const char *value) {
    struct record record = {
        .key = bytes_of_text(key), .value = bytes_of_text(value), .has_value = value != NULL};
    assert_int_equal(append_and_wait(log, &fixture->loop, EVENT_LOG_CURSORS, &record).status,
                     STATUS_OK);
}

static void cursors_are_compacted_by_key_when_the_newer_one_is_old(void **state) {
    struct fixture *fixture = *state;
    struct event_log *log =
        create(fixture, (struct event_log_sqlite_options){.retention_ms = 60000,
                                                          .compaction_lag_ms = 600000});
    for (int i = 0; i < 600; i++) {
        append_cursor(log, fixture, i % 2 ? "a" : "b", "old");
    }
    append_cursor(log, fixture, "a", NULL);
    close_log(log);
    // All are twenty minutes old: replaced ones go, the tombstone stays for now.
    execute(fixture, "UPDATE cursor SET timestamp_ms = timestamp_ms - 1200000");
    log = create(fixture, (struct event_log_sqlite_options){.retention_ms = 60000,
                                                            .compaction_lag_ms = 600000});
    append_cursor(log, fixture, "b", "new");
    await_count(fixture, "cursor", 3);
    struct event_log_slice slice = {.stream = EVENT_LOG_CURSORS,
                                    .from_offset = EVENT_LOG_BEGINNING};
    read_and_wait(log, &fixture->loop, &slice);
    assert_int_equal(slice.count, 3);
    assert_true(bytes_equal_text(slice.records[0].record.value, "old"));
    assert_false(slice.records[1].record.has_value);
    // What is newer than the lag replaces nothing yet.
    assert_true(bytes_equal_text(slice.records[2].record.value, "new"));
    assert_int_equal(slice.next_offset, 603);
    event_log_slice_clear(&slice);
    close_log(log);
    // Two hours old: the tombstone goes, and the last record of b stays whatever its age.
    execute(fixture, "UPDATE cursor SET timestamp_ms = 1000");
    log = create(fixture, (struct event_log_sqlite_options){.retention_ms = 60000,
                                                            .compaction_lag_ms = 600000});
    await_count(fixture, "cursor", 1);
    slice = (struct event_log_slice){.stream = EVENT_LOG_CURSORS, .from_offset = 1};
    read_and_wait(log, &fixture->loop, &slice);
    assert_int_equal(slice.count, 1);
    assert_int_equal(slice.records[0].offset, 602);
    event_log_slice_clear(&slice);
    close_log(log);
}

static void parked_records_are_kept_for_eight_days_at_the_least(void **state) {
    struct fixture *fixture = *state;
    struct event_log *log = create_plain(fixture);
    struct record record = {.key = BYTES("k"), .value = BYTES("v"), .has_value = true};
    for (int i = 0; i < EVENT_LOG_STREAM_COUNT; i++) {
        assert_int_equal(
            append_and_wait(log, &fixture->loop, (enum event_log_stream)i, &record).status,
            STATUS_OK);
    }
    close_log(log);
    const char *const tables[] = {"events", "outcome", "deadletter", "retry.10s", "retry.1h"};
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        char text[128];
        snprintf(text, sizeof text, "UPDATE \"%s\" SET timestamp_ms = timestamp_ms - 7 * 86400000",
                 tables[i]);
        execute(fixture, text);
    }
    log = create(fixture, (struct event_log_sqlite_options){
                              .retention_ms = 60000, .dead_letter_retention_ms = 30 * 86400000LL});
    await_count(fixture, "events", 0);
    await_count(fixture, "outcome", 0);
    assert_int_equal(count_rows(fixture, "deadletter"), 1);
    assert_int_equal(count_rows(fixture, "retry.10s"), 1);
    assert_int_equal(count_rows(fixture, "retry.1h"), 1);
    close_log(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RULE(records_that_retention_removes_undelivered_are_reported),
        RULE(cursors_are_compacted_by_key_when_the_newer_one_is_old),
        RULE(parked_records_are_kept_for_eight_days_at_the_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
