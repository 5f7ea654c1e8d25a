#include "tests/unit/events/events_test.h"

static void the_header_names_the_type_and_the_body_is_the_data(void **state) {
    (void)state;
    const struct event *event =
        test_event("POST /\nEvent: user.created\nContent-Type: application/json\n\n{\"a\": 1}");
    assert_bytes(event->type, "user.created");
    assert_bytes(event->source, "/event-gateway");
    assert_bytes(event->time, "2026-11-24T02:14:05.004005Z");
    assert_bytes(event->datacontenttype, "application/json");
    assert_bytes(event->data, "{\"a\": 1}");
    assert_int_equal(event->id.size, 36);
    event_unref(event);
}

static void the_content_type_is_bytes_by_default(void **state) {
    (void)state;
    const struct event *event = test_event("POST /\nevent: e\n\nhey there");
    assert_bytes(event->datacontenttype, "application/octet-stream");
    assert_int_equal(event->data_kind, EVENT_DATA_BINARY);
    event_unref(event);
    event = test_event("POST /\nevent: e\n\n");
    assert_int_equal(event->data_kind, EVENT_DATA_NONE);
    event_unref(event);
}

#define INNER                                                                                      \
    "{\"eventType\":\"order\",\"cloudEventsVersion\":\"0.1\",\"source\":\"/mysource\","            \
    "\"eventID\":\"6f6ada3b\",\"contentType\":\"text/plain\",\"data\":\"cloudEventsVersion\"}"

static void a_body_that_is_an_event_is_that_event(void **state) {
    (void)state;
    const struct event *event =
        test_event("POST /\nEvent: myevent\nContent-Type: application/json\n\n" INNER);
    assert_bytes(event->type, "order");
    assert_bytes(event->id, "6f6ada3b");
    assert_bytes(event->source, "/mysource");
    assert_bytes(event->data, "cloudEventsVersion");
    assert_int_equal(event->context.received_us, RECEIVED_US);
    event_unref(event);
}

static void a_body_that_is_nearly_an_event_is_data(void **state) {
    (void)state;
    const char *const bodies[] = {
        "{\"cloudEventsVersion\":\"0.1\",\"eventType\":\"t\",\"source\":\"/s\"}",
        "{\"cloudEventsVersion\":\"0.1\",\"eventType\":\"t\",\"source\":\"a b\",\"eventID\":\"1\"}",
        "{\"cloudEventsVersion\":\"0.1\",\"eventType\":7}",
        "\"cloudEventsVersion\"",
        "[\"cloudEventsVersion\"]",
        "{\"cloudEventsVersion\"",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "POST /\nEvent: e\nContent-Type: application/json\n\n%s",
                 bodies[i]);
        const struct event *event = test_event(text);
        assert_bytes(event->type, "e");
        assert_bytes(event->data, bodies[i]);
        assert_int_equal(event->extension_count, 0);
        event_unref(event);
    }
    const struct event *event = test_event("POST /\nEvent: e\nContent-Type: text/plain\n\n" INNER);
    assert_bytes(event->type, "e");
    event_unref(event);
}

static void a_type_that_breaks_a_rule_is_refused(void **state) {
    (void)state;
    test_refused("POST /\nEvent: caf\xe9\n\n", 400, "type");
    test_refused("POST /\nEvent: e\nContent-Type: a\nContent-Type: b\n\n", 400, "twice");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_names_the_type_and_the_body_is_the_data),
        cmocka_unit_test(the_content_type_is_bytes_by_default),
        cmocka_unit_test(a_body_that_is_an_event_is_that_event),
        cmocka_unit_test(a_body_that_is_nearly_an_event_is_data),
        cmocka_unit_test(a_type_that_breaks_a_rule_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
