// Changes, their answers, and snapshots on many nodes and threads.
#include "registry_test.h"

#include <assert.h>
#include <stdatomic.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(a_change_is_in_the_snapshot_when_done_is_called),
        REGISTRY_TEST(a_change_based_on_an_older_snapshot_is_a_conflict),
        REGISTRY_TEST(of_changes_sent_together_on_one_snapshot_one_wins),
        REGISTRY_TEST(a_document_that_cannot_be_read_back_is_not_stored),
        REGISTRY_TEST(a_change_reaches_the_other_nodes),
        REGISTRY_TEST(after_a_conflict_the_snapshot_is_new_enough_to_try_again),
        REGISTRY_TEST(without_the_store_the_last_snapshot_serves_and_changes_are_refused),
        REGISTRY_TEST(a_store_that_comes_back_in_silence_is_found_again),
        REGISTRY_TEST(threads_read_snapshots_while_they_change),
        REGISTRY_TEST(a_change_is_answered_when_the_registry_is_destroyed),
        REGISTRY_TEST(a_closed_registry_refuses_changes_and_keeps_its_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
