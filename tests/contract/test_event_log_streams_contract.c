// What every kind of event log keeps of each stream: records, offsets by time, appends that fail.
#include "tests/contract/event_log_contract_test.h"

#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/memory.h"

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

static const struct CMUnitTest rules[] = {
    RULE(every_stream_takes_records_and_gives_them_back),
    RULE(offsets_are_found_by_time),
};
static const struct CMUnitTest rules_with_faults[] = {
    RULE(the_nth_append_fails_alone),
};

static int run_rules(const char *name) {
    return cmocka_run_group_tests_name(name, rules, NULL, NULL);
}

int main(int argument_count, char **arguments) {
    int failures = run_over_kinds(argument_count, arguments, run_rules);
    kind = LOG_KIND_MEMORY;
    failures += cmocka_run_group_tests_name("memory, with faults", rules_with_faults, NULL, NULL);
    return failures > 0;
}
