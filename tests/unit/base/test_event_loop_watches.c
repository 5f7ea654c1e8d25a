// Watches of descriptors, and what may happen while they are called.
#include "tests/unit/base/event_loop_test.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

// Two watches on sockets that are both readable: whichever is called first removes the other.
struct pair_watch {
    struct event_loop_watch watch;
    struct event_loop *loop;
    struct pair_watch *other;
    int *calls;
};

static void remove_other(struct event_loop_watch *watch, uint32_t events) {
    struct pair_watch *self = CONTAINER_OF(watch, struct pair_watch, watch);
    assert_true(events & EPOLLIN);
    (*self->calls)++;
    event_loop_watch_remove(self->loop, &self->other->watch);
    // The memory is free for something else at once.
    memset(&self->other->watch, 0xff, sizeof self->other->watch);
    event_loop_watch_remove(self->loop, watch);
    event_loop_stop(self->loop);
}

static void a_removed_watch_is_not_called_for_what_was_reported_already(void **state) {
    struct event_loop *loop = *state;
    int calls = 0;
    int sockets[2][2];
    struct pair_watch watches[2];
    struct error error;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets[i]), 0);
        assert_int_equal(write(sockets[i][1], "x", 1), 1);
        watches[i] = (struct pair_watch){
            {sockets[i][0], EPOLLIN, remove_other, false}, loop, &watches[1 - i], &calls};
        assert_int_equal(event_loop_watch_add(loop, &watches[i].watch, &error), STATUS_OK);
    }
    event_loop_run(loop);
    assert_int_equal(calls, 1);
    for (int i = 0; i < 2; i++) {
        close(sockets[i][0]);
        close(sockets[i][1]);
    }
}

struct changing_watch {
    struct event_loop_watch watch;
    struct event_loop *loop;
    uint32_t seen;
};

static void change_then_stop(struct event_loop_watch *watch, uint32_t events) {
    struct changing_watch *self = CONTAINER_OF(watch, struct changing_watch, watch);
    self->seen |= events;
    if (events & EPOLLIN) {
        event_loop_watch_change(self->loop, watch, EPOLLOUT);
    } else {
        event_loop_stop(self->loop);
    }
}

static void a_changed_watch_reports_what_it_was_changed_to(void **state) {
    struct event_loop *loop = *state;
    int sockets[2];
    struct error error;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    assert_int_equal(write(sockets[1], "x", 1), 1);
    struct changing_watch self = {{sockets[0], EPOLLIN, change_then_stop, false}, loop, 0};
    assert_int_equal(event_loop_watch_add(loop, &self.watch, &error), STATUS_OK);
    event_loop_run(loop);
    assert_int_equal(self.seen, EPOLLIN | EPOLLOUT);
    event_loop_watch_remove(loop, &self.watch);
    event_loop_watch_remove(loop, &self.watch);
    close(sockets[0]);
    close(sockets[1]);
}

static void a_descriptor_that_cannot_be_watched_is_an_error(void **state) {
    struct error error;
    struct event_loop_watch watch = {-1, EPOLLIN, NULL, false};
    assert_int_equal(event_loop_watch_add(*state, &watch, &error), STATUS_UNAVAILABLE);
    assert_false(watch.is_added);
    assert_non_null(strstr(error.text, "descriptor -1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_removed_watch_is_not_called_for_what_was_reported_already),
        TEST(a_changed_watch_reports_what_it_was_changed_to),
        TEST(a_descriptor_that_cannot_be_watched_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
