#include "core/event_log/record_slice.h"

#include "core/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void headers_come_back_as_they_were(void **state) {
    (void)state;
    const struct http_header headers[] = {
        {BYTES("ce_id"), BYTES("a\0b")}, {BYTES(""), BYTES("")}, {BYTES("ce_id"), BYTES("\xff")}};
    struct record record = {.headers = headers, .header_count = ARRAY_LENGTH(headers)};
    struct buffer encoded = {0};
    record_headers_encode(&record, &encoded);
    struct record_slice slice = {0};
    struct record decoded = {0};
    assert_int_equal(record_headers_decode(buffer_bytes(&encoded), &slice, &decoded), STATUS_OK);
    assert_int_equal(decoded.header_count, ARRAY_LENGTH(headers));
    for (size_t i = 0; i < ARRAY_LENGTH(headers); i++) {
        assert_true(bytes_equal(decoded.headers[i].name, headers[i].name));
        assert_true(bytes_equal(decoded.headers[i].value, headers[i].value));
    }
    record_slice_clear(&slice);
    buffer_clear(&encoded);
}

static void broken_headers_are_refused(void **state) {
    (void)state;
    const struct bytes broken[] = {
        BYTES(""),
        BYTES("\1\0\0"),
        BYTES("\1\0\0\0"),                                 // the header is missing
        BYTES("\xff\xff\xff\xff"),                         // far more than there is
        BYTES("\1\0\0\0\2\0\0\0n"),                        // a name that is cut
        BYTES("\1\0\0\0\1\0\0\0n\xff\xff\xff\xff"),        // a value beyond the end
        BYTES("\0\0\0\0x"),                                // bytes left over
        BYTES("\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0"), // the second one is cut
    };
    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        struct record_slice slice = {0};
        struct record decoded = {0};
        assert_int_equal(record_headers_decode(broken[i], &slice, &decoded), STATUS_INVALID);
        record_slice_clear(&slice);
    }
}

static void a_copy_shares_nothing_with_its_record(void **state) {
    (void)state;
    char key[] = "key", value[] = "value", name[] = "name";
    struct http_header header = {bytes_of_text(name), bytes_of_text(value)};
    struct record record = {.key = bytes_of_text(key),
                            .headers = &header,
                            .header_count = 1,
                            .value = bytes_of_text(value),
                            .has_value = true};
    struct record_slice slice = {0};
    struct record copy;
    record_slice_copy(&slice, &record, &copy);
    memset(key, 'x', 3);
    memset(value, 'x', 5);
    memset(name, 'x', 4);
    assert_true(bytes_equal_text(copy.key, "key"));
    assert_true(bytes_equal_text(copy.value, "value"));
    assert_true(bytes_equal_text(copy.headers[0].name, "name"));
    assert_true(copy.has_value);
    record_slice_clear(&slice);
}

static void a_slice_is_used_again_after_a_reset(void **state) {
    (void)state;
    struct record_slice slice = {0};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            memset(record_slice_allocate(&slice, 300), round, 300);
            record_slice_add(&slice)->offset = i;
        }
        // Larger than any block.
        memset(record_slice_allocate(&slice, 1 << 20), round, 1 << 20);
        assert_int_equal(slice.count, 1000);
        assert_int_equal(slice.records[999].offset, 999);
        record_slice_reset(&slice);
        assert_int_equal(slice.count, 0);
    }
    record_slice_clear(&slice);
}

int main(void) {
    const struct CMUnitTest rules[] = {
        cmocka_unit_test(headers_come_back_as_they_were),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(a_copy_shares_nothing_with_its_record),
        cmocka_unit_test(a_slice_is_used_again_after_a_reset),
    };
    return cmocka_run_group_tests_name("record_slice", rules, NULL, NULL);
}
