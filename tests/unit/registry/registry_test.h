// A registry over a store that several nodes share and that can be away, with a loop on a thread
// for the answers. What another thread brings about is waited for, never timed.
#ifndef EVENT_GATEWAY_TESTS_UNIT_REGISTRY_REGISTRY_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_REGISTRY_REGISTRY_TEST_H

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
#include <sched.h>

#include "core/base/clock.h"
#include "core/base/event_loop.h"
#include "core/base/memory.h"
#include "core/registry/registry.h"
#include "core/registry/registry_store.h"

#define NODES_MAX 4

// One store that several nodes share, and that can be away.
struct hub {
    pthread_mutex_t lock;
    struct registry_store *documents;
    bool is_away;
    bool has_lost_history;
    int loads, announces;
    struct node_store *nodes[NODES_MAX];
};

struct node_store {
    struct registry_store store;
    struct hub *hub;
    void (*notify)(void *context);
    void *notify_context;
};

static inline struct node_store *node_of(struct registry_store *store) {
    return CONTAINER_OF(store, struct node_store, store);
}

static inline enum status away(struct error *error) {
    return error_set(error, STATUS_UNAVAILABLE, "the store is away");
}

static inline enum status hub_load(struct registry_store *store, registry_store_document_fn visit,
                                   void *context, int64_t *ret_revision, struct error *error) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    hub->loads++;
    enum status status = hub->is_away ? away(error)
                                      : hub->documents->ops->load(hub->documents, visit, context,
                                                                  ret_revision, error);
    pthread_mutex_unlock(&hub->lock);
    return status;
}

static inline enum status hub_load_changes(struct registry_store *store, int64_t since,
                                           registry_store_document_fn visit, void *context,
                                           int64_t *ret_revision, struct error *error) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    enum status status = hub->is_away ? away(error)
                         : hub->has_lost_history
                             ? error_set(error, STATUS_NOT_FOUND, "too long ago")
                             : hub->documents->ops->load_changes(hub->documents, since, visit,
                                                                 context, ret_revision, error);
    pthread_mutex_unlock(&hub->lock);
    return status;
}

static inline void notify_all(struct hub *hub) {
    pthread_mutex_lock(&hub->lock);
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (hub->nodes[i] && hub->nodes[i]->notify) {
            hub->nodes[i]->notify(hub->nodes[i]->notify_context);
        }
    }
    pthread_mutex_unlock(&hub->lock);
}

static inline enum status hub_apply(struct registry_store *store, const struct registry_edit *edits,
                                    size_t edit_count, int64_t expected, int64_t *ret_revision,
                                    struct error *error) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    enum status status = hub->is_away
                             ? away(error)
                             : hub->documents->ops->apply(hub->documents, edits, edit_count,
                                                          expected, ret_revision, error);
    pthread_mutex_unlock(&hub->lock);
    notify_all(hub);
    return status;
}

static inline void hub_watch(struct registry_store *store, void (*notify)(void *context),
                             void *context) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    node_of(store)->notify = notify;
    node_of(store)->notify_context = context;
    pthread_mutex_unlock(&hub->lock);
}

static inline enum status hub_health(struct registry_store *store, struct error *error) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    enum status status = hub->is_away ? away(error) : STATUS_OK;
    pthread_mutex_unlock(&hub->lock);
    return status;
}

static inline enum status hub_announce(struct registry_store *store, struct bytes id,
                                       struct bytes document, struct error *error) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    hub->announces++;
    enum status status = hub->is_away
                             ? away(error)
                             : hub->documents->ops->announce(hub->documents, id, document, error);
    pthread_mutex_unlock(&hub->lock);
    return status;
}

static inline enum status hub_members(struct registry_store *store, registry_store_member_fn visit,
                                      void *context, struct error *error) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    enum status status = hub->is_away
                             ? away(error)
                             : hub->documents->ops->members(hub->documents, visit, context, error);
    pthread_mutex_unlock(&hub->lock);
    return status;
}

static inline void hub_node_destroy(struct registry_store *store) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (hub->nodes[i] == node_of(store)) {
            hub->nodes[i] = NULL;
        }
    }
    pthread_mutex_unlock(&hub->lock);
    free(node_of(store));
}

static inline struct registry_store *hub_node(struct hub *hub) {
    static const struct registry_store_ops ops = {"hub",        hub_load,    hub_load_changes,
                                                  hub_apply,    hub_watch,   hub_health,
                                                  hub_announce, hub_members, hub_node_destroy};
    struct node_store *node = memory_allocate(sizeof *node);
    node->store.ops = &ops;
    node->hub = hub;
    pthread_mutex_lock(&hub->lock);
    size_t place = 0;
    while (hub->nodes[place]) {
        place++;
    }
    hub->nodes[place] = node;
    pthread_mutex_unlock(&hub->lock);
    return &node->store;
}

static inline void set_away(struct hub *hub, bool is_away) {
    pthread_mutex_lock(&hub->lock);
    hub->is_away = is_away;
    pthread_mutex_unlock(&hub->lock);
    notify_all(hub);
}

struct fixture {
    struct hub hub;
    struct registry *registry;
    struct event_loop *loop;
    struct event_loop_thread *thread;
    char folder[64], cache[96];
};

static inline struct registry *start_node(struct hub *hub, const char *cache) {
    struct registry *registry = NULL;
    struct error error = {""};
    struct registry_options options = {.store = hub_node(hub), .cache_path = cache};
    if (registry_create(&options, &registry, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return registry;
}

static inline int set_up(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    pthread_mutex_init(&fixture->hub.lock, NULL);
    assert_int_equal(registry_store_memory_create(&fixture->hub.documents, NULL), STATUS_OK);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/registry-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->cache, sizeof fixture->cache, "%s/cache.json", fixture->folder);
    assert_int_equal(event_loop_create("test", &fixture->loop, NULL), STATUS_OK);
    fixture->thread = event_loop_thread_start(fixture->loop);
    fixture->registry = start_node(&fixture->hub, NULL);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    registry_destroy(fixture->registry);
    event_loop_stop(fixture->loop);
    event_loop_thread_join(fixture->thread);
    event_loop_destroy(fixture->loop);
    fixture->hub.documents->ops->destroy(fixture->hub.documents);
    pthread_mutex_destroy(&fixture->hub.lock);
    unlink(fixture->cache);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

// A change and its answer.
struct request {
    struct registry_change change;
    struct registry_edit edit;
    char document[160];
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int done_count;
    bool was_on_loop;
    struct registry *registry; // whose snapshot is looked at when done
    int64_t revision_when_done;
};

static inline void done(struct registry_change *change) {
    struct request *request = CONTAINER_OF(change, struct request, change);
    const struct snapshot *snapshot =
        request->registry ? registry_snapshot(request->registry) : NULL;
    pthread_mutex_lock(&request->lock);
    request->done_count++;
    request->was_on_loop = event_loop_is_current(change->loop);
    request->revision_when_done = snapshot ? snapshot_revision(snapshot) : -1;
    pthread_cond_signal(&request->answered);
    pthread_mutex_unlock(&request->lock);
    snapshot_unref(snapshot);
}

static inline void request_init(struct request *request, struct event_loop *loop, const char *id,
                                int64_t based_on) {
    *request =
        (struct request){.lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER};
    snprintf(request->document, sizeof request->document,
             "{\"space\":\"default\",\"functionId\":\"%s\",\"type\":\"http\",\"provider\":{}}", id);
    request->edit = (struct registry_edit){RESOURCE_FUNCTION, BYTES("default"), bytes_of_text(id),
                                           bytes_of_text(request->document)};
    request->change = (struct registry_change){
        .edits = &request->edit, .edit_count = 1, .based_on = based_on, .loop = loop, .done = done};
}

static inline void request_wait(struct request *request) {
    pthread_mutex_lock(&request->lock);
    while (request->done_count == 0) {
        pthread_cond_wait(&request->answered, &request->lock);
    }
    pthread_mutex_unlock(&request->lock);
}

static inline enum status put(struct fixture *fixture, struct registry *registry, const char *id,
                              int64_t based_on) {
    struct request request;
    request_init(&request, fixture->loop, id, based_on);
    request.registry = registry;
    registry_apply(registry, &request.change);
    request_wait(&request);
    return request.change.status;
}

static inline int64_t revision_of(struct registry *registry) {
    const struct snapshot *snapshot = registry_snapshot(registry);
    int64_t revision = snapshot_revision(snapshot);
    snapshot_unref(snapshot);
    return revision;
}

static inline bool has_function(struct registry *registry, const char *id) {
    const struct snapshot *snapshot = registry_snapshot(registry);
    bool has = snapshot_function(snapshot, BYTES("default"), bytes_of_text(id)) != NULL;
    snapshot_unref(snapshot);
    return has;
}

// What another thread brings about soon; gives up only when something is broken.
#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        int64_t give_up_us = clock_monotonic_us() + 60 * 1000000;                                  \
        while (!(condition)) {                                                                     \
            assert_true(clock_monotonic_us() < give_up_us);                                        \
            sched_yield();                                                                         \
        }                                                                                          \
    } while (0)

#define REGISTRY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
