// The registry in ZooKeeper: other nodes, limits, credentials, servers that are away or misspelt.
// Most need a server for tests: EG_TEST_ZOOKEEPER=HOST:PORT.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/memory.h"
#include "tests/support/registry_stores.h"

static void a_change_by_another_node_rings_and_is_told(void **state) {
    struct store_fixture *fixture = *state;
    struct bell bell = {.lock = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    struct registry_store *other = fixture->kind->open(fixture->place);
    other->ops->watch(other, bell_ring, &bell);
    int64_t revision = store_begin(fixture->store);
    int64_t seen = store_begin(other);
    for (int i = 0; i < 5; i++) {
        struct heard heard = {0};
        int before = bell_count(&bell);
        revision = store_put(fixture->store, "f", i % 2 ? "" : "{}", revision);
        bell_await(&bell, before);
        seen = store_load_changes(other, seen, &heard);
        assert_int_equal(seen, revision);
        assert_int_equal(heard.count, 1);
        heard_clear(&heard);
    }
    other->ops->destroy(other);
}

static void a_document_beyond_the_nodes_limit_is_too_large(void **state) {
    struct store_fixture *fixture = *state;
    struct error error = {""};
    int64_t revision = store_begin(fixture->store);
    char *document = memory_allocate(1200001);
    memset(document, 'x', 1200000);
    struct registry_edit one = store_edit(RESOURCE_FUNCTION, "default", "big", document);
    assert_int_equal(
        fixture->store->ops->apply(fixture->store, &one, 1, revision, &revision, &error),
        STATUS_TOO_LARGE);
    document[700000] = '\0';
    struct registry_edit two[] = {store_edit(RESOURCE_FUNCTION, "default", "a", document),
                                  store_edit(RESOURCE_FUNCTION, "default", "b", document)};
    assert_int_equal(
        fixture->store->ops->apply(fixture->store, two, 2, revision, &revision, &error),
        STATUS_TOO_LARGE);
    assert_int_equal(store_apply(fixture->store, two, 1, revision), revision + 1);
    free(document);
}

static void without_the_credentials_nothing_is_read(void **state) {
    struct store_fixture *fixture = *state;
    char root[160];
    snprintf(root, sizeof root, "%s-private", fixture->place);
    struct registry_store_zookeeper_options options = {
        .servers = getenv("EG_TEST_ZOOKEEPER"), .root = root, .auth = "digest:gateway:secret"};
    struct registry_store *own = NULL;
    struct registry_store *stranger = NULL;
    struct heard heard = {0};
    struct error error = {""};
    int64_t revision = -1;
    store_begin(fixture->store); // Makes the parents, open to everybody.
    assert_int_equal(registry_store_zookeeper_create(&options, &own, &error), STATUS_OK);
    options.auth = "digest:gateway:guess";
    assert_int_equal(registry_store_zookeeper_create(&options, &stranger, &error), STATUS_OK);
    assert_int_equal(store_put(own, "f", "{}", store_begin(own)), 1);
    assert_int_equal(stranger->ops->load(stranger, heard_take, &heard, &revision, &error),
                     STATUS_UNAVAILABLE);
    assert_int_equal(heard.count, 0);
    own->ops->destroy(own);
    stranger->ops->destroy(stranger);
}

static void a_chroot_is_made_when_it_is_missing(void **state) {
    struct store_fixture *fixture = *state;
    struct buffer servers = {0};
    struct error error = {""};
    struct registry_store *store = NULL;
    buffer_append_format(&servers, "%s%s/deep", getenv("EG_TEST_ZOOKEEPER"), fixture->place);
    struct registry_store_zookeeper_options options = {.servers = servers.data};
    assert_int_equal(registry_store_zookeeper_create(&options, &store, &error), STATUS_OK);
    assert_int_equal(store_put(store, "f", "{}", store_begin(store)), 1);
    store->ops->destroy(store);
    buffer_clear(&servers);
}

static void the_members_of_all_nodes_are_told(void **state) {
    struct store_fixture *fixture = *state;
    struct registry_store *other = fixture->kind->open(fixture->place);
    store_begin(fixture->store);
    store_begin(other);
    store_announce(fixture->store, "a", "{\"a\":1}");
    store_announce(other, "b", "{\"b\":1}");
    store_expect_member(fixture->store, 2, "b", "{\"b\":1}");
    store_expect_member(other, 2, "a", "{\"a\":1}");
    other->ops->destroy(other);
    store_expect_member(fixture->store, 1, "a", "{\"a\":1}");
}

// As after a session that ended here, but not yet on the servers.
static void an_entry_of_an_earlier_session_is_taken_over(void **state) {
    struct store_fixture *fixture = *state;
    struct registry_store *other = fixture->kind->open(fixture->place);
    store_begin(fixture->store);
    store_begin(other);
    store_announce(other, "a", "{\"old\":1}");
    store_announce(fixture->store, "a", "{\"new\":1}");
    other->ops->destroy(other);
    store_expect_member(fixture->store, 1, "a", "{\"new\":1}");
}

static void servers_that_cannot_be_reached_are_unavailable(void **state) {
    (void)state;
    struct registry_store *store = NULL;
    struct heard heard = {0};
    struct error error = {""};
    int64_t revision = -1;
    struct registry_store_zookeeper_options options = {.servers = "127.0.0.1:1",
                                                       .connect_timeout_ms = 50};
    assert_int_equal(registry_store_zookeeper_create(&options, &store, &error), STATUS_OK);
    assert_int_equal(store->ops->load(store, heard_take, &heard, &revision, &error),
                     STATUS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "127.0.0.1:1"));
    struct registry_edit one = store_edit(RESOURCE_FUNCTION, "default", "f", "{}");
    assert_int_equal(store->ops->apply(store, &one, 1, 0, &revision, &error), STATUS_UNAVAILABLE);
    assert_int_equal(store->ops->health(store, &error), STATUS_UNAVAILABLE);
    store->ops->destroy(store);
}

static void malformed_servers_are_invalid(void **state) {
    (void)state;
    static const char *const wrong[] = {"",     "host",        "host:",     "host:0", "host:65536",
                                        ":218", "host:1,,b:2", "host:1/x/", "a:1,b",  "host:21x"};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct registry_store *store = NULL;
        struct error error = {""};
        struct registry_store_zookeeper_options options = {.servers = wrong[i]};
        assert_int_equal(registry_store_zookeeper_create(&options, &store, &error), STATUS_INVALID);
    }
}

int main(void) {
    const struct CMUnitTest server_tests[] = {
        STORE_TEST(a_change_by_another_node_rings_and_is_told),
        STORE_TEST(a_document_beyond_the_nodes_limit_is_too_large),
        STORE_TEST(without_the_credentials_nothing_is_read),
        STORE_TEST(a_chroot_is_made_when_it_is_missing),
        STORE_TEST(the_members_of_all_nodes_are_told),
        STORE_TEST(an_entry_of_an_earlier_session_is_taken_over),
    };
    const struct CMUnitTest serverless_tests[] = {
        cmocka_unit_test(servers_that_cannot_be_reached_are_unavailable),
        cmocka_unit_test(malformed_servers_are_invalid),
    };
    int failed = cmocka_run_group_tests_name("away", serverless_tests, NULL, NULL);
    if (getenv("EG_TEST_ZOOKEEPER")) {
        store_kind_use(&store_kind_zookeeper);
        failed += cmocka_run_group_tests_name("there", server_tests, NULL, NULL);
    }
    return failed;
}
