#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/memory.h"
#include "core/registry/resources.h"

static json_t *json_of(const char *text) {
    json_t *document = json_loads(text, 0, NULL);
    assert_non_null(document);
    return document;
}

static void a_function_is_read(void **state) {
    (void)state;
    const struct function *function = NULL;
    json_t *document = json_of("{\"space\":\"default\",\"functionId\":\"f\",\"type\":\"http\","
                               "\"provider\":{\"url\":\"http://h\"},\"eventFormat\":\"classic\"}");
    assert_int_equal(function_parse(document, &function, NULL), STATUS_OK);
    json_decref(document); // The function has its own reference.
    assert_true(bytes_equal_text(function->space, "default"));
    assert_true(bytes_equal_text(function->id, "f"));
    assert_true(bytes_equal_text(function->type, "http"));
    assert_true(function->has_event_format);
    assert_int_equal(function->event_format, EVENT_FORMAT_CLASSIC);
    assert_string_equal(json_string_value(json_object_get(function->provider, "url")), "http://h");
    const struct function *kept = function_ref(function);
    function_unref(function);
    assert_true(bytes_equal_text(kept->id, "f"));
    function_unref(kept);
}

static void a_function_without_a_format_takes_the_servers(void **state) {
    (void)state;
    const struct function *function = NULL;
    json_t *document =
        json_of("{\"space\":\"default\",\"functionId\":\"f\",\"type\":\"http\",\"provider\":{}}");
    assert_int_equal(function_parse(document, &function, NULL), STATUS_OK);
    assert_false(function->has_event_format);
    function_unref(function);
    json_decref(document);
}

static void a_wrong_function_is_refused_with_the_member(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "object"},
        {"{}", "space:"},
        {"{\"space\":\"s\"}", "functionId:"},
        {"{\"space\":\"s\",\"functionId\":\"\"}", "functionId:"},
        {"{\"space\":\"s\",\"functionId\":\"f\"}", "type:"},
        {"{\"space\":\"s\",\"functionId\":\"f\",\"type\":\"http\"}", "provider:"},
        {"{\"space\":\"s\",\"functionId\":\"f\",\"type\":\"http\",\"provider\":{},"
         "\"eventFormat\":\"xml\"}",
         "eventFormat:"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct function *function = NULL;
        struct error error = {""};
        json_t *document = json_of(cases[i][0]);
        assert_int_equal(function_parse(document, &function, &error), STATUS_INVALID);
        assert_null(function);
        assert_non_null(strstr(error.text, cases[i][1]));
        json_decref(document);
    }
}

static void an_event_type_is_read(void **state) {
    (void)state;
    const struct event_type *event_type = NULL;
    json_t *document =
        json_of("{\"space\":\"default\",\"name\":\"order\",\"authorizerId\":\"auth\","
                "\"authorizerCacheSeconds\":60}");
    assert_int_equal(event_type_parse(document, &event_type, NULL), STATUS_OK);
    assert_true(bytes_equal_text(event_type->name, "order"));
    assert_true(bytes_equal_text(event_type->authorizer_id, "auth"));
    assert_int_equal(event_type->authorizer_cache_s, 60);
    event_type_unref(event_type_ref(event_type));
    event_type_unref(event_type);
    json_decref(document);
    document = json_of("{\"space\":\"default\",\"name\":\"order\"}");
    assert_int_equal(event_type_parse(document, &event_type, NULL), STATUS_OK);
    assert_int_equal(event_type->authorizer_id.size, 0);
    assert_int_equal(event_type->authorizer_cache_s, 0);
    event_type_unref(event_type);
    json_decref(document);
}

static void a_wrong_event_type_is_refused(void **state) {
    (void)state;
    static const char *const members[] = {
        "authorizerId\":1", "authorizerCacheSeconds\":-1", "authorizerCacheSeconds\":3601",
        "authorizerCacheSeconds\":1.5", "authorizerCacheSeconds\":\"1\""};
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        const struct event_type *event_type = NULL;
        struct error error = {""};
        struct buffer text = {0};
        buffer_append_format(&text, "{\"space\":\"default\",\"name\":\"order\",\"%s}", members[i]);
        json_t *document = json_of(text.data);
        assert_int_equal(event_type_parse(document, &event_type, &error), STATUS_INVALID);
        assert_memory_equal(error.text, members[i], strcspn(members[i], "\""));
        json_decref(document);
        buffer_clear(&text);
    }
}

static void a_cors_rule_is_read(void **state) {
    (void)state;
    const struct cors_rule *rule = NULL;
    json_t *document = json_of("{\"space\":\"default\",\"corsId\":\"GET%2Fa\",\"method\":\"GET\","
                               "\"path\":\"/a\",\"allowedOrigins\":[\"*\"],"
                               "\"allowCredentials\":true}");
    assert_int_equal(cors_rule_parse(document, &rule, NULL), STATUS_OK);
    assert_true(bytes_equal_text(rule->id, "GET%2Fa"));
    assert_true(bytes_equal_text(rule->method, "GET"));
    assert_true(bytes_equal_text(rule->path, "/a"));
    assert_true(rule->allow_credentials);
    cors_rule_unref(cors_rule_ref(rule));
    cors_rule_unref(rule);
    json_decref(document);
}

static void a_wrong_cors_rule_is_refused(void **state) {
    (void)state;
    static const char *const members[] = {"\"allowedOrigins\":\"*\"", "\"allowedMethods\":[1]",
                                          "\"allowedHeaders\":{}",    "\"allowCredentials\":\"no\"",
                                          "\"path\":\"/*a/b\"",       "\"path\":\"a\""};
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        const struct cors_rule *rule = NULL;
        struct buffer text = {0};
        buffer_append_format(&text,
                             "{\"space\":\"s\",\"corsId\":\"c\",\"method\":\"GET\","
                             "%s%s}",
                             strstr(members[i], "path") ? "" : "\"path\":\"/\",", members[i]);
        json_t *document = json_of(text.data);
        assert_int_equal(cors_rule_parse(document, &rule, NULL), STATUS_INVALID);
        json_decref(document);
        buffer_clear(&text);
    }
}

static void a_cors_id_is_method_and_escaped_path(void **state) {
    (void)state;
    struct buffer id = {0};
    cors_id_write(BYTES("GET"), BYTES("/users/:id x"), &id);
    assert_string_equal(id.data, "GET%2Fusers%2F:id%20x");
    buffer_clear(&id);
}

static void kinds_are_known_by_their_collection(void **state) {
    (void)state;
    enum resource_kind kind = RESOURCE_CORS;
    assert_string_equal(resource_kind_name(RESOURCE_EVENT_TYPE), "eventtypes");
    assert_true(resource_kind_parse(BYTES("subscriptions"), &kind));
    assert_int_equal(kind, RESOURCE_SUBSCRIPTION);
    assert_true(resource_kind_parse(BYTES("replays"), &kind));
    assert_int_equal(kind, RESOURCE_REPLAY);
    assert_true(resource_kind_parse(BYTES("redrives"), &kind));
    assert_int_equal(kind, RESOURCE_REDRIVE);
    assert_false(resource_kind_parse(BYTES("replay"), &kind));
    assert_false(resource_kind_parse(BYTES(""), &kind));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_is_read),
        cmocka_unit_test(a_function_without_a_format_takes_the_servers),
        cmocka_unit_test(a_wrong_function_is_refused_with_the_member),
        cmocka_unit_test(an_event_type_is_read),
        cmocka_unit_test(a_wrong_event_type_is_refused),
        cmocka_unit_test(a_cors_rule_is_read),
        cmocka_unit_test(a_wrong_cors_rule_is_refused),
        cmocka_unit_test(a_cors_id_is_method_and_escaped_path),
        cmocka_unit_test(kinds_are_known_by_their_collection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
