#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/memory.h"
#include "dispatcher/trace_context.h"

static void check(const char *traceparent, uint64_t span_id, const char *expected) {
    struct trace_context context = trace_context_of(bytes_of_text(traceparent), 0xabc, 0xdef);
    char text[TRACEPARENT_TEXT_SIZE];
    trace_context_write(&context, span_id, text);
    assert_string_equal(text, expected);
}

static void the_producers_trace_goes_on_with_a_new_span(void **state) {
    (void)state;
    check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 0x1234,
          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000001234-01");
    check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", 0x1234,
          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000001234-00");
}

static void a_later_version_is_read_and_answered_with_ours(void **state) {
    (void)state;
    check("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes", 2,
          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000002-01");
    check("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", 2,
          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000002-03");
}

static void what_is_no_traceparent_begins_a_new_trace(void **state) {
    (void)state;
    static const char *const broken[] = {
        "",
        "00",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",   // upper case
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",   // no trace
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",   // no parent
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",   // version that is none
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", // 00 has no more
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        check(broken[i], 7, "00-0000000000000abc0000000000000def-0000000000000007-01");
    }
}

static void ids_are_never_zero(void **state) {
    (void)state;
    struct trace_context context = trace_context_of(BYTES(""), 0, 0);
    char text[TRACEPARENT_TEXT_SIZE];
    trace_context_write(&context, 0, text);
    assert_string_equal(text, "00-00000000000000000000000000000001-0000000000000001-01");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_producers_trace_goes_on_with_a_new_span),
        cmocka_unit_test(a_later_version_is_read_and_answered_with_ours),
        cmocka_unit_test(what_is_no_traceparent_begins_a_new_trace),
        cmocka_unit_test(ids_are_never_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
