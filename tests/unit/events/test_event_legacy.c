#include "tests/unit/events/events_test.h"

#define REQUIRED                                                                                   \
    "\"eventType\":\"user.created\",\"cloudEventsVersion\":\"0.1\",\"source\":\"/mysource\","      \
    "\"eventID\":\"6f6ada3b\""

#define OTHER_VERSION                                                                              \
    "\"eventType\":\"t\",\"cloudEventsVersion\":\"0.1-wip\",\"source\":\"/s\",\"eventID\":\"1\""

static const struct event *structured(const char *json) {
    char text[4096];
    snprintf(text, sizeof text, "POST /\nContent-Type: application/cloudevents+json\n\n%s", json);
    return test_event(text);
}

static void refuse(const char *json, const char *part) {
    char text[4096];
    snprintf(text, sizeof text, "POST /\nContent-Type: application/cloudevents+json\n\n%s", json);
    test_refused(text, 400, part);
}

static void members_become_attributes(void **state) {
    (void)state;
    const struct event *event =
        structured("{" REQUIRED ",\"eventTypeVersion\":\"2\",\"eventTime\":\"2018-04-05T17:31:00Z\""
                   ",\"schemaURL\":\"http://example.com/s\",\"contentType\":\"text/plain\","
                   "\"extensions\":{\"subject\":\"s\",\"one\":1,\"yes\":true,\"text\":\"t\"},"
                   "\"data\":\"test\"}");
    assert_bytes(event->type, "user.created");
    assert_bytes(event->id, "6f6ada3b");
    assert_bytes(event->source, "/mysource");
    assert_bytes(event->time, "2018-04-05T17:31:00Z");
    assert_bytes(event->dataschema, "http://example.com/s");
    assert_bytes(event->datacontenttype, "text/plain");
    assert_bytes(event->subject, "s");
    assert_bytes(event->data, "test");
    assert_int_equal(event->extension_count, 4);
    assert_extension(event, "eventtypeversion", "2", EVENT_VALUE_STRING);
    assert_extension(event, "one", "1", EVENT_VALUE_INTEGER);
    assert_extension(event, "yes", "true", EVENT_VALUE_BOOLEAN);
    assert_extension(event, "text", "t", EVENT_VALUE_STRING);
    event_unref(event);
}

static void what_has_another_name_or_type_is_an_attribute_where_it_can_be(void **state) {
    (void)state;
    const struct event *event =
        structured("{" REQUIRED ",\"extensions\":{\"camelCase\":\"c\",\"with-dash\":\"d\","
                   "\"fraction\":1.50,\"object\":{\"a\":1},\"line\":\"a\\nb\",\"source\":\"x\","
                   "\"egspace\":\"x\",\"authid\":\"x\",\"subject\":7,\"nothing\":null}}");
    assert_extension(event, "camelcase", "c", EVENT_VALUE_STRING);
    assert_extension(event, "fraction", "1.50", EVENT_VALUE_STRING);
    assert_null(event_extension(event, "object"));
    assert_null(event_extension(event, "line"));
    assert_null(event_extension(event, "egspace"));
    assert_null(event_extension(event, "authid"));
    assert_null(event_extension(event, "nothing"));
    assert_bytes(event->subject, "");
    assert_bytes(event->source, "/mysource");
    assert_event_json(event, "{\"specversion\":\"1.0\",\"id\":\"6f6ada3b\","
                             "\"source\":\"/mysource\",\"type\":\"user.created\","
                             "\"camelcase\":\"c\",\"fraction\":\"1.50\"}");
    event_unref(event);
}

static void an_event_goes_out_as_it_came_in(void **state) {
    (void)state;
    static const char *const events[] = {
        "{" REQUIRED "}",
        "{" REQUIRED ",\"data\":null}",
        "{" REQUIRED ",\"data\":{\"a\":[1,2.50,\"x\"]}}",
        "{" REQUIRED ",\"data\":\"text\"}",
        "{" REQUIRED ",\"contentType\":\"\",\"data\":1}",
        "{" REQUIRED ",\"contentType\":null,\"data\":1}",
        "{" REQUIRED ",\"contentType\":\"application/json\",\"data\":{\"a\":1}}",
        "{" REQUIRED ",\"contentType\":\"application/vnd.x+json\",\"data\":\"s\"}",
        "{" REQUIRED ",\"contentType\":\"text/plain\",\"data\":\"a\\\"b\\n\\u20ac\\u0000\"}",
        "{" REQUIRED ",\"contentType\":\"text/plain\",\"data\":{\"a\":1}}",
        "{" REQUIRED ",\"contentType\":\"text/plain\",\"data\":null}",
        "{" REQUIRED ",\"contentType\":\"text/plain\"}",
        "{" REQUIRED ",\"contentType\":\"application/octet-stream\",\"data\":\"AAEC/w==\"}",
        "{" REQUIRED ",\"contentType\":\"application/octet-stream\",\"data\":\"AAEC\\/w==\"}",
        "{" REQUIRED ",\"contentType\":\"application/octet-stream\",\"data\":\"not base64\"}",
        "{" REQUIRED ",\"contentType\":\"application/octet-stream\",\"data\":\"AB==\"}",
        "{" REQUIRED ",\"contentType\":\"application/octet-stream\",\"data\":\"\"}",
        "{" REQUIRED ",\"contentType\":\"application/octet-stream\",\"data\":[1,{\"a\":null}]}",
        "{" REQUIRED ",\"eventTypeVersion\":\"1.0\",\"eventTime\":\"2018-04-05T17:31:00.5+02:00\"}",
        "{" REQUIRED ",\"eventTypeVersion\":\"\",\"eventTime\":null,\"schemaURL\":\"\"}",
        "{" REQUIRED ",\"schemaURL\":\"/relative\"}",
        "{" REQUIRED ",\"extensions\":{}}",
        "{" REQUIRED ",\"extensions\":null}",
        "{" REQUIRED ",\"extensions\":{\"one\":1,\"yes\":true,\"text\":\"\xe2\x82\xac\"}}",
        "{" REQUIRED ",\"extensions\":{\"comExampleExtension\":\"value\",\"other\":{\"v\":5}}}",
        "{" REQUIRED ",\"extensions\":{\"foo\":1,\"Foo\":2,\"big\":12345678901,\"f\":1.5}}",
        "{" REQUIRED
        ",\"extensions\":{\"line\":\"a\\nb\\u0080\",\"\xc3\xa9\\\"\":[ \"\\u007f\" ]}}",
        "{" REQUIRED ",\"extensions\":{\"s\\u0075b\":1,\"Lossy\":2}}",
        "{" REQUIRED ",\"extensions\":{\"\":1,\"subject\":\"s\",\"id\":\"x\",\"data\":1}}",
        "{" REQUIRED ",\"extensions\":{\"subject\":\"\",\"n\":null,\"eventtypeversion\":\"9\"}}",
        "{" REQUIRED ",\"extensions\":{\"authid\":\"me\",\"authtype\":\"user\",\"egsync\":\"x\"}}",
        "{" REQUIRED ",\"extensions\":{\"eventgateway\":{\"transformed\":true,"
        "\"transformation-version\":\"0.1\"}}}",
        "{" REQUIRED ",\"somethingElse\":[1, \"\xf0\x9f\x98\x80 \xed\x9f\xbf\"],\"more\":\"x\"}",
        "{" OTHER_VERSION "}",
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        const struct event *event = structured(events[i]);
        assert_format(event, EVENT_FORMAT_CLOUDEVENTS_0_1, events[i]);
        event = test_through_log(event);
        assert_format(event, EVENT_FORMAT_CLOUDEVENTS_0_1, events[i]);
        event_unref(event);
    }
}

static void numbers_and_order_of_data_stay_as_they_came(void **state) {
    (void)state;
    const struct event *event =
        structured("{" REQUIRED ",\"data\":{\"b\": 1.50, \"a\": 1152921504606846977}}");
    struct event_message message;
    event_format_write(event, EVENT_FORMAT_CLOUDEVENTS_0_1, NULL, BYTES(""), &message);
    char *body = bytes_to_text(message.body);
    assert_non_null(strstr(body, "{\"b\": 1.50, \"a\": 1152921504606846977}"));
    free(body);
    event_message_clear(&message);
    event_unref(event);
}

static void malformed_events_are_refused(void **state) {
    (void)state;
    refuse("{\"cloudEventsVersion\":\"0.1\",\"source\":\"/s\",\"eventID\":\"1\"}", "eventType");
    refuse("{\"cloudEventsVersion\":\"0.1\",\"eventType\":\"t\",\"eventID\":\"1\"}", "source");
    refuse("{\"cloudEventsVersion\":\"0.1\",\"eventType\":\"t\",\"source\":\"/s\"}", "eventID");
    refuse("{\"cloudEventsVersion\":\"\",\"eventType\":\"t\",\"source\":\"/s\",\"eventID\":\"1\"}",
           "cloudEventsVersion");
    refuse("{\"cloudEventsVersion\":0.1,\"eventType\":\"t\",\"source\":\"/s\",\"eventID\":\"1\"}",
           "cloudEventsVersion");
    refuse("{" REQUIRED ",\"eventTypeVersion\":1}", "eventTypeVersion");
    refuse("{" REQUIRED ",\"extensions\":[]}", "extensions");
    refuse("{" REQUIRED ",\"extensions\":{\"a\":1,\"a\":2}}", "extensions");
    refuse("{" REQUIRED ",\"eventTime\":\"now\"}", "time");
    refuse("{" REQUIRED ",\"eventID\":\"2\"}", "twice");
    refuse("{" REQUIRED ",\"contentType\":\"text/plain\",\"data\":\"\\ud800\"}", "");
    refuse("{" REQUIRED, "");
}

#define HEADERS                                                                                    \
    "POST /\nCE-EventType: myevent\nCE-CloudEventsVersion: 0.1\nCE-Source: https://example.com\n"  \
    "CE-EventID: 778d495b\n"

static void headers_become_attributes(void **state) {
    (void)state;
    const struct event *event = test_event(
        HEADERS "CE-EventTypeVersion: 0.1beta\nCE-EventTime: 2018-04-05T17:31:00Z\n"
                "CE-SchemaURL: http://example.com/s\nCE-X-MyExt: %E2%82%AC\nContent-Type: "
                "text/plain\nCE-Other: ignored\n\nhey there");
    assert_bytes(event->type, "myevent");
    assert_bytes(event->source, "https://example.com");
    assert_bytes(event->id, "778d495b");
    assert_bytes(event->time, "2018-04-05T17:31:00Z");
    assert_bytes(event->dataschema, "http://example.com/s");
    assert_bytes(event->data, "hey there");
    assert_extension(event, "eventtypeversion", "0.1beta", EVENT_VALUE_STRING);
    assert_extension(event, "myext", "\xe2\x82\xac", EVENT_VALUE_STRING);
    assert_int_equal(event->extension_count, 2);
    assert_format(event, EVENT_FORMAT_CLOUDEVENTS_0_1,
                  "{\"eventType\":\"myevent\",\"cloudEventsVersion\":\"0.1\",\"source\":"
                  "\"https://example.com\",\"eventID\":\"778d495b\",\"eventTypeVersion\":"
                  "\"0.1beta\",\"eventTime\":\"2018-04-05T17:31:00Z\",\"schemaURL\":"
                  "\"http://example.com/s\",\"contentType\":\"text/plain\",\"extensions\":"
                  "{\"myext\":\"\xe2\x82\xac\"},\"data\":\"hey there\"}");
    event_unref(event);
}

static void headers_with_other_names_are_kept_for_0_1(void **state) {
    (void)state;
    const struct event *event = test_event(HEADERS "ce-x-my-ext: v\nCE-SchemaURL: /rel\n"
                                                   "CE-X-One: 1\n\nhey there");
    assert_extension(event, "one", "1", EVENT_VALUE_STRING);
    assert_bytes(event->dataschema, "");
    assert_format(event, EVENT_FORMAT_CLOUDEVENTS_0_1,
                  "{\"eventType\":\"myevent\",\"cloudEventsVersion\":\"0.1\",\"source\":"
                  "\"https://example.com\",\"eventID\":\"778d495b\",\"schemaURL\":\"/rel\","
                  "\"extensions\":{\"my-Ext\":\"v\",\"one\":\"1\"},\"data\":\"aGV5IHRoZXJl\"}");
    event_unref(event);
}

static void malformed_headers_are_refused(void **state) {
    (void)state;
    test_refused(HEADERS "CE-EventID: 2\n\n", 400, "twice");
    test_refused(HEADERS "CE-CloudEventsVersion: 0.1\n\n", 400, "twice");
    test_refused(HEADERS "CE-EventTypeVersion: 1\nCE-EventTypeVersion: 1\n\n", 400, "twice");
    test_refused(HEADERS "CE-X-A: 1\nCE-X-A: 2\n\n", 400, "twice");
    test_refused(HEADERS "CE-X-A: %ff\n\n", 400, "UTF-8");
    test_refused(HEADERS "CE-EventTime: now\n\n", 400, "time");
}

static void events_of_1_0_are_shown_as_0_1(void **state) {
    (void)state;
    const struct event *event =
        test_event("POST /\nContent-Type: application/cloudevents+json\n\n{\"specversion\":\"1.0\","
                   "\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"subject\":\"u\",\"one\":1,"
                   "\"datacontenttype\":\"image/png\",\"data_base64\":\"AAEC\"}");
    assert_format(event, EVENT_FORMAT_CLOUDEVENTS_0_1,
                  "{\"eventType\":\"t\",\"cloudEventsVersion\":\"0.1\",\"source\":\"/s\","
                  "\"eventID\":\"1\",\"extensions\":{\"subject\":\"u\",\"one\":1},"
                  "\"contentType\":\"image/png\",\"data\":\"AAEC\"}");
    event_unref(event);
}

static const struct event *authorized(const struct event *event, const char *claims) {
    struct event_builder *builder = event_builder_of(event);
    event_unref(event);
    event_builder_set(builder, BYTES("authtype"), BYTES("user"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("authid"), BYTES("me"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("authclaims"), bytes_of_text(claims), EVENT_VALUE_STRING);
    const struct event *changed = NULL;
    assert_int_equal(event_builder_finish_take(builder, &changed, NULL), STATUS_OK);
    return changed;
}

static void somebody_without_a_name_is_authorized_all_the_same(void **state) {
    (void)state;
    const struct event *event =
        structured("{" REQUIRED ",\"extensions\":{\"eventgateway\":{\"authorization\":{"
                   "\"principalId\":\"forged\"}}}}");
    struct event_builder *builder = event_builder_of(event);
    const struct event *changed = NULL;
    event_builder_set(builder, BYTES("authtype"), BYTES("user"), EVENT_VALUE_STRING);
    assert_int_equal(event_builder_finish_take(builder, &changed, NULL), STATUS_OK);
    assert_format(changed, EVENT_FORMAT_CLOUDEVENTS_0_1,
                  "{" REQUIRED ",\"extensions\":{\"eventgateway\":{"
                  "\"authorization\":{\"principalId\":\"\"}},\"authtype\":\"user\"}}");
    event_unref(event);
    event_unref(changed);
}

static void an_authorization_is_shown_where_0_1_has_it(void **state) {
    (void)state;
    const struct event *event = authorized(structured("{" REQUIRED "}"), "{\"role\":\"a\"}");
    assert_format(event, EVENT_FORMAT_CLOUDEVENTS_0_1,
                  "{" REQUIRED ",\"extensions\":{\"authtype\":\"user\",\"authid\":\"me\","
                  "\"authclaims\":\"{\\\"role\\\":\\\"a\\\"}\",\"eventgateway\":{"
                  "\"authorization\":{\"principalId\":\"me\",\"context\":{\"role\":\"a\"}}}}}");
    event_unref(event);
    event = authorized(structured("{" REQUIRED
                                  ",\"extensions\":{\"eventgateway\":{\"transformed\":true,"
                                  "\"authorization\":{\"principalId\":\"forged\"}}}}"),
                       "no json");
    assert_format(event, EVENT_FORMAT_CLOUDEVENTS_0_1,
                  "{" REQUIRED ",\"extensions\":{\"authtype\":\"user\",\"authid\":\"me\","
                  "\"authclaims\":\"no json\",\"eventgateway\":{\"transformed\":true,"
                  "\"authorization\":{\"principalId\":\"me\"}}}}");
    event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_become_attributes),
        cmocka_unit_test(somebody_without_a_name_is_authorized_all_the_same),
        cmocka_unit_test(what_has_another_name_or_type_is_an_attribute_where_it_can_be),
        cmocka_unit_test(an_event_goes_out_as_it_came_in),
        cmocka_unit_test(numbers_and_order_of_data_stay_as_they_came),
        cmocka_unit_test(malformed_events_are_refused),
        cmocka_unit_test(headers_become_attributes),
        cmocka_unit_test(headers_with_other_names_are_kept_for_0_1),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(events_of_1_0_are_shown_as_0_1),
        cmocka_unit_test(an_authorization_is_shown_where_0_1_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
