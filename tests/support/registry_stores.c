#include "tests/support/registry_stores.h"

#include "core/base/memory.h"
#include "core/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

void heard_take(void *context, enum resource_kind kind, struct bytes space, struct bytes id,
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

void heard_clear(struct heard *heard) {
    for (size_t i = 0; i < heard->count; i++) {
        buffer_clear(&heard->items[i].space);
        buffer_clear(&heard->items[i].id);
        buffer_clear(&heard->items[i].document);
    }
    free(heard->items);
    *heard = (struct heard){0};
}

const char *heard_document(const struct heard *heard, enum resource_kind kind, const char *space,
                           const char *id) {
    for (size_t i = 0; i < heard->count; i++) {
        const struct told *told = &heard->items[i];
        if (told->kind == kind && bytes_equal_text(buffer_bytes(&told->space), space) &&
            bytes_equal_text(buffer_bytes(&told->id), id)) {
            return told->document.size > 0 ? told->document.data : "";
        }
    }
    return NULL;
}

// What store_fixture_set_up opens.
static const struct store_kind *current_kind;

void store_kind_use(const struct store_kind *kind) {
    current_kind = kind;
}

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

const struct store_kind store_kind_memory = {"memory", open_memory, false};
const struct store_kind store_kind_sqlite = {"sqlite", open_sqlite, true};
const struct store_kind store_kind_zookeeper = {"zookeeper", open_zookeeper, true};

int store_fixture_set_up(void **state) {
    struct store_fixture *fixture = memory_allocate(sizeof *fixture);
    char id[UUID_TEXT_SIZE];
    uuid_create(id);
    snprintf(fixture->place, sizeof fixture->place, "%s-%s",
             current_kind == &store_kind_zookeeper ? "/event-gateway-tests/store"
                                                   : "/tmp/registry-store-contract",
             id);
    fixture->kind = current_kind;
    fixture->store = current_kind->open(fixture->place);
    *state = fixture;
    return 0;
}

int store_fixture_tear_down(void **state) {
    struct store_fixture *fixture = *state;
    if (fixture->store) {
        fixture->store->ops->destroy(fixture->store);
    }
    if (fixture->kind == &store_kind_sqlite) {
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

void store_fixture_reopen(struct store_fixture *fixture) {
    fixture->store->ops->destroy(fixture->store);
    fixture->store = fixture->kind->open(fixture->place);
}

struct registry_edit store_edit(enum resource_kind kind, const char *space, const char *id,
                                const char *document) {
    return (struct registry_edit){kind, bytes_of_text(space), bytes_of_text(id),
                                  bytes_of_text(document)};
}

int64_t store_apply(struct registry_store *store, const struct registry_edit *edits, size_t count,
                    int64_t expected) {
    struct error error = {""};
    int64_t revision = -1;
    if (store->ops->apply(store, edits, count, expected, &revision, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return revision;
}

int64_t store_put(struct registry_store *store, const char *id, const char *document,
                  int64_t expected) {
    struct registry_edit one = store_edit(RESOURCE_FUNCTION, "default", id, document);
    return store_apply(store, &one, 1, expected);
}

int64_t store_load(struct registry_store *store, struct heard *heard) {
    struct error error = {""};
    int64_t revision = -1;
    if (store->ops->load(store, heard_take, heard, &revision, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return revision;
}

int64_t store_begin(struct registry_store *store) {
    struct heard heard = {0};
    int64_t revision = store_load(store, &heard);
    heard_clear(&heard);
    return revision;
}

int64_t store_load_changes(struct registry_store *store, int64_t since, struct heard *heard) {
    struct error error = {""};
    int64_t revision = -1;
    if (store->ops->load_changes(store, since, heard_take, heard, &revision, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return revision;
}

void bell_ring(void *context) {
    struct bell *bell = context;
    pthread_mutex_lock(&bell->lock);
    bell->count++;
    pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->lock);
}

void bell_await(struct bell *bell, int count) {
    struct timespec deadline = {.tv_sec = time(NULL) + 60};
    pthread_mutex_lock(&bell->lock);
    while (bell->count <= count) {
        assert_int_equal(pthread_cond_timedwait(&bell->rung, &bell->lock, &deadline), 0);
    }
    pthread_mutex_unlock(&bell->lock);
}

int bell_count(struct bell *bell) {
    pthread_mutex_lock(&bell->lock);
    int count = bell->count;
    pthread_mutex_unlock(&bell->lock);
    return count;
}

static void hear_member(void *context, struct bytes id, struct bytes document) {
    heard_take(context, RESOURCE_FUNCTION, BYTES(""), id, document);
}

void store_announce(struct registry_store *store, const char *id, const char *document) {
    struct error error = {""};
    if (store->ops->announce(store, bytes_of_text(id), bytes_of_text(document), &error) !=
        STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

void store_expect_member(struct registry_store *store, size_t count, const char *id,
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
