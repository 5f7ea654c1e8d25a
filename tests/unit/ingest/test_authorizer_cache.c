#include "ingest/authorizer_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/memory.h"

#define SECOND INT64_C(1000000)

struct fixture {
    struct authorizer_cache *cache;
    const struct event_type *type, *other_type;
    const struct function *function, *other_function;
};

static const struct event_type *make_type(int seconds) {
    const struct event_type *type = NULL;
    json_t *document = json_pack("{s:s,s:s,s:i}", "space", "default", "name", "t",
                                 "authorizerCacheSeconds", seconds);
    assert_int_equal(event_type_parse(document, &type, NULL), STATUS_OK);
    json_decref(document);
    return type;
}

static const struct function *make_function(void) {
    const struct function *function = NULL;
    json_t *document = json_pack("{s:s,s:s,s:s,s:{}}", "space", "default", "functionId", "f",
                                 "type", "http", "provider");
    assert_int_equal(function_parse(document, &function, NULL), STATUS_OK);
    json_decref(document);
    return function;
}

static int setup(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->cache = authorizer_cache_create();
    fixture->type = make_type(60);
    fixture->other_type = make_type(60);
    fixture->function = make_function();
    fixture->other_function = make_function();
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    authorizer_cache_destroy(fixture->cache);
    event_type_unref(fixture->type);
    event_type_unref(fixture->other_type);
    function_unref(fixture->function);
    function_unref(fixture->other_function);
    free(fixture);
    return 0;
}

static struct authorizer_question about(const struct fixture *fixture, const char *authorization) {
    return (struct authorizer_question){fixture->type, fixture->function,
                                        bytes_of_text(authorization)};
}

static const struct authorizer_decision granted = {
    .is_granted = true, .principal = BYTES("ada"), .claims = BYTES("{}")};

static void a_decision_is_found_until_its_time_is_over(void **state) {
    struct fixture *fixture = *state;
    struct authorizer_question question = about(fixture, "Bearer a");
    authorizer_cache_keep(fixture->cache, &question, &granted, 5 * SECOND);
    const struct authorizer_decision *found =
        authorizer_cache_find(fixture->cache, &question, 65 * SECOND - 1);
    assert_true(found->is_granted);
    assert_true(bytes_equal_text(found->principal, "ada"));
    assert_true(bytes_equal_text(found->claims, "{}"));
    assert_null(authorizer_cache_find(fixture->cache, &question, 65 * SECOND));
    assert_null(authorizer_cache_find(fixture->cache, &question, 6 * SECOND));
}

static void it_counts_for_that_header_type_and_function_alone(void **state) {
    struct fixture *fixture = *state;
    struct authorizer_question question = about(fixture, "Bearer a");
    authorizer_cache_keep(fixture->cache, &question, &granted, 0);
    struct authorizer_question other = about(fixture, "Bearer A");
    assert_null(authorizer_cache_find(fixture->cache, &other, 1));
    other = question;
    other.event_type = fixture->other_type;
    assert_null(authorizer_cache_find(fixture->cache, &other, 1));
    other = question;
    other.authorizer = fixture->other_function;
    assert_null(authorizer_cache_find(fixture->cache, &other, 1));
    assert_non_null(authorizer_cache_find(fixture->cache, &question, 1));
}

static void the_last_word_counts(void **state) {
    struct fixture *fixture = *state;
    struct authorizer_question question = about(fixture, "Bearer a");
    const struct authorizer_decision refused = {.message = BYTES("no")};
    authorizer_cache_keep(fixture->cache, &question, &granted, 0);
    authorizer_cache_keep(fixture->cache, &question, &refused, 1);
    const struct authorizer_decision *found = authorizer_cache_find(fixture->cache, &question, 2);
    assert_false(found->is_granted);
    assert_true(bytes_equal_text(found->message, "no"));
}

static void nothing_is_kept_that_must_not_be(void **state) {
    struct fixture *fixture = *state;
    static char large[AUTHORIZER_CACHE_AUTHORIZATION_MAX + 2];
    memset(large, 'a', sizeof large - 1);
    struct authorizer_question questions[] = {about(fixture, ""), about(fixture, large)};
    for (size_t i = 0; i < ARRAY_LENGTH(questions); i++) {
        authorizer_cache_keep(fixture->cache, &questions[i], &granted, 0);
        assert_null(authorizer_cache_find(fixture->cache, &questions[i], 1));
    }
    const struct event_type *uncached = make_type(0);
    struct authorizer_question question = about(fixture, "Bearer a");
    question.event_type = uncached;
    authorizer_cache_keep(fixture->cache, &question, &granted, 0);
    assert_null(authorizer_cache_find(fixture->cache, &question, 0));
    event_type_unref(uncached);
}

static void keep_many(struct fixture *fixture, int count,
                      const struct authorizer_decision *decision) {
    char text[32];
    struct authorizer_question first = about(fixture, "Bearer 0");
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "Bearer %d", i);
        struct authorizer_question question = about(fixture, text);
        authorizer_cache_keep(fixture->cache, &question, decision, 0);
        (void)authorizer_cache_find(fixture->cache, &first, 1);
    }
}

static void what_was_not_used_for_longest_makes_room(void **state) {
    struct fixture *fixture = *state;
    keep_many(fixture, AUTHORIZER_CACHE_MAX + 1, &granted);
    struct authorizer_question used = about(fixture, "Bearer 0");
    struct authorizer_question unused = about(fixture, "Bearer 1");
    struct authorizer_question next = about(fixture, "Bearer 2");
    assert_non_null(authorizer_cache_find(fixture->cache, &used, 1));
    assert_null(authorizer_cache_find(fixture->cache, &unused, 1));
    assert_non_null(authorizer_cache_find(fixture->cache, &next, 1));
}

static void large_claims_make_room_sooner(void **state) {
    struct fixture *fixture = *state;
    size_t size = 1024 * 1024;
    char *claims = memory_allocate(size);
    memset(claims, 'x', size);
    struct authorizer_decision large = {.is_granted = true, .claims = {claims, size}};
    keep_many(fixture, 6, &large);
    size_t found = 0;
    for (int i = 0; i < 6; i++) {
        char text[32];
        snprintf(text, sizeof text, "Bearer %d", i);
        struct authorizer_question question = about(fixture, text);
        found += authorizer_cache_find(fixture->cache, &question, 1) != NULL;
    }
    assert_int_equal(found, 3);
    free(claims);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_decision_is_found_until_its_time_is_over),
        TEST(it_counts_for_that_header_type_and_function_alone),
        TEST(the_last_word_counts),
        TEST(nothing_is_kept_that_must_not_be),
        TEST(what_was_not_used_for_longest_makes_room),
        TEST(large_claims_make_room_sooner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
