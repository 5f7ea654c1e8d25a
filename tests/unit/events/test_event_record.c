#include "tests/unit/events/events_test.h"

static struct bytes record_header(const struct record *record, const char *name) {
    for (size_t i = 0; i < record->header_count; i++) {
        if (bytes_equal_text(record->headers[i].name, name)) {
            return record->headers[i].value;
        }
    }
    return (struct bytes){0};
}

static const struct event *full_event(void) {
    struct event_builder *builder = event_builder_create();
    static const char *const attributes[][2] = {
        {"id", "1"},
        {"source", "/s"},
        {"type", "t"},
        {"subject", "Euro \xe2\x82\xac \"q\" 50%"},
        {"time", "2018-04-05T17:31:00Z"},
        {"dataschema", "urn:x"},
        {"datacontenttype", "text/plain"},
        {"x", "text"},
    };
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        event_builder_set(builder, bytes_of_text(attributes[i][0]), bytes_of_text(attributes[i][1]),
                          EVENT_VALUE_STRING);
    }
    event_builder_set(builder, BYTES("n"), BYTES("-7"), EVENT_VALUE_INTEGER);
    event_builder_set(builder, BYTES("b"), BYTES("true"), EVENT_VALUE_BOOLEAN);
    event_builder_set_data(builder, BYTES("hello"), EVENT_DATA_TEXT);
    struct event_context context = {.space = BYTES("team1"),
                                    .method = BYTES("PUT"),
                                    .path = BYTES("/a"),
                                    .sync = BYTES("sync-id"),
                                    .received_us = RECEIVED_US};
    event_builder_set_context(builder, &context);
    const struct event *event = NULL;
    assert_int_equal(event_builder_finish_take(builder, &event, NULL), STATUS_OK);
    return event;
}

static void records_follow_the_kafka_binding(void **state) {
    (void)state;
    const struct event *event = full_event();
    struct encoded_record encoded;
    event_record_encode(event, &encoded);
    const struct record *record = &encoded.record;
    static const char *const expected[][2] = {
        {"ce_specversion", "1.0"},
        {"ce_id", "1"},
        {"ce_source", "/s"},
        {"ce_type", "t"},
        {"ce_subject", "Euro \xe2\x82\xac \"q\" 50%"},
        {"ce_time", "2018-04-05T17:31:00Z"},
        {"ce_dataschema", "urn:x"},
        {"content-type", "text/plain"},
        {"ce_x", "text"},
        {"ce_n", "-7"},
        {"ce_b", "true"},
        {"ce_egspace", "team1"},
        {"ce_egmethod", "PUT"},
        {"ce_egpath", "/a"},
        {"ce_egsync", "sync-id"},
        {"ce_egreceivedtime", "2026-11-24T02:14:05.004005Z"},
        {"ce_egtypes", "n=integer,b=boolean"},
    };
    assert_int_equal(record->header_count, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < record->header_count; i++) {
        assert_bytes(record_header(record, expected[i][0]), expected[i][1]);
    }
    assert_true(record->has_value);
    assert_bytes(record->value, "hello");
    event_record_clear(&encoded);
    event_unref(event);
}

static void an_event_comes_back_from_its_record_whole(void **state) {
    (void)state;
    const struct event *event = test_through_log(full_event());
    assert_bytes(event->id, "1");
    assert_bytes(event->subject, "Euro \xe2\x82\xac \"q\" 50%");
    assert_bytes(event->time, "2018-04-05T17:31:00Z");
    assert_bytes(event->dataschema, "urn:x");
    assert_bytes(event->datacontenttype, "text/plain");
    assert_int_equal(event->extension_count, 3);
    assert_extension(event, "x", "text", EVENT_VALUE_STRING);
    assert_extension(event, "n", "-7", EVENT_VALUE_INTEGER);
    assert_extension(event, "b", "true", EVENT_VALUE_BOOLEAN);
    assert_bytes(event->data, "hello");
    assert_int_equal(event->data_kind, EVENT_DATA_TEXT);
    assert_bytes(event->context.space, "team1");
    assert_bytes(event->context.method, "PUT");
    assert_bytes(event->context.path, "/a");
    assert_bytes(event->context.sync, "sync-id");
    assert_int_equal(event->context.received_us, RECEIVED_US);
    event_unref(event);
}

static void assert_key(const char *headers, const char *expected) {
    char text[256];
    snprintf(text, sizeof text,
             "POST /\nce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\n%s\n", headers);
    const struct event *event = test_event(text);
    struct encoded_record encoded;
    event_record_encode(event, &encoded);
    assert_bytes(encoded.record.key, expected);
    event_record_clear(&encoded);
    event_unref(event);
}

static void the_key_is_the_partition_key_or_the_subject(void **state) {
    (void)state;
    assert_key("ce-partitionkey: p\nce-subject: s\n", "p");
    assert_key("ce-partitionkey:\nce-subject: s\n", "s");
    assert_key("ce-subject: s\n", "s");
    assert_key("", "");
}

static void no_data_is_a_null_value(void **state) {
    (void)state;
    const struct event *event =
        test_event("POST /\nce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\n\n");
    struct encoded_record encoded;
    event_record_encode(event, &encoded);
    assert_false(encoded.record.has_value);
    event_record_clear(&encoded);
    event = test_through_log(event);
    assert_int_equal(event->data_kind, EVENT_DATA_NONE);
    event_unref(event);
}

// A record of another Kafka client.
static enum status decode(const char *const (*headers)[2], size_t count, const char *value,
                          const struct event **ret_event, struct error *error) {
    struct http_header list[32];
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct http_header){bytes_of_text(headers[i][0]), bytes_of_text(headers[i][1])};
    }
    struct stored_record stored = {
        .record = {.headers = list,
                   .header_count = count,
                   .value = bytes_of_text(value),
                   .has_value = value != NULL},
        .timestamp_ms = 1700000000123,
    };
    return event_record_decode(&stored, ret_event, error);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void a_foreign_record_is_an_event_of_the_default_place(void **state) {
    (void)state;
    static const char *const headers[][2] = {{"ce_specversion", "1.0"},
                                             {"ce_id", "1"},
                                             {"ce_source", "/s"},
                                             {"ce_type", "t"},
                                             {"other", "x"},
                                             {"ce_subject", ""},
                                             {"ce_x", ""},
                                             {"content-type", "application/json"}};
    const struct event *event = NULL;
    struct error error;
    assert_int_equal(decode(headers, COUNT(headers), "{\"a\":1}", &event, &error), STATUS_OK);
    assert_bytes(event->context.space, "");
    assert_bytes(event->context.method, "POST");
    assert_bytes(event->context.path, "/");
    assert_bytes(event->context.sync, "");
    assert_int_equal(event->context.received_us, 1700000000123000);
    assert_int_equal(event->data_kind, EVENT_DATA_JSON);
    assert_int_equal(event->extension_count, 1);
    event_unref(event);
}

static void a_record_in_structured_mode_is_read_too(void **state) {
    (void)state;
    static const char *const headers[][2] = {
        {"ce_id", "other"}, {"content-type", "Application/CloudEvents+json; charset=UTF-8"}};
    const struct event *event = NULL;
    struct error error;
    assert_int_equal(decode(headers, COUNT(headers),
                            "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\","
                            "\"type\":\"t\",\"n\":5,\"egspace\":\"team1\",\"data\":[1]}",
                            &event, &error),
                     STATUS_OK);
    assert_bytes(event->id, "1");
    assert_bytes(event->data, "[1]");
    assert_bytes(event->context.space, "team1");
    assert_bytes(event->context.path, "/");
    assert_extension(event, "n", "5", EVENT_VALUE_INTEGER);
    assert_int_equal(event->extension_count, 1);
    event_unref(event);
}

static void records_that_are_no_events_are_refused(void **state) {
    (void)state;
    static const char *const empty[][2] = {{"x", "y"}};
    static const char *const no_id[][2] = {
        {"ce_specversion", "1.0"}, {"ce_source", "/s"}, {"ce_type", "t"}};
    static const char *const old[][2] = {
        {"ce_specversion", "0.3"}, {"ce_id", "1"}, {"ce_source", "/s"}, {"ce_type", "t"}};
    static const char *const twice[][2] = {{"ce_specversion", "1.0"},
                                           {"ce_id", "1"},
                                           {"ce_source", "/s"},
                                           {"ce_type", "t"},
                                           {"ce_id", "2"}};
    static const char *const structured[][2] = {{"content-type", "application/cloudevents+json"}};
    const struct event *event = NULL;
    struct error error;
    assert_int_equal(decode(empty, COUNT(empty), "x", &event, &error), STATUS_INVALID);
    assert_int_equal(decode(no_id, COUNT(no_id), "x", &event, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "\"id\""));
    assert_int_equal(decode(old, COUNT(old), "x", &event, &error), STATUS_INVALID);
    assert_int_equal(decode(twice, COUNT(twice), "x", &event, &error), STATUS_INVALID);
    assert_int_equal(decode(structured, COUNT(structured), NULL, &event, &error), STATUS_INVALID);
    assert_int_equal(decode(structured, COUNT(structured), "[]", &event, &error), STATUS_INVALID);
    assert_null(event);
}

static void gateway_attributes_of_strangers_do_no_harm(void **state) {
    (void)state;
    static const char *const headers[][2] = {
        {"ce_specversion", "1.0"},
        {"ce_id", "1"},
        {"ce_source", "/s"},
        {"ce_type", "http.request"},
        {"ce_egreceivedtime", "never"},
        {"ce_egmethod", ""},
        {"ce_egtypes", "n=integer,b=boolean,missing=integer,,=,x"},
        {"ce_n", "not a number"},
        {"ce_b", "TRUE"},
        {"ce_eglegacy", "{\"members\":"},
        {"ce_egheaders", "nothing"},
        {"ce_egdlreason", "x"},
        {"content-type", "application/json"}};
    const struct event *event = NULL;
    struct error error;
    assert_int_equal(decode(headers, COUNT(headers), "{\"headers\":{\"A\":\"1\"}}", &event, &error),
                     STATUS_OK);
    assert_int_equal(event->context.received_us, 1700000000123000);
    assert_bytes(event->context.method, "POST");
    assert_int_equal(event->extension_count, 2);
    assert_extension(event, "n", "not a number", EVENT_VALUE_STRING);
    assert_extension(event, "b", "TRUE", EVENT_VALUE_STRING);
    assert_format(event, EVENT_FORMAT_CLASSIC,
                  "{\"event\":\"http\",\"id\":\"1\",\"receivedAt\":1700000000123,\"data\":{"
                  "\"headers\":{\"A\":[\"1\"]}},\"dataType\":\"application/json\"}");
    assert_format(event, EVENT_FORMAT_CLOUDEVENTS_0_1,
                  "{\"eventType\":\"http.request\",\"cloudEventsVersion\":\"0.1\",\"source\":"
                  "\"/s\",\"eventID\":\"1\",\"extensions\":{\"n\":\"not a number\",\"b\":"
                  "\"TRUE\"},\"contentType\":\"application/json\",\"data\":{\"headers\":"
                  "{\"A\":\"1\"}}}");
    event_unref(event);
}

static void legacy_notes_of_strangers_give_json_all_the_same(void **state) {
    (void)state;
    static const char *const notes[] = {
        "{}",
        "[]",
        "7",
        "{\"members\":7,\"extensions\":[]}",
        "{\"members\":{},\"extensions\":{},\"data\":\"json\",\"contentType\":false}",
        "{\"members\":{\"a\":1},\"extensions\":{\"b\":2},\"data\":\"string\"}"};
    for (size_t i = 0; i < COUNT(notes); i++) {
        const char *const headers[][2] = {{"ce_specversion", "1.0"}, {"ce_id", "1"},
                                          {"ce_source", "/s"},       {"ce_type", "t"},
                                          {"ce_eglegacy", notes[i]}, {"ce_authid", "me"}};
        const struct event *event = NULL;
        struct error error;
        assert_int_equal(decode(headers, COUNT(headers), "\xff", &event, &error), STATUS_OK);
        struct event_message message;
        event_format_write(event, EVENT_FORMAT_CLOUDEVENTS_0_1, NULL, BYTES(""), &message);
        assert_true(json_is_valid(message.body));
        event_message_clear(&message);
        event_unref(event);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_follow_the_kafka_binding),
        cmocka_unit_test(an_event_comes_back_from_its_record_whole),
        cmocka_unit_test(the_key_is_the_partition_key_or_the_subject),
        cmocka_unit_test(no_data_is_a_null_value),
        cmocka_unit_test(a_foreign_record_is_an_event_of_the_default_place),
        cmocka_unit_test(a_record_in_structured_mode_is_read_too),
        cmocka_unit_test(records_that_are_no_events_are_refused),
        cmocka_unit_test(gateway_attributes_of_strangers_do_no_harm),
        cmocka_unit_test(legacy_notes_of_strangers_give_json_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
