// Who is told of a new snapshot, and who no longer.
#include "registry_test.h"

#include <stdatomic.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(listeners_are_told_of_each_new_snapshot),
        REGISTRY_TEST(a_listener_is_not_called_any_more_once_it_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
