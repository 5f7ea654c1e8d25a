#include "tests/unit/events/events_test.h"

#include "core/events/causation_depth.h"

#define PLAIN "POST /\nEvent: t\n\n"

static const struct event *event_with_depth(const char *depth) {
    const struct event *event = NULL;
    struct event_builder *builder = event_builder_create();
    event_builder_set(builder, BYTES("id"), BYTES("1"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("source"), BYTES("/s"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("type"), BYTES("t"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("causationdepth"), bytes_of_text(depth), EVENT_VALUE_STRING);
    assert_int_equal(event_builder_finish_take(builder, &event, NULL), STATUS_OK);
    return event;
}

static void assert_depth(const char *extension, uint32_t depth, const char *next) {
    char text[CAUSATION_DEPTH_TEXT_SIZE];
    const struct event *event = extension ? event_with_depth(extension) : test_event(PLAIN);
    assert_int_equal(causation_depth_of(event), depth);
    causation_depth_write_next(event, text);
    assert_string_equal(text, next);
    event_unref(event);
}

static void an_event_without_a_readable_depth_has_none(void **state) {
    (void)state;
    assert_depth(NULL, 0, "1");
    assert_depth("", 0, "1");
    assert_depth("many", 0, "1");
    assert_depth("-3", 0, "1");
    assert_depth("1.5", 0, "1");
    assert_depth("99999999999", 0, "1");
}

static void the_next_depth_is_one_more(void **state) {
    (void)state;
    assert_depth("0", 0, "1");
    assert_depth("15", 15, "16");
    assert_depth("16", 16, "17");
    assert_depth("2147483647", 2147483647, "2147483647");
}

static void a_header_makes_an_event_deeper_but_never_less_deep(void **state) {
    (void)state;
    struct error error = {{0}};
    const struct event *event = test_event(PLAIN);
    assert_int_equal(causation_depth_take(&event, BYTES(" 3 "), &error), STATUS_OK);
    assert_extension(event, "causationdepth", "3", EVENT_VALUE_INTEGER);
    assert_bytes(event->type, "t");
    assert_int_equal(causation_depth_take(&event, BYTES("2"), &error), STATUS_OK);
    assert_int_equal(causation_depth_of(event), 3);
    event_unref(event);
}

static void a_header_that_is_no_number_is_refused(void **state) {
    (void)state;
    static const char *const headers[] = {"", "x", "-1", "1x", "007", "4294967296", "1e3"};
    const struct event *event = test_event(PLAIN);
    const struct event *before = event;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct error error = {{0}};
        assert_int_equal(causation_depth_take(&event, bytes_of_text(headers[i]), &error),
                         STATUS_INVALID);
        assert_non_null(strstr(error.text, "Event-Gateway-Causation-Depth"));
        assert_ptr_equal(event, before);
    }
    event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_without_a_readable_depth_has_none),
        cmocka_unit_test(the_next_depth_is_one_more),
        cmocka_unit_test(a_header_makes_an_event_deeper_but_never_less_deep),
        cmocka_unit_test(a_header_that_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
