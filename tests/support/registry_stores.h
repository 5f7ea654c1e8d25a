// For the tests of registry stores: every kind under one fixture, short ways to use a store, and
// what it told. A place is a file, or a small tree below /event-gateway-tests that stays behind on
// the server that EG_TEST_ZOOKEEPER=HOST:PORT names.
#ifndef EVENT_GATEWAY_TESTS_REGISTRY_STORES_H
#define EVENT_GATEWAY_TESTS_REGISTRY_STORES_H

#include <pthread.h>

#include "core/registry/registry_store.h"

struct store_kind {
    const char *name;
    struct registry_store *(*open)(const char *place);
    bool is_durable;
};
extern const struct store_kind store_kind_memory, store_kind_sqlite, store_kind_zookeeper;

struct store_fixture {
    const struct store_kind *kind;
    struct registry_store *store; // NULL: the test has destroyed it
    char place[128];              // file or root node
};
// The kind that the fixtures of the next tests are of.
void store_kind_use(const struct store_kind *kind);
int store_fixture_set_up(void **state);
int store_fixture_tear_down(void **state);
void store_fixture_reopen(struct store_fixture *fixture);
#define STORE_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, store_fixture_set_up, store_fixture_tear_down)

// What a store told. The last word on a document counts.
struct told {
    enum resource_kind kind;
    struct buffer space, id, document;
};
struct heard {
    struct told *items;
    size_t count;
};
void heard_take(void *context, enum resource_kind kind, struct bytes space, struct bytes id,
                struct bytes document);
void heard_clear(struct heard *heard);
// NULL when nothing was told about it; "" when it was told to be deleted.
const char *heard_document(const struct heard *heard, enum resource_kind kind, const char *space,
                           const char *id);

struct registry_edit store_edit(enum resource_kind kind, const char *space, const char *id,
                                const char *document);
// These fail the test when the store does, and return the revision.
int64_t store_apply(struct registry_store *store, const struct registry_edit *edits, size_t count,
                    int64_t expected);
int64_t store_put(struct registry_store *store, const char *id, const char *document,
                  int64_t expected);
int64_t store_load(struct registry_store *store, struct heard *heard);
int64_t store_load_changes(struct registry_store *store, int64_t since, struct heard *heard);
// A store is loaded before it is asked for changes, as the registry does it.
int64_t store_begin(struct registry_store *store);

void store_announce(struct registry_store *store, const char *id, const char *document);
// How many are there; the one of that id says this, NULL: is not there.
void store_expect_member(struct registry_store *store, size_t count, const char *id,
                         const char *document);

// What a watch rings.
struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    int count;
};
void bell_ring(void *context);
int bell_count(struct bell *bell);
// Fails the test by its time-out of last resort when it does not ring.
void bell_await(struct bell *bell, int count);

#endif
