#include "tests/unit/events/events_test.h"

static void a_request_becomes_an_event_that_tells_all_of_it(void **state) {
    (void)state;
    const struct event *event =
        test_event("POST /users/7?a=1&b=x%20y+z&a=2&c&=e&&d=%41%zz\nhost: example.com:4000\n"
                   "content-type: application/json\nX-MANY: one\nx-other: o\nx-many: two\n\n"
                   "{ \"n\": 1.50 }");
    assert_bytes(event->type, "http.request");
    assert_bytes(event->source, "/event-gateway");
    assert_bytes(event->time, "2026-11-24T02:14:05.004005Z");
    assert_bytes(event->datacontenttype, "application/json");
    assert_int_equal(event->id.size, 36);
    assert_int_equal(event->data_kind, EVENT_DATA_JSON);
    assert_json(event->data,
                "{\"path\":\"/users/7\",\"method\":\"POST\",\"host\":\"example.com:4000\","
                "\"headers\":{\"Content-Type\":\"application/json\",\"X-Many\":\"one, two\","
                "\"X-Other\":\"o\"},\"query\":{\"a\":[\"1\",\"2\"],\"b\":[\"x y z\"],\"c\":[\"\"],"
                "\"\":[\"e\"],\"d\":[\"A%zz\"]},\"params\":{},\"body\":{\"n\":1.5}}");
    char *data = bytes_to_text(event->data);
    assert_non_null(strstr(data, "\"body\":{ \"n\": 1.50 }}"));
    free(data);
    event_unref(event);
}

static void each_event_has_its_own_id(void **state) {
    (void)state;
    const struct event *one = test_event("GET /\n\n");
    const struct event *other = test_event("GET /\n\n");
    assert_false(bytes_equal(one->id, other->id));
    event_unref(one);
    event_unref(other);
}

static void assert_body(const char *content_type, const char *body, const char *expected) {
    char text[512];
    snprintf(text, sizeof text, "POST /\n%s\n%s", content_type, body);
    const struct event *event = test_event(text);
    json_t *data = json_loadb(event->data.data, event->data.size, 0, NULL);
    assert_non_null(data);
    char *dumped = json_dumps(json_object_get(data, "body"), JSON_ENCODE_ANY | JSON_COMPACT);
    assert_string_equal(dumped, expected);
    free(dumped);
    json_decref(data);
    event_unref(event);
}

static void the_body_is_embedded_by_its_type(void **state) {
    (void)state;
    assert_body("Content-Type: application/json\n", "[1,2]", "[1,2]");
    assert_body("Content-Type: application/vnd.x+json; charset=utf-8\n", "null", "null");
    assert_body("Content-Type: application/json\n", "{oops", "\"e29vcHM=\"");
    assert_body("Content-Type: text/plain\n", "a\"b", "\"a\\\"b\"");
    assert_body("Content-Type: text/plain\n", "\xff", "\"/w==\"");
    assert_body("Content-Type: application/x-www-form-urlencoded\n", "a=b&c=d", "\"a=b&c=d\"");
    assert_body("Content-Type: multipart/form-data; boundary=X\n", "--X\r\n", "\"--X\\r\\n\"");
    assert_body("Content-Type: application/xml\n", "<a/>", "\"<a/>\"");
    assert_body("Content-Type: image/png\n", "png", "\"cG5n\"");
    assert_body("", "hey there", "\"aGV5IHRoZXJl\"");
    assert_body("", "", "\"\"");
}

static void json_at_the_limit_of_nesting_is_not_embedded(void **state) {
    (void)state;
    size_t depth = 1;
    struct buffer nested = {0};
    // As deep as the scanner allows, wherever its limit lies.
    for (;; depth++) {
        buffer_reset(&nested);
        for (size_t i = 0; i < depth; i++) {
            buffer_append_byte(&nested, '[');
        }
        for (size_t i = 0; i < depth; i++) {
            buffer_append_byte(&nested, ']');
        }
        if (!json_is_valid(buffer_bytes(&nested))) {
            break;
        }
    }
    struct http_header header = {BYTES("Content-Type"), BYTES("application/json")};
    for (size_t less = 1; less <= 2; less++) {
        struct event_http_request request = {
            .method = BYTES("POST"),
            .path = BYTES("/"),
            .headers = &header,
            .header_count = 1,
            .body = bytes_slice(buffer_bytes(&nested), less, nested.size - 2 * less),
        };
        struct event_http_options options = test_options(&request);
        struct event_list list = {0};
        unsigned http_status;
        assert_int_equal(
            event_http_decode(&request, EVENT_DIALECT_REQUEST, &options, &list, &http_status, NULL),
            STATUS_OK);
        const struct event *event = test_through_log(event_ref(list.events[0]));
        assert_int_equal(event->data_kind, EVENT_DATA_JSON);
        event_unref(event);
        event_list_clear(&list);
    }
    buffer_clear(&nested);
}

static void rubbish_in_headers_and_query_still_gives_an_event(void **state) {
    (void)state;
    const struct event *event =
        test_event("GET /?%ff=%00&\xc3=1\nX-Latin: caf\xe9\nX-Latin: \xc2\x80\n: none\n\n");
    assert_true(json_is_valid(event->data));
    event = test_through_log(event);
    assert_true(json_is_valid(event->data));
    event_unref(event);
}

static void params_go_into_the_data_and_leave_the_rest_alone(void **state) {
    (void)state;
    const struct event *event =
        test_event("POST /users/7\ncontent-type: application/json\n\n{ \"params\": 1.50 }");
    struct http_header items[] = {{BYTES("id"), BYTES("7")},
                                  {BYTES("a\"b"), BYTES("\xe2\x82\xac")}};
    struct event_params params = {.items = items, .count = 2};
    struct event_message message;
    event_format_write(event, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, &params, BYTES(""), &message);
    assert_json(message.body,
                "{\"path\":\"/users/7\",\"method\":\"POST\",\"host\":\"\",\"headers\":"
                "{\"Content-Type\":\"application/json\"},\"query\":{},\"params\":{\"id\":\"7\","
                "\"a\\\"b\":\"\xe2\x82\xac\"},\"body\":{\"params\":1.5}}");
    char *body = bytes_to_text(message.body);
    assert_non_null(strstr(body, "{ \"params\": 1.50 }"));
    free(body);
    event_message_clear(&message);
    event_unref(event);
}

static const struct event *foreign_request(const char *data) {
    struct event_builder *builder = event_builder_create();
    event_builder_set(builder, BYTES("id"), BYTES("1"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("source"), BYTES("/s"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("type"), BYTES("http.request"), EVENT_VALUE_STRING);
    event_builder_set_data(builder, bytes_of_text(data), EVENT_DATA_JSON);
    const struct event *event = NULL;
    assert_int_equal(event_builder_finish_take(builder, &event, NULL), STATUS_OK);
    return event;
}

static void params_go_into_whatever_object_the_data_is(void **state) {
    (void)state;
    struct http_header item = {BYTES("id"), BYTES("7")};
    struct event_params params = {.items = &item, .count = 1};
    const char *const cases[][2] = {{"{}", "{\"params\":{\"id\":\"7\"}}"},
                                    {"{\"a\":1}", "{\"a\":1,\"params\":{\"id\":\"7\"}}"},
                                    {"[1]", "[1]"},
                                    {"\"text\"", "\"text\""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct event *event = foreign_request(cases[i][0]);
        struct event_message message;
        event_format_write(event, EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0, &params, BYTES(""),
                           &message);
        assert_json(message.body, cases[i][1]);
        event_message_clear(&message);
        event_format_write(event, EVENT_FORMAT_CLASSIC, &params, BYTES(""), &message);
        assert_true(json_is_valid(message.body));
        event_message_clear(&message);
        event_unref(event);
    }
}

static void classic_functions_get_each_header_value(void **state) {
    (void)state;
    const struct event *event = test_event("GET /a\nX-Many: one\nX-Single: s\nX-Many: two\n\n");
    char expected[512];
    snprintf(expected, sizeof expected,
             "{\"event\":\"http\",\"id\":\"%.*s\",\"receivedAt\":1795486445004,\"data\":{"
             "\"path\":\"/a\",\"method\":\"GET\",\"host\":\"\",\"headers\":{\"X-Many\":[\"one\","
             "\"two\"],\"X-Single\":[\"s\"]},\"query\":{},\"params\":{},\"body\":\"\"},"
             "\"dataType\":\"application/json\"}",
             (int)event->id.size, event->id.data);
    assert_format(event, EVENT_FORMAT_CLASSIC, expected);
    event = test_through_log(event);
    assert_format(event, EVENT_FORMAT_CLASSIC, expected);
    event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_becomes_an_event_that_tells_all_of_it),
        cmocka_unit_test(each_event_has_its_own_id),
        cmocka_unit_test(the_body_is_embedded_by_its_type),
        cmocka_unit_test(json_at_the_limit_of_nesting_is_not_embedded),
        cmocka_unit_test(rubbish_in_headers_and_query_still_gives_an_event),
        cmocka_unit_test(params_go_into_the_data_and_leave_the_rest_alone),
        cmocka_unit_test(params_go_into_whatever_object_the_data_is),
        cmocka_unit_test(classic_functions_get_each_header_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
