#include "tests/unit/events/events_test.h"

static enum event_dialect dialect_of(const char *text) {
    struct test_request request;
    test_request_parse(text, &request);
    enum event_dialect dialect = EVENT_DIALECT_REQUEST;
    unsigned http_status = 0;
    struct error error;
    assert_int_equal(event_http_dialect(&request.request, &dialect, &http_status, &error),
                     STATUS_OK);
    return dialect;
}

static void the_content_type_decides_before_all_other_headers(void **state) {
    (void)state;
    assert_int_equal(dialect_of("POST /\nContent-Type: application/cloudevents-batch+json\n"
                                "ce-specversion: 1.0\nEvent: x\n\n[]"),
                     EVENT_DIALECT_BATCH);
    assert_int_equal(dialect_of("POST /\ncontent-type: Application/CloudEvents+JSON; charset=UTF-8"
                                "\nce-specversion: 1.0\nEvent: invoke\n\n{}"),
                     EVENT_DIALECT_STRUCTURED);
}

static void binary_mode_decides_before_the_event_header(void **state) {
    (void)state;
    assert_int_equal(dialect_of("POST /\nCE-SpecVersion: 1.0\nEvent: x\n\n"),
                     EVENT_DIALECT_BINARY_1_0);
    assert_int_equal(dialect_of("POST /\nCE-EventType: t\nCE-CloudEventsVersion: 0.1\n"
                                "CE-Source: s\nCE-EventID: 1\nEvent: x\n\n"),
                     EVENT_DIALECT_BINARY_0_1);
    // One of the four is missing.
    assert_int_equal(dialect_of("POST /\nCE-EventType: t\nCE-CloudEventsVersion: 0.1\n"
                                "CE-Source: s\nEvent: x\n\n"),
                     EVENT_DIALECT_CUSTOM);
}

static void the_event_header_tells_calls_and_custom_events(void **state) {
    (void)state;
    assert_int_equal(dialect_of("POST /\nevent: invoke\nFunction-ID: f\n\n"), EVENT_DIALECT_INVOKE);
    assert_int_equal(dialect_of("POST /\nEvent: user.created\n\n"), EVENT_DIALECT_CUSTOM);
    assert_int_equal(dialect_of("POST /\nEvent: Invoke\n\n"), EVENT_DIALECT_CUSTOM);
}

static void everything_else_is_a_request(void **state) {
    (void)state;
    assert_int_equal(dialect_of("GET /users?x=1\nHost: a\n\n"), EVENT_DIALECT_REQUEST);
    assert_int_equal(dialect_of("GET /users\nEvent: \nContent-Type: application/json\n\n{}"),
                     EVENT_DIALECT_REQUEST);
}

static void unknown_event_formats_are_refused_with_415(void **state) {
    (void)state;
    test_refused("POST /\nContent-Type: application/cloudevents+avro\n\nx", 415, "+avro");
    test_refused("POST /\nContent-Type: application/cloudevents-batch+avro\n\nx", 415, "+avro");
    test_refused("POST /\nContent-Type: application/cloudevents\n\n{}", 415, "cloudevents");
}

#define BATCH "POST /\nContent-Type: application/cloudevents-batch+json\n\n"
#define ELEMENT(id) "{\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"/s\",\"type\":\"t\"}"

static void a_batch_gives_its_events_in_order(void **state) {
    (void)state;
    struct event_list list = {0};
    unsigned http_status = 0;
    struct error error;
    assert_int_equal(
        test_decode(BATCH "[" ELEMENT("a") "," ELEMENT("b") "]", &list, &http_status, &error),
        STATUS_OK);
    assert_int_equal(list.count, 2);
    for (size_t i = 0; list.events && i < list.count; i++) {
        assert_bytes(list.events[i]->id, i == 0 ? "a" : "b");
        assert_int_equal(list.events[i]->context.received_us, RECEIVED_US);
    }
    event_list_clear(&list);
    assert_int_equal(list.count, 0);
}

static void a_batch_may_be_empty(void **state) {
    (void)state;
    struct event_list list = {0};
    unsigned http_status = 0;
    struct error error;
    assert_int_equal(test_decode(BATCH "[]", &list, &http_status, &error), STATUS_OK);
    assert_int_equal(list.count, 0);
    event_list_clear(&list);
}

static void a_malformed_event_refuses_the_batch_and_is_named(void **state) {
    (void)state;
    test_refused(BATCH "[" ELEMENT("a") "," ELEMENT("") "]", 400, "index 1");
    test_refused(BATCH "[" ELEMENT("a") "," ELEMENT("b") ",7]", 400, "index 2");
    test_refused(BATCH "[" ELEMENT("a") ",", 400, "");
    test_refused(BATCH ELEMENT("a"), 400, "");
    test_refused(BATCH, 400, "empty");
    test_refused(BATCH "[{\"cloudEventsVersion\":\"0.1\",\"eventType\":\"t\",\"eventID\":\"1\","
                       "\"source\":\"/s\"}]",
                 400, "index 0");
}

static char *batch_of(size_t count) {
    struct buffer text = {0};
    buffer_append_text(&text, BATCH "[");
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&text, i == 0 ? ELEMENT("a") : "," ELEMENT("a"));
    }
    buffer_append_text(&text, "]");
    return buffer_take(&text);
}

static void a_batch_holds_at_most_a_thousand_events(void **state) {
    (void)state;
    struct event_list list = {0};
    unsigned http_status = 0;
    struct error error;
    char *text = batch_of(EVENT_BATCH_MAX);
    assert_int_equal(test_decode(text, &list, &http_status, &error), STATUS_OK);
    assert_int_equal(list.count, EVENT_BATCH_MAX);
    event_list_clear(&list);
    free(text);
    text = batch_of(EVENT_BATCH_MAX + 1);
    test_refused(text, 413, "1000");
    free(text);
}

static void a_call_is_not_decoded(void **state) {
    (void)state;
    test_refused("POST /\nEvent: invoke\n\n", 400, "call");
}

static void an_event_carries_the_context_of_its_request(void **state) {
    (void)state;
    const struct event *event = test_event("PUT /orders\nce-specversion: 1.0\nce-id: 1\n"
                                           "ce-source: /s\nce-type: t\n\n");
    assert_bytes(event->context.method, "PUT");
    assert_bytes(event->context.path, "/orders");
    assert_bytes(event->context.space, "");
    assert_int_equal(event->context.received_us, RECEIVED_US);
    event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_content_type_decides_before_all_other_headers),
        cmocka_unit_test(binary_mode_decides_before_the_event_header),
        cmocka_unit_test(the_event_header_tells_calls_and_custom_events),
        cmocka_unit_test(everything_else_is_a_request),
        cmocka_unit_test(unknown_event_formats_are_refused_with_415),
        cmocka_unit_test(a_batch_gives_its_events_in_order),
        cmocka_unit_test(a_batch_may_be_empty),
        cmocka_unit_test(a_malformed_event_refuses_the_batch_and_is_named),
        cmocka_unit_test(a_batch_holds_at_most_a_thousand_events),
        cmocka_unit_test(a_call_is_not_decoded),
        cmocka_unit_test(an_event_carries_the_context_of_its_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
