#include <pthread.h>

#include "tests/unit/events/events_test.h"

static struct event_builder *new_builder(void) {
    struct event_builder *builder = event_builder_create();
    event_builder_set(builder, BYTES("id"), BYTES("1"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("source"), BYTES("/shop"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("type"), BYTES("order.created"), EVENT_VALUE_STRING);
    return builder;
}

static const struct event *finish(struct event_builder *builder) {
    const struct event *event = NULL;
    struct error error = {{0}};
    if (event_builder_finish_take(builder, &event, &error) != STATUS_OK) {
        fail_msg("refused: %s", error.text);
    }
    return event;
}

static void refuse(struct event_builder *builder, const char *part) {
    const struct event *event = NULL;
    struct error error = {{0}};
    assert_int_equal(event_builder_finish_take(builder, &event, &error), STATUS_INVALID);
    assert_null(event);
    if (!strstr(error.text, part)) {
        fail_msg("\"%s\" is not in \"%s\"", part, error.text);
    }
}

static void refuse_with(const char *name, struct bytes value, const char *part) {
    struct event_builder *builder = new_builder();
    event_builder_set(builder, bytes_of_text(name), value, EVENT_VALUE_STRING);
    refuse(builder, part);
}

static void accept_with(const char *name, struct bytes value) {
    struct event_builder *builder = new_builder();
    event_builder_set(builder, bytes_of_text(name), value, EVENT_VALUE_STRING);
    event_unref(finish(builder));
}

static void an_event_holds_copies_of_all_that_was_set(void **state) {
    (void)state;
    struct event_builder *builder = new_builder();
    char changing[] = "subject one";
    event_builder_set(builder, BYTES("subject"), bytes_of_text(changing), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("amount"), BYTES("12"), EVENT_VALUE_INTEGER);
    char data[] = "{\"a\":1}";
    event_builder_set_data(builder, bytes_of_text(data), EVENT_DATA_JSON);
    struct event_context context = {.space = BYTES("team1"),
                                    .method = BYTES("PUT"),
                                    .path = BYTES("/a"),
                                    .sync = BYTES("s"),
                                    .received_us = 5};
    event_builder_set_context(builder, &context);
    memset(changing, 'x', strlen(changing));
    memset(data, 'x', strlen(data));
    const struct event *event = finish(builder);
    assert_bytes(event->id, "1");
    assert_bytes(event->source, "/shop");
    assert_bytes(event->type, "order.created");
    assert_bytes(event->subject, "subject one");
    assert_bytes(event->data, "{\"a\":1}");
    assert_int_equal(event->data_kind, EVENT_DATA_JSON);
    assert_extension(event, "amount", "12", EVENT_VALUE_INTEGER);
    assert_null(event_extension(event, "other"));
    assert_bytes(event->context.space, "team1");
    assert_bytes(event->context.method, "PUT");
    assert_bytes(event->context.path, "/a");
    assert_bytes(event->context.sync, "s");
    assert_int_equal(event->context.received_us, 5);
    event_unref(event);
}

static void an_attribute_set_twice_keeps_the_last_value(void **state) {
    (void)state;
    struct event_builder *builder = new_builder();
    assert_false(event_builder_has(builder, BYTES("x")));
    event_builder_set(builder, BYTES("x"), BYTES("1"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("x"), BYTES("true"), EVENT_VALUE_BOOLEAN);
    event_builder_set(builder, BYTES("id"), BYTES("2"), EVENT_VALUE_STRING);
    assert_true(event_builder_has(builder, BYTES("x")));
    assert_true(event_builder_has(builder, BYTES("id")));
    assert_false(event_builder_has(builder, BYTES("subject")));
    const struct event *event = finish(builder);
    assert_int_equal(event->extension_count, 1);
    assert_extension(event, "x", "true", EVENT_VALUE_BOOLEAN);
    assert_bytes(event->id, "2");
    event_unref(event);
}

static void a_builder_of_an_event_makes_a_changed_copy(void **state) {
    (void)state;
    struct event_builder *builder = new_builder();
    event_builder_set(builder, BYTES("x"), BYTES("1"), EVENT_VALUE_INTEGER);
    event_builder_set(builder, BYTES("datacontenttype"), BYTES("text/plain"), EVENT_VALUE_STRING);
    event_builder_set_data(builder, BYTES("hello"), EVENT_DATA_TEXT);
    const struct event *first = finish(builder);
    builder = event_builder_of(first);
    event_builder_set(builder, BYTES("subject"), BYTES("new"), EVENT_VALUE_STRING);
    const struct event *second = finish(builder);
    assert_bytes(first->subject, "");
    event_unref(first);
    assert_bytes(second->subject, "new");
    assert_bytes(second->datacontenttype, "text/plain");
    assert_bytes(second->data, "hello");
    assert_int_equal(second->data_kind, EVENT_DATA_TEXT);
    assert_extension(second, "x", "1", EVENT_VALUE_INTEGER);
    event_unref(second);
}

static void an_event_lives_until_its_last_reference_goes(void **state) {
    (void)state;
    const struct event *event = finish(new_builder());
    const struct event *again = event_ref(event);
    assert_ptr_equal(event, again);
    event_unref(event);
    assert_bytes(again->id, "1");
    event_unref(again);
    event_unref(NULL);
}

static void *take_and_give_back(void *event) {
    for (int i = 0; i < 10000; i++) {
        event_unref(event_ref(event));
    }
    event_unref(event);
    return NULL;
}

static void references_may_be_taken_on_any_thread(void **state) {
    (void)state;
    const struct event *event = finish(new_builder());
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_back, event_ref(event)),
                         0);
    }
    event_unref(event);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void many_extensions_are_kept_in_order(void **state) {
    (void)state;
    struct event_builder *builder = new_builder();
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        event_builder_set(builder, bytes_of_text(name), bytes_of_text(name), EVENT_VALUE_STRING);
    }
    const struct event *event = finish(builder);
    assert_int_equal(event->extension_count, 300);
    assert_bytes(event->extensions[0].name, "n0");
    assert_bytes(event->extensions[299].value, "n299");
    event_unref(event);
}

static void required_attributes_must_be_there(void **state) {
    (void)state;
    const char *const names[] = {"id", "source", "type"};
    for (size_t i = 0; i < 3; i++) {
        refuse_with(names[i], BYTES(""), names[i]);
    }
    refuse(event_builder_create(), "\"id\" is missing");
}

static void attribute_names_have_lower_case_letters_and_digits_only(void **state) {
    (void)state;
    refuse_with("Upper", BYTES("1"), "Upper");
    refuse_with("with-dash", BYTES("1"), "with-dash");
    refuse_with("", BYTES("1"), "name");
    refuse_with("data", BYTES("1"), "data");
    refuse_with("specversion", BYTES("1.0"), "specversion");
    accept_with("averyveryverylongnamewithmorethantwentycharacters", BYTES("1"));
    accept_with("1", BYTES("1"));
}

static void attribute_values_have_no_control_characters_and_noncharacters(void **state) {
    (void)state;
    refuse_with("x", BYTES("a\nb"), "control");
    refuse_with("x", BYTES("a\x7f"), "control");
    refuse_with("x", BYTES("\xc2\x80"), "control");
    refuse_with("x", BYTES("\xef\xb7\x90"), "noncharacter");
    refuse_with("x", BYTES("\xef\xbf\xbe"), "noncharacter");
    refuse_with("x", BYTES("\xf0\x9f\xbf\xbf"), "noncharacter");
    refuse_with("x", BYTES("\xc0\xa0"), "UTF-8");
    refuse_with("x", BYTES("\xed\xa0\x80"), "UTF-8");
    refuse_with("x", BYTES("\xe2\x82"), "UTF-8");
    refuse_with("x", BYTES("\xff"), "UTF-8");
    refuse_with("subject", BYTES("a\tb"), "subject");
    refuse_with("datacontenttype", BYTES("text/plain\r\nx: y"), "datacontenttype");
    accept_with("x", BYTES("Euro \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0 \xef\xbf\xbd"));
    accept_with("x", BYTES(""));
    accept_with("datacontenttype", BYTES("anything goes"));
}

static void the_source_is_a_uri_reference(void **state) {
    (void)state;
    refuse_with("source", BYTES("a b"), "source");
    refuse_with("source", BYTES("/50%"), "source");
    refuse_with("source", BYTES("/%zz"), "source");
    accept_with("source", BYTES("https://github.com/cloudevents"));
    accept_with("source", BYTES("mailto:cncf-wg-serverless@lists.cncf.io"));
    accept_with("source", BYTES("urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"));
    accept_with("source", BYTES("cloudevents/spec/pull/123"));
    accept_with("source", BYTES("1-555-123-4567"));
    accept_with("source", BYTES("/a%20b"));
}

static void the_dataschema_is_an_absolute_uri(void **state) {
    (void)state;
    refuse_with("dataschema", BYTES("/relative"), "dataschema");
    refuse_with("dataschema", BYTES("1a:b"), "dataschema");
    refuse_with("dataschema", BYTES("a:"), "dataschema");
    refuse_with("dataschema", BYTES("http://x/a b"), "dataschema");
    accept_with("dataschema", BYTES("http://example.com/schema#v1"));
    accept_with("dataschema", BYTES("urn:x"));
}

static void the_time_is_a_timestamp(void **state) {
    (void)state;
    refuse_with("time", BYTES("yesterday"), "time");
    refuse_with("time", BYTES("2018-04-05"), "time");
    accept_with("time", BYTES("2018-04-05T17:31:00Z"));
    accept_with("time", BYTES("2018-04-05T17:31:00.123456789+02:00"));
}

static void typed_values_are_in_their_canonical_form(void **state) {
    (void)state;
    const char *const good[] = {"0", "1", "-1", "2147483647", "-2147483648"};
    const char *const bad[] = {"",    "-",          "00",          "01",          "-0", "+1",
                               "1.0", "2147483648", "-2147483649", "12345678901", "1e3"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct event_builder *builder = new_builder();
        event_builder_set(builder, BYTES("x"), bytes_of_text(good[i]), EVENT_VALUE_INTEGER);
        event_unref(finish(builder));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct event_builder *builder = new_builder();
        event_builder_set(builder, BYTES("x"), bytes_of_text(bad[i]), EVENT_VALUE_INTEGER);
        refuse(builder, "form of its type");
    }
    struct event_builder *builder = new_builder();
    event_builder_set(builder, BYTES("x"), BYTES("True"), EVENT_VALUE_BOOLEAN);
    refuse(builder, "form of its type");
}

static void system_types_are_told_by_their_beginning(void **state) {
    (void)state;
    assert_true(event_type_is_system(BYTES("gateway.event.received")));
    assert_true(event_type_is_system(BYTES("eventgateway.function.invoked")));
    assert_false(event_type_is_system(BYTES("gateway")));
    assert_false(event_type_is_system(BYTES("my.gateway.event")));
    assert_false(event_type_is_system(BYTES("")));
}

static void media_types_compare_without_case_and_parameters(void **state) {
    (void)state;
    assert_true(media_type_is_json(BYTES("application/json")));
    assert_true(media_type_is_json(BYTES("Application/JSON; charset=utf-8")));
    assert_true(media_type_is_json(BYTES("text/json ;x")));
    assert_true(media_type_is_json(BYTES("application/vnd.x+json")));
    assert_false(media_type_is_json(BYTES("application/jsonx")));
    assert_false(media_type_is_json(BYTES("json")));
    assert_false(media_type_is_json(BYTES("+json")));
    assert_false(media_type_is_json(BYTES("text/plain; format=/json")));
    assert_false(media_type_is_json(BYTES("")));
    assert_true(media_type_is_text(BYTES("TEXT/plain")));
    assert_true(media_type_is_text(BYTES("application/xml")));
    assert_true(media_type_is_text(BYTES("image/svg+xml")));
    assert_true(media_type_is_text(BYTES("application/x-www-form-urlencoded")));
    assert_true(media_type_is_text(BYTES("multipart/form-data; boundary=x")));
    assert_false(media_type_is_text(BYTES("application/octet-stream")));
    assert_false(media_type_is_text(BYTES("")));
}

static void the_kind_of_data_is_decided_by_type_and_bytes(void **state) {
    (void)state;
    struct bytes json = BYTES("application/json");
    assert_int_equal(event_data_kind_of(json, BYTES(" {\"a\":1} ")), EVENT_DATA_JSON);
    assert_int_equal(event_data_kind_of(json, BYTES("1.5")), EVENT_DATA_JSON);
    assert_int_equal(event_data_kind_of(json, BYTES("{a}")), EVENT_DATA_BINARY);
    assert_int_equal(event_data_kind_of(json, BYTES("\"\xff\"")), EVENT_DATA_BINARY);
    assert_int_equal(event_data_kind_of(BYTES("text/plain"), BYTES("x")), EVENT_DATA_TEXT);
    assert_int_equal(event_data_kind_of(BYTES("text/plain"), BYTES("\xff")), EVENT_DATA_BINARY);
    assert_int_equal(event_data_kind_of(BYTES(""), BYTES("{}")), EVENT_DATA_BINARY);
    assert_int_equal(event_data_kind_of(BYTES("image/png"), BYTES("x")), EVENT_DATA_BINARY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_holds_copies_of_all_that_was_set),
        cmocka_unit_test(an_attribute_set_twice_keeps_the_last_value),
        cmocka_unit_test(a_builder_of_an_event_makes_a_changed_copy),
        cmocka_unit_test(an_event_lives_until_its_last_reference_goes),
        cmocka_unit_test(references_may_be_taken_on_any_thread),
        cmocka_unit_test(many_extensions_are_kept_in_order),
        cmocka_unit_test(required_attributes_must_be_there),
        cmocka_unit_test(attribute_names_have_lower_case_letters_and_digits_only),
        cmocka_unit_test(attribute_values_have_no_control_characters_and_noncharacters),
        cmocka_unit_test(the_source_is_a_uri_reference),
        cmocka_unit_test(the_dataschema_is_an_absolute_uri),
        cmocka_unit_test(the_time_is_a_timestamp),
        cmocka_unit_test(typed_values_are_in_their_canonical_form),
        cmocka_unit_test(system_types_are_told_by_their_beginning),
        cmocka_unit_test(media_types_compare_without_case_and_parameters),
        cmocka_unit_test(the_kind_of_data_is_decided_by_type_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
