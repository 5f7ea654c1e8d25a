#include "tests/unit/events/events_test.h"

#define BINARY "POST /\nce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\n"

static void headers_become_attributes_whatever_their_case(void **state) {
    (void)state;
    const struct event *event =
        test_event("POST /\nCe-Specversion: 1.0\nCE-ID: A-1\nce-source: /shop\nCe-Type: order\n"
                   "ce-Subject: s\nce-time: 2018-04-05T17:31:00Z\nce-dataschema: urn:x\n"
                   "CE-MyExtension: Value\nContent-Type: text/plain\nOther: x\n\nhello");
    assert_bytes(event->id, "A-1");
    assert_bytes(event->source, "/shop");
    assert_bytes(event->type, "order");
    assert_bytes(event->subject, "s");
    assert_bytes(event->time, "2018-04-05T17:31:00Z");
    assert_bytes(event->dataschema, "urn:x");
    assert_bytes(event->datacontenttype, "text/plain");
    assert_bytes(event->data, "hello");
    assert_int_equal(event->data_kind, EVENT_DATA_TEXT);
    assert_int_equal(event->extension_count, 1);
    assert_extension(event, "myextension", "Value", EVENT_VALUE_STRING);
    event_unref(event);
}

static void assert_value(const char *header, const char *expected) {
    char text[512];
    snprintf(text, sizeof text, BINARY "ce-x: %s\n\n", header);
    const struct event *event = test_event(text);
    assert_extension(event, "x", expected, EVENT_VALUE_STRING);
    event_unref(event);
}

static void values_lose_one_round_of_percent_encoding(void **state) {
    (void)state;
    assert_value("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_value("Euro%20%e2%82%ac", "Euro \xe2\x82\xac");
    assert_value("%2541", "%41");
    assert_value("%41%62", "Ab");
    assert_value("50%", "50%");
    assert_value("a%zz%4", "a%zz%4");
    assert_value("a+b", "a+b");
}

static void values_lose_their_quotes(void **state) {
    (void)state;
    assert_value("\"a b\"", "a b");
    assert_value("\"a \\\"b\\\" \\\\ c\"", "a \"b\" \\ c");
    assert_value("\"a%20b\"", "a b");
    assert_value("\"\"", "");
    assert_value("a\"b", "a\"b");
    assert_value("\"a\"b", "\"a\"b");
    assert_value("\"", "\"");
    assert_value("{\"a\":1}", "{\"a\":1}");
}

static void values_that_are_not_utf8_are_refused(void **state) {
    (void)state;
    test_refused(BINARY "ce-x: %C0%A0\n\n", 400, "UTF-8");
    test_refused(BINARY "ce-x: %ff\n\n", 400, "\"x\"");
    test_refused(BINARY "ce-subject: caf\xe9\n\n", 400, "subject");
    test_refused(BINARY "ce-x: a%0Ab\n\n", 400, "control");
}

static void raw_utf8_is_taken_as_it_is(void **state) {
    (void)state;
    assert_value("\xe2\x82\xac", "\xe2\x82\xac");
}

static void an_attribute_given_twice_is_refused(void **state) {
    (void)state;
    test_refused(BINARY "ce-x: 1\nCE-X: 1\n\n", 400, "\"x\" is given twice");
    test_refused(BINARY "ce-id: 2\n\n", 400, "\"id\" is given twice");
    test_refused(BINARY "ce-specversion: 1.0\n\n", 400, "twice");
    test_refused(BINARY "Content-Type: a/b\nContent-Type: a/b\n\nx", 400, "twice");
}

static void the_content_type_cannot_be_an_attribute(void **state) {
    (void)state;
    test_refused(BINARY "ce-datacontenttype: text/plain\n\n", 400, "ce-datacontenttype");
}

static void names_that_are_no_attributes_are_refused(void **state) {
    (void)state;
    test_refused(BINARY "ce-data: x\n\n", 400, "data");
    test_refused(BINARY "ce-my-thing: x\n\n", 400, "my-thing");
    test_refused(BINARY "ce-data_base64: x\n\n", 400, "data_base64");
    test_refused(BINARY "ce-: x\n\n", 400, "name");
}

static void the_gateways_own_names_are_refused(void **state) {
    (void)state;
    const char *const names[] = {"egspace",        "egmethod", "egpath",   "egsync",
                                 "egreceivedtime", "egtypes",  "eglegacy", "egheaders",
                                 "egdlany",        "egrtany",  "EGSpace"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, BINARY "ce-%s: x\n\n", names[i]);
        test_refused(text, 400, "reserved");
    }
    event_unref(test_event(BINARY "ce-eggs: x\n\n"));
}

static void required_attributes_must_be_there(void **state) {
    (void)state;
    test_refused("POST /\nce-specversion: 1.0\nce-source: /s\nce-type: t\n\n", 400, "\"id\"");
    test_refused("POST /\nce-specversion: 1.0\nce-id: 1\nce-type: t\n\n", 400, "\"source\"");
    test_refused("POST /\nce-specversion: 1.0\nce-id: 1\nce-source: /s\n\n", 400, "\"type\"");
    test_refused("POST /\nce-specversion: 1.0\nce-id:\nce-source: /s\nce-type: t\n\n", 400,
                 "\"id\" is empty");
    test_refused(BINARY "ce-subject:\n\n", 400, "\"subject\" is empty");
    test_refused("POST /\nce-specversion: 0.3\nce-id: 1\nce-source: /s\nce-type: t\n\n", 400,
                 "specversion \"0.3\"");
}

static void attributes_are_limited_in_number(void **state) {
    (void)state;
    enum {
        HEADERS = 1010
    };
    static struct http_header headers[HEADERS];
    static char names[HEADERS][16];
    for (size_t i = 0; i < HEADERS; i++) {
        snprintf(names[i], sizeof names[i], "ce-n%zu", i);
        headers[i] = (struct http_header){bytes_of_text(names[i]), BYTES("1")};
    }
    headers[0] = (struct http_header){BYTES("ce-specversion"), BYTES("1.0")};
    headers[1] = (struct http_header){BYTES("ce-id"), BYTES("1")};
    headers[2] = (struct http_header){BYTES("ce-source"), BYTES("/s")};
    headers[3] = (struct http_header){BYTES("ce-type"), BYTES("t")};
    struct event_http_request request = {
        .method = BYTES("POST"), .path = BYTES("/"), .headers = headers, .header_count = HEADERS};
    struct event_http_options options = test_options(&request);
    struct event_list list = {0};
    unsigned http_status = 0;
    struct error error;
    assert_int_equal(event_http_decode(&request, EVENT_DIALECT_BINARY_1_0, &options, &list,
                                       &http_status, &error),
                     STATUS_INVALID);
    assert_non_null(strstr(error.text, "1000"));
    request.header_count = 1004;
    assert_int_equal(event_http_decode(&request, EVENT_DIALECT_BINARY_1_0, &options, &list,
                                       &http_status, &error),
                     STATUS_OK);
    assert_int_equal(list.events[0]->extension_count, 1000);
    event_list_clear(&list);
}

static void the_body_is_the_data_as_it_came(void **state) {
    (void)state;
    const struct event *event =
        test_event(BINARY "Content-Type: application/json\n\n{ \"b\": 1.50, \"a\": 1e400 }");
    assert_bytes(event->data, "{ \"b\": 1.50, \"a\": 1e400 }");
    assert_int_equal(event->data_kind, EVENT_DATA_JSON);
    event_unref(event);
    event = test_event(BINARY "Content-Type: application/json\n\nnot json");
    assert_int_equal(event->data_kind, EVENT_DATA_BINARY);
    event_unref(event);
    event = test_event(BINARY "\nbytes");
    assert_bytes(event->datacontenttype, "");
    assert_int_equal(event->data_kind, EVENT_DATA_BINARY);
    event_unref(event);
}

static void an_empty_body_is_no_data(void **state) {
    (void)state;
    const struct event *event = test_event(BINARY "Content-Type: text/plain\n\n");
    assert_int_equal(event->data_kind, EVENT_DATA_NONE);
    assert_bytes(event->datacontenttype, "text/plain");
    event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_become_attributes_whatever_their_case),
        cmocka_unit_test(values_lose_one_round_of_percent_encoding),
        cmocka_unit_test(values_lose_their_quotes),
        cmocka_unit_test(values_that_are_not_utf8_are_refused),
        cmocka_unit_test(raw_utf8_is_taken_as_it_is),
        cmocka_unit_test(an_attribute_given_twice_is_refused),
        cmocka_unit_test(the_content_type_cannot_be_an_attribute),
        cmocka_unit_test(names_that_are_no_attributes_are_refused),
        cmocka_unit_test(the_gateways_own_names_are_refused),
        cmocka_unit_test(required_attributes_must_be_there),
        cmocka_unit_test(attributes_are_limited_in_number),
        cmocka_unit_test(the_body_is_the_data_as_it_came),
        cmocka_unit_test(an_empty_body_is_no_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
