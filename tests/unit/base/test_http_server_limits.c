// The HTTP server with clients that send too much, too slowly, or on too many connections.
#include "tests/support/raw_http.h"

struct fixture {
    struct raw_server http;
    struct http_request *held;
    sem_t is_held;
};

static void answer_size(struct http_request *request) {
    char text[64];
    snprintf(text, sizeof text, "%zu", http_request_body(request).size);
    struct http_response response = {.status = 200, .body = bytes_of_text(text)};
    http_respond(request, &response);
}

#define LARGE_ANSWER ((size_t)16 * 1024 * 1024) // more than sockets take by themselves

static void answer_large(struct http_request *request) {
    char *body = memory_allocate(LARGE_ANSWER);
    struct http_response response = {
        .status = 200, .body = {body, LARGE_ANSWER}, .body_owned = body};
    http_respond(request, &response);
}

static void handle(void *context, struct http_request *request) {
    struct fixture *fixture = context;
    if (bytes_equal_text(http_request_path(request), "/large")) {
        answer_large(request);
        return;
    }
    if (bytes_equal_text(http_request_path(request), "/hold")) {
        fixture->held = request;
        sem_post(&fixture->is_held);
    } else {
        answer_size(request);
    }
}

static struct fixture *start(struct http_server_options options) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    sem_init(&fixture->is_held, 0, 0);
    options.handler = handle;
    options.context = fixture;
    options.body_max_bytes = 100 * 1000;
    raw_server_start(&fixture->http, options);
    return fixture;
}

static void stop(struct fixture *fixture) {
    raw_server_stop(&fixture->http);
    sem_destroy(&fixture->is_held);
    free(fixture);
}

static void answer_held(void *context) {
    struct fixture *fixture = context;
    answer_size(fixture->held);
}

static int setup(void **state) {
    *state = start((struct http_server_options){0});
    return 0;
}

static int teardown(void **state) {
    stop(*state);
    return 0;
}

static void assert_error_body(const struct raw_answer *answer) {
    char value[64];
    const char *text = answer->text.data ? answer->text.data : "";
    assert_non_null(strstr(text, "{\"errors\":[{\"message\":\""));
    assert_true(raw_header(answer, "Connection", value, sizeof value));
    assert_string_equal(value, "close");
    assert_true(raw_header(answer, "Date", value, sizeof value));
    assert_true(raw_header(answer, "Content-Type", value, sizeof value));
    assert_string_equal(value, "application/json");
}

static void a_declared_body_beyond_the_limit_gets_413_before_it_is_read(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->http.port);
    raw_send_text(fd, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n");
    struct raw_answer answer = raw_refused(fd);
    assert_int_equal(answer.status, 413);
    assert_error_body(&answer);
    raw_answer_clear(&answer);
}

static void a_client_that_waits_for_100_continue_gets_413_instead(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->http.port);
    raw_send_text(fd, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n"
                      "Expect: 100-continue\r\n\r\n");
    struct raw_answer answer = raw_refused(fd);
    assert_int_equal(answer.status, 413);
    raw_answer_clear(&answer);
}

static void a_refusal_reaches_a_client_that_goes_on_sending(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->http.port);
    char *block = memory_allocate(64 * 1024);
    raw_send_text(fd, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n");
    for (int i = 0; i < 64; i++) {
        assert_true(raw_send(fd, (struct bytes){block, 64 * 1024}));
    }
    struct raw_answer answer = raw_refused(fd);
    assert_int_equal(answer.status, 413);
    raw_answer_clear(&answer);
    free(block);
}

static void a_chunked_body_that_grows_beyond_the_limit_gets_413(void **state) {
    struct fixture *fixture = *state;
    struct buffer request = {0};
    buffer_append_text(&request,
                       "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 101; i++) {
        buffer_append_text(&request, "3e8\r\n");
        for (int j = 0; j < 1000; j++) {
            buffer_append_byte(&request, 'c');
        }
        buffer_append_text(&request, "\r\n");
    }
    int fd = raw_connect(fixture->http.port);
    assert_true(raw_send(fd, buffer_bytes(&request)));
    struct raw_answer answer = raw_refused(fd);
    assert_int_equal(answer.status, 413);
    assert_error_body(&answer);
    raw_answer_clear(&answer);
    buffer_clear(&request);
}

static void a_body_of_exactly_the_limit_passes(void **state) {
    struct fixture *fixture = *state;
    struct buffer request = {0};
    buffer_append_text(&request, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 100000; i++) {
        buffer_append_byte(&request, 'b');
    }
    struct raw_answer answer = raw_exchange(fixture->http.port, buffer_bytes(&request));
    assert_string_equal(answer.text.data, "100000");
    raw_answer_clear(&answer);
    buffer_clear(&request);
}

static void a_refused_head_request_gets_no_body(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->http.port);
    struct buffer rest = {0};
    raw_send_text(fd, "HEAD /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n");
    struct raw_answer answer = raw_read(fd, &rest, false);
    assert_int_equal(answer.status, 413);
    assert_true(raw_is_closed(fd));
    assert_int_equal(rest.size, 0);
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(fd);
}

static void build_head(struct buffer *request, size_t headers, size_t value_size) {
    buffer_append_text(request, "GET /a HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 0; i < headers; i++) {
        buffer_append_format(request, "ce-attribute%zu: ", i);
        for (size_t j = 0; j < value_size; j++) {
            buffer_append_byte(request, 'v');
        }
        buffer_append_text(request, "\r\n");
    }
    buffer_append_text(request, "\r\n");
}

static void assert_head(struct fixture *fixture, size_t headers, size_t value_size, int status) {
    struct buffer request = {0};
    build_head(&request, headers, value_size);
    int fd = raw_connect(fixture->http.port);
    struct buffer rest = {0};
    raw_send(fd, buffer_bytes(&request));
    struct raw_answer answer = raw_read(fd, &rest, true);
    assert_int_equal(answer.status, status);
    raw_answer_clear(&answer);
    buffer_clear(&request);
    buffer_clear(&rest);
    close(fd);
}

static void headers_of_64_kib_pass_in_one_or_in_many(void **state) {
    assert_head(*state, 1, 65000, 200);
    assert_head(*state, 64, 1000, 200);
    assert_head(*state, 640, 80, 200);
    assert_head(*state, 1, 96 * 1024 - 100, 200);
}

static void headers_beyond_the_limit_get_431(void **state) {
    struct fixture *fixture = *state;
    assert_head(*state, 1, 96 * 1024, 431);
    assert_head(*state, 100, 1000, 431);
    assert_head(*state, 400, 1000, 431); // more than the connection's memory
    assert_head(*state, 8000, 1, 431);
    raw_assert_works(&fixture->http);
}

static void a_target_beyond_the_limit_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct buffer request = {0};
    buffer_append_text(&request, "GET /");
    for (int i = 0; i < 400 * 1024; i++) {
        buffer_append_byte(&request, 'u');
    }
    buffer_append_text(&request, " HTTP/1.1\r\nHost: a\r\n\r\n");
    int fd = raw_connect(fixture->http.port);
    struct buffer rest = {0};
    raw_send(fd, buffer_bytes(&request));
    struct raw_answer answer = raw_read(fd, &rest, true);
    assert_true(answer.status == 414 || answer.status == 431);
    raw_answer_clear(&answer);
    buffer_clear(&request);
    buffer_clear(&rest);
    close(fd);
    raw_assert_works(&fixture->http);
}

// libmicrohttpd makes a list of what it finds there, in the connection's memory.
static void arguments_pass_in_any_number_and_cookies_up_to_the_limit(void **state) {
    struct fixture *fixture = *state;
    static const char *const starts[] = {"GET /?", "GET / HTTP/1.1\r\nHost: a\r\nCookie: "};
    static const char *const ends[] = {" HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n"};
    static const char *const pieces[] = {"a&", "a=b;"};
    static const int statuses[] = {200, 431};
    for (size_t i = 0; i < ARRAY_LENGTH(starts); i++) {
        struct buffer request = {0};
        struct buffer rest = {0};
        buffer_append_text(&request, starts[i]);
        for (int j = 0; j < 20000; j++) {
            buffer_append_text(&request, pieces[i]);
        }
        buffer_append_text(&request, ends[i]);
        int fd = raw_connect(fixture->http.port);
        raw_send(fd, buffer_bytes(&request));
        struct raw_answer answer = raw_read(fd, &rest, true);
        assert_int_equal(answer.status, statuses[i]);
        raw_answer_clear(&answer);
        buffer_clear(&request);
        buffer_clear(&rest);
        close(fd);
        raw_assert_works(&fixture->http);
    }
}

static void an_idle_connection_is_closed(void **state) {
    (void)state;
    struct fixture *fixture = start((struct http_server_options){.idle_timeout_ms = 100});
    int never_used = raw_connect(fixture->http.port);
    int used = raw_connect(fixture->http.port);
    struct buffer rest = {0};
    raw_send_text(used, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    struct raw_answer answer = raw_read(used, &rest, true);
    assert_int_equal(answer.status, 200);
    assert_true(raw_is_closed(used));
    assert_true(raw_is_closed(never_used));
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(used);
    close(never_used);
    stop(fixture);
}

static void a_request_inside_is_not_idle(void **state) {
    (void)state;
    struct fixture *fixture = start((struct http_server_options){.idle_timeout_ms = 100});
    int fd = raw_connect(fixture->http.port);
    int idle = raw_connect(fixture->http.port);
    struct buffer rest = {0};
    raw_send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    sem_wait(&fixture->is_held);
    // Twice the time that would have closed it.
    assert_true(raw_is_closed(idle));
    close(idle);
    idle = raw_connect(fixture->http.port);
    assert_true(raw_is_closed(idle));
    event_loop_call(fixture->http.loop, answer_held, fixture);
    struct raw_answer answer = raw_read(fd, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(idle);
    close(fd);
    stop(fixture);
}

// A client that keeps a connection busy with single bytes until the server has had enough.
static struct raw_answer trickle(struct fixture *fixture, const char *head, char byte) {
    int fd = raw_connect(fixture->http.port);
    struct timeval moment = {.tv_usec = 5000};
    struct buffer text = {0};
    raw_send_text(fd, head);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
    while (!raw_receive(fd, &text) && raw_send(fd, (struct bytes){&byte, 1})) {
    }
    struct raw_answer answer = {0};
    if (text.size > 0) {
        answer = raw_read(fd, &text, true);
    }
    buffer_clear(&text);
    close(fd);
    return answer;
}

static void a_request_that_trickles_is_given_up(void **state) {
    (void)state;
    struct fixture *fixture =
        start((struct http_server_options){.idle_timeout_ms = 150, .request_timeout_ms = 100});
    struct raw_answer head = trickle(fixture, "GET /a HTTP/1.1\r\nHost: a\r\nX-Slow: ", 'x');
    assert_int_equal(head.status, 408);
    assert_error_body(&head);
    struct raw_answer body =
        trickle(fixture, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n", 'x');
    assert_int_equal(body.status, 408);
    // Nobody has asked for anything yet, so there is nothing to answer.
    struct raw_answer line = trickle(fixture, "GET /", 'x');
    assert_int_equal(line.status, 0);
    raw_answer_clear(&head);
    raw_answer_clear(&body);
    raw_answer_clear(&line);
    stop(fixture);
}

static void bodies_together_beyond_the_limit_get_503_with_retry_after(void **state) {
    (void)state;
    struct fixture *fixture = start((struct http_server_options){.body_total_max_bytes = 60000});
    struct buffer body = {0};
    for (int i = 0; i < 40000; i++) {
        buffer_append_byte(&body, 'b');
    }
    int first = raw_connect(fixture->http.port);
    raw_send_text(first, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n");
    assert_true(raw_send(first, buffer_bytes(&body)));
    sem_wait(&fixture->is_held);
    int second = raw_connect(fixture->http.port);
    raw_send_text(second, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n");
    assert_true(raw_send(second, buffer_bytes(&body)));
    struct raw_answer answer = raw_refused(second);
    char value[32];
    assert_int_equal(answer.status, 503);
    assert_true(raw_header(&answer, "Retry-After", value, sizeof value));
    assert_string_equal(value, "1");
    assert_error_body(&answer);
    raw_answer_clear(&answer);
    // The first body is given back with its answer.
    event_loop_call(fixture->http.loop, answer_held, fixture);
    int third = raw_connect(fixture->http.port);
    struct buffer rest = {0};
    raw_send_text(third, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n");
    assert_true(raw_send(third, buffer_bytes(&body)));
    answer = raw_read(third, &rest, true);
    assert_string_equal(answer.text.data, "40000");
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    buffer_clear(&body);
    close(first);
    close(third);
    stop(fixture);
}

static void a_claimed_length_reserves_no_memory(void **state) {
    (void)state;
    // Each claims 100,000 bytes and sends one; all together stay far below their claims.
    struct fixture *fixture =
        start((struct http_server_options){.body_total_max_bytes = 40 * 66000});
    int fds[40];
    for (int i = 0; i < 40; i++) {
        fds[i] = raw_connect(fixture->http.port);
        raw_send_text(fds[i], "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx");
    }
    struct raw_answer answer = raw_exchange(
        fixture->http.port, BYTES("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"));
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    for (int i = 0; i < 40; i++) {
        close(fds[i]);
    }
    stop(fixture);
}

static void answers_that_nobody_takes_count_as_bodies(void **state) {
    (void)state;
    struct fixture *fixture =
        start((struct http_server_options){.body_total_max_bytes = 2 * LARGE_ANSWER});
    int fds[2];
    struct buffer rest[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        fds[i] = raw_connect(fixture->http.port);
        raw_send_text(fds[i], "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(raw_receive(fds[i], &rest[i]));
    }
    raw_assert_refused(&fixture->http, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 503);
    for (int i = 0; i < 2; i++) {
        struct raw_answer answer = raw_read(fds[i], &rest[i], true);
        assert_int_equal(answer.body.size, LARGE_ANSWER);
        raw_answer_clear(&answer);
    }
    // The second answer on a connection: the server is done with the first.
    raw_send_text(fds[0], "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    struct raw_answer answer = raw_read(fds[0], &rest[0], true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    for (int i = 0; i < 2; i++) {
        buffer_clear(&rest[i]);
        close(fds[i]);
    }
    stop(fixture);
}

static void assert_two_connections_at_the_most(void *context) {
    struct fixture *fixture = context;
    assert_true(http_server_connections(fixture->http.server) <= 2);
}

static void connections_beyond_the_limit_wait_until_others_go(void **state) {
    (void)state;
    struct fixture *fixture = start((struct http_server_options){.connections_max = 2});
    int fds[4];
    struct buffer rest = {0};
    for (int i = 0; i < 4; i++) {
        fds[i] = raw_connect(fixture->http.port);
        raw_send_text(fds[i], "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for (int i = 0; i < 4; i++) {
        struct raw_answer answer = raw_read(fds[i], &rest, true);
        assert_int_equal(answer.status, 200);
        event_loop_call(fixture->http.loop, assert_two_connections_at_the_most, fixture);
        raw_answer_clear(&answer);
        close(fds[i]);
    }
    buffer_clear(&rest);
    stop(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_declared_body_beyond_the_limit_gets_413_before_it_is_read),
        TEST(a_client_that_waits_for_100_continue_gets_413_instead),
        TEST(a_refusal_reaches_a_client_that_goes_on_sending),
        TEST(a_chunked_body_that_grows_beyond_the_limit_gets_413),
        TEST(a_body_of_exactly_the_limit_passes),
        TEST(a_refused_head_request_gets_no_body),
        TEST(headers_of_64_kib_pass_in_one_or_in_many),
        TEST(headers_beyond_the_limit_get_431),
        TEST(a_target_beyond_the_limit_is_refused),
        TEST(arguments_pass_in_any_number_and_cookies_up_to_the_limit),
        cmocka_unit_test(an_idle_connection_is_closed),
        cmocka_unit_test(a_request_inside_is_not_idle),
        cmocka_unit_test(a_request_that_trickles_is_given_up),
        cmocka_unit_test(bodies_together_beyond_the_limit_get_503_with_retry_after),
        cmocka_unit_test(answers_that_nobody_takes_count_as_bodies),
        cmocka_unit_test(a_claimed_length_reserves_no_memory),
        cmocka_unit_test(connections_beyond_the_limit_wait_until_others_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
