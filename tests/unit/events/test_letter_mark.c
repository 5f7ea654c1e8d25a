#include "core/events/letter_mark.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/base/memory.h"

static void a_mark_comes_back_as_it_was_written(void **state) {
    (void)state;
    const struct letter_mark marks[] = {
        {LETTER_MARK_REDRIVEN, 0, 0, {0}},
        {LETTER_MARK_REDRIVEN, 3, 17, BYTES("0b9d")},
        {LETTER_MARK_DELETED, INT32_MAX, INT64_MAX, {0}},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++) {
        struct letter_mark_record encoded;
        struct letter_mark mark;
        letter_mark_encode(&marks[i], &encoded);
        assert_false(encoded.record.has_value);
        assert_int_equal(letter_mark_decode(&encoded.record, &mark), STATUS_OK);
        assert_int_equal(mark.kind, marks[i].kind);
        assert_int_equal(mark.partition, marks[i].partition);
        assert_int_equal(mark.offset, marks[i].offset);
        assert_true(bytes_equal(mark.redrive_id, marks[i].redrive_id));
    }
}

static enum status decode(const char *kind, const char *partition, const char *offset) {
    const struct http_header headers[] = {
        {BYTES("eglettermark"), bytes_of_text(kind)},
        {BYTES("egletterpartition"), bytes_of_text(partition)},
        {BYTES("egletteroffset"), bytes_of_text(offset)},
    };
    struct record record = {.headers = headers, .header_count = 3};
    struct letter_mark mark;
    return letter_mark_decode(&record, &mark);
}

static void a_mark_that_makes_no_sense_is_refused(void **state) {
    (void)state;
    assert_int_equal(decode("redriven", "1", "2"), STATUS_OK);
    assert_int_equal(decode("eaten", "1", "2"), STATUS_INVALID);
    assert_int_equal(decode("", "1", "2"), STATUS_INVALID);
    assert_int_equal(decode("deleted", "", "2"), STATUS_INVALID);
    assert_int_equal(decode("deleted", "-1", "2"), STATUS_INVALID);
    assert_int_equal(decode("deleted", "2147483648", "2"), STATUS_INVALID);
    assert_int_equal(decode("deleted", "1", "9223372036854775808"), STATUS_INVALID);
    assert_int_equal(decode("deleted", "1", "2 "), STATUS_INVALID);
}

static void what_has_no_mark_is_none(void **state) {
    (void)state;
    struct http_header header = {BYTES("ce_id"), BYTES("1")};
    struct record record = {.headers = &header, .header_count = 1};
    struct letter_mark mark;
    assert_int_equal(letter_mark_decode(&record, &mark), STATUS_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_comes_back_as_it_was_written),
        cmocka_unit_test(a_mark_that_makes_no_sense_is_refused),
        cmocka_unit_test(what_has_no_mark_is_none),
    };
    return cmocka_run_group_tests_name("letter_mark", tests, NULL, NULL);
}
