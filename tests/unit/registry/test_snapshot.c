#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/memory.h"
#include "core/registry/snapshot_builder.h"

static struct bytes text(const char *of) {
    return bytes_of_text(of);
}

static void put_document(struct snapshot_builder *builder, enum resource_kind kind,
                         const char *space, const char *id, const char *document) {
    struct error error = {""};
    if (snapshot_builder_put(builder, kind, text(space), text(id), text(document), &error) !=
        STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static void put_function(struct snapshot_builder *builder, const char *space, const char *id,
                         const char *type) {
    char document[256];
    snprintf(document, sizeof document,
             "{\"space\":\"%s\",\"functionId\":\"%s\",\"type\":\"%s\",\"provider\":{}}", space, id,
             type);
    put_document(builder, RESOURCE_FUNCTION, space, id, document);
}

static void put_subscription(struct snapshot_builder *builder, const char *space, const char *id) {
    char document[256];
    snprintf(document, sizeof document,
             "{\"space\":\"%s\",\"subscriptionId\":\"%s\",\"type\":\"async\",\"eventType\":\"t\","
             "\"functionId\":\"f\"}",
             space, id);
    put_document(builder, RESOURCE_SUBSCRIPTION, space, id, document);
}

static void remove_it(struct snapshot_builder *builder, enum resource_kind kind, const char *space,
                      const char *id) {
    assert_int_equal(
        snapshot_builder_put(builder, kind, text(space), text(id), (struct bytes){0}, NULL),
        STATUS_OK);
}

static const struct snapshot *make_some(void) {
    struct snapshot_builder *builder = snapshot_builder_create(NULL);
    put_function(builder, "default", "b", "http");
    put_function(builder, "default", "a", "http");
    put_function(builder, "alpha", "a", "awslambda");
    put_subscription(builder, "default", "s2");
    put_subscription(builder, "default", "s1");
    put_document(builder, RESOURCE_EVENT_TYPE, "zeta", "t", "{\"space\":\"zeta\",\"name\":\"t\"}");
    put_document(builder, RESOURCE_CORS, "default", "GET%2F",
                 "{\"space\":\"default\",\"corsId\":\"GET%2F\",\"method\":\"GET\",\"path\":\"/\"}");
    return snapshot_builder_finish_take(builder, 7);
}

static void put_rule(struct snapshot_builder *builder, const char *space, const char *method,
                     const char *path) {
    char document[256];
    char id[128];
    snprintf(id, sizeof id, "%s%s", method, path);
    snprintf(document, sizeof document,
             "{\"space\":\"%s\",\"corsId\":\"%s\",\"method\":\"%s\",\"path\":\"%s\"}", space, id,
             method, path);
    put_document(builder, RESOURCE_CORS, space, id, document);
}

static void expect_rule(const struct snapshot *snapshot, const char *space, const char *method,
                        const char *path, const char *found) {
    const struct cors_rule *rule =
        snapshot_match_cors_rule(snapshot, text(space), text(method), text(path));
    if (!found) {
        assert_null(rule);
        return;
    }
    char where[128];
    assert_non_null(rule);
    snprintf(where, sizeof where, "%.*s %.*s", (int)rule->space.size, rule->space.data,
             (int)rule->path.size, rule->path.data);
    assert_string_equal(where, found);
}

static void cors_rules_are_matched_by_method_and_path(void **state) {
    (void)state;
    struct snapshot_builder *builder = snapshot_builder_create(NULL);
    put_rule(builder, "default", "GET", "/a/:name");
    put_rule(builder, "default", "GET", "/a/b");
    put_rule(builder, "default", "POST", "/files/*rest");
    put_rule(builder, "alpha", "GET", "/a/b");
    const struct snapshot *snapshot = snapshot_builder_finish_take(builder, 1);
    assert_true(snapshot_has_cors_rules(snapshot));
    expect_rule(snapshot, "default", "GET", "/a/b", "default /a/b");
    expect_rule(snapshot, "default", "GET", "/a/c", "default /a/:name");
    expect_rule(snapshot, "default", "POST", "/files/x/y", "default /files/*rest");
    expect_rule(snapshot, "default", "PUT", "/a/b", NULL);
    expect_rule(snapshot, "beta", "GET", "/a/b", NULL);
    expect_rule(snapshot, "", "GET", "/a/b", "alpha /a/b");
    expect_rule(snapshot, "", "GET", "/a/c", "default /a/:name");
    builder = snapshot_builder_create(snapshot);
    remove_it(builder, RESOURCE_CORS, "alpha", "GET/a/b");
    const struct snapshot *next = snapshot_builder_finish_take(builder, 2);
    expect_rule(next, "", "GET", "/a/b", "default /a/b");
    expect_rule(snapshot, "", "GET", "/a/b", "alpha /a/b");
    snapshot_unref(snapshot);
    snapshot_unref(next);
}

static void cors_rules_are_shared_while_they_do_not_change(void **state) {
    (void)state;
    const struct snapshot *snapshot = make_some();
    struct snapshot_builder *builder = snapshot_builder_create(snapshot);
    put_function(builder, "default", "new", "http");
    const struct snapshot *next = snapshot_builder_finish_take(builder, 8);
    assert_ptr_equal(snapshot->cors, next->cors);
    snapshot_unref(snapshot);
    expect_rule(next, "default", "GET", "/", "default /");
    snapshot_unref(next);
}

static void an_empty_snapshot_holds_nothing(void **state) {
    (void)state;
    size_t count = 9;
    const struct snapshot *snapshot =
        snapshot_builder_finish_take(snapshot_builder_create(NULL), 0);
    assert_int_equal(snapshot_revision(snapshot), 0);
    assert_null(snapshot_function(snapshot, text("default"), text("f")));
    assert_int_equal(snapshot_count(snapshot, RESOURCE_CORS, text("")), 0);
    (void)snapshot_subscriptions(snapshot, &count);
    assert_int_equal(count, 0);
    assert_non_null(snapshot_routes(snapshot));
    assert_false(snapshot_has_cors_rules(snapshot));
    expect_rule(snapshot, "", "GET", "/", NULL);
    snapshot_unref(snapshot);
}

static void resources_are_found_by_space_and_id(void **state) {
    (void)state;
    const struct snapshot *snapshot = make_some();
    assert_int_equal(snapshot_revision(snapshot), 7);
    assert_true(
        bytes_equal_text(snapshot_function(snapshot, text("alpha"), text("a"))->type, "awslambda"));
    assert_null(snapshot_function(snapshot, text("alpha"), text("b")));
    assert_null(snapshot_function(snapshot, text("alph"), text("aa")));
    assert_non_null(snapshot_event_type(snapshot, text("zeta"), text("t")));
    assert_non_null(snapshot_subscription(snapshot, text("default"), text("s1")));
    assert_non_null(snapshot_cors_rule(snapshot, text("default"), text("GET%2F")));
    const struct json_t *document =
        snapshot_document(snapshot, RESOURCE_FUNCTION, text("default"), text("b"));
    assert_string_equal(json_string_value(json_object_get(document, "functionId")), "b");
    assert_null(snapshot_document(snapshot, RESOURCE_CORS, text("default"), text("b")));
    snapshot_unref(snapshot);
}

static void append_keys(void *context, struct bytes space, struct bytes id,
                        const struct json_t *document) {
    struct buffer *list = context;
    assert_non_null(document);
    buffer_append(list, space);
    buffer_append_byte(list, '/');
    buffer_append(list, id);
    buffer_append_byte(list, ' ');
}

static void append_space(void *context, struct bytes space) {
    struct buffer *list = context;
    buffer_append(list, space);
    buffer_append_byte(list, ' ');
}

static void listings_are_sorted_by_space_and_id(void **state) {
    (void)state;
    struct buffer list = {0};
    const struct snapshot *snapshot = make_some();
    snapshot_each(snapshot, RESOURCE_FUNCTION, text(""), append_keys, &list);
    assert_string_equal(list.data, "alpha/a default/a default/b ");
    buffer_reset(&list);
    snapshot_each(snapshot, RESOURCE_FUNCTION, text("default"), append_keys, &list);
    assert_string_equal(list.data, "default/a default/b ");
    buffer_reset(&list);
    snapshot_each_space(snapshot, append_space, &list);
    assert_string_equal(list.data, "alpha default zeta ");
    assert_true(snapshot_has_space(snapshot, text("alpha")));
    assert_true(snapshot_has_space(snapshot, text("zeta")));
    assert_false(snapshot_has_space(snapshot, text("alph")));
    assert_false(snapshot_has_space(snapshot, text("zetaa")));
    assert_int_equal(snapshot_count(snapshot, RESOURCE_FUNCTION, text("")), 3);
    assert_int_equal(snapshot_count(snapshot, RESOURCE_FUNCTION, text("default")), 2);
    assert_int_equal(snapshot_count(snapshot, RESOURCE_FUNCTION, text("zeta")), 0);
    size_t count = 0;
    const struct subscription *const *all = snapshot_subscriptions(snapshot, &count);
    assert_int_equal(count, 2);
    assert_true(bytes_equal_text(all[0]->id, "s1"));
    assert_true(bytes_equal_text(all[1]->id, "s2"));
    buffer_clear(&list);
    snapshot_unref(snapshot);
}

static void what_does_not_change_is_shared_with_the_snapshot_before(void **state) {
    (void)state;
    const struct snapshot *before = make_some();
    struct snapshot_builder *builder = snapshot_builder_create(before);
    put_function(builder, "default", "b", "awslambda");
    remove_it(builder, RESOURCE_FUNCTION, "alpha", "a");
    remove_it(builder, RESOURCE_FUNCTION, "alpha", "never-there");
    const struct snapshot *after = snapshot_builder_finish_take(builder, 8);
    assert_ptr_equal(snapshot_function(after, text("default"), text("a")),
                     snapshot_function(before, text("default"), text("a")));
    assert_ptr_equal(snapshot_routes(after), snapshot_routes(before));
    assert_true(
        bytes_equal_text(snapshot_function(after, text("default"), text("b"))->type, "awslambda"));
    assert_true(
        bytes_equal_text(snapshot_function(before, text("default"), text("b"))->type, "http"));
    assert_null(snapshot_function(after, text("alpha"), text("a")));
    snapshot_unref(before);
    assert_non_null(snapshot_subscription(after, text("default"), text("s1")));
    snapshot_unref(after);
}

static void count_match(void *context, const struct route_match *match) {
    (void)match;
    (*(size_t *)context)++;
}

static size_t matches(const struct snapshot *snapshot) {
    size_t count = 0;
    struct route_query query = {text("default"), text("t"), text("POST"), text("/")};
    routes_match_async(snapshot_routes(snapshot), &query, count_match, &count);
    return count;
}

static void routes_follow_the_subscriptions(void **state) {
    (void)state;
    const struct snapshot *before = make_some();
    assert_int_equal(matches(before), 2);
    struct snapshot_builder *builder = snapshot_builder_create(before);
    remove_it(builder, RESOURCE_SUBSCRIPTION, "default", "s1");
    put_subscription(builder, "default", "s3");
    put_subscription(builder, "default", "s4");
    const struct snapshot *after = snapshot_builder_finish_take(builder, 8);
    snapshot_unref(before);
    assert_int_equal(matches(after), 3);
    snapshot_unref(after);
}

static void the_last_word_on_a_resource_counts(void **state) {
    (void)state;
    struct snapshot_builder *builder = snapshot_builder_create(NULL);
    put_function(builder, "default", "f", "http");
    put_function(builder, "default", "f", "awslambda");
    put_function(builder, "default", "g", "http");
    remove_it(builder, RESOURCE_FUNCTION, "default", "g");
    const struct snapshot *snapshot = snapshot_builder_finish_take(builder, 1);
    assert_true(bytes_equal_text(snapshot_function(snapshot, text("default"), text("f"))->type,
                                 "awslambda"));
    assert_null(snapshot_function(snapshot, text("default"), text("g")));
    snapshot_unref(snapshot);
}

static void what_cannot_be_understood_is_left_out(void **state) {
    (void)state;
    static const char *const documents[] = {
        "not json", "[]", "{\"space\":\"default\"}",
        "{\"space\":\"other\",\"functionId\":\"a\",\"type\":\"http\",\"provider\":{}}",
        "{\"space\":\"default\",\"functionId\":\"other\",\"type\":\"http\",\"provider\":{}}"};
    const struct snapshot *before = make_some();
    for (size_t i = 0; i < ARRAY_LENGTH(documents); i++) {
        struct snapshot_builder *builder = snapshot_builder_create(before);
        struct error error = {""};
        assert_int_equal(snapshot_builder_put(builder, RESOURCE_FUNCTION, text("default"),
                                              text("a"), text(documents[i]), &error),
                         STATUS_INVALID);
        assert_true(strlen(error.text) > 0);
        const struct snapshot *after = snapshot_builder_finish_take(builder, 8);
        assert_null(snapshot_function(after, text("default"), text("a")));
        assert_non_null(snapshot_function(after, text("default"), text("b")));
        snapshot_unref(after);
    }
    snapshot_unref(before);
}

static void an_unfinished_builder_changes_nothing(void **state) {
    (void)state;
    const struct snapshot *before = make_some();
    struct snapshot_builder *builder = snapshot_builder_create(before);
    put_function(builder, "default", "c", "http");
    remove_it(builder, RESOURCE_FUNCTION, "default", "a");
    snapshot_builder_destroy(builder);
    assert_non_null(snapshot_function(before, text("default"), text("a")));
    snapshot_unref(before);
}

static void put_listener(struct snapshot_builder *builder, const char *space, const char *id,
                         const char *kind, const char *event_type) {
    char document[256];
    snprintf(document, sizeof document,
             "{\"space\":\"%s\",\"subscriptionId\":\"%s\",\"type\":\"%s\",\"eventType\":\"%s\","
             "\"functionId\":\"f\"}",
             space, id, kind, event_type);
    put_document(builder, RESOURCE_SUBSCRIPTION, space, id, document);
}

static bool wants(const struct snapshot *snapshot, const char *space, enum system_event kind) {
    return snapshot_wants_system_event(snapshot, text(space), kind);
}

static void system_events_are_wanted_where_somebody_subscribes_to_them(void **state) {
    (void)state;
    const struct snapshot *before = make_some();
    assert_false(wants(before, "default", SYSTEM_EVENT_RECEIVED));
    assert_false(wants(before, "", SYSTEM_EVENT_RECEIVED));
    struct snapshot_builder *builder = snapshot_builder_create(before);
    put_listener(builder, "zeta", "l1", "async", "gateway.event.received");
    put_listener(builder, "zeta", "l2", "async", "eventgateway.function.invoked");
    put_listener(builder, "alpha", "l3", "async", "eventgateway.event.received");
    put_listener(builder, "default", "l4", "sync", "gateway.event.received");
    put_listener(builder, "default", "l5", "async", "gateway.event.unknown");
    const struct snapshot *after = snapshot_builder_finish_take(builder, 8);
    assert_true(wants(after, "zeta", SYSTEM_EVENT_RECEIVED));
    assert_true(wants(after, "zeta", SYSTEM_FUNCTION_INVOKED));
    assert_false(wants(after, "zeta", SYSTEM_FUNCTION_INVOKING));
    assert_true(wants(after, "alpha", SYSTEM_EVENT_RECEIVED));
    assert_false(wants(after, "alpha", SYSTEM_FUNCTION_INVOKED));
    assert_false(wants(after, "default", SYSTEM_EVENT_RECEIVED));
    assert_false(wants(after, "never-there", SYSTEM_EVENT_RECEIVED));
    assert_true(wants(after, "", SYSTEM_EVENT_RECEIVED));
    assert_false(wants(after, "", SYSTEM_FUNCTION_FAILED));
    snapshot_unref(before);
    builder = snapshot_builder_create(after);
    remove_it(builder, RESOURCE_SUBSCRIPTION, "zeta", "l1");
    remove_it(builder, RESOURCE_SUBSCRIPTION, "alpha", "l3");
    const struct snapshot *last = snapshot_builder_finish_take(builder, 9);
    snapshot_unref(after);
    assert_false(wants(last, "", SYSTEM_EVENT_RECEIVED));
    assert_true(wants(last, "zeta", SYSTEM_FUNCTION_INVOKED));
    snapshot_unref(last);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_snapshot_holds_nothing),
        cmocka_unit_test(resources_are_found_by_space_and_id),
        cmocka_unit_test(listings_are_sorted_by_space_and_id),
        cmocka_unit_test(what_does_not_change_is_shared_with_the_snapshot_before),
        cmocka_unit_test(routes_follow_the_subscriptions),
        cmocka_unit_test(cors_rules_are_matched_by_method_and_path),
        cmocka_unit_test(cors_rules_are_shared_while_they_do_not_change),
        cmocka_unit_test(the_last_word_on_a_resource_counts),
        cmocka_unit_test(what_cannot_be_understood_is_left_out),
        cmocka_unit_test(an_unfinished_builder_changes_nothing),
        cmocka_unit_test(system_events_are_wanted_where_somebody_subscribes_to_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
