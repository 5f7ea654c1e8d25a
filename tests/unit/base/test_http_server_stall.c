// Bursts on many connections that become ready together. libmicrohttpd's own epoll thread stalls
// when they are a multiple of 128; our loop must answer every one of them, round after round.
#include "tests/support/raw_http.h"

#include <sys/resource.h>

enum {
    ROUNDS = 5,
    CONNECTIONS_MAX = 1024
};

struct fixture {
    struct event_loop *loop;
    struct event_loop_thread *thread;
    struct http_server *server;
    bool answers_later;
    int fds[CONNECTIONS_MAX];
    struct buffer rests[CONNECTIONS_MAX];
    struct event_loop_task pause;
    sem_t is_paused;
    sem_t may_go_on;
};

struct later {
    struct event_loop_task task;
    struct http_request *request;
};

static void answer(struct http_request *request) {
    struct http_response response = {.status = 200, .body = http_request_body(request)};
    http_respond(request, &response);
}

static void answer_later(struct event_loop_task *task) {
    struct later *later = CONTAINER_OF(task, struct later, task);
    answer(later->request);
    free(later);
}

static void handle(void *context, struct http_request *request) {
    struct fixture *fixture = context;
    if (!fixture->answers_later) {
        answer(request);
        return;
    }
    struct later *later = memory_allocate(sizeof *later);
    *later = (struct later){{answer_later, NULL}, request};
    event_loop_post(fixture->loop, &later->task);
}

// Holds the loop while the whole burst is sent, so that all of it is ready at once.
static void pause_loop(struct event_loop_task *task) {
    struct fixture *fixture = CONTAINER_OF(task, struct fixture, pause);
    sem_post(&fixture->is_paused);
    sem_wait(&fixture->may_go_on);
}

static size_t send_burst(struct fixture *fixture, int count, int round) {
    fixture->pause.run = pause_loop;
    event_loop_post(fixture->loop, &fixture->pause);
    sem_wait(&fixture->is_paused);
    size_t sent = 0;
    for (int i = 0; i < count; i++) {
        char text[128];
        char body[32];
        snprintf(body, sizeof body, "%d/%d", round, i);
        snprintf(text, sizeof text,
                 "POST /burst HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
                 body);
        sent += raw_send(fixture->fds[i], bytes_of_text(text)) ? 1 : 0;
    }
    sem_post(&fixture->may_go_on);
    return sent;
}

static size_t receive_burst(struct fixture *fixture, int count, int round) {
    size_t answered = 0;
    for (int i = 0; i < count; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%d/%d", round, i);
        struct raw_answer got = raw_read(fixture->fds[i], &fixture->rests[i], true);
        answered += got.status == 200 && strcmp(got.text.data, expected) == 0 ? 1 : 0;
        raw_answer_clear(&got);
    }
    return answered;
}

static void destroy_server(void *context) {
    struct fixture *fixture = context;
    http_server_destroy(fixture->server);
}

static void assert_all_answered(int count, bool answers_later) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    struct error error;
    struct http_server_options options = {
        .name = "stall",
        .address = "127.0.0.1",
        .body_max_bytes = 1000,
        .connections_max = CONNECTIONS_MAX,
        .idle_timeout_ms = 600000,
        .handler = handle,
        .context = fixture,
    };
    fixture->answers_later = answers_later;
    sem_init(&fixture->is_paused, 0, 0);
    sem_init(&fixture->may_go_on, 0, 0);
    assert_int_equal(event_loop_create("stall", &fixture->loop, &error), STATUS_OK);
    assert_int_equal(http_server_create(fixture->loop, &options, &fixture->server, &error),
                     STATUS_OK);
    fixture->thread = event_loop_thread_start(fixture->loop);
    for (int i = 0; i < count; i++) {
        fixture->fds[i] = raw_connect(http_server_port(fixture->server));
    }
    for (int round = 0; round < ROUNDS; round++) {
        size_t sent = send_burst(fixture, count, round);
        size_t answered = receive_burst(fixture, count, round);
        assert_int_equal(sent, count);
        assert_int_equal(sent - answered, 0);
    }
    for (int i = 0; i < count; i++) {
        close(fixture->fds[i]);
        buffer_clear(&fixture->rests[i]);
    }
    event_loop_call(fixture->loop, destroy_server, fixture);
    event_loop_stop(fixture->loop);
    event_loop_thread_join(fixture->thread);
    event_loop_destroy(fixture->loop);
    sem_destroy(&fixture->is_paused);
    sem_destroy(&fixture->may_go_on);
    free(fixture);
}

static void bursts_on_128_connections_are_answered_at_once(void **state) {
    (void)state;
    assert_all_answered(128, false);
}

static void bursts_on_256_connections_are_answered_at_once(void **state) {
    (void)state;
    assert_all_answered(256, false);
}

static void bursts_of_any_size_are_answered_later(void **state) {
    (void)state;
    static const int counts[] = {16, 64, 128, 256, 1000};
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        assert_all_answered(counts[i], true);
    }
}

static int raise_descriptor_limit(void **state) {
    (void)state;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts_on_128_connections_are_answered_at_once),
        cmocka_unit_test(bursts_on_256_connections_are_answered_at_once),
        cmocka_unit_test(bursts_of_any_size_are_answered_later),
    };
    return cmocka_run_group_tests(tests, raise_descriptor_limit, NULL);
}
