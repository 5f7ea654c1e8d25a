#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/memory.h"
#include "core/subscriptions/routes.h"

// --- a small world of subscriptions ---

struct world {
    struct routes *routes;
    const struct subscription **subscriptions;
    size_t count;
};

static const struct subscription *make(const char *space, const char *id, const char *type,
                                       const char *event_type, const char *method,
                                       const char *path) {
    const struct subscription *subscription = NULL;
    struct error error = {""};
    json_t *document =
        json_pack("{ss ss ss ss ss ss ss}", "space", space, "subscriptionId", id, "type", type,
                  "eventType", event_type, "functionId", "f", "method", method, "path", path);
    if (subscription_parse(document, &subscription, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    json_decref(document);
    return subscription;
}

static void add(struct world *world, const char *space, const char *id, const char *type,
                const char *event_type, const char *method, const char *path) {
    world->subscriptions =
        memory_resize(world->subscriptions, world->count + 1, sizeof(const struct subscription *));
    world->subscriptions[world->count] = make(space, id, type, event_type, method, path);
    routes_add(world->routes, world->subscriptions[world->count++]);
}

static void add_sync(struct world *world, const char *id, const char *path) {
    add(world, "default", id, "sync", "http.request", "GET", path);
}

static int set_up(void **state) {
    struct world *world = memory_allocate(sizeof *world);
    world->routes = routes_create();
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    routes_destroy(world->routes);
    for (size_t i = 0; i < world->count; i++) {
        subscription_unref(world->subscriptions[i]);
    }
    free(world->subscriptions);
    free(world);
    return 0;
}

// Writes "id(name=value,...) " for each match.
static void write_match(void *context, const struct route_match *match) {
    struct buffer *text = context;
    buffer_append(text, match->subscription->id);
    for (size_t i = 0; i < match->param_count; i++) {
        buffer_append_byte(text, i == 0 ? '(' : ',');
        buffer_append(text, match->params[i].name);
        buffer_append_byte(text, '=');
        buffer_append(text, match->params[i].value);
    }
    buffer_append_text(text, match->param_count > 0 ? ") " : " ");
}

static struct route_query query_of(const char *space, const char *type, const char *method,
                                   const char *path) {
    return (struct route_query){bytes_of_text(space), bytes_of_text(type), bytes_of_text(method),
                                bytes_of_text(path)};
}

static void assert_async(const struct world *world, struct route_query query,
                         const char *expected) {
    struct buffer text = {0};
    buffer_append_text(&text, "");
    routes_match_async(world->routes, &query, write_match, &text);
    assert_string_equal(text.size > 0 ? text.data : "", expected);
    buffer_clear(&text);
}

static void assert_sync(const struct world *world, struct route_query query, const char *expected) {
    struct buffer text = {0};
    bool has_match = routes_match_sync(world->routes, &query, write_match, &text);
    assert_string_equal(text.size > 0 ? text.data : "", expected);
    assert_int_equal(has_match, text.size > 0);
    buffer_clear(&text);
}

static void assert_get(const struct world *world, const char *path, const char *expected) {
    assert_sync(world, query_of("default", "http.request", "GET", path), expected);
}

// --- the rules ---

static void nothing_matches_where_nothing_is(void **state) {
    assert_get(*state, "/", "");
    assert_async(*state, query_of("", "order", "POST", "/"), "");
}

static void static_paths_match_themselves_alone(void **state) {
    struct world *world = *state;
    add_sync(world, "root", "/");
    add_sync(world, "a", "/a");
    add_sync(world, "ab", "/a/b");
    add_sync(world, "def", "/d/e/f");
    assert_get(world, "/", "root ");
    assert_get(world, "/a", "a ");
    assert_get(world, "/a/b", "ab ");
    assert_get(world, "/d/e/f", "def ");
    assert_get(world, "/d/e", "");
    assert_get(world, "/A", "");
    assert_get(world, "/a/b/c", "");
}

static void a_trailing_slash_makes_no_difference(void **state) {
    struct world *world = *state;
    add_sync(world, "a", "/a/");
    add_sync(world, "b", "/b/:id");
    assert_get(world, "/a", "a ");
    assert_get(world, "/a/", "a ");
    assert_get(world, "/b/1/", "b(id=1) ");
    assert_get(world, "/b/", "");
}

static void a_parameter_takes_one_segment_that_is_not_empty(void **state) {
    struct world *world = *state;
    add_sync(world, "one", "/:name");
    add_sync(world, "two", "/:name/:id");
    add_sync(world, "four", "/:name/x/:id/y");
    assert_get(world, "/foo", "one(name=foo) ");
    assert_get(world, "/foo/1", "two(name=foo,id=1) ");
    assert_get(world, "/foo/x/2/y", "four(name=foo,id=2) ");
    assert_get(world, "/foo/1/2", "");
    assert_get(world, "/", "");
    assert_get(world, "//1", "");
}

static void a_wildcard_takes_the_rest_but_at_least_one_segment(void **state) {
    struct world *world = *state;
    add_sync(world, "any", "/files/*path");
    assert_get(world, "/files/a", "any(path=a) ");
    assert_get(world, "/files/a/b//c", "any(path=a/b//c) ");
    assert_get(world, "/files", "");
    assert_get(world, "/files/", "");
}

static void values_and_segments_are_percent_decoded(void **state) {
    struct world *world = *state;
    add_sync(world, "user", "/users/:first/:last");
    add_sync(world, "blank", "/a b/c");
    add_sync(world, "encoded", "/caf%C3%A9");
    assert_get(world, "/users/J%C3%BCrgen/M%2Fller+x", "user(first=J\xc3\xbcrgen,last=M/ller+x) ");
    assert_get(world, "/users/plain/50%", "user(first=plain,last=50%) ");
    assert_get(world, "/a%20b/c", "blank ");
    assert_get(world, "/a b/c", "blank ");
    assert_get(world, "/caf%c3%a9", "encoded ");
    assert_get(world, "/caf\xc3\xa9", "encoded ");
    assert_get(world, "/a%2Fb", "");
}

// Documents that came past the conflict rules are still served, the most specific one first.
static void static_goes_before_parameter_before_wildcard(void **state) {
    struct world *world = *state;
    add_sync(world, "wildcard", "/*rest");
    add_sync(world, "parameter", "/:a/x");
    add_sync(world, "other-name", "/:b/y");
    add_sync(world, "static", "/s/x");
    assert_get(world, "/s/x", "static ");
    assert_get(world, "/p/x", "parameter(a=p) ");
    assert_get(world, "/s/y", "other-name(b=s) ");
    assert_get(world, "/s/z", "wildcard(rest=s/z) ");
}

static void
every_asynchronous_subscription_that_matches_is_visited_in_a_stable_order(void **state) {
    struct world *world = *state;
    add(world, "default", "c", "async", "order", "POST", "/:x");
    add(world, "default", "b", "async", "order", "POST", "/a");
    add(world, "default", "a", "async", "order", "POST", "/a");
    add(world, "default", "d", "async", "order", "POST", "/*y");
    add(world, "default", "e", "sync", "order", "POST", "/a");
    add(world, "default", "f", "async", "order", "GET", "/a");
    add(world, "default", "g", "async", "other", "POST", "/a");
    assert_async(world, query_of("default", "order", "POST", "/a"), "a b c(x=a) d(y=a) ");
    assert_async(world, query_of("default", "order", "POST", "/a/b"), "d(y=a/b) ");
}

static void an_event_with_a_space_matches_that_space_alone(void **state) {
    struct world *world = *state;
    add(world, "beta", "1", "async", "order", "POST", "/");
    add(world, "alpha", "2", "async", "order", "POST", "/");
    add(world, "alpha", "1", "async", "order", "POST", "/");
    add(world, "gamma", "1", "async", "order", "POST", "/");
    assert_async(world, query_of("alpha", "order", "POST", "/"), "1 2 ");
    assert_async(world, query_of("beta", "order", "POST", "/"), "1 ");
    assert_async(world, query_of("delta", "order", "POST", "/"), "");
    assert_async(world, query_of("alph", "order", "POST", "/"), "");
}

static void an_event_without_a_space_matches_in_every_space(void **state) {
    struct world *world = *state;
    add(world, "beta", "b", "async", "order", "POST", "/");
    add(world, "alpha", "a", "async", "order", "POST", "/");
    assert_async(world, query_of("", "order", "POST", "/"), "a b ");
}

static void of_several_spaces_the_most_specific_path_then_the_lowest_name_answers(void **state) {
    struct world *world = *state;
    add(world, "alpha", "a-parameter", "sync", "http.request", "GET", "/:x");
    add(world, "gamma", "g-static", "sync", "http.request", "GET", "/s");
    add(world, "beta", "b-static", "sync", "http.request", "GET", "/s");
    assert_sync(world, query_of("", "http.request", "GET", "/s"), "b-static ");
    assert_sync(world, query_of("", "http.request", "GET", "/t"), "a-parameter(x=t) ");
    // The static node of other spaces does not hide the parameter of this one.
    assert_sync(world, query_of("alpha", "http.request", "GET", "/s"), "a-parameter(x=s) ");
}

static void http_is_http_request(void **state) {
    struct world *world = *state;
    add(world, "default", "a", "async", "http", "GET", "/");
    add(world, "default", "b", "async", "http.request", "GET", "/");
    assert_async(world, query_of("default", "http", "GET", "/"), "a b ");
    assert_async(world, query_of("default", "http.request", "GET", "/"), "a b ");
    assert_async(world, query_of("default", "http.requests", "GET", "/"), "");
}

static void a_system_event_matches_in_both_spellings(void **state) {
    struct world *world = *state;
    add(world, "default", "a", "async", "gateway.event.received", "POST", "/");
    add(world, "default", "b", "async", "eventgateway.event.received", "POST", "/");
    assert_async(world, query_of("default", "gateway.event.received", "POST", "/"), "a b ");
    assert_async(world, query_of("default", "eventgateway.event.received", "POST", "/"), "a b ");
    assert_async(world, query_of("default", "event.received", "POST", "/"), "");
    assert_async(world, query_of("default", "gateway.event.received2", "POST", "/"), "");
}

static void has_match_sees_both_kinds(void **state) {
    struct world *world = *state;
    add_sync(world, "s", "/sync/:x");
    add(world, "default", "a", "async", "http", "GET", "/async");
    struct route_query query = query_of("default", "http.request", "GET", "/sync/1");
    assert_true(routes_has_match(world->routes, &query));
    query.path = BYTES("/async/");
    assert_true(routes_has_match(world->routes, &query));
    query.path = BYTES("/neither");
    assert_false(routes_has_match(world->routes, &query));
    query.path = BYTES("/async");
    query.space = BYTES("elsewhere");
    assert_false(routes_has_match(world->routes, &query));
}

static bool conflicts(const struct world *world, const char *space, const char *type,
                      const char *event_type, const char *method, const char *path,
                      struct error *error) {
    const struct subscription *candidate = make(space, "candidate", type, event_type, method, path);
    bool has_conflict = routes_conflict(world->routes, candidate, error);
    subscription_unref(candidate);
    return has_conflict;
}

static void a_conflict_names_the_subscription_that_is_there(void **state) {
    struct world *world = *state;
    struct error error = {""};
    add_sync(world, "there", "/users/:name");
    assert_true(conflicts(world, "default", "sync", "http.request", "GET", "/users/:id", &error));
    assert_string_equal(error.text,
                        "parameter with different name (\"name\") already defined: for route: "
                        "/users/:id (subscription \"there\" on path /users/:name)");
    assert_true(conflicts(world, "default", "sync", "http", "GET", "/users/me", NULL));
}

static void conflicts_stay_within_space_method_and_type(void **state) {
    struct world *world = *state;
    add_sync(world, "there", "/users/:name");
    assert_false(conflicts(world, "other", "sync", "http.request", "GET", "/users/:id", NULL));
    assert_false(conflicts(world, "default", "sync", "http.request", "POST", "/users/:id", NULL));
    assert_false(conflicts(world, "default", "sync", "order", "GET", "/users/:id", NULL));
    assert_false(conflicts(world, "default", "sync", "http.request", "GET", "/users", NULL));
}

static void asynchronous_subscriptions_never_conflict(void **state) {
    struct world *world = *state;
    add(world, "default", "there", "async", "order", "POST", "/users/:name");
    assert_false(conflicts(world, "default", "async", "order", "POST", "/users/:id", NULL));
    assert_false(conflicts(world, "default", "async", "order", "POST", "/*all", NULL));
    assert_false(conflicts(world, "default", "sync", "order", "POST", "/users/me", NULL));
}

static void a_subscription_does_not_conflict_with_itself(void **state) {
    struct world *world = *state;
    add_sync(world, "candidate", "/users/:name");
    assert_false(conflicts(world, "default", "sync", "http.request", "GET", "/users/:name", NULL));
}

static void as_many_parameters_as_a_pattern_may_have_are_captured(void **state) {
    struct world *world = *state;
    struct buffer pattern = {0};
    struct buffer path = {0};
    struct buffer expected = {0};
    buffer_append_text(&expected, "many");
    for (int i = 0; i < 32; i++) {
        buffer_append_format(&pattern, "/:p%d", i);
        buffer_append_format(&path, "/%%41%d", i);
        buffer_append_format(&expected, "%cp%d=A%d", i == 0 ? '(' : ',', i, i);
    }
    buffer_append_text(&expected, ") ");
    add_sync(world, "many", pattern.data);
    assert_get(world, path.data, expected.data);
    buffer_clear(&pattern);
    buffer_clear(&path);
    buffer_clear(&expected);
}

// Against a list that is searched from end to end.
static void thousands_of_routes_match_as_a_linear_search_would(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 3000; i++) {
        char id[16];
        char path[48];
        char type[16];
        snprintf(id, sizeof id, "%04d", i);
        snprintf(type, sizeof type, "t%d", i % 7);
        snprintf(path, sizeof path, i % 3 ? "/a%d/b%d" : "/a%d/:p%d", i % 50, i);
        add(world, i % 2 ? "odd" : "even", id, "async", type, "POST", path);
    }
    for (int i = 0; i < 3000; i += 101) {
        struct buffer expected = {0};
        char path[48];
        char type[16];
        snprintf(type, sizeof type, "t%d", i % 7);
        snprintf(path, sizeof path, "/a%d/b%d", i % 50, i);
        for (int pass = 0; pass < 2; pass++) { // static ones come first
            for (int j = 0; j < 3000; j++) {
                bool is_parameter = j % 3 == 0;
                bool fits = j % 7 == i % 7 && j % 2 == i % 2 && j % 50 == i % 50 &&
                            (is_parameter || j == i);
                if (fits && is_parameter == (pass == 1)) {
                    buffer_append_format(&expected, is_parameter ? "%04d(p%d=b%d) " : "%04d ", j, j,
                                         i);
                }
            }
        }
        assert_async(world, query_of(i % 2 ? "odd" : "even", type, "POST", path),
                     expected.size > 0 ? expected.data : "");
        buffer_clear(&expected);
    }
}

#define ROUTES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        ROUTES_TEST(nothing_matches_where_nothing_is),
        ROUTES_TEST(static_paths_match_themselves_alone),
        ROUTES_TEST(a_trailing_slash_makes_no_difference),
        ROUTES_TEST(a_parameter_takes_one_segment_that_is_not_empty),
        ROUTES_TEST(a_wildcard_takes_the_rest_but_at_least_one_segment),
        ROUTES_TEST(values_and_segments_are_percent_decoded),
        ROUTES_TEST(static_goes_before_parameter_before_wildcard),
        ROUTES_TEST(every_asynchronous_subscription_that_matches_is_visited_in_a_stable_order),
        ROUTES_TEST(an_event_with_a_space_matches_that_space_alone),
        ROUTES_TEST(an_event_without_a_space_matches_in_every_space),
        ROUTES_TEST(of_several_spaces_the_most_specific_path_then_the_lowest_name_answers),
        ROUTES_TEST(http_is_http_request),
        ROUTES_TEST(a_system_event_matches_in_both_spellings),
        ROUTES_TEST(has_match_sees_both_kinds),
        ROUTES_TEST(a_conflict_names_the_subscription_that_is_there),
        ROUTES_TEST(conflicts_stay_within_space_method_and_type),
        ROUTES_TEST(asynchronous_subscriptions_never_conflict),
        ROUTES_TEST(a_subscription_does_not_conflict_with_itself),
        ROUTES_TEST(as_many_parameters_as_a_pattern_may_have_are_captured),
        ROUTES_TEST(thousands_of_routes_match_as_a_linear_search_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
