// What every registry_store keeps to. Runs over memory and SQLite, and over ZooKeeper when
// EG_TEST_ZOOKEEPER=HOST:PORT names a server for tests (each test leaves a small tree of its own
// below /event-gateway-tests behind).

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/registry/registry_store.h"

// --- what a store told ---

struct told {
    enum resource_kind kind;
    struct buffer space, id, document;
};

struct heard {
    struct told *items;
    size_t count;
};

// The last word on a document counts.
static void hear(void *context, enum resource_kind kind, struct bytes space, struct bytes id,
                 struct bytes document) {
    struct heard *heard = context;
    struct told *told = NULL;
    for (size_t i = 0; i < heard->count && !told; i++) {
        struct told *item = &heard->items[i];
        if (item->kind == kind && bytes_equal(buffer_bytes(&item->space), space) &&
            bytes_equal(buffer_bytes(&item->id), id)) {
            told = item;
        }
    }
    if (!told) {
        heard->items = memory_resize(heard->items, heard->count + 1, sizeof *heard->items);
        told = &heard->items[heard->count++];
        *told = (struct told){.kind = kind};
        buffer_append(&told->space, space);
        buffer_append(&told->id, id);
    }
    buffer_reset(&told->document);
    buffer_append(&told->document, document);
}

static void heard_clear(struct heard *heard) {
    for (size_t i = 0; i < heard->count; i++) {
        buffer_clear(&heard->items[i].space);
        buffer_clear(&heard->items[i].id);
        buffer_clear(&heard->items[i].document);
    }
    free(heard->items);
    *heard = (struct heard){0};
}

// NULL when nothing was told about it; "" when it was told to be deleted.
static const char *heard_document(const struct heard *heard, enum resource_kind kind,
                                  const char *space, const char *id) {
    for (size_t i = 0; i < heard->count; i++) {
        const struct told *told = &heard->items[i];
        if (told->kind == kind && bytes_equal_text(buffer_bytes(&told->space), space) &&
            bytes_equal_text(buffer_bytes(&told->id), id)) {
            return told->document.size > 0 ? told->document.data : "";
        }
    }
    return NULL;
}

// --- the stores ---

struct store_kind {
    const char *name;
    struct registry_store *(*open)(const char *place);
    bool is_durable;
};

struct fixture {
    struct registry_store *store;
    char place[128]; // file or root node
};

static const struct store_kind *current_kind;

static struct registry_store *open_memory(const char *place) {
    struct registry_store *store;
    (void)place;
    assert_int_equal(registry_store_memory_create(&store, NULL), STATUS_OK);
    return store;
}

static struct registry_store *open_sqlite(const char *place) {
    struct registry_store *store;
    struct error error = {""};
    if (registry_store_sqlite_create(place, &store, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return store;
}

static struct registry_store *open_zookeeper(const char *place) {
    struct registry_store *store;
    struct error error = {""};
    struct registry_store_zookeeper_options options = {
        .servers = getenv("EG_TEST_ZOOKEEPER"),
        .root = place,
    };
    if (registry_store_zookeeper_create(&options, &store, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return store;
}

static const struct store_kind memory_kind = {"memory", open_memory, false};
static const struct store_kind sqlite_kind = {"sqlite", open_sqlite, true};
static const struct store_kind zookeeper_kind = {"zookeeper", open_zookeeper, true};

static int set_up(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    char id[UUID_TEXT_SIZE];
    uuid_create(id);
    snprintf(fixture->place, sizeof fixture->place, "%s-%s",
             current_kind == &zookeeper_kind ? "/event-gateway-tests/store"
                                             : "/tmp/registry-store-contract",
             id);
    fixture->store = current_kind->open(fixture->place);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    if (fixture->store) {
        fixture->store->ops->destroy(fixture->store);
    }
    if (current_kind == &sqlite_kind) {
        char path[160];
        unlink(fixture->place);
        snprintf(path, sizeof path, "%s-wal", fixture->place);
        unlink(path);
        snprintf(path, sizeof path, "%s-shm", fixture->place);
        unlink(path);
    }
    free(fixture);
    return 0;
}

static void reopen(struct fixture *fixture) {
    fixture->store->ops->destroy(fixture->store);
    fixture->store = current_kind->open(fixture->place);
}

// --- short ways ---

static struct registry_edit edit(enum resource_kind kind, const char *space, const char *id,
                                 const char *document) {
    return (struct registry_edit){kind, bytes_of_text(space), bytes_of_text(id),
                                  bytes_of_text(document)};
}

static int64_t apply(struct registry_store *store, const struct registry_edit *edits, size_t count,
                     int64_t expected) {
    struct error error = {""};
    int64_t revision = -1;
    if (store->ops->apply(store, edits, count, expected, &revision, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return revision;
}

static int64_t put(struct registry_store *store, const char *id, const char *document,
                   int64_t expected) {
    struct registry_edit one = edit(RESOURCE_FUNCTION, "default", id, document);
    return apply(store, &one, 1, expected);
}

static int64_t load(struct registry_store *store, struct heard *heard) {
    struct error error = {""};
    int64_t revision = -1;
    if (store->ops->load(store, hear, heard, &revision, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return revision;
}

// A store is loaded before it is asked for changes, as the registry does it.
static int64_t begin(struct registry_store *store) {
    struct heard heard = {0};
    int64_t revision = load(store, &heard);
    heard_clear(&heard);
    return revision;
}

static int64_t load_changes(struct registry_store *store, int64_t since, struct heard *heard) {
    struct error error = {""};
    int64_t revision = -1;
    if (store->ops->load_changes(store, since, hear, heard, &revision, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return revision;
}

// --- the contract ---

static void a_new_store_is_empty_at_revision_0(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    assert_int_equal(load(fixture->store, &heard), 0);
    assert_int_equal(heard.count, 0);
    assert_int_equal(fixture->store->ops->health(fixture->store, NULL), STATUS_OK);
}

static void what_was_applied_is_loaded(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    begin(fixture->store);
    assert_int_equal(put(fixture->store, "f", "{\"a\":1}", 0), 1);
    assert_int_equal(put(fixture->store, "f", "{\"a\":2}", 1), 2);
    assert_int_equal(put(fixture->store, "g", "{\"b\":1}", 2), 3);
    assert_int_equal(load(fixture->store, &heard), 3);
    assert_int_equal(heard.count, 2);
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "f"), "{\"a\":2}");
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "g"), "{\"b\":1}");
    heard_clear(&heard);
}

static void a_change_to_another_revision_is_a_conflict_and_stores_nothing(void **state) {
    struct fixture *fixture = *state;
    struct registry_edit one = edit(RESOURCE_FUNCTION, "default", "f", "{}");
    struct error error = {""};
    struct heard heard = {0};
    int64_t revision = -1;
    begin(fixture->store);
    put(fixture->store, "g", "{}", 0);
    const struct registry_store_ops *ops = fixture->store->ops;
    assert_int_equal(ops->apply(fixture->store, &one, 1, 0, &revision, &error), STATUS_CONFLICT);
    assert_int_equal(ops->apply(fixture->store, &one, 1, 2, &revision, &error), STATUS_CONFLICT);
    assert_int_equal(revision, -1);
    assert_int_equal(load(fixture->store, &heard), 1);
    assert_null(heard_document(&heard, RESOURCE_FUNCTION, "default", "f"));
    heard_clear(&heard);
}

static void the_edits_of_a_change_come_under_one_revision(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct registry_edit edits[] = {
        edit(RESOURCE_FUNCTION, "default", "x", "{\"kind\":1}"),
        edit(RESOURCE_EVENT_TYPE, "default", "x", "{\"kind\":2}"),
        edit(RESOURCE_SUBSCRIPTION, "other", "x", "{\"kind\":3}"),
        edit(RESOURCE_CORS, "other", "x", "{\"kind\":4}"),
        edit(RESOURCE_FUNCTION, "default", "not-there", ""),
    };
    begin(fixture->store);
    assert_int_equal(apply(fixture->store, edits, 5, 0), 1);
    assert_int_equal(load(fixture->store, &heard), 1);
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "x"), "{\"kind\":1}");
    assert_string_equal(heard_document(&heard, RESOURCE_EVENT_TYPE, "default", "x"),
                        "{\"kind\":2}");
    assert_string_equal(heard_document(&heard, RESOURCE_SUBSCRIPTION, "other", "x"),
                        "{\"kind\":3}");
    assert_string_equal(heard_document(&heard, RESOURCE_CORS, "other", "x"), "{\"kind\":4}");
    heard_clear(&heard);
}

static void changes_tell_new_documents_and_deletions_since_a_revision(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    begin(fixture->store);
    put(fixture->store, "old", "{}", 0);
    put(fixture->store, "gone", "{}", 1);
    put(fixture->store, "gone", "", 2);
    put(fixture->store, "new", "{\"n\":1}", 3);
    put(fixture->store, "new", "{\"n\":2}", 4);
    assert_int_equal(load_changes(fixture->store, 1, &heard), 5);
    assert_null(heard_document(&heard, RESOURCE_FUNCTION, "default", "old"));
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "gone"), "");
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "new"), "{\"n\":2}");
    heard_clear(&heard);
    assert_int_equal(load_changes(fixture->store, 5, &heard), 5);
    assert_int_equal(heard.count, 0);
    assert_int_equal(load(fixture->store, &heard), 5);
    assert_null(heard_document(&heard, RESOURCE_FUNCTION, "default", "gone"));
    heard_clear(&heard);
}

static void changes_since_an_unknown_revision_are_not_found(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct error error = {""};
    int64_t revision = -1;
    begin(fixture->store);
    put(fixture->store, "f", "{}", 0);
    assert_int_equal(
        fixture->store->ops->load_changes(fixture->store, 7, hear, &heard, &revision, &error),
        STATUS_NOT_FOUND);
    assert_int_equal(revision, -1);
    heard_clear(&heard);
}

static void changes_are_told_completely_or_not_found(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    struct error error = {""};
    int64_t revision = begin(fixture->store);
    for (int i = 0; i < 130; i++) {
        char id[16];
        snprintf(id, sizeof id, "f%d", i);
        revision = put(fixture->store, id, "{}", revision);
    }
    assert_int_equal(load_changes(fixture->store, 80, &heard), 130);
    assert_int_equal(heard.count, 50);
    heard_clear(&heard);
    enum status status =
        fixture->store->ops->load_changes(fixture->store, 0, hear, &heard, &revision, &error);
    assert_true(status == STATUS_NOT_FOUND || (status == STATUS_OK && heard.count == 130));
    heard_clear(&heard);
}

static void any_id_is_kept_as_it_is(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    char long_id[601];
    memset(long_id, 'Q', 600);
    long_id[600] = '\0';
    const char *ids[] = {
        ".", "..", "GET%2Fusers%2F:id", "a/b", "-_.~", "caf\xc3\xa9 \x01", "zookeeper", long_id};
    struct registry_edit edits[8];
    for (size_t i = 0; i < 8; i++) {
        edits[i] = edit(RESOURCE_CORS, i % 2 ? "..." : "default", ids[i], "{}");
    }
    begin(fixture->store);
    apply(fixture->store, edits, 8, 0);
    assert_int_equal(load(fixture->store, &heard), 1);
    assert_int_equal(heard.count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_non_null(heard_document(&heard, RESOURCE_CORS, i % 2 ? "..." : "default", ids[i]));
    }
    heard_clear(&heard);
    assert_int_equal(load_changes(fixture->store, 0, &heard), 1);
    assert_int_equal(heard.count, 8);
    heard_clear(&heard);
}

static void many_documents_are_loaded(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    int64_t revision = begin(fixture->store);
    enum {
        BATCH = 400
    };
    static char ids[BATCH][32];
    static struct registry_edit edits[BATCH];
    for (int part = 0; part < 3; part++) {
        for (int i = 0; i < BATCH; i++) {
            snprintf(ids[i], sizeof ids[i], "function-%d", part * BATCH + i);
            edits[i] = edit(RESOURCE_FUNCTION, "default", ids[i], "{\"some\":\"document\"}");
        }
        revision = apply(fixture->store, edits, BATCH, revision);
    }
    assert_int_equal(load(fixture->store, &heard), 3);
    assert_int_equal(heard.count, 3 * BATCH);
    heard_clear(&heard);
}

struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    int count;
};

static void ring(void *context) {
    struct bell *bell = context;
    pthread_mutex_lock(&bell->lock);
    bell->count++;
    pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->lock);
}

// Fails the test by its time-out of last resort when it does not ring.
static void wait_for_more_than(struct bell *bell, int count) {
    struct timespec deadline = {.tv_sec = time(NULL) + 60};
    pthread_mutex_lock(&bell->lock);
    while (bell->count <= count) {
        assert_int_equal(pthread_cond_timedwait(&bell->rung, &bell->lock, &deadline), 0);
    }
    pthread_mutex_unlock(&bell->lock);
}

static int rings(struct bell *bell) {
    pthread_mutex_lock(&bell->lock);
    int count = bell->count;
    pthread_mutex_unlock(&bell->lock);
    return count;
}

static void a_change_rings_the_watch(void **state) {
    struct fixture *fixture = *state;
    struct bell bell = {.lock = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    fixture->store->ops->watch(fixture->store, ring, &bell);
    int64_t revision = begin(fixture->store);
    for (int i = 0; i < 3; i++) {
        struct heard heard = {0};
        revision = load_changes(fixture->store, revision, &heard);
        heard_clear(&heard);
        int before = rings(&bell);
        revision = put(fixture->store, "f", "{}", revision);
        wait_for_more_than(&bell, before);
    }
    fixture->store->ops->destroy(fixture->store);
    fixture->store = NULL;
}

static void what_was_applied_survives_a_restart(void **state) {
    struct fixture *fixture = *state;
    struct heard heard = {0};
    if (!current_kind->is_durable) {
        skip();
    }
    begin(fixture->store);
    put(fixture->store, "f", "{\"a\":1}", 0);
    put(fixture->store, "g", "{}", 1);
    put(fixture->store, "g", "", 2);
    reopen(fixture);
    assert_int_equal(load(fixture->store, &heard), 3);
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "f"), "{\"a\":1}");
    heard_clear(&heard);
    assert_int_equal(put(fixture->store, "f", "{\"a\":2}", 3), 4);
    assert_int_equal(load_changes(fixture->store, 2, &heard), 4);
    assert_string_equal(heard_document(&heard, RESOURCE_FUNCTION, "default", "g"), "");
    heard_clear(&heard);
}

// --- SQLite's own ---

static void a_second_opener_of_the_file_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct registry_store *second = NULL;
    struct error error = {""};
    assert_int_equal(registry_store_sqlite_create(fixture->place, &second, &error),
                     STATUS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "in use by another process"));
    put(fixture->store, "f", "{}", 0);
}

static void only_the_owner_can_read_the_file(void **state) {
    struct fixture *fixture = *state;
    struct stat found;
    put(fixture->store, "f", "{}", 0);
    assert_int_equal(stat(fixture->place, &found), 0);
    assert_int_equal(found.st_mode & 077, 0);
}

static void a_newer_format_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct registry_store *second = NULL;
    struct error error = {""};
    sqlite3 *database = NULL;
    fixture->store->ops->destroy(fixture->store);
    fixture->store = NULL;
    assert_int_equal(sqlite3_open(fixture->place, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "PRAGMA user_version = 9", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(database);
    assert_int_equal(registry_store_sqlite_create(fixture->place, &second, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "newer"));
}

static void a_file_that_is_no_database_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct registry_store *second = NULL;
    struct error error = {""};
    fixture->store->ops->destroy(fixture->store);
    fixture->store = NULL;
    FILE *file = fopen(fixture->place, "w");
    fputs("this is not a database, whatever its name says", file);
    fclose(file);
    assert_int_equal(registry_store_sqlite_create(fixture->place, &second, &error), STATUS_FAILED);
}

// --- ZooKeeper's own ---

static void a_change_by_another_node_rings_and_is_told(void **state) {
    struct fixture *fixture = *state;
    struct bell bell = {.lock = PTHREAD_MUTEX_INITIALIZER, .rung = PTHREAD_COND_INITIALIZER};
    struct registry_store *other = current_kind->open(fixture->place);
    other->ops->watch(other, ring, &bell);
    int64_t revision = begin(fixture->store);
    int64_t seen = begin(other);
    for (int i = 0; i < 5; i++) {
        struct heard heard = {0};
        int before = rings(&bell);
        revision = put(fixture->store, "f", i % 2 ? "" : "{}", revision);
        wait_for_more_than(&bell, before);
        seen = load_changes(other, seen, &heard);
        assert_int_equal(seen, revision);
        assert_int_equal(heard.count, 1);
        heard_clear(&heard);
    }
    other->ops->destroy(other);
}

static void a_document_beyond_the_nodes_limit_is_too_large(void **state) {
    struct fixture *fixture = *state;
    struct error error = {""};
    int64_t revision = begin(fixture->store);
    char *document = memory_allocate(1200001);
    memset(document, 'x', 1200000);
    struct registry_edit one = edit(RESOURCE_FUNCTION, "default", "big", document);
    assert_int_equal(
        fixture->store->ops->apply(fixture->store, &one, 1, revision, &revision, &error),
        STATUS_TOO_LARGE);
    document[700000] = '\0';
    struct registry_edit two[] = {edit(RESOURCE_FUNCTION, "default", "a", document),
                                  edit(RESOURCE_FUNCTION, "default", "b", document)};
    assert_int_equal(
        fixture->store->ops->apply(fixture->store, two, 2, revision, &revision, &error),
        STATUS_TOO_LARGE);
    assert_int_equal(apply(fixture->store, two, 1, revision), revision + 1);
    free(document);
}

static void without_the_credentials_nothing_is_read(void **state) {
    struct fixture *fixture = *state;
    char root[160];
    snprintf(root, sizeof root, "%s-private", fixture->place);
    struct registry_store_zookeeper_options options = {
        .servers = getenv("EG_TEST_ZOOKEEPER"), .root = root, .auth = "digest:gateway:secret"};
    struct registry_store *own = NULL;
    struct registry_store *stranger = NULL;
    struct heard heard = {0};
    struct error error = {""};
    int64_t revision = -1;
    begin(fixture->store); // Makes the parents, open to everybody.
    assert_int_equal(registry_store_zookeeper_create(&options, &own, &error), STATUS_OK);
    options.auth = "digest:gateway:guess";
    assert_int_equal(registry_store_zookeeper_create(&options, &stranger, &error), STATUS_OK);
    assert_int_equal(put(own, "f", "{}", begin(own)), 1);
    assert_int_equal(stranger->ops->load(stranger, hear, &heard, &revision, &error),
                     STATUS_UNAVAILABLE);
    assert_int_equal(heard.count, 0);
    own->ops->destroy(own);
    stranger->ops->destroy(stranger);
}

static void a_chroot_is_made_when_it_is_missing(void **state) {
    struct fixture *fixture = *state;
    struct buffer servers = {0};
    struct error error = {""};
    struct registry_store *store = NULL;
    buffer_append_format(&servers, "%s%s/deep", getenv("EG_TEST_ZOOKEEPER"), fixture->place);
    struct registry_store_zookeeper_options options = {.servers = servers.data};
    assert_int_equal(registry_store_zookeeper_create(&options, &store, &error), STATUS_OK);
    assert_int_equal(put(store, "f", "{}", begin(store)), 1);
    store->ops->destroy(store);
    buffer_clear(&servers);
}

// --- without a server ---

static void servers_that_cannot_be_reached_are_unavailable(void **state) {
    (void)state;
    struct registry_store *store = NULL;
    struct heard heard = {0};
    struct error error = {""};
    int64_t revision = -1;
    struct registry_store_zookeeper_options options = {.servers = "127.0.0.1:1",
                                                       .connect_timeout_ms = 50};
    assert_int_equal(registry_store_zookeeper_create(&options, &store, &error), STATUS_OK);
    assert_int_equal(store->ops->load(store, hear, &heard, &revision, &error), STATUS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "127.0.0.1:1"));
    struct registry_edit one = edit(RESOURCE_FUNCTION, "default", "f", "{}");
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

// --- members ---

static void hear_member(void *context, struct bytes id, struct bytes document) {
    hear(context, RESOURCE_FUNCTION, BYTES(""), id, document);
}

static void announce(struct registry_store *store, const char *id, const char *document) {
    struct error error = {""};
    if (store->ops->announce(store, bytes_of_text(id), bytes_of_text(document), &error) !=
        STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

// How many are there; the one of that id says this, NULL: is not there.
static void expect_member(struct registry_store *store, size_t count, const char *id,
                          const char *document) {
    struct error error = {""};
    struct heard heard = {0};
    if (store->ops->members(store, hear_member, &heard, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(heard.count, count);
    const char *found = heard_document(&heard, RESOURCE_FUNCTION, "", id);
    if (document) {
        assert_non_null(found);
        assert_string_equal(found, document);
    } else {
        assert_null(found);
    }
    heard_clear(&heard);
}

static void a_member_is_told_as_it_announced_itself_last(void **state) {
    struct fixture *fixture = *state;
    begin(fixture->store);
    expect_member(fixture->store, 0, "a/b", NULL);
    announce(fixture->store, "a/b", "{\"n\":1}");
    expect_member(fixture->store, 1, "a/b", "{\"n\":1}");
    announce(fixture->store, "a/b", "{\"n\":2}");
    announce(fixture->store, "a/b", "{\"n\":2}");
    expect_member(fixture->store, 1, "a/b", "{\"n\":2}");
}

static void a_member_is_gone_with_its_store(void **state) {
    struct fixture *fixture = *state;
    begin(fixture->store);
    announce(fixture->store, "a", "{}");
    reopen(fixture);
    begin(fixture->store);
    expect_member(fixture->store, 0, "a", NULL);
}

static void members_change_no_revision(void **state) {
    struct fixture *fixture = *state;
    begin(fixture->store);
    put(fixture->store, "f", "{}", 0);
    announce(fixture->store, "a", "{}");
    assert_int_equal(begin(fixture->store), 1);
}

static void the_members_of_all_nodes_are_told(void **state) {
    struct fixture *fixture = *state;
    struct registry_store *other = current_kind->open(fixture->place);
    begin(fixture->store);
    begin(other);
    announce(fixture->store, "a", "{\"a\":1}");
    announce(other, "b", "{\"b\":1}");
    expect_member(fixture->store, 2, "b", "{\"b\":1}");
    expect_member(other, 2, "a", "{\"a\":1}");
    other->ops->destroy(other);
    expect_member(fixture->store, 1, "a", "{\"a\":1}");
}

// As after a session that ended here, but not yet on the servers.
static void an_entry_of_an_earlier_session_is_taken_over(void **state) {
    struct fixture *fixture = *state;
    struct registry_store *other = current_kind->open(fixture->place);
    begin(fixture->store);
    begin(other);
    announce(other, "a", "{\"old\":1}");
    announce(fixture->store, "a", "{\"new\":1}");
    other->ops->destroy(other);
    expect_member(fixture->store, 1, "a", "{\"new\":1}");
}

#define CONTRACT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int run_contract(const struct store_kind *kind) {
    const struct CMUnitTest contract[] = {
        CONTRACT_TEST(a_new_store_is_empty_at_revision_0),
        CONTRACT_TEST(what_was_applied_is_loaded),
        CONTRACT_TEST(a_change_to_another_revision_is_a_conflict_and_stores_nothing),
        CONTRACT_TEST(the_edits_of_a_change_come_under_one_revision),
        CONTRACT_TEST(changes_tell_new_documents_and_deletions_since_a_revision),
        CONTRACT_TEST(changes_since_an_unknown_revision_are_not_found),
        CONTRACT_TEST(changes_are_told_completely_or_not_found),
        CONTRACT_TEST(any_id_is_kept_as_it_is),
        CONTRACT_TEST(many_documents_are_loaded),
        CONTRACT_TEST(a_change_rings_the_watch),
        CONTRACT_TEST(what_was_applied_survives_a_restart),
        CONTRACT_TEST(a_member_is_told_as_it_announced_itself_last),
        CONTRACT_TEST(a_member_is_gone_with_its_store),
        CONTRACT_TEST(members_change_no_revision),
    };
    current_kind = kind;
    return cmocka_run_group_tests_name(kind->name, contract, NULL, NULL);
}

int main(void) {
    const struct CMUnitTest sqlite_tests[] = {
        CONTRACT_TEST(a_second_opener_of_the_file_is_refused),
        CONTRACT_TEST(only_the_owner_can_read_the_file),
        CONTRACT_TEST(a_newer_format_is_refused),
        CONTRACT_TEST(a_file_that_is_no_database_is_refused),
    };
    const struct CMUnitTest zookeeper_tests[] = {
        CONTRACT_TEST(a_change_by_another_node_rings_and_is_told),
        CONTRACT_TEST(a_document_beyond_the_nodes_limit_is_too_large),
        CONTRACT_TEST(without_the_credentials_nothing_is_read),
        CONTRACT_TEST(a_chroot_is_made_when_it_is_missing),
        CONTRACT_TEST(the_members_of_all_nodes_are_told),
        CONTRACT_TEST(an_entry_of_an_earlier_session_is_taken_over),
    };
    const struct CMUnitTest serverless_tests[] = {
        cmocka_unit_test(servers_that_cannot_be_reached_are_unavailable),
        cmocka_unit_test(malformed_servers_are_invalid),
    };
    int failed = run_contract(&memory_kind);
    failed += run_contract(&sqlite_kind);
    failed += cmocka_run_group_tests_name("sqlite alone", sqlite_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("zookeeper away", serverless_tests, NULL, NULL);
    if (getenv("EG_TEST_ZOOKEEPER")) {
        failed += run_contract(&zookeeper_kind);
        failed += cmocka_run_group_tests_name("zookeeper alone", zookeeper_tests, NULL, NULL);
    }
    return failed;
}
