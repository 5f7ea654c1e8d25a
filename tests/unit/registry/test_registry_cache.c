// The last snapshot on disk: when it is written, and who starts with it.
#include "registry_test.h"

#include <sys/stat.h>

static void without_store_and_cache_nothing_starts(void **state) {
    struct fixture *fixture = *state;
    struct registry *registry = NULL;
    struct error error = {""};
    set_away(&fixture->hub, true);
    struct registry_options options = {.store = hub_node(&fixture->hub)};
    assert_int_equal(registry_create(&options, &registry, &error), STATUS_UNAVAILABLE);
    assert_string_equal(error.text, "the store is away");
    options = (struct registry_options){hub_node(&fixture->hub), fixture->cache};
    assert_int_equal(registry_create(&options, &registry, &error), STATUS_UNAVAILABLE);
    FILE *file = fopen(fixture->cache, "w");
    fputs("{\"version\":1,\"revision\":3,\"docu", file);
    fclose(file);
    options = (struct registry_options){hub_node(&fixture->hub), fixture->cache};
    assert_int_equal(registry_create(&options, &registry, &error), STATUS_UNAVAILABLE);
}

static void a_node_starts_from_its_cache_and_catches_up_with_everything(void **state) {
    struct fixture *fixture = *state;
    struct stat found;
    struct registry *node = start_node(&fixture->hub, fixture->cache);
    assert_int_equal(put(fixture, node, "f", 0), STATUS_OK);
    registry_destroy(node);
    assert_int_equal(stat(fixture->cache, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(put(fixture, fixture->registry, "g", 1), STATUS_OK);
    set_away(&fixture->hub, true);
    node = start_node(&fixture->hub, fixture->cache);
    assert_int_equal(registry_health(node, NULL), STATUS_UNAVAILABLE);
    assert_int_equal(revision_of(node), 1);
    assert_true(has_function(node, "f"));
    assert_int_equal(put(fixture, node, "h", 1), STATUS_UNAVAILABLE);
    set_away(&fixture->hub, false);
    EVENTUALLY(has_function(node, "g"));
    registry_destroy(node);
    node = NULL;
    // What it caught up with is what it starts with the next time.
    set_away(&fixture->hub, true);
    node = start_node(&fixture->hub, fixture->cache);
    assert_true(has_function(node, "g"));
    registry_destroy(node);
}

static void the_cache_is_written_while_the_node_runs(void **state) {
    struct fixture *fixture = *state;
    struct stat found;
    struct registry *node = start_node(&fixture->hub, fixture->cache);
    assert_int_equal(put(fixture, node, "f", 0), STATUS_OK);
    EVENTUALLY(stat(fixture->cache, &found) == 0);
    registry_destroy(node);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(without_store_and_cache_nothing_starts),
        REGISTRY_TEST(a_node_starts_from_its_cache_and_catches_up_with_everything),
        REGISTRY_TEST(the_cache_is_written_while_the_node_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
