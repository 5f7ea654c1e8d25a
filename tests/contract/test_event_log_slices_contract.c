// What every kind of event log keeps: slices, and where they begin and end.
#include "tests/contract/event_log_contract_test.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/memory.h"

static void assert_value(const struct event_log_slice *slice, size_t place, size_t number) {
    char expected[24];
    int size = snprintf(expected, sizeof expected, "%zu", number);
    struct bytes value = slice->records[place].record.value;
    assert_int_equal(value.size, size);
    assert_memory_equal(value.data, expected, value.size);
}

static void slices_follow_each_other_to_the_end(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 20);
    struct event_log_slice slice = {
        .partition = first.partition, .from_offset = first.offset, .max_records = 6};
    size_t number = 0;
    do {
        read_slice(fixture, &slice);
        assert_int_equal(slice.status, STATUS_OK);
        assert_true(slice.count <= 6);
        for (size_t i = 0; i < slice.count; i++) {
            assert_value(&slice, i, number++);
            assert_int_equal(slice.records[i].partition, first.partition);
            assert_true(slice.records[i].offset >= slice.from_offset);
            assert_true(slice.records[i].offset < slice.next_offset);
        }
        slice.from_offset = slice.next_offset;
    } while (slice.count > 0);
    assert_int_equal(number, 20);
    assert_int_equal(slice.next_offset, slice.end_offset);
    assert_int_equal(slice.end_offset, first.offset + 20);
    assert_int_equal(slice.first_offset, first.offset - 1);
    event_log_slice_clear(&slice);
    assert_null(slice.records);
    event_log_slice_clear(&slice);
}

static void a_slice_begins_where_it_is_asked(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 10);
    struct event_log_slice slice = {
        .partition = first.partition, .from_offset = first.offset + 7, .max_records = 1};
    read_slice(fixture, &slice);
    assert_int_equal(slice.count, 1);
    assert_value(&slice, 0, 7);
    assert_int_equal(slice.next_offset, first.offset + 8);
    // Back again, which no group could.
    slice.from_offset = first.offset + 2;
    read_slice(fixture, &slice);
    assert_int_equal(slice.count, 1);
    assert_value(&slice, 0, 2);
    slice.from_offset = EVENT_LOG_BEGINNING;
    read_slice(fixture, &slice);
    assert_int_equal(slice.count, 1);
    assert_int_equal(slice.records[0].offset, first.offset - 1);
    slice.from_offset = EVENT_LOG_END;
    read_slice(fixture, &slice);
    assert_int_equal(slice.status, STATUS_OK);
    assert_int_equal(slice.count, 0);
    assert_int_equal(slice.next_offset, first.offset + 10);
    event_log_slice_clear(&slice);
}

static void a_slice_is_as_large_as_it_may_be_and_has_one_record_at_least(void **state) {
    struct log_fixture *fixture = *state;
    static char value[1000];
    memset(value, 'v', sizeof value);
    struct record record = {.key = BYTES("key"), .value = {value, sizeof value}, .has_value = true};
    struct append_answer answer = {0};
    for (size_t i = 0; i < 6; i++) {
        answer = append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record);
        assert_int_equal(answer.status, STATUS_OK);
    }
    struct event_log_slice slice = {
        .partition = answer.partition, .from_offset = EVENT_LOG_BEGINNING, .max_bytes = 2500};
    read_slice(fixture, &slice);
    assert_in_range(slice.count, 1, 3);
    slice.max_bytes = 1;
    read_slice(fixture, &slice);
    assert_int_equal(slice.count, 1);
    assert_int_equal(slice.records[0].record.value.size, sizeof value);
    event_log_slice_clear(&slice);
}

static void a_record_comes_back_as_it_was_appended(void **state) {
    struct log_fixture *fixture = *state;
    const struct http_header headers[] = {
        {BYTES("ce_id"), BYTES("a\0b\xff")},
        {BYTES("ce_type"), BYTES("")},
    };
    struct record record = {.key = BYTES("k\0\xfe"),
                            .headers = headers,
                            .header_count = 2,
                            .value = BYTES("v\0\r\n"),
                            .has_value = true};
    int64_t before_ms = clock_wall_us() / 1000;
    struct append_answer with =
        append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record);
    struct event_log_slice slice = {.partition = with.partition, .from_offset = with.offset};
    read_slice(fixture, &slice);
    assert_int_equal(slice.count, 1);
    const struct stored_record *stored = &slice.records[0];
    assert_true(bytes_equal(stored->record.key, record.key));
    assert_true(stored->record.has_value && bytes_equal(stored->record.value, record.value));
    assert_int_equal(stored->record.header_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(bytes_equal(stored->record.headers[i].name, headers[i].name));
        assert_true(bytes_equal(stored->record.headers[i].value, headers[i].value));
    }
    assert_int_equal(stored->offset, with.offset);
    assert_in_range(stored->timestamp_ms, before_ms, clock_wall_us() / 1000);
    record.has_value = false;
    struct append_answer without =
        append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record);
    slice.from_offset = without.offset;
    read_slice(fixture, &slice);
    assert_false(slice.records[0].record.has_value);
    event_log_slice_clear(&slice);
}

static void a_partition_that_is_not_there_is_not_found(void **state) {
    struct log_fixture *fixture = *state;
    struct event_log_slice slice = {.partition = 1000};
    read_slice(fixture, &slice);
    assert_int_equal(slice.status, STATUS_NOT_FOUND);
    slice.partition = -1;
    read_slice(fixture, &slice);
    assert_int_equal(slice.status, STATUS_NOT_FOUND);
    event_log_slice_clear(&slice);
}

// Longer than what a store fetches ahead.
static void a_long_part_of_a_partition_comes_whole_and_in_order(void **state) {
    struct log_fixture *fixture = *state;
    size_t count = 5000, number = 0;
    struct append_answer first = append_run(fixture, count);
    struct event_log_slice slice = {
        .partition = first.partition, .from_offset = first.offset, .max_records = 300};
    while (number < count) {
        read_slice(fixture, &slice);
        assert_int_equal(slice.status, STATUS_OK);
        assert_true(slice.count > 0);
        for (size_t i = 0; i < slice.count; i++) {
            assert_value(&slice, i, number++);
        }
        slice.from_offset = slice.next_offset;
    }
    assert_int_equal(slice.next_offset, slice.end_offset);
    event_log_slice_clear(&slice);
}

// Each of several followers reads one partition from its own place, by turns with the others.
static void many_followers_of_one_partition_miss_nothing(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 2000);
    struct pending_slice followers[6] = {0};
    size_t at[6];
    for (size_t i = 0; i < 6; i++) {
        at[i] = i * 300;
        followers[i].slice.partition = first.partition;
        followers[i].slice.from_offset = first.offset + (int64_t)at[i];
        followers[i].slice.max_records = 40 + 30 * i;
        pending_slice_start(&followers[i], fixture->log, &fixture->loop);
    }
    bool goes_on = true;
    while (goes_on) {
        goes_on = false;
        for (size_t i = 0; i < 6; i++) {
            if (at[i] == 2000) {
                continue;
            }
            struct event_log_slice *slice = &followers[i].slice;
            pending_slice_await(&followers[i]);
            assert_int_equal(slice->status, STATUS_OK);
            for (size_t n = 0; n < slice->count; n++) {
                assert_value(slice, n, at[i]++);
            }
            slice->from_offset = slice->next_offset;
            if (at[i] < 2000) {
                pending_slice_start(&followers[i], fixture->log, &fixture->loop);
                goes_on = true;
            }
        }
    }
    for (size_t i = 0; i < 6; i++) {
        event_log_slice_clear(&followers[i].slice);
    }
}

// Who follows a partition takes the difference for what is still to come. The end was learned a
// moment ago; what came since may be in the slice or not.
static void no_slice_goes_on_beyond_the_end_that_it_tells(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 3);
    struct event_log_slice slice = {.partition = first.partition, .from_offset = first.offset};
    for (size_t number = 3; number < 40; number += 3) {
        slice.max_records = 1;
        read_slice(fixture, &slice);
        assert_int_equal(slice.count, 1);
        assert_true(slice.next_offset < slice.end_offset);
        for (size_t i = 0; i < 3; i++) {
            append_text(fixture->log, &fixture->loop, "key", "later");
        }
        slice.max_records = 0;
        while (slice.next_offset < first.offset + (int64_t)number) {
            slice.from_offset = slice.next_offset;
            read_slice(fixture, &slice);
            assert_int_equal(slice.status, STATUS_OK);
            assert_true(slice.next_offset <= slice.end_offset);
        }
        slice.from_offset = first.offset + (int64_t)number;
    }
    event_log_slice_clear(&slice);
}

static void slices_and_groups_do_not_see_each_other(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 10);
    struct event_log_slice slice = {.partition = first.partition, .from_offset = first.offset + 8};
    read_slice(fixture, &slice);
    assert_in_range(slice.count, 1, 2);
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 11);
    size_t count = 0;
    for (slice.from_offset = EVENT_LOG_BEGINNING; count < 11;
         slice.from_offset = slice.next_offset) {
        read_slice(fixture, &slice);
        assert_true(slice.status == STATUS_OK && slice.count > 0);
        count += slice.count;
    }
    assert_int_equal(slice.next_offset, slice.end_offset);
    recorder_close(&recorder);
    assert_int_equal(recorder.received_count, 11);
    recorder_clear(&recorder);
    event_log_slice_clear(&slice);
}

static const struct CMUnitTest rules[] = {
    RULE(slices_follow_each_other_to_the_end),
    RULE(a_slice_begins_where_it_is_asked),
    RULE(a_slice_is_as_large_as_it_may_be_and_has_one_record_at_least),
    RULE(a_record_comes_back_as_it_was_appended),
    RULE(a_partition_that_is_not_there_is_not_found),
    RULE(a_long_part_of_a_partition_comes_whole_and_in_order),
    RULE(many_followers_of_one_partition_miss_nothing),
    RULE(no_slice_goes_on_beyond_the_end_that_it_tells),
    RULE(slices_and_groups_do_not_see_each_other),
};

static int run_rules(const char *name) {
    return cmocka_run_group_tests_name(name, rules, NULL, NULL);
}

int main(int argument_count, char **arguments) {
    return run_over_kinds(argument_count, arguments, run_rules) > 0;
}
