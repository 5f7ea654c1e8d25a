// What every kind of event log keeps: slices, offsets by time, every stream, appends that fail.
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "tests/support/log_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static enum log_kind kind; // of the group that runs

static int set_up(void **state) {
    *state = log_fixture_create(kind);
    return 0;
}

static int tear_down(void **state) {
    log_fixture_destroy(*state);
    return 0;
}

static void read_slice(struct log_fixture *fixture, struct event_log_slice *slice) {
    read_and_wait(fixture->log, &fixture->loop, slice);
}

static void assert_value(const struct event_log_slice *slice, size_t place, size_t number) {
    char expected[24];
    int size = snprintf(expected, sizeof expected, "%zu", number);
    struct bytes value = slice->records[place].record.value;
    assert_int_equal(value.size, size);
    assert_memory_equal(value.data, expected, value.size);
}

// Appends count numbered records to one partition, and gives where the first one lies.
static struct append_answer append_run(struct log_fixture *fixture, size_t count) {
    struct append_answer first = append_text(fixture->log, &fixture->loop, "key", "before");
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, "key", count), count);
    first.offset++;
    return first;
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

static bool is_answered(struct pending_slice *pending) {
    pthread_mutex_lock(&pending->lock);
    bool is_done = pending->is_done;
    pthread_mutex_unlock(&pending->lock);
    return is_done;
}

static void a_slice_that_waits_gets_the_first_record(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 3);
    struct pending_slice named = {
        .slice = {.partition = first.partition, .from_offset = first.offset + 3, .wait_ms = 60000}};
    struct pending_slice at_end = {
        .slice = {.partition = first.partition, .from_offset = EVENT_LOG_END, .wait_ms = 60000}};
    // Both are set aside: there are fewer threads than slices of partitions where nothing comes.
    struct pending_slice others[8] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        others[i].slice.stream = EVENT_LOG_RETRY_1H;
        others[i].slice.wait_ms = 60000;
        pending_slice_start(&others[i], fixture->log, &fixture->loop);
    }
    pending_slice_start(&named, fixture->log, &fixture->loop);
    // The end is where it is when the slice is looked at; so another one is waited for first.
    struct event_log_slice probe = {.partition = first.partition, .from_offset = first.offset};
    read_slice(fixture, &probe);
    event_log_slice_clear(&probe);
    pending_slice_start(&at_end, fixture->log, &fixture->loop);
    struct timespec moment = {.tv_nsec = 50000000};
    nanosleep(&moment, NULL);
    assert_false(named.is_done);
    struct append_answer answer = append_text(fixture->log, &fixture->loop, "key", "3");
    pending_slice_await(&named);
    assert_int_equal(named.slice.status, STATUS_OK);
    assert_int_equal(named.slice.records[0].offset, answer.offset);
    // When the slice is looked at only after an append, a later one ends its waiting.
    while (!is_answered(&at_end)) {
        append_text(fixture->log, &fixture->loop, "key", "4");
    }
    pending_slice_await(&at_end);
    assert_int_equal(at_end.slice.status, STATUS_OK);
    assert_true(at_end.slice.count > 0 && at_end.slice.records[0].offset >= answer.offset);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        event_log_slice_cancel(fixture->log, &others[i].slice);
        pending_slice_await(&others[i]);
        assert_int_equal(others[i].slice.status, STATUS_CLOSED);
        event_log_slice_clear(&others[i].slice);
    }
    event_log_slice_clear(&named.slice);
    event_log_slice_clear(&at_end.slice);
}

static void a_slice_whose_time_is_up_is_answered_without_records(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 3);
    struct event_log_slice slice = {
        .partition = first.partition, .from_offset = first.offset + 3, .wait_ms = 20};
    read_slice(fixture, &slice);
    assert_int_equal(slice.status, STATUS_OK);
    assert_int_equal(slice.count, 0);
    assert_int_equal(slice.next_offset, first.offset + 3);
    // Beyond the end as well: the caller sees the end.
    slice.from_offset = first.offset + 100;
    read_slice(fixture, &slice);
    assert_int_equal(slice.status, STATUS_OK);
    assert_int_equal(slice.count, 0);
    assert_int_equal(slice.next_offset, first.offset + 100);
    assert_int_equal(slice.end_offset, first.offset + 3);
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

static void a_closed_log_lets_no_slice_wait_and_takes_none(void **state) {
    struct log_fixture *fixture = *state;
    struct pending_slice pending = {.slice = {.from_offset = EVENT_LOG_END, .wait_ms = 600000}};
    pending_slice_start(&pending, fixture->log, &fixture->loop);
    event_log_close(fixture->log, 10000);
    pending_slice_await(&pending);
    assert_int_equal(pending.slice.status, STATUS_CLOSED);
    assert_int_equal(event_log_read(fixture->log, &pending.slice), STATUS_CLOSED);
    struct event_log_time_query query = {.loop = fixture->loop.loop,
                                         .done = (void (*)(struct event_log_time_query *))abort};
    assert_int_equal(event_log_find_time(fixture->log, &query), STATUS_CLOSED);
    event_log_slice_clear(&pending.slice);
}

// Whoever closed the log may free its slices when the loop has run what was posted until then.
static void closing_answers_what_is_being_read(void **state) {
    struct log_fixture *fixture = *state;
    struct pending_slice pending[9] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(pending); i++) {
        pending[i].slice.stream = (enum event_log_stream)(i % EVENT_LOG_STREAM_COUNT);
        pending[i].slice.from_offset = EVENT_LOG_BEGINNING;
        pending[i].slice.wait_ms = 60000;
        pending_slice_start(&pending[i], fixture->log, &fixture->loop);
    }
    event_log_close(fixture->log, 10000);
    test_loop_stop(&fixture->loop); // runs what was posted
    for (size_t i = 0; i < ARRAY_LENGTH(pending); i++) {
        assert_true(pending[i].is_done);
        event_log_slice_clear(&pending[i].slice);
    }
    test_loop_start(&fixture->loop);
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

static void every_stream_takes_records_and_gives_them_back(void **state) {
    struct log_fixture *fixture = *state;
    for (int i = 0; i < EVENT_LOG_STREAM_COUNT; i++) {
        enum event_log_stream stream = (enum event_log_stream)i;
        const char *name = event_log_stream_name(stream);
        struct record record = {
            .key = BYTES("key"), .value = bytes_of_text(name), .has_value = true};
        struct append_answer answer =
            append_and_wait(fixture->log, &fixture->loop, stream, &record);
        assert_int_equal(answer.status, STATUS_OK);
        struct event_log_slice slice = {
            .stream = stream, .partition = answer.partition, .from_offset = EVENT_LOG_BEGINNING};
        read_slice(fixture, &slice);
        assert_int_equal(slice.count, 1);
        assert_true(bytes_equal_text(slice.records[0].record.value, name));
        event_log_slice_clear(&slice);
    }
    assert_int_equal(event_log_partition_count(fixture->log, EVENT_LOG_CURSORS), 1);
}

static void wait_for_next_millisecond(void) {
    int64_t now_ms = clock_wall_us() / 1000;
    while (clock_wall_us() / 1000 <= now_ms) {
    }
}

static void offsets_are_found_by_time(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_run(fixture, 5);
    wait_for_next_millisecond();
    struct append_answer second = append_text(fixture->log, &fixture->loop, "key", "later");
    struct event_log_slice slice = {.partition = first.partition, .from_offset = second.offset};
    read_slice(fixture, &slice);
    int64_t second_ms = slice.records[0].timestamp_ms;
    event_log_slice_clear(&slice);
    struct event_log_time_query query = {.time_ms = second_ms + 3600000};
    find_time_and_wait(fixture->log, &fixture->loop, &query);
    assert_int_equal(query.status, STATUS_OK);
    assert_int_equal(query.count, event_log_partition_count(fixture->log, EVENT_LOG_EVENTS));
    assert_int_equal(query.offsets[first.partition], second.offset + 1);
    for (int32_t i = 0; i < (int32_t)query.count; i++) {
        assert_true(i == first.partition || query.offsets[i] <= 1);
    }
    // The mock cluster knows no times.
    if (kind != LOG_KIND_KAFKA_MOCK) {
        query.time_ms = second_ms;
        find_time_and_wait(fixture->log, &fixture->loop, &query);
        assert_int_equal(query.offsets[first.partition], second.offset);
        query.time_ms = 1000;
        find_time_and_wait(fixture->log, &fixture->loop, &query);
        assert_int_equal(query.offsets[first.partition], first.offset - 1);
    }
    event_log_time_query_clear(&query);
}

// Appends texts "0", "1", ...; returns a mask of those that were confirmed.
static unsigned append_some(struct log_fixture *fixture, enum event_log_stream stream,
                            unsigned count) {
    unsigned confirmed = 0;
    for (unsigned i = 0; i < count; i++) {
        char text[24];
        snprintf(text, sizeof text, "%u", i);
        struct record record = {
            .key = BYTES("key"), .value = bytes_of_text(text), .has_value = true};
        struct append_answer answer =
            append_and_wait(fixture->log, &fixture->loop, stream, &record);
        if (answer.taken == STATUS_OK && answer.status == STATUS_OK) {
            confirmed |= 1u << i;
        }
    }
    return confirmed;
}

static unsigned read_some(struct log_fixture *fixture, enum event_log_stream stream,
                          int64_t *position) {
    unsigned found = 0;
    struct event_log_slice slice = {.stream = stream, .from_offset = *position};
    int32_t count = event_log_partition_count(fixture->log, stream);
    for (slice.partition = 0; slice.partition < count && found == 0; slice.partition++) {
        read_slice(fixture, &slice);
        assert_int_equal(slice.status, STATUS_OK);
        for (size_t i = 0; i < slice.count; i++) {
            unsigned bit = 1u << (slice.records[i].record.value.data[0] - '0');
            assert_true(bit > found); // none twice, and in order
            found |= bit;
        }
        *position = found ? slice.next_offset : *position;
    }
    event_log_slice_clear(&slice);
    return found;
}

// What is confirmed is there, what failed is not, whichever append it is that fails.
static void the_nth_append_fails_alone(void **state) {
    struct log_fixture *fixture = *state;
    static const enum status failures[] = {STATUS_UNAVAILABLE, STATUS_FULL, STATUS_TIMEOUT,
                                           STATUS_TOO_LARGE};
    for (int i = 0; i < EVENT_LOG_STREAM_COUNT; i++) {
        enum event_log_stream stream = (enum event_log_stream)i;
        int64_t position = EVENT_LOG_BEGINNING;
        for (unsigned n = 1; n <= 8; n++) {
            event_log_memory_fail_append(fixture->log, stream, n, 1,
                                         failures[n % ARRAY_LENGTH(failures)]);
            unsigned confirmed = append_some(fixture, stream, 7);
            assert_int_equal(confirmed, 0x7f & ~(1u << (n - 1)));
            assert_int_equal(read_some(fixture, stream, &position), confirmed);
            event_log_memory_fail_append(fixture->log, stream, 1, 0, STATUS_OK);
        }
    }
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

static const struct CMUnitTest rules[] = {
    RULE(slices_follow_each_other_to_the_end),
    RULE(a_slice_begins_where_it_is_asked),
    RULE(a_slice_is_as_large_as_it_may_be_and_has_one_record_at_least),
    RULE(a_record_comes_back_as_it_was_appended),
    RULE(a_slice_that_waits_gets_the_first_record),
    RULE(a_slice_whose_time_is_up_is_answered_without_records),
    RULE(a_partition_that_is_not_there_is_not_found),
    RULE(a_closed_log_lets_no_slice_wait_and_takes_none),
    RULE(closing_answers_what_is_being_read),
    RULE(a_long_part_of_a_partition_comes_whole_and_in_order),
    RULE(many_followers_of_one_partition_miss_nothing),
    RULE(no_slice_goes_on_beyond_the_end_that_it_tells),
    RULE(slices_and_groups_do_not_see_each_other),
    RULE(every_stream_takes_records_and_gives_them_back),
    RULE(offsets_are_found_by_time),
};
static const struct CMUnitTest rules_with_faults[] = {
    RULE(the_nth_append_fails_alone),
};

int main(int argument_count, char **arguments) {
    if (argument_count > 1) {
        cmocka_set_test_filter(arguments[1]);
    }
    int failures = 0;
    for (kind = 0; kind < LOG_KIND_COUNT; kind++) {
        if (log_kind_name(kind)) {
            log_kind_start(kind);
            failures += cmocka_run_group_tests_name(log_kind_name(kind), rules, NULL, NULL);
            log_kind_stop(kind);
        }
    }
    kind = LOG_KIND_MEMORY;
    failures += cmocka_run_group_tests_name("memory, with faults", rules_with_faults, NULL, NULL);
    return failures > 0;
}
