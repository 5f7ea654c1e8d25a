// How what the store holds becomes the next snapshot.
#include "registry_test.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(when_the_history_is_lost_everything_is_loaded),
        REGISTRY_TEST(a_stored_document_that_is_not_understood_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
