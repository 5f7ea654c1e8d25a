#include "core/base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_status_has_a_name_of_its_own(void **state) {
    (void)state;
    for (enum status a = STATUS_OK; a <= STATUS_FAILED; a++) {
        assert_string_not_equal(status_name(a), "unknown");
        for (enum status b = STATUS_OK; b < a; b++) {
            assert_string_not_equal(status_name(a), status_name(b));
        }
    }
    assert_string_equal(status_name(STATUS_TOO_LARGE), "too large");
}

static void setting_an_error_returns_its_status(void **state) {
    (void)state;
    struct error error = {0};
    assert_int_equal(error_set(&error, STATUS_FULL, "queue %d is full", 7), STATUS_FULL);
    assert_string_equal(error.text, "queue 7 is full");
    assert_int_equal(error_set(NULL, STATUS_INVALID, "nobody listens"), STATUS_INVALID);
}

static void a_prefix_stands_in_front(void **state) {
    (void)state;
    struct error error = {0};
    (void)error_set(&error, STATUS_INVALID, "reason");
    error_prefix(&error, "line %d", 3);
    error_prefix(&error, "file");
    assert_string_equal(error.text, "file: line 3: reason");
    error_prefix(NULL, "nobody listens");
}

static void texts_that_are_too_long_are_cut_and_end_in_a_nul(void **state) {
    (void)state;
    struct error error = {0};
    char text[2 * sizeof error.text];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)error_set(&error, STATUS_INVALID, "%s", text);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
    error_prefix(&error, "place");
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
    assert_memory_equal(error.text, "place: xxx", 10);
    error_prefix(&error, "%s", text);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_of_its_own),
        cmocka_unit_test(setting_an_error_returns_its_status),
        cmocka_unit_test(a_prefix_stands_in_front),
        cmocka_unit_test(texts_that_are_too_long_are_cut_and_end_in_a_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
