#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/memory.h"
#include "core/events/trace_context.h"

// What an event brings along: the request's headers, and the producer's extensions.
struct traced {
    const char *traceparent, *tracestate, *own_traceparent, *own_tracestate;
};

static const struct event *event_with(const struct traced *traced) {
    const struct event *event = NULL;
    struct event_context context = {.method = BYTES("POST"),
                                    .path = BYTES("/"),
                                    .traceparent = bytes_of_text(traced->traceparent),
                                    .tracestate = bytes_of_text(traced->tracestate)};
    struct event_builder *builder = event_builder_create();
    event_builder_set(builder, BYTES("id"), BYTES("1"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("source"), BYTES("/s"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("type"), BYTES("t"), EVENT_VALUE_STRING);
    if (traced->own_traceparent) {
        event_builder_set(builder, BYTES("traceparent"), bytes_of_text(traced->own_traceparent),
                          EVENT_VALUE_STRING);
    }
    if (traced->own_tracestate) {
        event_builder_set(builder, BYTES("tracestate"), bytes_of_text(traced->own_tracestate),
                          EVENT_VALUE_STRING);
    }
    event_builder_set_context(builder, &context);
    assert_int_equal(event_builder_finish_take(builder, &event, NULL), STATUS_OK);
    return event;
}

static void check_event(const struct traced *traced, uint64_t span_id, const char *traceparent,
                        const char *tracestate) {
    const struct event *event = event_with(traced);
    struct trace_context context = trace_context_of(event, 0xabc, 0xdef);
    char text[TRACEPARENT_TEXT_SIZE];
    trace_context_write(&context, span_id, text);
    assert_string_equal(text, traceparent);
    assert_true(bytes_equal_text(trace_state_of(event), tracestate));
    event_unref(event);
}

static void check(const char *traceparent, uint64_t span_id, const char *expected) {
    check_event(&(struct traced){.own_traceparent = traceparent}, span_id, expected, "");
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
    const struct event *event = event_with(&(struct traced){0});
    struct trace_context context = trace_context_of(event, 0, 0);
    char text[TRACEPARENT_TEXT_SIZE];
    trace_context_write(&context, 0, text);
    assert_string_equal(text, "00-00000000000000000000000000000001-0000000000000001-01");
    event_unref(event);
}

#define OF_REQUEST "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define OF_PRODUCER "00-11111111111111111111111111111111-2222222222222222-00"

static void the_requests_trace_comes_before_the_producers(void **state) {
    (void)state;
    struct traced both = {OF_REQUEST, "a=1", OF_PRODUCER, "b=2"};
    check_event(&both, 5, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000005-01", "a=1");
    struct traced producer = {"rubbish", "a=1", OF_PRODUCER, "b=2"};
    check_event(&producer, 5, "00-11111111111111111111111111111111-0000000000000005-00", "b=2");
}

static void a_tracestate_without_its_traceparent_is_dropped(void **state) {
    (void)state;
    struct traced request = {OF_REQUEST, NULL, OF_PRODUCER, "b=2"};
    check_event(&request, 5, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000005-01", "");
    struct traced none = {NULL, "a=1", NULL, "b=2"};
    check_event(&none, 5, "00-0000000000000abc0000000000000def-0000000000000005-01", "");
}

static void a_tracestate_is_visible_ascii_of_bounded_size(void **state) {
    (void)state;
    char large[514];
    memset(large, 'x', sizeof large);
    assert_true(trace_state_is_valid(BYTES("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")));
    assert_true(trace_state_is_valid((struct bytes){large, 512}));
    assert_false(trace_state_is_valid((struct bytes){large, 513}));
    assert_false(trace_state_is_valid(BYTES("")));
    assert_false(trace_state_is_valid(BYTES("a=1\r\nX: y")));
    assert_false(trace_state_is_valid(BYTES("a=\xc3\xa4")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_producers_trace_goes_on_with_a_new_span),
        cmocka_unit_test(a_later_version_is_read_and_answered_with_ours),
        cmocka_unit_test(what_is_no_traceparent_begins_a_new_trace),
        cmocka_unit_test(ids_are_never_zero),
        cmocka_unit_test(the_requests_trace_comes_before_the_producers),
        cmocka_unit_test(a_tracestate_without_its_traceparent_is_dropped),
        cmocka_unit_test(a_tracestate_is_visible_ascii_of_bounded_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
