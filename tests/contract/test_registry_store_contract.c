// What every registry_store keeps to. Runs over memory and SQLite, and over ZooKeeper when
// EG_TEST_ZOOKEEPER=HOST:PORT names a server for tests.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/registry_stores.h"

static void a_new_store_is_empty_at_revision_0(void **state) {
    struct store_fixture *fixture = *state;
    struct heard heard = {0};
    assert_int_equal(store_load(fixture->store, &heard), 0);
    assert_int_equal(heard.count, 0);
    assert_int_equal(fixture->store->ops->health(fixture->store, NULL), STATUS_OK);
}

static void what_was_applied_is_loaded(void **state) {
    struct store_fixture *fixture = *state;
    struct heard heard = {0};
    store_begin(fixture->store);
    assert_int_equal(store_put(fixture->store, "f", "{\"a\":1}", 0), 1);
    assert_int_equal(store_put(fixture->store, "f", "{\"a\":2}", 1), 2);
    assert_int_equal(store_put(fixture->store, "g", "{\"b\":1}", 2), 3);
    assert_int_equal(store_load(fixture->store, &heard), 3);
    assert_int_equal(heard.count, 2);
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "f"), "{\"a\":2}");
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "g"), "{\"b\":1}");
    heard_clear(&heard);
}

static void a_change_to_another_revision_is_a_conflict_and_stores_nothing(void **state) {
    struct store_fixture *fixture = *state;
    struct registry_edit one = store_edit(RESOURCE_FUNCTION, "default", "f", "{}");
    struct error error = {""};
    struct heard heard = {0};
    int64_t revision = -1;
    store_begin(fixture->store);
    store_put(fixture->store, "g", "{}", 0);
    const struct registry_store_ops *ops = fixture->store->ops;
    assert_int_equal(ops->apply(fixture->store, &one, 1, 0, &revision, &error), STATUS_CONFLICT);
    assert_int_equal(ops->apply(fixture->store, &one, 1, 2, &revision, &error), STATUS_CONFLICT);
    assert_int_equal(revision, -1);
    assert_int_equal(store_load(fixture->store, &heard), 1);
    assert_null(heard_document(&heard, RESOURCE_FUNCTION, "default", "f"));
    heard_clear(&heard);
}

static void the_edits_of_a_change_come_under_one_revision(void **state) {
    struct store_fixture *fixture = *state;
    struct heard heard = {0};
    struct registry_edit edits[] = {
        store_edit(RESOURCE_FUNCTION, "default", "x", "{\"kind\":1}"),
        store_edit(RESOURCE_EVENT_TYPE, "default", "x", "{\"kind\":2}"),
        store_edit(RESOURCE_SUBSCRIPTION, "other", "x", "{\"kind\":3}"),
        store_edit(RESOURCE_CORS, "other", "x", "{\"kind\":4}"),
        store_edit(RESOURCE_FUNCTION, "default", "not-there", ""),
    };
    store_begin(fixture->store);
    assert_int_equal(store_apply(fixture->store, edits, 5, 0), 1);
    assert_int_equal(store_load(fixture->store, &heard), 1);
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "x"), "{\"kind\":1}");
    assert_string_equal(heard_document(&heard, RESOURCE_EVENT_TYPE, "default", "x"),
                        "{\"kind\":2}");
    assert_string_equal(heard_document(&heard, RESOURCE_SUBSCRIPTION, "other", "x"),
                        "{\"kind\":3}");
    assert_string_equal(heard_document(&heard, RESOURCE_CORS, "other", "x"), "{\"kind\":4}");
    heard_clear(&heard);
}

static void changes_tell_new_documents_and_deletions_since_a_revision(void **state) {
    struct store_fixture *fixture = *state;
    struct heard heard = {0};
    store_begin(fixture->store);
    store_put(fixture->store, "old", "{}", 0);
    store_put(fixture->store, "gone", "{}", 1);
    store_put(fixture->store, "gone", "", 2);
    store_put(fixture->store, "new", "{\"n\":1}", 3);
    store_put(fixture->store, "new", "{\"n\":2}", 4);
    assert_int_equal(store_load_changes(fixture->store, 1, &heard), 5);
    assert_null(heard_document(&heard, RESOURCE_FUNCTION, "default", "old"));
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "gone"), "");
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "new"), "{\"n\":2}");
    heard_clear(&heard);
    assert_int_equal(store_load_changes(fixture->store, 5, &heard), 5);
    assert_int_equal(heard.count, 0);
    assert_int_equal(store_load(fixture->store, &heard), 5);
    assert_null(heard_document(&heard, RESOURCE_FUNCTION, "default", "gone"));
    heard_clear(&heard);
}

static void changes_since_an_unknown_revision_are_not_found(void **state) {
    struct store_fixture *fixture = *state;
    struct heard heard = {0};
    struct error error = {""};
    int64_t revision = -1;
    store_begin(fixture->store);
    store_put(fixture->store, "f", "{}", 0);
    assert_int_equal(
        fixture->store->ops->load_changes(fixture->store, 7, heard_take, &heard, &revision, &error),
        STATUS_NOT_FOUND);
    assert_int_equal(revision, -1);
    heard_clear(&heard);
}

static void changes_are_told_completely_or_not_found(void **state) {
    struct store_fixture *fixture = *state;
    struct heard heard = {0};
    struct error error = {""};
    int64_t revision = store_begin(fixture->store);
    for (int i = 0; i < 130; i++) {
        char id[16];
        snprintf(id, sizeof id, "f%d", i);
        revision = store_put(fixture->store, id, "{}", revision);
    }
    assert_int_equal(store_load_changes(fixture->store, 80, &heard), 130);
    assert_int_equal(heard.count, 50);
    heard_clear(&heard);
    enum status status =
        fixture->store->ops->load_changes(fixture->store, 0, heard_take, &heard, &revision, &error);
    assert_true(status == STATUS_NOT_FOUND || (status == STATUS_OK && heard.count == 130));
    heard_clear(&heard);
}

static void any_id_is_kept_as_it_is(void **state) {
    struct store_fixture *fixture = *state;
    struct heard heard = {0};
    char long_id[601];
    memset(long_id, 'Q', 600);
    long_id[600] = '\0';
    const char *ids[] = {
        ".", "..", "GET%2Fusers%2F:id", "a/b", "-_.~", "caf\xc3\xa9 \x01", "zookeeper", long_id};
    struct registry_edit edits[8];
    for (size_t i = 0; i < 8; i++) {
        edits[i] = store_edit(RESOURCE_CORS, i % 2 ? "..." : "default", ids[i], "{}");
    }
    store_begin(fixture->store);
    store_apply(fixture->store, edits, 8, 0);
    assert_int_equal(store_load(fixture->store, &heard), 1);
    assert_int_equal(heard.count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_non_null(heard_document(&heard, RESOURCE_CORS, i % 2 ? "..." : "default", ids[i]));
    }
    heard_clear(&heard);
    assert_int_equal(store_load_changes(fixture->store, 0, &heard), 1);
    assert_int_equal(heard.count, 8);
    heard_clear(&heard);
}

static void many_documents_are_loaded(void **state) {
    struct store_fixture *fixture = *state;
    struct heard heard = {0};
    int64_t revision = store_begin(fixture->store);
    enum {
        BATCH = 400
    };
    static char ids[BATCH][32];
    static struct registry_edit edits[BATCH];
    for (int part = 0; part < 3; part++) {
        for (int i = 0; i < BATCH; i++) {
            snprintf(ids[i], sizeof ids[i], "function-%d", part * BATCH + i);
            edits[i] = store_edit(RESOURCE_FUNCTION, "default", ids[i], "{\"some\":\"document\"}");
        }
        revision = store_apply(fixture->store, edits, BATCH, revision);
    }
    assert_int_equal(store_load(fixture->store, &heard), 3);
    assert_int_equal(heard.count, 3 * BATCH);
    heard_clear(&heard);
}

static void a_change_rings_the_watch(void **state) {
    struct store_fixture *fixture = *state;
    struct bell bell = {.lock = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    fixture->store->ops->watch(fixture->store, bell_ring, &bell);
    int64_t revision = store_begin(fixture->store);
    for (int i = 0; i < 3; i++) {
        struct heard heard = {0};
        revision = store_load_changes(fixture->store, revision, &heard);
        heard_clear(&heard);
        int before = bell_count(&bell);
        revision = store_put(fixture->store, "f", "{}", revision);
        bell_await(&bell, before);
    }
    fixture->store->ops->destroy(fixture->store);
    fixture->store = NULL;
}

static void what_was_applied_survives_a_restart(void **state) {
    struct store_fixture *fixture = *state;
    struct heard heard = {0};
    if (!fixture->kind->is_durable) {
        skip();
    }
    store_begin(fixture->store);
    store_put(fixture->store, "f", "{\"a\":1}", 0);
    store_put(fixture->store, "g", "{}", 1);
    store_put(fixture->store, "g", "", 2);
    store_fixture_reopen(fixture);
    assert_int_equal(store_load(fixture->store, &heard), 3);
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "f"), "{\"a\":1}");
    heard_clear(&heard);
    assert_int_equal(store_put(fixture->store, "f", "{\"a\":2}", 3), 4);
    assert_int_equal(store_load_changes(fixture->store, 2, &heard), 4);
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "g"), "");
    heard_clear(&heard);
}

static void a_member_is_told_as_it_announced_itself_last(void **state) {
    struct store_fixture *fixture = *state;
    store_begin(fixture->store);
    store_expect_member(fixture->store, 0, "a/b", NULL);
    store_announce(fixture->store, "a/b", "{\"n\":1}");
    store_expect_member(fixture->store, 1, "a/b", "{\"n\":1}");
    store_announce(fixture->store, "a/b", "{\"n\":2}");
    store_announce(fixture->store, "a/b", "{\"n\":2}");
    store_expect_member(fixture->store, 1, "a/b", "{\"n\":2}");
}

static void a_member_is_gone_with_its_store(void **state) {
    struct store_fixture *fixture = *state;
    store_begin(fixture->store);
    store_announce(fixture->store, "a", "{}");
    store_fixture_reopen(fixture);
    store_begin(fixture->store);
    store_expect_member(fixture->store, 0, "a", NULL);
}

static void members_change_no_revision(void **state) {
    struct store_fixture *fixture = *state;
    store_begin(fixture->store);
    store_put(fixture->store, "f", "{}", 0);
    store_announce(fixture->store, "a", "{}");
    assert_int_equal(store_begin(fixture->store), 1);
}

static int run_contract(const struct store_kind *kind) {
    const struct CMUnitTest contract[] = {
        STORE_TEST(a_new_store_is_empty_at_revision_0),
        STORE_TEST(what_was_applied_is_loaded),
        STORE_TEST(a_change_to_another_revision_is_a_conflict_and_stores_nothing),
        STORE_TEST(the_edits_of_a_change_come_under_one_revision),
        STORE_TEST(changes_tell_new_documents_and_deletions_since_a_revision),
        STORE_TEST(changes_since_an_unknown_revision_are_not_found),
        STORE_TEST(changes_are_told_completely_or_not_found),
        STORE_TEST(any_id_is_kept_as_it_is),
        STORE_TEST(many_documents_are_loaded),
        STORE_TEST(a_change_rings_the_watch),
        STORE_TEST(what_was_applied_survives_a_restart),
        STORE_TEST(a_member_is_told_as_it_announced_itself_last),
        STORE_TEST(a_member_is_gone_with_its_store),
        STORE_TEST(members_change_no_revision),
    };
    store_kind_use(kind);
    return cmocka_run_group_tests_name(kind->name, contract, NULL, NULL);
}

int main(void) {
    int failed = run_contract(&store_kind_memory) + run_contract(&store_kind_sqlite);
    if (getenv("EG_TEST_ZOOKEEPER")) {
        failed += run_contract(&store_kind_zookeeper);
    }
    return failed;
}
