#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/memory.h"
#include "core/registry/registry_revision.h"

static struct registry_revision *parse(const char *data) {
    struct registry_revision *revision = NULL;
    struct error error = {""};
    if (registry_revision_parse(bytes_of_text(data), &revision, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return revision;
}

static struct registry_revision *first(void) {
    struct buffer data = {0};
    registry_revision_write_first(&data);
    struct registry_revision *revision = parse(data.data);
    buffer_clear(&data);
    return revision;
}

static struct registry_revision *next_take(struct registry_revision *revision, const char *id,
                                           const struct bytes *paths, size_t count) {
    struct buffer data = {0};
    registry_revision_write_next(revision, id, paths, count, &data);
    registry_revision_destroy(revision);
    revision = parse(data.data);
    assert_true(data.size < (100 << 10));
    buffer_clear(&data);
    return revision;
}

static void append_path(void *context, struct bytes path) {
    struct buffer *list = context;
    buffer_append(list, path);
    buffer_append_byte(list, ' ');
}

static void each_change_adds_its_paths(void **state) {
    (void)state;
    struct buffer list = {0};
    struct bytes paths[] = {BYTES("default/functions/a"), BYTES("default/cors/GET%2F\"")};
    struct registry_revision *revision = first();
    assert_int_equal(registry_revision_number(revision), 0);
    revision = next_take(revision, "one", paths, 1);
    revision = next_take(revision, "two", paths + 1, 1);
    assert_int_equal(registry_revision_number(revision), 2);
    assert_true(registry_revision_each_path(revision, 0, append_path, &list));
    assert_string_equal(list.data, "default/functions/a default/cors/GET%2F\" ");
    buffer_reset(&list);
    assert_true(registry_revision_each_path(revision, 1, append_path, &list));
    assert_string_equal(list.data, "default/cors/GET%2F\" ");
    buffer_reset(&list);
    assert_true(registry_revision_each_path(revision, 2, append_path, &list));
    assert_int_equal(list.size, 0);
    assert_false(registry_revision_each_path(revision, 3, append_path, &list));
    buffer_clear(&list);
    registry_revision_destroy(revision);
}

static void an_old_revision_is_not_known_in_detail(void **state) {
    (void)state;
    struct buffer list = {0};
    struct bytes path = BYTES("default/functions/a");
    struct registry_revision *revision = first();
    for (int i = 0; i < 120; i++) {
        revision = next_take(revision, "x", &path, 1);
    }
    assert_false(registry_revision_each_path(revision, 19, append_path, &list));
    assert_true(registry_revision_each_path(revision, 20, append_path, &list));
    buffer_clear(&list);
    registry_revision_destroy(revision);
}

static void long_paths_shorten_the_history(void **state) {
    (void)state;
    struct buffer list = {0};
    char path[2001];
    memset(path, 'p', 2000);
    path[2000] = '\0';
    struct bytes paths = bytes_of_text(path);
    struct registry_revision *revision = first();
    for (int i = 0; i < 60; i++) {
        revision = next_take(revision, "x", &paths, 1);
    }
    assert_false(registry_revision_each_path(revision, 0, append_path, &list));
    assert_true(registry_revision_each_path(revision, 50, append_path, &list));
    buffer_clear(&list);
    registry_revision_destroy(revision);
}

static void a_change_of_very_many_documents_is_not_known_in_detail(void **state) {
    (void)state;
    struct buffer list = {0};
    enum {
        COUNT = 3000
    };
    struct bytes *paths = memory_allocate(COUNT * sizeof *paths);
    for (int i = 0; i < COUNT; i++) {
        paths[i] = BYTES("default/functions/some-function");
    }
    struct registry_revision *revision = next_take(first(), "many", paths, COUNT);
    assert_int_equal(registry_revision_number(revision), 1);
    assert_false(registry_revision_each_path(revision, 0, append_path, &list));
    assert_int_equal(registry_revision_fate_of(revision, 1, "many"), REVISION_FATE_APPLIED);
    free(paths);
    buffer_clear(&list);
    registry_revision_destroy(revision);
}

static void the_history_tells_a_changes_fate(void **state) {
    (void)state;
    struct bytes path = BYTES("default/functions/a");
    struct registry_revision *revision = next_take(first(), "mine", &path, 1);
    revision = next_take(revision, "theirs", &path, 1);
    assert_int_equal(registry_revision_fate_of(revision, 1, "mine"), REVISION_FATE_APPLIED);
    assert_int_equal(registry_revision_fate_of(revision, 2, "mine"), REVISION_FATE_NOT_APPLIED);
    assert_int_equal(registry_revision_fate_of(revision, 3, "mine"), REVISION_FATE_NOT_APPLIED);
    for (int i = 0; i < 120; i++) {
        revision = next_take(revision, "x", &path, 1);
    }
    assert_int_equal(registry_revision_fate_of(revision, 1, "mine"), REVISION_FATE_UNKNOWN);
    registry_revision_destroy(revision);
}

static void what_is_no_revision_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "7",
                                        "{}",
                                        "{\"revision\":1}",
                                        "{\"revision\":\"1\",\"changes\":[]}",
                                        "{\"revision\":1,\"changes\":{}}",
                                        "{\"revision\":1,\"changes\":[{}]}",
                                        "{\"revision\":1,\"changes\":[{\"revision\":1}]}"};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct registry_revision *revision = NULL;
        assert_int_equal(registry_revision_parse(bytes_of_text(wrong[i]), &revision, NULL),
                         STATUS_INVALID);
        assert_null(revision);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_adds_its_paths),
        cmocka_unit_test(an_old_revision_is_not_known_in_detail),
        cmocka_unit_test(long_paths_shorten_the_history),
        cmocka_unit_test(a_change_of_very_many_documents_is_not_known_in_detail),
        cmocka_unit_test(the_history_tells_a_changes_fate),
        cmocka_unit_test(what_is_no_revision_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
