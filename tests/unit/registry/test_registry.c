#include <assert.h>
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
#include <stdatomic.h>
#include <sys/stat.h>

#include "core/base/clock.h"
#include "core/base/event_loop.h"
#include "core/base/memory.h"
#include "core/registry/registry.h"
#include "core/registry/registry_store.h"

// --- one store that several nodes share, and that can be away ---

#define NODES_MAX 4

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

static struct node_store *node_of(struct registry_store *store) {
    return CONTAINER_OF(store, struct node_store, store);
}

static enum status away(struct error *error) {
    return error_set(error, STATUS_UNAVAILABLE, "the store is away");
}

static enum status hub_load(struct registry_store *store, registry_store_document_fn visit,
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

static enum status hub_load_changes(struct registry_store *store, int64_t since,
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

static void notify_all(struct hub *hub) {
    pthread_mutex_lock(&hub->lock);
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (hub->nodes[i] && hub->nodes[i]->notify) {
            hub->nodes[i]->notify(hub->nodes[i]->notify_context);
        }
    }
    pthread_mutex_unlock(&hub->lock);
}

static enum status hub_apply(struct registry_store *store, const struct registry_edit *edits,
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

static void hub_watch(struct registry_store *store, void (*notify)(void *context), void *context) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    node_of(store)->notify = notify;
    node_of(store)->notify_context = context;
    pthread_mutex_unlock(&hub->lock);
}

static enum status hub_health(struct registry_store *store, struct error *error) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    enum status status = hub->is_away ? away(error) : STATUS_OK;
    pthread_mutex_unlock(&hub->lock);
    return status;
}

static enum status hub_announce(struct registry_store *store, struct bytes id,
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

static enum status hub_members(struct registry_store *store, registry_store_member_fn visit,
                               void *context, struct error *error) {
    struct hub *hub = node_of(store)->hub;
    pthread_mutex_lock(&hub->lock);
    enum status status = hub->is_away
                             ? away(error)
                             : hub->documents->ops->members(hub->documents, visit, context, error);
    pthread_mutex_unlock(&hub->lock);
    return status;
}

static void hub_node_destroy(struct registry_store *store) {
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

static struct registry_store *hub_node(struct hub *hub) {
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

static void set_away(struct hub *hub, bool is_away) {
    pthread_mutex_lock(&hub->lock);
    hub->is_away = is_away;
    pthread_mutex_unlock(&hub->lock);
    notify_all(hub);
}

// --- the fixture ---

struct fixture {
    struct hub hub;
    struct registry *registry;
    struct event_loop *loop;
    struct event_loop_thread *thread;
    char folder[64], cache[96];
};

static struct registry *start_node(struct hub *hub, const char *cache) {
    struct registry *registry = NULL;
    struct error error = {""};
    struct registry_options options = {.store = hub_node(hub), .cache_path = cache};
    if (registry_create(&options, &registry, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return registry;
}

static int set_up(void **state) {
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

static int tear_down(void **state) {
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

// --- a change and its answer ---

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

static void done(struct registry_change *change) {
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

static void request_init(struct request *request, struct event_loop *loop, const char *id,
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

static void request_wait(struct request *request) {
    pthread_mutex_lock(&request->lock);
    while (request->done_count == 0) {
        pthread_cond_wait(&request->answered, &request->lock);
    }
    pthread_mutex_unlock(&request->lock);
}

static enum status put(struct fixture *fixture, struct registry *registry, const char *id,
                       int64_t based_on) {
    struct request request;
    request_init(&request, fixture->loop, id, based_on);
    request.registry = registry;
    registry_apply(registry, &request.change);
    request_wait(&request);
    return request.change.status;
}

static int64_t revision_of(struct registry *registry) {
    const struct snapshot *snapshot = registry_snapshot(registry);
    int64_t revision = snapshot_revision(snapshot);
    snapshot_unref(snapshot);
    return revision;
}

static bool has_function(struct registry *registry, const char *id) {
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

// --- the rules ---

static void a_change_is_in_the_snapshot_when_done_is_called(void **state) {
    struct fixture *fixture = *state;
    struct request request;
    request_init(&request, fixture->loop, "f", 0);
    request.registry = fixture->registry;
    registry_apply(fixture->registry, &request.change);
    request_wait(&request);
    assert_int_equal(request.change.status, STATUS_OK);
    assert_true(request.was_on_loop);
    assert_int_equal(request.revision_when_done, 1);
    assert_true(has_function(fixture->registry, "f"));
    request.edit.document = (struct bytes){0};
    request.change.based_on = 1;
    request.done_count = 0;
    registry_apply(fixture->registry, &request.change);
    request_wait(&request);
    assert_int_equal(request.change.status, STATUS_OK);
    assert_false(has_function(fixture->registry, "f"));
}

static void a_change_based_on_an_older_snapshot_is_a_conflict(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, fixture->registry, "f", 0), STATUS_OK);
    assert_int_equal(put(fixture, fixture->registry, "g", 0), STATUS_CONFLICT);
    assert_false(has_function(fixture->registry, "g"));
}

static void of_changes_sent_together_on_one_snapshot_one_wins(void **state) {
    struct fixture *fixture = *state;
    struct request requests[8];
    int stored = 0;
    for (int i = 0; i < 8; i++) {
        request_init(&requests[i], fixture->loop, "f", 0);
        registry_apply(fixture->registry, &requests[i].change);
    }
    for (int i = 0; i < 8; i++) {
        request_wait(&requests[i]);
        assert_int_equal(requests[i].done_count, 1);
        stored += requests[i].change.status == STATUS_OK;
        assert_true(requests[i].change.status == STATUS_OK ||
                    requests[i].change.status == STATUS_CONFLICT);
    }
    assert_int_equal(stored, 1);
    assert_int_equal(revision_of(fixture->registry), 1);
}

static void a_document_that_cannot_be_read_back_is_not_stored(void **state) {
    struct fixture *fixture = *state;
    struct request request;
    request_init(&request, fixture->loop, "f", 0);
    request.edit.document = BYTES("{\"space\":\"default\",\"functionId\":\"f\"}");
    registry_apply(fixture->registry, &request.change);
    request_wait(&request);
    assert_int_equal(request.change.status, STATUS_INVALID);
    assert_non_null(strstr(request.change.error.text, "functions \"f\": type:"));
    assert_int_equal(revision_of(fixture->registry), 0);
}

static void a_change_reaches_the_other_nodes(void **state) {
    struct fixture *fixture = *state;
    struct registry *other = start_node(&fixture->hub, NULL);
    assert_int_equal(put(fixture, fixture->registry, "f", 0), STATUS_OK);
    EVENTUALLY(has_function(other, "f"));
    assert_int_equal(put(fixture, other, "g", 1), STATUS_OK);
    EVENTUALLY(has_function(fixture->registry, "g"));
    registry_destroy(other);
}

static void after_a_conflict_the_snapshot_is_new_enough_to_try_again(void **state) {
    struct fixture *fixture = *state;
    struct registry *other = start_node(&fixture->hub, NULL);
    // The other node does not hear of the first change.
    pthread_mutex_lock(&fixture->hub.lock);
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (fixture->hub.nodes[i]) {
            fixture->hub.nodes[i]->notify = NULL;
        }
    }
    pthread_mutex_unlock(&fixture->hub.lock);
    assert_int_equal(put(fixture, fixture->registry, "f", 0), STATUS_OK);
    assert_int_equal(revision_of(other), 0);
    assert_int_equal(put(fixture, other, "g", 0), STATUS_CONFLICT);
    assert_int_equal(revision_of(other), 1);
    assert_int_equal(put(fixture, other, "g", 1), STATUS_OK);
    registry_destroy(other);
}

static void when_the_history_is_lost_everything_is_loaded(void **state) {
    struct fixture *fixture = *state;
    struct registry *other = start_node(&fixture->hub, NULL);
    assert_int_equal(put(fixture, fixture->registry, "f", 0), STATUS_OK);
    EVENTUALLY(has_function(other, "f"));
    pthread_mutex_lock(&fixture->hub.lock);
    fixture->hub.has_lost_history = true;
    pthread_mutex_unlock(&fixture->hub.lock);
    assert_int_equal(put(fixture, fixture->registry, "g", 1), STATUS_OK);
    EVENTUALLY(has_function(other, "g"));
    assert_true(has_function(other, "f"));
    registry_destroy(other);
}

static void without_the_store_the_last_snapshot_serves_and_changes_are_refused(void **state) {
    struct fixture *fixture = *state;
    struct error error = {""};
    assert_int_equal(put(fixture, fixture->registry, "f", 0), STATUS_OK);
    assert_int_equal(registry_health(fixture->registry, &error), STATUS_OK);
    set_away(&fixture->hub, true);
    EVENTUALLY(registry_health(fixture->registry, &error) == STATUS_UNAVAILABLE);
    assert_string_equal(error.text, "the store is away");
    assert_true(has_function(fixture->registry, "f"));
    assert_int_equal(put(fixture, fixture->registry, "g", 1), STATUS_UNAVAILABLE);
    set_away(&fixture->hub, false);
    EVENTUALLY(registry_health(fixture->registry, &error) == STATUS_OK);
    assert_int_equal(put(fixture, fixture->registry, "g", 1), STATUS_OK);
}

static void a_store_that_comes_back_in_silence_is_found_again(void **state) {
    struct fixture *fixture = *state;
    set_away(&fixture->hub, true);
    EVENTUALLY(registry_health(fixture->registry, NULL) == STATUS_UNAVAILABLE);
    pthread_mutex_lock(&fixture->hub.lock);
    fixture->hub.is_away = false;
    pthread_mutex_unlock(&fixture->hub.lock);
    EVENTUALLY(registry_health(fixture->registry, NULL) == STATUS_OK);
}

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

static void a_stored_document_that_is_not_understood_is_left_out(void **state) {
    struct fixture *fixture = *state;
    struct registry_edit edits[] = {
        {RESOURCE_FUNCTION, BYTES("default"), BYTES("odd"), BYTES("{\"newer\":true}")},
        {RESOURCE_FUNCTION, BYTES("default"), BYTES("good"),
         BYTES("{\"space\":\"default\",\"functionId\":\"good\",\"type\":\"http\","
               "\"provider\":{}}")},
    };
    int64_t revision = 0;
    pthread_mutex_lock(&fixture->hub.lock);
    struct registry_store *documents = fixture->hub.documents;
    assert_int_equal(documents->ops->apply(documents, edits, 2, 0, &revision, NULL), STATUS_OK);
    pthread_mutex_unlock(&fixture->hub.lock);
    struct registry *node = start_node(&fixture->hub, NULL);
    assert_true(has_function(node, "good"));
    assert_false(has_function(node, "odd"));
    registry_destroy(node);
    notify_all(&fixture->hub);
    EVENTUALLY(has_function(fixture->registry, "good"));
    assert_false(has_function(fixture->registry, "odd"));
}

// --- listeners ---

struct ear {
    struct registry_listener listener;
    struct registry *registry;
    bool leaves_at_once;
    atomic_int calls;
    atomic_llong revision;
};

static void hear(struct registry_listener *listener, const struct snapshot *snapshot) {
    struct ear *ear = CONTAINER_OF(listener, struct ear, listener);
    const struct snapshot *current = registry_snapshot(ear->registry);
    if (snapshot_revision(current) == snapshot_revision(snapshot)) {
        ear->revision = snapshot_revision(snapshot);
    }
    snapshot_unref(current);
    if (ear->leaves_at_once) {
        registry_remove_listener(ear->registry, listener);
    }
    ear->calls++;
}

static void listeners_are_told_of_each_new_snapshot(void **state) {
    struct fixture *fixture = *state;
    struct ear ears[3] = {0};
    ears[1].leaves_at_once = true;
    for (int i = 0; i < 3; i++) {
        ears[i].listener.changed = hear;
        ears[i].registry = fixture->registry;
        registry_add_listener(fixture->registry, &ears[i].listener);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(put(fixture, fixture->registry, "f", i), STATUS_OK);
        if (i == 2) {
            registry_remove_listener(fixture->registry, &ears[2].listener);
        }
    }
    assert_int_equal(ears[0].calls, 5);
    assert_int_equal(ears[0].revision, 5);
    assert_int_equal(ears[1].calls, 1);
    assert_int_equal(ears[2].calls, 3);
    registry_remove_listener(fixture->registry, &ears[0].listener);
}

static void a_listener_is_not_called_any_more_once_it_is_removed(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 50; i++) {
        struct request request;
        struct ear ear = {.listener.changed = hear, .registry = fixture->registry};
        registry_add_listener(fixture->registry, &ear.listener);
        request_init(&request, fixture->loop, "f", revision_of(fixture->registry));
        registry_apply(fixture->registry, &request.change);
        registry_remove_listener(fixture->registry, &ear.listener);
        memset(&ear, 0xa5, sizeof ear); // A call from now on would crash.
        request_wait(&request);
    }
}

// --- many threads ---

struct reader {
    struct registry *registry;
    atomic_bool *must_stop;
    pthread_t thread;
};

static void *read_on(void *context) {
    struct reader *reader = context;
    int64_t last = -1;
    while (!atomic_load(reader->must_stop)) {
        const struct snapshot *snapshot = registry_snapshot(reader->registry);
        assert(snapshot_revision(snapshot) >= last);
        last = snapshot_revision(snapshot);
        const struct function *function = snapshot_function(snapshot, BYTES("default"), BYTES("f"));
        assert(last == 0 || bytes_equal_text(function->type, "http"));
        snapshot_unref(snapshot);
    }
    return NULL;
}

static void threads_read_snapshots_while_they_change(void **state) {
    struct fixture *fixture = *state;
    atomic_bool must_stop = false;
    struct reader readers[3];
    for (int i = 0; i < 3; i++) {
        readers[i] = (struct reader){.registry = fixture->registry, .must_stop = &must_stop};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
    }
    for (int i = 0; i < 200; i++) {
        assert_int_equal(put(fixture, fixture->registry, "f", i), STATUS_OK);
    }
    atomic_store(&must_stop, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(readers[i].thread, NULL);
    }
}

static void a_change_is_answered_when_the_registry_is_destroyed(void **state) {
    struct fixture *fixture = *state;
    struct request requests[20];
    struct registry *node = start_node(&fixture->hub, NULL);
    for (int i = 0; i < 20; i++) {
        request_init(&requests[i], fixture->loop, "f", i);
        registry_apply(node, &requests[i].change);
    }
    registry_destroy(node);
    for (int i = 0; i < 20; i++) {
        request_wait(&requests[i]);
        assert_true(requests[i].change.status == STATUS_OK ||
                    requests[i].change.status == STATUS_CLOSED);
    }
}

static void a_closed_registry_refuses_changes_and_keeps_its_snapshot(void **state) {
    struct fixture *fixture = *state;
    struct registry *node = start_node(&fixture->hub, NULL);
    assert_int_equal(put(fixture, node, "f", 0), STATUS_OK);
    registry_close(node);
    assert_int_equal(put(fixture, node, "g", 1), STATUS_CLOSED);
    assert_true(has_function(node, "f"));
    registry_close(node);
    registry_destroy(node);
}

// --- members ---

struct asking {
    struct registry_members_query query;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int done_count;
};

static void told(struct registry_members_query *query) {
    struct asking *asking = CONTAINER_OF(query, struct asking, query);
    pthread_mutex_lock(&asking->lock);
    asking->done_count++;
    pthread_cond_signal(&asking->answered);
    pthread_mutex_unlock(&asking->lock);
}

// Who is there, as one text: "id=document ". The caller owns it.
static char *ask_members(struct fixture *fixture, enum status expected) {
    struct asking asking = {.query = {.loop = fixture->loop, .done = told},
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .answered = PTHREAD_COND_INITIALIZER};
    struct buffer text = {0};
    registry_list_members(fixture->registry, &asking.query);
    pthread_mutex_lock(&asking.lock);
    while (asking.done_count == 0) {
        pthread_cond_wait(&asking.answered, &asking.lock);
    }
    pthread_mutex_unlock(&asking.lock);
    assert_int_equal(asking.query.status, expected);
    buffer_append_text(&text, "");
    for (size_t i = 0; i < asking.query.count; i++) {
        buffer_append_format(&text, "%s=%s ", asking.query.members[i].id.data,
                             asking.query.members[i].document.data);
    }
    registry_members_query_clear(&asking.query);
    return buffer_take(&text);
}

static void expect_members(struct fixture *fixture, enum status status, const char *expected) {
    char *text = ask_members(fixture, status);
    assert_string_equal(text, expected);
    free(text);
}

static void what_a_node_says_of_itself_is_told_as_it_was_last(void **state) {
    struct fixture *fixture = *state;
    expect_members(fixture, STATUS_OK, "");
    registry_announce(fixture->registry, BYTES("a"), BYTES("{1}"));
    expect_members(fixture, STATUS_OK, "a={1} ");
    registry_announce(fixture->registry, BYTES("a"), BYTES("{2}"));
    expect_members(fixture, STATUS_OK, "a={2} ");
}

static void while_the_store_is_away_a_node_knows_only_itself(void **state) {
    struct fixture *fixture = *state;
    set_away(&fixture->hub, true);
    registry_announce(fixture->registry, BYTES("a"), BYTES("{1}"));
    expect_members(fixture, STATUS_UNAVAILABLE, "a={1} ");
}

static int announces_of(struct hub *hub) {
    pthread_mutex_lock(&hub->lock);
    int announces = hub->announces;
    pthread_mutex_unlock(&hub->lock);
    return announces;
}

static void the_entry_is_shown_again_when_the_store_is_back(void **state) {
    struct fixture *fixture = *state;
    registry_announce(fixture->registry, BYTES("a"), BYTES("{1}"));
    expect_members(fixture, STATUS_OK, "a={1} ");
    set_away(&fixture->hub, true);
    expect_members(fixture, STATUS_UNAVAILABLE, "a={1} ");
    int before = announces_of(&fixture->hub);
    set_away(&fixture->hub, false);
    EVENTUALLY(announces_of(&fixture->hub) > before);
}

static void nobody_is_told_of_after_the_close(void **state) {
    struct fixture *fixture = *state;
    registry_announce(fixture->registry, BYTES("a"), BYTES("{1}"));
    registry_close(fixture->registry);
    expect_members(fixture, STATUS_CLOSED, "");
}

#define REGISTRY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(a_change_is_in_the_snapshot_when_done_is_called),
        REGISTRY_TEST(a_change_based_on_an_older_snapshot_is_a_conflict),
        REGISTRY_TEST(of_changes_sent_together_on_one_snapshot_one_wins),
        REGISTRY_TEST(a_document_that_cannot_be_read_back_is_not_stored),
        REGISTRY_TEST(a_change_reaches_the_other_nodes),
        REGISTRY_TEST(after_a_conflict_the_snapshot_is_new_enough_to_try_again),
        REGISTRY_TEST(when_the_history_is_lost_everything_is_loaded),
        REGISTRY_TEST(without_the_store_the_last_snapshot_serves_and_changes_are_refused),
        REGISTRY_TEST(a_store_that_comes_back_in_silence_is_found_again),
        REGISTRY_TEST(without_store_and_cache_nothing_starts),
        REGISTRY_TEST(a_node_starts_from_its_cache_and_catches_up_with_everything),
        REGISTRY_TEST(the_cache_is_written_while_the_node_runs),
        REGISTRY_TEST(a_stored_document_that_is_not_understood_is_left_out),
        REGISTRY_TEST(listeners_are_told_of_each_new_snapshot),
        REGISTRY_TEST(a_listener_is_not_called_any_more_once_it_is_removed),
        REGISTRY_TEST(threads_read_snapshots_while_they_change),
        REGISTRY_TEST(a_change_is_answered_when_the_registry_is_destroyed),
        REGISTRY_TEST(a_closed_registry_refuses_changes_and_keeps_its_snapshot),
        REGISTRY_TEST(what_a_node_says_of_itself_is_told_as_it_was_last),
        REGISTRY_TEST(while_the_store_is_away_a_node_knows_only_itself),
        REGISTRY_TEST(the_entry_is_shown_again_when_the_store_is_back),
        REGISTRY_TEST(nobody_is_told_of_after_the_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
