// The HTTP server and its connections: clients that leave, a closed door, silent ones, the end, and
// ports.
#include "tests/support/raw_http.h"

#include <errno.h>

struct fixture {
    struct raw_server http;
    struct http_request *held[16]; // by paths /hold and /watch
    size_t held_count;
    sem_t is_held;
    sem_t has_left; // a client whose request came by path /watch
    size_t left_count;
    size_t connections; // when count_connections looked last
};

static void client_left(void *context) {
    struct fixture *fixture = context;
    fixture->left_count++;
    sem_post(&fixture->has_left);
}

static void handle(void *context, struct http_request *request) {
    struct fixture *fixture = context;
    bool is_watched = bytes_equal_text(http_request_path(request), "/watch");
    if (!is_watched && !bytes_equal_text(http_request_path(request), "/hold")) {
        raw_answer_echo(request);
        return;
    }
    if (is_watched) {
        http_request_on_client_left(request, client_left, fixture);
    }
    fixture->held[fixture->held_count++] = request;
    sem_post(&fixture->is_held);
}

static struct http_server_options options_for(struct fixture *fixture) {
    return raw_server_options((struct http_server_options){.handler = handle, .context = fixture});
}

static int setup(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    sem_init(&fixture->is_held, 0, 0);
    sem_init(&fixture->has_left, 0, 0);
    raw_server_start(&fixture->http, options_for(fixture));
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    raw_server_stop(&fixture->http);
    sem_destroy(&fixture->is_held);
    sem_destroy(&fixture->has_left);
    free(fixture);
    return 0;
}

static void answer_held(void *context) {
    struct fixture *fixture = context;
    for (size_t i = 0; i < fixture->held_count; i++) {
        raw_answer_echo(fixture->held[i]);
    }
    fixture->held_count = 0;
}

static void an_answer_to_a_client_that_has_left_is_dropped(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++) {
        int fd = raw_connect(fixture->http.port);
        raw_send_text(fd, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        sem_wait(&fixture->is_held);
        struct linger reset = {.l_onoff = i == 0, .l_linger = 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        event_loop_call(fixture->http.loop, answer_held, fixture);
    }
    raw_assert_exchange(&fixture->http, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /a? ");
    assert_int_equal(http_server_requests_inside(fixture->http.server), 0);
}

static void whoever_asked_is_told_that_the_client_has_left(void **state) {
    struct fixture *fixture = *state;
    int staying = raw_connect(fixture->http.port);
    raw_send_text(staying, "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    sem_wait(&fixture->is_held);
    for (int way = 0; way < 3; way++) {
        int fd = raw_connect(fixture->http.port);
        raw_send_text(fd, "POST /watch HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        sem_wait(&fixture->is_held);
        struct linger reset = {.l_onoff = way == 1, .l_linger = 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        if (way == 2) {
            shutdown(fd, SHUT_WR);
        } else {
            close(fd);
        }
        sem_wait(&fixture->has_left);
        if (way == 2) {
            close(fd);
        }
    }
    event_loop_call(fixture->http.loop, answer_held, fixture);
    struct buffer rest = {0};
    struct raw_answer answer = raw_read(staying, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(staying);
    assert_int_equal(fixture->left_count, 3);
    assert_int_equal(http_server_requests_inside(fixture->http.server), 0);
}

static void close_door(void *context) {
    struct fixture *fixture = context;
    http_server_close_door(fixture->http.server);
    http_server_close_door(fixture->http.server);
    assert_int_equal(http_server_requests_inside(fixture->http.server), 1);
}

static void a_closed_door_still_lets_answers_out_and_then_closes(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->http.port);
    int idle = raw_connect(fixture->http.port);
    struct buffer rest = {0};
    char connection[32];
    raw_send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    sem_wait(&fixture->is_held);
    event_loop_call(fixture->http.loop, close_door, fixture);
    int refused = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(fixture->http.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(refused, (struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, ECONNREFUSED);
    // What was connected before is served.
    raw_send_text(idle, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    struct raw_answer answer = raw_read(idle, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    assert_true(raw_is_closed(idle));
    event_loop_call(fixture->http.loop, answer_held, fixture);
    answer = raw_read(fd, &rest, true);
    assert_string_equal(answer.text.data, "GET /hold? ");
    assert_true(raw_header(&answer, "Connection", connection, sizeof connection));
    assert_string_equal(connection, "close");
    assert_true(raw_is_closed(fd));
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(refused);
    close(idle);
    close(fd);
}

static void close_silent_for_a_minute(void *context) {
    struct fixture *fixture = context;
    http_server_close_silent(fixture->http.server, 60 * 1000);
}

static void close_silent(void *context) {
    struct fixture *fixture = context;
    http_server_close_silent(fixture->http.server, 0);
}

static void count_connections(void *context) {
    struct fixture *fixture = context;
    fixture->connections = http_server_connections(fixture->http.server);
}

static void wait_for_connections(struct fixture *fixture, size_t wanted) {
    do {
        event_loop_call(fixture->http.loop, count_connections, fixture);
    } while (fixture->connections != wanted);
}

static void silent_connections_are_closed_and_others_are_not(void **state) {
    struct fixture *fixture = *state;
    int busy = raw_connect(fixture->http.port);
    int silent = raw_connect(fixture->http.port);
    struct buffer rest = {0};
    raw_send_text(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    sem_wait(&fixture->is_held);
    wait_for_connections(fixture, 2);
    event_loop_call(fixture->http.loop, close_silent_for_a_minute, fixture);
    raw_send_text(silent, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    struct raw_answer answer = raw_read(silent, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    event_loop_call(fixture->http.loop, close_silent, fixture);
    assert_true(raw_is_closed(silent));
    wait_for_connections(fixture, 1);
    event_loop_call(fixture->http.loop, answer_held, fixture);
    answer = raw_read(busy, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(silent);
    close(busy);
}

static void answer_held_and_destroy(void *context) {
    answer_held(context);
    struct fixture *fixture = context;
    raw_server_destroy(&fixture->http);
}

static void what_was_answered_before_destroy_reaches_the_client(void **state) {
    struct fixture *fixture = *state;
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = raw_connect(fixture->http.port);
        raw_send_text(fds[i], "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
        sem_wait(&fixture->is_held);
    }
    event_loop_call(fixture->http.loop, answer_held_and_destroy, fixture);
    for (int i = 0; i < 8; i++) {
        struct buffer rest = {0};
        struct raw_answer answer = raw_read(fds[i], &rest, true);
        assert_int_equal(answer.status, 200);
        assert_true(raw_is_closed(fds[i]));
        raw_answer_clear(&answer);
        buffer_clear(&rest);
        close(fds[i]);
    }
}

static void servers_share_a_port_unless_it_must_be_free(void **state) {
    struct fixture *fixture = *state;
    struct event_loop *loop;
    struct http_server *second = NULL;
    struct error error;
    struct http_server_options options = options_for(fixture);
    options.port = fixture->http.port;
    assert_int_equal(event_loop_create("second", &loop, &error), STATUS_OK);
    assert_int_equal(http_server_create(loop, &options, &second, &error), STATUS_OK);
    assert_int_equal(http_server_port(second), fixture->http.port);
    http_server_destroy(second);
    options.must_be_free = true;
    assert_int_equal(http_server_create(loop, &options, &second, &error), STATUS_UNAVAILABLE);
    char port[16];
    snprintf(port, sizeof port, "%u", fixture->http.port);
    assert_non_null(strstr(error.text, port));
    assert_non_null(strstr(error.text, "127.0.0.1"));
    assert_non_null(strstr(error.text, strerror(EADDRINUSE)));
    event_loop_destroy(loop);
}

static void an_address_that_cannot_be_bound_is_an_error(void **state) {
    struct fixture *fixture = *state;
    struct event_loop *loop;
    struct http_server *server = NULL;
    struct error error;
    struct http_server_options options = options_for(fixture);
    assert_int_equal(event_loop_create("other", &loop, &error), STATUS_OK);
    options.address = "localhost";
    assert_int_equal(http_server_create(loop, &options, &server, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "localhost"));
    options.address = "192.0.2.1";
    assert_int_equal(http_server_create(loop, &options, &server, &error), STATUS_UNAVAILABLE);
    assert_null(server);
    event_loop_destroy(loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_to_a_client_that_has_left_is_dropped),
        TEST(whoever_asked_is_told_that_the_client_has_left),
        TEST(a_closed_door_still_lets_answers_out_and_then_closes),
        TEST(silent_connections_are_closed_and_others_are_not),
        TEST(what_was_answered_before_destroy_reaches_the_client),
        TEST(servers_share_a_port_unless_it_must_be_free),
        TEST(an_address_that_cannot_be_bound_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
