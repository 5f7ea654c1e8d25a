// Times as RFC 3339 writes them.
#include "core/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/memory.h"

static void timestamps_with_any_offset_and_fraction_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000001Z", 1},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2026-11-24T01:02:03.004005Z", INT64_C(1795482123004005)},
        {"2026-11-24t01:02:03z", INT64_C(1795482123000000)},
        {"2026-11-24T03:02:03+02:00", INT64_C(1795482123000000)},
        {"2026-11-23T19:32:03-05:30", INT64_C(1795482123000000)},
        {"2026-11-24T01:02:03-00:00", INT64_C(1795482123000000)},
        {"2026-11-24T01:02:03.5Z", INT64_C(1795482123500000)},
        {"2026-11-24T01:02:03.0000019999999999999999999Z", INT64_C(1795482123000001)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200000000)},
        {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000000)},
        {"2016-12-31T23:59:60.9Z", INT64_C(1483228800000000)},
        {"2017-01-01T00:59:60+01:00", INT64_C(1483228800000000)},
        {"1990-12-31T15:59:60-08:00", INT64_C(662688000000000)},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int64_t us = 12345;
        assert_int_equal(timestamp_parse(bytes_of_text(cases[i].text), &us), STATUS_OK);
        assert_true(us == cases[i].us);
    }
}

static void what_is_not_rfc_3339_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "2026-11-24",
        "2026-11-24T01:02:03",
        "2026-11-24 01:02:03Z",
        "2026-11-24T01:02Z",
        "2026-11-24T01:02:03.Z",
        "2026-11-24T01:02:03,5Z",
        "2026-11-24T01:02:03Z ",
        " 2026-11-24T01:02:03Z",
        "2026-11-24T01:02:03+0200",
        "2026-11-24T01:02:03+02",
        "2026-11-24T01:02:03+24:00",
        "2026-11-24T01:02:03+02:60",
        "2026-13-24T01:02:03Z",
        "2026-00-24T01:02:03Z",
        "2026-11-31T01:02:03Z",
        "2026-11-00T01:02:03Z",
        "2026-02-29T01:02:03Z",
        "1900-02-29T01:02:03Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T01:60:03Z",
        "2026-11-24T01:02:61Z",
        "2026-11-24T01:02:60Z",
        "2016-12-31T23:59:60+01:00",
        "26-11-24T01:02:03Z",
        "+2026-11-24T01:02:03Z",
        "12026-11-24T01:02:03Z",
        "2026-1-24T01:02:03Z",
        "2026-11-24T1:02:03Z",
        "2026-11-24T-1:02:03Z",
        "2026-11-24T01:02:03ZZ",
        "2026-11-24T01:02:03.5",
        "2026/11/24T01:02:03Z",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        int64_t us = 12345;
        assert_int_equal(timestamp_parse(bytes_of_text(texts[i]), &us), STATUS_INVALID);
        assert_int_equal(us, 12345);
    }
    int64_t us;
    assert_int_equal(timestamp_parse(BYTES("2026-11-24T01:02:03\0"), &us), STATUS_INVALID);
}

static void assert_formats(int64_t us, const char *expected) {
    char text[TIMESTAMP_TEXT_SIZE];
    timestamp_format(us, text);
    assert_string_equal(text, expected);
}

static void a_timestamp_shows_its_fraction_when_it_has_one(void **state) {
    (void)state;
    assert_formats(0, "1970-01-01T00:00:00Z");
    assert_formats(1, "1970-01-01T00:00:00.000001Z");
    assert_formats(-1, "1969-12-31T23:59:59.999999Z");
    assert_formats(INT64_C(1795482123004005), "2026-11-24T01:02:03.004005Z");
    assert_formats(INT64_C(951782400000000), "2000-02-29T00:00:00Z");
}

static void times_that_rfc_3339_cannot_say_are_shown_as_the_nearest(void **state) {
    (void)state;
    assert_formats(INT64_C(-62167219200000000), "0000-01-01T00:00:00Z");
    assert_formats(INT64_C(-62167219200000001), "0000-01-01T00:00:00Z");
    assert_formats(INT64_MIN, "0000-01-01T00:00:00Z");
    assert_formats(INT64_MAX, "9999-12-31T23:59:59.999999Z");
}

static void every_day_of_ten_thousand_years_survives_formatting(void **state) {
    (void)state;
    for (int64_t us = INT64_C(-62167219200000000); us < INT64_C(253402300800000000);
         us += INT64_C(86461000001)) {
        char text[TIMESTAMP_TEXT_SIZE];
        int64_t back = 0;
        timestamp_format(us, text);
        assert_int_equal(timestamp_parse(bytes_of_text(text), &back), STATUS_OK);
        assert_true(back == us);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timestamps_with_any_offset_and_fraction_are_read),
        cmocka_unit_test(what_is_not_rfc_3339_is_refused),
        cmocka_unit_test(a_timestamp_shows_its_fraction_when_it_has_one),
        cmocka_unit_test(times_that_rfc_3339_cannot_say_are_shown_as_the_nearest),
        cmocka_unit_test(every_day_of_ten_thousand_years_survives_formatting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
