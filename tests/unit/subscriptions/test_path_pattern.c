#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/memory.h"
#include "core/subscriptions/path_pattern.h"

static void assert_normal(const char *path, const char *expected) {
    struct buffer normal = {0};
    path_normalize(bytes_of_text(path), &normal);
    assert_string_equal(normal.data, expected);
    buffer_clear(&normal);
}

static void a_path_begins_with_a_slash_and_does_not_end_in_one(void **state) {
    (void)state;
    assert_normal("", "/");
    assert_normal("/", "/");
    assert_normal("///", "/");
    assert_normal("a", "/a");
    assert_normal("/a/", "/a");
    assert_normal("a/b//", "/a/b");
    assert_normal("/a//b", "/a//b");
    assert_normal("/A%2fb/", "/A%2fb");
}

static void good_patterns_pass(void **state) {
    (void)state;
    static const char *const good[] = {"/",        "/a",     "/:a",  "/:a/:b", "/*rest",  "/a/*b",
                                       "/a:b/c*d", "/a%20b", "/a b", "/a//b",  "/:a/b/*c"};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        struct error error = {""};
        assert_int_equal(path_pattern_check(bytes_of_text(good[i]), &error), STATUS_OK);
    }
}

static void bad_patterns_are_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *reason;
    } bad[] = {{"", "begin with '/'"},
               {"a", "begin with '/'"},
               {"/:", "no name"},
               {"/*", "no name"},
               {"/:a/:a", "twice"},
               {"/:a/*a", "twice"},
               {"/*a/b", "last parameter"},
               {"/*a/:b", "last parameter"},
               {"/a\nb", "0x0a"},
               {"/a?b=c", "0x3f"},
               {"/a#b", "0x23"}};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct error error = {""};
        assert_int_equal(path_pattern_check(bytes_of_text(bad[i].pattern), &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, bad[i].reason));
    }
}

static void length_and_parameters_are_bounded(void **state) {
    (void)state;
    struct buffer pattern = {0};
    struct error error = {""};
    for (int i = 0; i < PATH_PARAMS_MAX; i++) {
        buffer_append_format(&pattern, "/:p%d", i);
    }
    assert_int_equal(path_pattern_check(buffer_bytes(&pattern), &error), STATUS_OK);
    buffer_append_text(&pattern, "/:more");
    assert_int_equal(path_pattern_check(buffer_bytes(&pattern), &error), STATUS_INVALID);
    buffer_reset(&pattern);
    while (pattern.size < PATH_PATTERN_BYTES_MAX) {
        buffer_append_text(&pattern, "/");
    }
    assert_int_equal(path_pattern_check(buffer_bytes(&pattern), &error), STATUS_OK);
    buffer_append_text(&pattern, "a");
    assert_int_equal(path_pattern_check(buffer_bytes(&pattern), &error), STATUS_INVALID);
    buffer_clear(&pattern);
}

// The cases of the original gateway's tests, with its sentences.
static void patterns_that_cannot_share_a_tree_conflict(void **state) {
    (void)state;
    static const struct {
        const char *existing, *candidate, *reason;
    } cases[] = {
        {"/foo", "/:bar", "static route already defined for route: /:bar"},
        {"/:foo", "/bar",
         "parameter with different name (\"foo\") already defined: for route: /bar"},
        {"/:foo", "/:bar",
         "parameter with different name (\"foo\") already defined: for route: /:bar"},
        {"/:foo/:bar", "/baz",
         "parameter with different name (\"foo\") already defined: for route: /baz"},
        {"/a/b/c/d", "/:b", "static route already defined for route: /:b"},
        {"/foo/:bar", "/foo/bar/baz",
         "parameter with different name (\"bar\") already defined: for route: /foo/bar/baz"},
        {"/:foo/bar/baz", "/foo/:bar",
         "parameter with different name (\"foo\") already defined: for route: /foo/:bar"},
        {"/*foo", "/*bar",
         "wildcard with different name (\"foo\") already defined: for route: /*bar"},
        {"/*foo", "/bar",
         "wildcard with different name (\"foo\") already defined: for route: /bar"},
        {"/*foo", "/:bar",
         "wildcard with different name (\"foo\") already defined: for route: /:bar"},
        {"/:foo", "/*bar",
         "parameter with different name (\"foo\") already defined: for route: /*bar"},
        {"/foo", "/*bar", "static route already defined for route: /*bar"},
        {"/foo", "/foo", "route /foo conflicts with existing route"},
        {"/a%20b", "/a b", "route /a b conflicts with existing route"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error error = {""};
        assert_true(path_patterns_conflict(bytes_of_text(cases[i].existing),
                                           bytes_of_text(cases[i].candidate), &error));
        assert_string_equal(error.text, cases[i].reason);
        assert_true(path_patterns_conflict(bytes_of_text(cases[i].candidate),
                                           bytes_of_text(cases[i].existing), NULL));
    }
}

static void patterns_that_part_at_static_segments_do_not_conflict(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"/foo", "/bar/baz"}, {"/:a", "/:a/b"},     {"/", "/:a"},
        {"/", "/*rest"},      {"/a", "/a/*rest"},   {"/a/:id", "/b/:no"},
        {"/a/:x", "/b/*y"},   {"/Users", "/users"}, {"/:a/x", "/:a/y/:z"}};
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        struct bytes a = bytes_of_text(pairs[i][0]);
        struct bytes b = bytes_of_text(pairs[i][1]);
        assert_false(path_patterns_conflict(a, b, NULL));
        assert_false(path_patterns_conflict(b, a, NULL));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_begins_with_a_slash_and_does_not_end_in_one),
        cmocka_unit_test(good_patterns_pass),
        cmocka_unit_test(bad_patterns_are_refused_with_the_reason),
        cmocka_unit_test(length_and_parameters_are_bounded),
        cmocka_unit_test(patterns_that_cannot_share_a_tree_conflict),
        cmocka_unit_test(patterns_that_part_at_static_segments_do_not_conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
