#include "core/base/client_sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/memory.h"

struct fixture {
    struct client_sockets sockets;
    struct event_loop_timer timer;
    int fds[2]; // the client's end, and its peer's
    size_t ready_count;
};

static void ready(void *context, int fd, uint32_t events) {
    struct fixture *fixture = context;
    char bytes[16];
    (void)events;
    fixture->ready_count++;
    (void)recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
}

static void timer_expired(struct event_loop_timer *timer) {
    event_loop_stop(CONTAINER_OF(timer, struct fixture, timer)->sockets.loop);
}

// What is ready now is told before the timer expires in the second turn.
static void turn(struct fixture *fixture) {
    fixture->timer.expired = timer_expired;
    event_loop_timer_start(fixture->sockets.loop, &fixture->timer, 1000);
    event_loop_run(fixture->sockets.loop);
}

static int setup(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->sockets = (struct client_sockets){.ready = ready, .context = fixture};
    assert_int_equal(event_loop_create("sockets", &fixture->sockets.loop, NULL), STATUS_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fixture->fds), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    client_sockets_clear(&fixture->sockets);
    event_loop_destroy(fixture->sockets.loop);
    close(fixture->fds[0]);
    close(fixture->fds[1]);
    free(fixture);
    return 0;
}

static void speak(struct fixture *fixture) {
    assert_int_equal(send(fixture->fds[1], "x", 1, 0), 1);
    turn(fixture);
}

static void a_socket_is_heard_while_it_is_waited_for(void **state) {
    struct fixture *fixture = *state;
    client_sockets_opened(&fixture->sockets, fixture->fds[0]);
    for (size_t round = 1; round <= 3; round++) {
        assert_true(client_sockets_wait(&fixture->sockets, fixture->fds[0], EPOLLIN));
        speak(fixture);
        assert_int_equal(fixture->ready_count, round);
        client_sockets_stop_waiting(&fixture->sockets, fixture->fds[0]);
    }
}

static void one_that_is_not_waited_for_says_nothing_and_is_heard_later(void **state) {
    struct fixture *fixture = *state;
    client_sockets_opened(&fixture->sockets, fixture->fds[0]);
    assert_true(client_sockets_wait(&fixture->sockets, fixture->fds[0], EPOLLOUT));
    assert_true(client_sockets_wait(&fixture->sockets, fixture->fds[0], EPOLLIN));
    client_sockets_stop_waiting(&fixture->sockets, fixture->fds[0]);
    speak(fixture);
    assert_int_equal(fixture->ready_count, 0);
    assert_true(client_sockets_wait(&fixture->sockets, fixture->fds[0], EPOLLIN));
    turn(fixture);
    assert_int_equal(fixture->ready_count, 1);
}

static void a_number_that_is_used_again_is_another_socket(void **state) {
    struct fixture *fixture = *state;
    for (int is_connection = 0; is_connection < 2; is_connection++) {
        int fd = fixture->fds[0];
        fixture->ready_count = 0;
        if (is_connection) {
            client_sockets_opened(&fixture->sockets, fd);
        }
        assert_true(client_sockets_wait(&fixture->sockets, fd, EPOLLIN));
        client_sockets_stop_waiting(&fixture->sockets, fd);
        if (is_connection) {
            client_sockets_closed(&fixture->sockets, fd);
        }
        close(fixture->fds[1]);
        close(fd);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fixture->fds), 0);
        assert_int_equal(fixture->fds[0], fd);
        client_sockets_opened(&fixture->sockets, fd);
        assert_true(client_sockets_wait(&fixture->sockets, fd, EPOLLIN));
        speak(fixture);
        assert_int_equal(fixture->ready_count, 1);
        client_sockets_closed(&fixture->sockets, fd);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_socket_is_heard_while_it_is_waited_for),
        TEST(one_that_is_not_waited_for_says_nothing_and_is_heard_later),
        TEST(a_number_that_is_used_again_is_another_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
