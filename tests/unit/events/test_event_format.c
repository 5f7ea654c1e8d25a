#include "tests/unit/events/events_test.h"

static const struct event *event_of(const char *content_type, const char *body) {
    char text[1024];
    snprintf(text, sizeof text,
             "POST /\nce-specversion: 1.0\nce-id: a%%20b\nce-source: /s\nce-type: t\n"
             "ce-subject: Euro%%20%%E2%%82%%AC%%20%%22%%25\nce-x: 1\n%s\n%s",
             content_type, body);
    return test_event(text);
}

#define JSON_TYPE "Content-Type: application/json\n"

static void formats_have_names(void **state) {
    (void)state;
    for (int i = 0; i <= EVENT_FORMAT_CLASSIC; i++) {
        enum event_format format = EVENT_FORMAT_CLASSIC;
        assert_int_equal(
            event_format_parse(bytes_of_text(event_format_name((enum event_format)i)), &format),
            STATUS_OK);
        assert_int_equal(format, i);
    }
    enum event_format format;
    assert_int_equal(event_format_parse(BYTES("cloudevents/2.0"), &format), STATUS_INVALID);
    assert_int_equal(event_format_parse(BYTES(""), &format), STATUS_INVALID);
}

static void assert_written(const struct event *event, enum event_format format,
                           const char *content_type, const char *body) {
    struct event_message message;
    event_format_write(event, format, NULL, BYTES(""), &message);
    assert_int_equal(message.header_count, 1);
    assert_bytes(message_header(&message, "Content-Type"), content_type);
    assert_json(message.body, body);
    event_message_clear(&message);
}

static void structured_events_embed_json(void **state) {
    (void)state;
    const struct event *event = event_of(JSON_TYPE, "{\"a\": 1.50}");
    assert_written(event, EVENT_FORMAT_CLOUDEVENTS_1_0, "application/cloudevents+json",
                   "{\"specversion\":\"1.0\",\"id\":\"a b\",\"source\":\"/s\",\"type\":\"t\","
                   "\"subject\":\"Euro \xe2\x82\xac \\\"%\",\"x\":\"1\",\"datacontenttype\":"
                   "\"application/json\",\"data\":{\"a\":1.50}}");
    event_unref(event);
}

static void data_is_embedded_by_its_kind(void **state) {
    (void)state;
    static const struct {
        const char *content_type;
        const char *body;
        const char *text; // as a member in the classic format
    } cases[] = {
        {JSON_TYPE, "[1]", "[1]"},
        {JSON_TYPE, "oops", "\"b29wcw==\""},
        {"Content-Type: text/plain\n", "a\"b", "\"a\\\"b\""},
        {"Content-Type: application/x-www-form-urlencoded\n", "some=thing", "\"some=thing\""},
        {"Content-Type: application/octet-stream\n", "some=thing", "\"c29tZT10aGluZw==\""},
        {"Content-Type: text/plain\n", "\xff", "\"/w==\""},
        {"Content-Type: text/plain\n", "", "\"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct event *event = event_of(cases[i].content_type, cases[i].body);
        char type[128] = {0};
        memcpy(type, event->datacontenttype.data, event->datacontenttype.size);
        char expected[512];
        snprintf(expected, sizeof expected,
                 "{\"event\":\"t\",\"id\":\"a b\",\"receivedAt\":1795486445004,\"data\":%s,"
                 "\"dataType\":\"%s\"}",
                 cases[i].text, type);
        assert_written(event, EVENT_FORMAT_CLASSIC, "application/json", expected);
        event_unref(event);
    }
}

static void classic_events_without_a_type_of_data_say_bytes(void **state) {
    (void)state;
    const struct event *event = event_of("", "x");
    assert_written(event, EVENT_FORMAT_CLASSIC, "application/json",
                   "{\"event\":\"t\",\"id\":\"a b\",\"receivedAt\":1795486445004,\"data\":"
                   "\"eA==\",\"dataType\":\"application/octet-stream\"}");
    event_unref(event);
}

static void binary_events_have_encoded_headers_and_the_bytes(void **state) {
    (void)state;
    const struct event *event = event_of("Content-Type: image/png\n", "\x89PNG");
    struct event_message message;
    event_format_write(event, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, NULL, BYTES(""), &message);
    assert_int_equal(message.header_count, 7);
    assert_bytes(message_header(&message, "Content-Type"), "image/png");
    assert_bytes(message_header(&message, "ce-specversion"), "1.0");
    assert_bytes(message_header(&message, "ce-id"), "a%20b");
    assert_bytes(message_header(&message, "ce-subject"), "Euro%20%E2%82%AC%20%22%25");
    assert_bytes(message_header(&message, "ce-source"), "/s");
    assert_bytes(message_header(&message, "ce-type"), "t");
    assert_bytes(message_header(&message, "ce-x"), "1");
    assert_bytes(message.body, "\x89PNG");
    event_message_clear(&message);
    event_unref(event);
}

static void binary_events_without_data_go_structured(void **state) {
    (void)state;
    const struct event *event = event_of(JSON_TYPE, "");
    assert_written(event, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, "application/cloudevents+json",
                   "{\"specversion\":\"1.0\",\"id\":\"a b\",\"source\":\"/s\",\"type\":\"t\","
                   "\"subject\":\"Euro \xe2\x82\xac \\\"%\",\"x\":\"1\",\"datacontenttype\":"
                   "\"application/json\"}");
    event_unref(event);
}

static void binary_events_always_have_a_content_type(void **state) {
    (void)state;
    const struct event *event = event_of("", "x");
    struct event_message message;
    event_format_write(event, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, NULL, BYTES(""), &message);
    assert_bytes(message_header(&message, "Content-Type"), "application/octet-stream");
    event_message_clear(&message);
    event_unref(event);
}

static void what_is_written_outlives_the_event(void **state) {
    (void)state;
    const struct event *event = event_of(JSON_TYPE, "[1]");
    struct event_message message;
    event_format_write(event, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, NULL, BYTES(""), &message);
    event_unref(event);
    assert_bytes(message_header(&message, "ce-source"), "/s");
    assert_bytes(message.body, "[1]");
    event_message_clear(&message);
}

static void the_receiver_sees_the_type_that_it_asked_for(void **state) {
    (void)state;
    const struct event *event = event_of(JSON_TYPE, "{}");
    static const char *const names[] = {"type", NULL, "eventType", "event"};
    for (int i = 0; i <= EVENT_FORMAT_CLASSIC; i++) {
        struct event_message message;
        event_format_write(event, (enum event_format)i, NULL, BYTES("gateway.x"), &message);
        if (!names[i]) {
            assert_bytes(message_header(&message, "ce-type"), "gateway.x");
        } else {
            json_t *json = json_loadb(message.body.data, message.body.size, 0, NULL);
            assert_string_equal(json_string_value(json_object_get(json, names[i])), "gateway.x");
            json_decref(json);
        }
        event_message_clear(&message);
    }
    event_unref(event);
}

static void the_gateways_own_attributes_stay_inside(void **state) {
    (void)state;
    const struct event *event = test_event("GET /\nX-A: 1\nX-A: 2\n\n");
    assert_non_null(event_extension(event, "egheaders"));
    for (int i = 0; i <= EVENT_FORMAT_CLASSIC; i++) {
        struct event_message message;
        event_format_write(event, (enum event_format)i, NULL, BYTES(""), &message);
        char *body = bytes_to_text(message.body);
        assert_null(strstr(body, "egheaders"));
        free(body);
        assert_null(message_header(&message, "ce-egheaders").data);
        event_message_clear(&message);
    }
    event_unref(event);
}

static void params_are_ignored_for_other_types(void **state) {
    (void)state;
    const struct event *event = event_of(JSON_TYPE, "{\"params\":{}}");
    struct http_header item = {BYTES("id"), BYTES("7")};
    struct event_params params = {.items = &item, .count = 1};
    struct event_message message;
    event_format_write(event, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, &params, BYTES(""), &message);
    assert_bytes(message.body, "{\"params\":{}}");
    event_message_clear(&message);
    event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_have_names),
        cmocka_unit_test(structured_events_embed_json),
        cmocka_unit_test(data_is_embedded_by_its_kind),
        cmocka_unit_test(classic_events_without_a_type_of_data_say_bytes),
        cmocka_unit_test(binary_events_have_encoded_headers_and_the_bytes),
        cmocka_unit_test(binary_events_without_data_go_structured),
        cmocka_unit_test(binary_events_always_have_a_content_type),
        cmocka_unit_test(what_is_written_outlives_the_event),
        cmocka_unit_test(the_receiver_sees_the_type_that_it_asked_for),
        cmocka_unit_test(the_gateways_own_attributes_stay_inside),
        cmocka_unit_test(params_are_ignored_for_other_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
