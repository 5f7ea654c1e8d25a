// What dispatchers of a test have written in the stream of cursors, and what somebody wrote there
// before them.
#ifndef EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_CURSOR_RECORDS_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_CURSOR_RECORDS_TEST_H

#include "core/cursors/cursor_record.h"
#include "tests/unit/dispatcher/dispatcher_log_test.h"

// The newest record of a live position of the stream.
static inline bool test_read_live(struct dispatcher_test *test, enum cursor_stream stream,
                                  struct cursor_record *ret_record) {
    struct event_log_slice slice = {
        .stream = EVENT_LOG_CURSORS, .from_offset = EVENT_LOG_BEGINNING, .max_records = 10000};
    bool is_found = false;
    read_and_wait(test->log, &test->server_loop, &slice);
    assert_int_equal(slice.status, STATUS_OK);
    for (size_t i = slice.count; i > 0 && !is_found; i--) {
        const struct record *record = &slice.records[i - 1].record;
        struct cursor_record parsed;
        if (record->has_value && cursor_record_parse(record->value, &parsed, NULL) == STATUS_OK) {
            is_found = parsed.kind == CURSOR_LIVE && parsed.stream == stream;
            if (is_found) {
                *ret_record = parsed;
            } else {
                cursor_record_clear(&parsed);
            }
        }
    }
    event_log_slice_clear(&slice);
    return is_found;
}

static inline void test_write_cursor(struct dispatcher_test *test,
                                     const struct cursor_record *record) {
    struct buffer key = {0};
    struct buffer value = {0};
    struct cursor_key parts;
    cursor_record_key(record, &parts);
    cursor_key_write(&parts, &key);
    cursor_record_write(record, &value);
    struct record stored = {
        .key = buffer_bytes(&key), .has_value = true, .value = buffer_bytes(&value)};
    test_append(test, EVENT_LOG_CURSORS, &stored);
    buffer_clear(&key);
    buffer_clear(&value);
}

#endif
