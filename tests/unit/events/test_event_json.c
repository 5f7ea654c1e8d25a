#include "tests/unit/events/events_test.h"

#define STRUCTURED "POST /\nContent-Type: application/cloudevents+json; charset=utf-8\n\n"
#define REQUIRED "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""

// The examples of the JSON event format of CloudEvents, section 3.2: each in its JSON and its
// binary form.
#define EXAMPLE_JSON(id)                                                                           \
    "\"specversion\":\"1.0\",\"type\":\"com.example.someevent\",\"source\":\"/mycontext\","        \
    "\"id\":\"" id "\",\"time\":\"2018-04-05T17:31:00Z\",\"comexampleextension1\":\"value\","      \
    "\"comexampleothervalue\":5"
#define EXAMPLE_HEADERS(id, type)                                                                  \
    "POST /\nce-specversion: 1.0\nce-type: com.example.someevent\nce-source: /mycontext\n"         \
    "ce-id: " id "\nce-time: 2018-04-05T17:31:00Z\nce-comexampleextension1: value\n"               \
    "ce-comexampleothervalue: 5\ncontent-type: " type "\n\n"

static const struct {
    const char *json;
    const char *binary;
    const char *expected; // of the JSON form written again
} examples[] = {
    {"{" EXAMPLE_JSON("A234-1234-1234") ",\"datacontenttype\":"
                                        "\"application/vnd.apache.thrift.binary\","
                                        "\"data_base64\":\"AAEC/w==\"}",
     NULL, NULL},
    {"{" EXAMPLE_JSON("B234-1234-1234") ",\"unsetextension\":null,\"datacontenttype\":"
                                        "\"application/xml\",\"data\":\"<much wow=\\\"xml\\\"/>\"}",
     EXAMPLE_HEADERS("B234-1234-1234", "application/xml") "<much wow=\"xml\"/>",
     "{" EXAMPLE_JSON("B234-1234-1234") ",\"datacontenttype\":\"application/xml\","
                                        "\"data\":\"<much wow=\\\"xml\\\"/>\"}"},
    {"{" EXAMPLE_JSON("C234-1234-1234") ",\"subject\":null,\"datacontenttype\":"
                                        "\"application/json\",\"data\":{ \"appinfoA\" : \"abc\","
                                        " \"appinfoB\" : 123, \"appinfoC\" : true }}",
     EXAMPLE_HEADERS("C234-1234-1234",
                     "application/json") "{ \"appinfoA\" : \"abc\", \"appinfoB\" : 123, "
                                         "\"appinfoC\" : true }",
     "{" EXAMPLE_JSON("C234-1234-1234") ",\"datacontenttype\":\"application/json\",\"data\":"
                                        "{\"appinfoA\":\"abc\",\"appinfoB\":123,"
                                        "\"appinfoC\":true}}"},
    {"{" EXAMPLE_JSON("D234-1234-1234") ",\"subject\":null,\"data\":\"I'm just a string\"}",
     EXAMPLE_HEADERS("D234-1234-1234", "application/json") "\"I'm just a string\"",
     "{" EXAMPLE_JSON("D234-1234-1234") ",\"datacontenttype\":\"application/json\","
                                        "\"data\":\"I'm just a string\"}"},
};

static const struct event *structured(const char *json) {
    char text[2048];
    snprintf(text, sizeof text, STRUCTURED "%s", json);
    return test_event(text);
}

static void refuse(const char *json, const char *part) {
    char text[2048];
    snprintf(text, sizeof text, STRUCTURED "%s", json);
    test_refused(text, 400, part);
}

static void the_examples_of_the_format_go_through(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct event *event = structured(examples[i].json);
        const char *expected = examples[i].expected ? examples[i].expected : examples[i].json;
        assert_event_json(event, expected);
        event = test_through_log(event);
        assert_event_json(event, expected);
        event_unref(event);
    }
}

static void the_examples_mean_the_same_in_both_modes(void **state) {
    (void)state;
    for (size_t i = 1; i < sizeof examples / sizeof examples[0]; i++) {
        const struct event *left = structured(examples[i].json);
        const struct event *right = test_event(examples[i].binary);
        assert_true(bytes_equal(left->id, right->id));
        assert_true(bytes_equal(left->data, right->data));
        assert_true(bytes_equal(left->datacontenttype, right->datacontenttype));
        assert_int_equal(left->data_kind, right->data_kind);
        assert_int_equal(left->extension_count, right->extension_count);
        // Headers have no types.
        assert_extension(left, "comexampleothervalue", "5", EVENT_VALUE_INTEGER);
        assert_extension(right, "comexampleothervalue", "5", EVENT_VALUE_STRING);
        event_unref(left);
        event_unref(right);
    }
}

static void base64_data_becomes_bytes(void **state) {
    (void)state;
    const struct event *event = structured("{" REQUIRED ",\"data_base64\":\"AAEC\\/w==\"}");
    assert_int_equal(event->data.size, 4);
    assert_memory_equal(event->data.data, "\x00\x01\x02\xff", 4);
    assert_int_equal(event->data_kind, EVENT_DATA_BINARY);
    assert_bytes(event->datacontenttype, "");
    assert_event_json(event, "{" REQUIRED ",\"data_base64\":\"AAEC/w==\"}");
    event_unref(event);
    event = structured("{" REQUIRED ",\"datacontenttype\":\"application/json\","
                       "\"data_base64\":\"eyJhIjoxfQ==\"}");
    assert_bytes(event->data, "{\"a\":1}");
    assert_int_equal(event->data_kind, EVENT_DATA_JSON);
    event_unref(event);
}

static void json_data_goes_through_as_it_came(void **state) {
    (void)state;
    const char *const values[] = {"{\"b\": 1.50, \"a\":1152921504606846977}",
                                  "[]",
                                  "1.5",
                                  "true",
                                  "\"a\\u0041\\ud83d\\ude00\"",
                                  "\"\"",
                                  "null"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"data\": %s ," REQUIRED "}", values[i]);
        const struct event *event = structured(text);
        assert_bytes(event->data, values[i]);
        assert_int_equal(event->data_kind, EVENT_DATA_JSON);
        assert_bytes(event->datacontenttype, "application/json");
        event = test_through_log(event);
        assert_bytes(event->data, values[i]);
        assert_int_equal(event->data_kind, EVENT_DATA_JSON);
        event_unref(event);
    }
}

static void no_data_differs_from_null_and_from_empty_text(void **state) {
    (void)state;
    const struct event *event = test_through_log(structured("{" REQUIRED "}"));
    assert_int_equal(event->data_kind, EVENT_DATA_NONE);
    assert_bytes(event->datacontenttype, "");
    assert_event_json(event, "{" REQUIRED "}");
    event_unref(event);
    event = test_through_log(
        structured("{" REQUIRED ",\"datacontenttype\":\"text/plain\",\"data\":\"\"}"));
    assert_int_equal(event->data_kind, EVENT_DATA_TEXT);
    assert_event_json(event, "{" REQUIRED ",\"datacontenttype\":\"text/plain\",\"data\":\"\"}");
    event_unref(event);
    event = structured("{" REQUIRED ",\"data\":null,\"data_base64\":null}");
    assert_int_equal(event->data_kind, EVENT_DATA_JSON);
    event_unref(event);
}

static void text_data_is_the_text_of_the_string(void **state) {
    (void)state;
    const struct event *event = structured(
        "{" REQUIRED ",\"datacontenttype\":\"text/plain\",\"data\":\"a\\\"b\\n\\u20ac\\u0000\"}");
    assert_int_equal(event->data.size, 8);
    assert_memory_equal(event->data.data, "a\"b\n\xe2\x82\xac\0", 8);
    assert_int_equal(event->data_kind, EVENT_DATA_TEXT);
    event_unref(event);
}

static void a_string_of_another_type_is_its_bytes(void **state) {
    (void)state;
    const struct event *event =
        structured("{" REQUIRED ",\"datacontenttype\":\"application/x-y\",\"data\":\"abc\"}");
    assert_bytes(event->data, "abc");
    assert_event_json(event, "{" REQUIRED ",\"datacontenttype\":\"application/x-y\","
                             "\"data_base64\":\"YWJj\"}");
    event_unref(event);
}

static void extensions_keep_their_json_types(void **state) {
    (void)state;
    const char *json = "{" REQUIRED ",\"yes\":true,\"no\":false,\"one\":1,\"low\":-2147483648,"
                       "\"text\":\"5\",\"empty\":\"\"}";
    const struct event *event = structured(json);
    assert_extension(event, "yes", "true", EVENT_VALUE_BOOLEAN);
    assert_extension(event, "low", "-2147483648", EVENT_VALUE_INTEGER);
    assert_extension(event, "text", "5", EVENT_VALUE_STRING);
    assert_event_json(event, json);
    event = test_through_log(event);
    assert_event_json(event, json);
    event_unref(event);
    event = structured("{" REQUIRED ",\"zero\":-0,\"s\\u0075btle\":\"\\u00e9\"}");
    assert_extension(event, "zero", "0", EVENT_VALUE_INTEGER);
    assert_extension(event, "subtle", "\xc3\xa9", EVENT_VALUE_STRING);
    event_unref(event);
}

static void attributes_of_other_types_are_refused(void **state) {
    (void)state;
    refuse("{" REQUIRED ",\"x\":{}}", "\"x\"");
    refuse("{" REQUIRED ",\"x\":[1]}", "\"x\"");
    refuse("{" REQUIRED ",\"x\":1.5}", "\"x\"");
    refuse("{" REQUIRED ",\"x\":1.0}", "\"x\"");
    refuse("{" REQUIRED ",\"x\":1e2}", "\"x\"");
    refuse("{" REQUIRED ",\"x\":2147483648}", "\"x\"");
    refuse("{" REQUIRED ",\"subject\":5}", "\"subject\" is not a string");
    refuse("{\"specversion\":\"1.0\",\"id\":7,\"source\":\"/s\",\"type\":\"t\"}", "\"id\"");
    refuse("{" REQUIRED ",\"subject\":\"\"}", "\"subject\" is empty");
    refuse("{" REQUIRED ",\"x\":\"\\ud800\"}", "");
    refuse("{" REQUIRED ",\"x\":\"\\u0007\"}", "control");
}

static void members_given_twice_are_refused(void **state) {
    (void)state;
    refuse("{" REQUIRED ",\"id\":\"2\"}", "\"id\" is given twice");
    refuse("{" REQUIRED ",\"x\":null,\"x\":\"1\"}", "\"x\" is given twice");
    refuse("{" REQUIRED ",\"x\":1,\"\\u0078\":2}", "\"x\" is given twice");
    refuse("{" REQUIRED ",\"data\":1,\"data\":2}", "\"data\" is given twice");
    refuse("{" REQUIRED ",\"specversion\":\"1.0\"}", "\"specversion\" is given twice");
}

static void both_kinds_of_data_are_refused(void **state) {
    (void)state;
    refuse("{" REQUIRED ",\"data\":1,\"data_base64\":\"AA==\"}", "exclude");
    refuse("{" REQUIRED ",\"data\":null,\"data_base64\":\"AA==\"}", "exclude");
}

static void malformed_data_is_refused(void **state) {
    (void)state;
    refuse("{" REQUIRED ",\"data_base64\":\"A\"}", "base64");
    refuse("{" REQUIRED ",\"data_base64\":\"A A=\"}", "base64");
    refuse("{" REQUIRED ",\"data_base64\":7}", "data_base64");
    refuse("{" REQUIRED ",\"datacontenttype\":\"text/plain\",\"data\":{}}", "text/plain");
    refuse("{" REQUIRED ",\"datacontenttype\":\"text/plain\",\"data\":null}", "not a string");
    refuse("{" REQUIRED ",\"datacontenttype\":\"text/plain\",\"data\":\"\\udc00\"}", "");
}

static void names_that_are_no_attributes_are_refused(void **state) {
    (void)state;
    refuse("{" REQUIRED ",\"comExample\":1}", "comExample");
    refuse("{" REQUIRED ",\"\":1}", "name");
    refuse("{" REQUIRED ",\"egspace\":\"x\"}", "reserved");
    refuse("{" REQUIRED ",\"egdlreason\":\"x\"}", "reserved");
}

static void the_version_must_be_one_that_is_known(void **state) {
    (void)state;
    refuse("{\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}", "\"specversion\" is missing");
    refuse("{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}", "0.3");
    refuse("{\"specversion\":1.0,\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}", "specversion");
    refuse("{\"specversion\":\"1.0\",\"source\":\"/s\",\"type\":\"t\"}", "\"id\" is missing");
}

static void text_that_is_no_json_object_is_refused(void **state) {
    (void)state;
    refuse("", "");
    refuse("[]", "");
    refuse("7", "");
    refuse("{" REQUIRED, "");
    refuse("{" REQUIRED "} x", "");
    refuse("{" REQUIRED ",}", "");
    refuse("{" REQUIRED ",\"x\":\"\xff\"}", "");
}

static void headers_beside_a_structured_event_do_not_count(void **state) {
    (void)state;
    const struct event *event =
        test_event("POST /\nContent-Type: application/cloudevents+json\nce-id: other\n"
                   "ce-specversion: 9\n\n{" REQUIRED "}");
    assert_bytes(event->id, "1");
    assert_int_equal(event->extension_count, 0);
    event_unref(event);
}

static void an_event_of_1_0_may_have_the_other_versions_word_in_its_data(void **state) {
    (void)state;
    const struct event *event =
        structured("{" REQUIRED ",\"data\":{\"cloudEventsVersion\":\"0.1\"}}");
    assert_bytes(event->type, "t");
    event_unref(event);
}

static void a_name_given_twice_is_found_among_many(void **state) {
    (void)state;
    static const int places[] = {0, 31, 32, 33, 500, 989};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct buffer text = {0};
        buffer_append_text(&text, STRUCTURED "{" REQUIRED);
        for (int j = 0; j < 990; j++) {
            buffer_append_format(&text, ",\"n%d\":%d", j, j);
        }
        size_t whole = text.size;
        buffer_append_format(&text, ",\"n%d\":null}", places[i]);
        test_refused(text.data, 400, "is given twice");
        text.size = whole;
        buffer_append_text(&text, "}");
        const struct event *event = test_through_log(test_event(text.data));
        assert_int_equal(event->extension_count, 990);
        assert_extension(event, "n989", "989", EVENT_VALUE_INTEGER);
        event_unref(event);
        buffer_clear(&text);
    }
}

static void members_are_limited_in_number(void **state) {
    (void)state;
    struct buffer text = {0};
    buffer_append_text(&text, STRUCTURED "{" REQUIRED);
    for (int i = 0; i < 1000; i++) {
        buffer_append_format(&text, ",\"n%d\":null", i);
    }
    buffer_append_text(&text, "}");
    test_refused(text.data, 400, "1000");
    buffer_clear(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_format_go_through),
        cmocka_unit_test(the_examples_mean_the_same_in_both_modes),
        cmocka_unit_test(base64_data_becomes_bytes),
        cmocka_unit_test(json_data_goes_through_as_it_came),
        cmocka_unit_test(no_data_differs_from_null_and_from_empty_text),
        cmocka_unit_test(text_data_is_the_text_of_the_string),
        cmocka_unit_test(a_string_of_another_type_is_its_bytes),
        cmocka_unit_test(extensions_keep_their_json_types),
        cmocka_unit_test(attributes_of_other_types_are_refused),
        cmocka_unit_test(members_given_twice_are_refused),
        cmocka_unit_test(both_kinds_of_data_are_refused),
        cmocka_unit_test(malformed_data_is_refused),
        cmocka_unit_test(names_that_are_no_attributes_are_refused),
        cmocka_unit_test(the_version_must_be_one_that_is_known),
        cmocka_unit_test(text_that_is_no_json_object_is_refused),
        cmocka_unit_test(headers_beside_a_structured_event_do_not_count),
        cmocka_unit_test(an_event_of_1_0_may_have_the_other_versions_word_in_its_data),
        cmocka_unit_test(a_name_given_twice_is_found_among_many),
        cmocka_unit_test(members_are_limited_in_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
