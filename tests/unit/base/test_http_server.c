// The HTTP server with clients that behave, and its answers, shutdown and ports.
#include "raw_http.h"

#include <errno.h>

struct fixture {
    struct event_loop *loop;
    struct event_loop_thread *thread;
    struct http_server *server;
    uint16_t port;
    struct http_request *held[16]; // by path /hold
    size_t held_count;
    sem_t is_held;
    size_t user_marks;
    sem_t has_left; // a client whose request came by path /watch
    size_t left_count;
    size_t connections; // when count_connections looked last
};

struct later {
    struct event_loop_task task;
    struct http_request *request;
};

static void answer_echo(struct http_request *request) {
    struct buffer text = {0};
    buffer_append(&text, http_request_method(request));
    buffer_append_byte(&text, ' ');
    buffer_append(&text, http_request_path(request));
    buffer_append_byte(&text, '?');
    buffer_append(&text, http_request_query(request));
    buffer_append_byte(&text, ' ');
    buffer_append(&text, http_request_body(request));
    struct http_response response = {
        .status = 200, .content_type = "text/plain", .body = buffer_bytes(&text)};
    response.body_owned = buffer_take(&text);
    http_respond(request, &response);
}

static void answer_later(struct event_loop_task *task) {
    struct later *later = CONTAINER_OF(task, struct later, task);
    answer_echo(later->request);
    free(later);
}

static bool append_header(void *context, const struct http_header *header) {
    struct buffer *text = context;
    buffer_append(text, header->name);
    buffer_append_byte(text, '=');
    buffer_append(text, header->value);
    buffer_append_byte(text, ';');
    return !bytes_equal_text(header->name, "Last");
}

static void answer_headers(struct http_request *request) {
    struct buffer text = {0};
    struct bytes value;
    http_request_each_header(request, append_header, &text);
    buffer_append_text(&text, " first=");
    if (http_request_header(request, "x-TWICE", &value)) {
        buffer_append(&text, value);
    }
    assert_false(http_request_header(request, "X-Missing", &value));
    struct http_response response = {.status = 200, .body = buffer_bytes(&text)};
    http_respond(request, &response);
    buffer_clear(&text);
}

static void answer_with_odd_headers(struct http_request *request) {
    const struct http_header headers[] = {
        {BYTES("X-Good"), BYTES("yes")},
        {BYTES("X-Empty"), {NULL, 0}},
        {BYTES("X-Broken"), BYTES("a\r\nX-Smuggled: b")},
        {BYTES("Content-Length"), BYTES("1")},
        {BYTES("Transfer-Encoding"), BYTES("chunked")},
        {BYTES("connection"), BYTES("keep-alive")},
    };
    struct http_response response = {.status = 201,
                                     .headers = headers,
                                     .header_count = ARRAY_LENGTH(headers),
                                     .body = BYTES("body")};
    http_respond(request, &response);
}

static void answer_with_a_large_header(struct http_request *request) {
    char *large = memory_allocate(70 * 1024);
    memset(large, 'x', 70 * 1024);
    struct http_header header = {BYTES("X-Large"), {large, 70 * 1024}};
    struct http_response response = {.status = 200, .headers = &header, .header_count = 1};
    http_respond(request, &response);
    free(large);
}

static void answer_large(struct http_request *request) {
    size_t size = 8 * 1024 * 1024;
    char *body = memory_allocate(size);
    memset(body, 'l', size);
    struct http_response response = {.status = 200, .body = {body, size}, .body_owned = body};
    http_respond(request, &response);
}

static void answer_facts(struct http_request *request) {
    char peer[64];
    char text[256];
    http_request_peer(request, peer, sizeof peer);
    snprintf(text, sizeof text, "%s %d", peer, http_request_received_us(request) > 0);
    struct http_response response = {.status = 200, .body = bytes_of_text(text)};
    http_respond(request, &response);
}

static void client_left(void *context) {
    struct fixture *fixture = context;
    fixture->left_count++;
    sem_post(&fixture->has_left);
}

static void handle(void *context, struct http_request *request) {
    struct fixture *fixture = context;
    struct bytes path = http_request_path(request);
    if (bytes_equal_text(path, "/later")) {
        struct later *later = memory_allocate(sizeof *later);
        *later = (struct later){{answer_later, NULL}, request};
        event_loop_post(fixture->loop, &later->task);
    } else if (bytes_equal_text(path, "/hold")) {
        fixture->held[fixture->held_count++] = request;
        sem_post(&fixture->is_held);
    } else if (bytes_equal_text(path, "/watch")) {
        http_request_on_client_left(request, client_left, fixture);
        fixture->held[fixture->held_count++] = request;
        sem_post(&fixture->is_held);
    } else if (bytes_equal_text(path, "/headers")) {
        answer_headers(request);
    } else if (bytes_equal_text(path, "/odd")) {
        answer_with_odd_headers(request);
    } else if (bytes_equal_text(path, "/large-header")) {
        answer_with_a_large_header(request);
    } else if (bytes_equal_text(path, "/large")) {
        answer_large(request);
    } else if (bytes_equal_text(path, "/facts")) {
        answer_facts(request);
    } else if (bytes_equal_text(path, "/none")) {
        struct http_response response = {.status = 204};
        http_respond(request, &response);
    } else if (bytes_equal_text(path, "/odd-status")) {
        struct http_response response = {.status = 42};
        http_respond(request, &response);
    } else if (bytes_equal_text(path, "/error")) {
        http_respond_error(request, 503, 7, "no \"%s\"\n", "room");
    } else {
        answer_echo(request);
    }
}

static struct http_server_options options_for(struct fixture *fixture) {
    return (struct http_server_options){
        .name = "test",
        .address = "127.0.0.1",
        .body_max_bytes = 1024 * 1024,
        .connections_max = 100,
        .idle_timeout_ms = 60000,
        .handler = handle,
        .context = fixture,
    };
}

static int setup(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    struct error error;
    sem_init(&fixture->is_held, 0, 0);
    sem_init(&fixture->has_left, 0, 0);
    assert_int_equal(event_loop_create("http", &fixture->loop, &error), STATUS_OK);
    struct http_server_options options = options_for(fixture);
    assert_int_equal(http_server_create(fixture->loop, &options, &fixture->server, &error),
                     STATUS_OK);
    fixture->port = http_server_port(fixture->server);
    fixture->thread = event_loop_thread_start(fixture->loop);
    *state = fixture;
    return 0;
}

static void destroy_server(void *context) {
    struct fixture *fixture = context;
    http_server_destroy(fixture->server);
    fixture->server = NULL;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    event_loop_call(fixture->loop, destroy_server, fixture);
    event_loop_stop(fixture->loop);
    event_loop_thread_join(fixture->thread);
    event_loop_destroy(fixture->loop);
    sem_destroy(&fixture->is_held);
    sem_destroy(&fixture->has_left);
    free(fixture);
    return 0;
}

static void answer_held(void *context) {
    struct fixture *fixture = context;
    for (size_t i = 0; i < fixture->held_count; i++) {
        answer_echo(fixture->held[i]);
    }
    fixture->held_count = 0;
}

static void assert_exchange(struct fixture *fixture, const char *request, int status,
                            const char *body) {
    struct raw_answer answer = raw_exchange(fixture->port, bytes_of_text(request));
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.text.data, body);
    raw_answer_clear(&answer);
}

static void a_request_is_answered_at_once_or_later(void **state) {
    assert_exchange(*state, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /now? ");
    assert_exchange(*state, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /later? ");
    assert_exchange(*state, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", 200,
                    "POST /later? ok");
}

static void path_and_query_stay_as_they_came(void **state) {
    assert_exchange(*state, "GET /a%20b/%2f+;x?y=%26&&z=+&?%zz HTTP/1.1\r\nHost: a\r\n\r\n", 200,
                    "GET /a%20b/%2f+;x?y=%26&&z=+&?%zz ");
    assert_exchange(*state, "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /a? ");
    assert_exchange(*state, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200, "OPTIONS *? ");
}

static void an_absolute_target_gives_its_path(void **state) {
    assert_exchange(*state, "GET http://a:80/b%20c?d HTTP/1.1\r\nHost: a\r\n\r\n", 200,
                    "GET /b%20c?d ");
    assert_exchange(*state, "GET http://a?d HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /?d ");
}

static void any_method_reaches_the_handler(void **state) {
    assert_exchange(*state, "PATCH /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "PATCH /a? ");
    assert_exchange(*state, "M-SEARCH /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "M-SEARCH /a? ");
    assert_exchange(*state, "get /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "get /a? ");
}

static void headers_are_found_in_any_case_and_listed_in_order(void **state) {
    assert_exchange(*state,
                    "GET /headers HTTP/1.1\r\nHost: a\r\nX-Twice: one\r\nEmpty:\r\n"
                    "x-twice:  two\r\nLast: 1\r\nUnseen: 2\r\n\r\n",
                    200, "Host=a;X-Twice=one;Empty=;x-twice=two;Last=1; first=one");
}

static void a_chunked_body_arrives_whole(void **state) {
    assert_exchange(*state,
                    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5;x=y\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n",
                    200, "POST /a? hello world");
}

static void a_body_that_comes_byte_by_byte_arrives_whole(void **state) {
    struct fixture *fixture = *state;
    const char *request = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    int fd = raw_connect(fixture->port);
    for (const char *at = request; *at != '\0'; at++) {
        assert_true(raw_send(fd, (struct bytes){at, 1}));
    }
    struct buffer rest = {0};
    struct raw_answer answer = raw_read(fd, &rest, true);
    assert_string_equal(answer.text.data, "POST /later? hello");
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(fd);
}

static void a_body_of_the_full_size_arrives_whole(void **state) {
    struct fixture *fixture = *state;
    size_t size = 1024 * 1024;
    struct buffer request = {0};
    buffer_append_format(&request, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                         size);
    for (size_t i = 0; i < size; i++) {
        buffer_append_byte(&request, (char)(i % 251));
    }
    struct raw_answer answer = raw_exchange(fixture->port, buffer_bytes(&request));
    size_t prefix = strlen("POST /later? ");
    assert_int_equal(answer.body.size, prefix + size);
    assert_memory_equal(answer.body.data + prefix, request.data + request.size - size, size);
    raw_answer_clear(&answer);
    buffer_clear(&request);
}

static void pipelined_requests_are_answered_in_order(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->port);
    raw_send_text(fd, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                      "GET /later?2 HTTP/1.1\r\nHost: a\r\n\r\n"
                      "POST /later?3 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
                      "GET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *const expected[] = {"POST /1? abc", "GET /later?2 ", "POST /later?3 x", "GET /4? "};
    struct buffer rest = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        struct raw_answer answer = raw_read(fd, &rest, true);
        assert_string_equal(answer.text.data, expected[i]);
        raw_answer_clear(&answer);
    }
    buffer_clear(&rest);
    close(fd);
}

static void an_answer_to_head_has_no_body(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->port);
    struct buffer rest = {0};
    raw_send_text(fd, "HEAD /later HTTP/1.1\r\nHost: a\r\n\r\nHEAD /now HTTP/1.1\r\nHost: a\r\n"
                      "Connection: close\r\n\r\n");
    struct raw_answer later = raw_read(fd, &rest, false);
    struct raw_answer now = raw_read(fd, &rest, false);
    char length[32];
    assert_true(raw_header(&later, "Content-Length", length, sizeof length));
    assert_string_equal(length, "13");
    assert_int_equal(now.status, 200);
    assert_true(raw_is_closed(fd));
    assert_int_equal(rest.size, 0);
    raw_answer_clear(&later);
    raw_answer_clear(&now);
    buffer_clear(&rest);
    close(fd);
}

static void assert_closes_after(struct fixture *fixture, const char *request) {
    int fd = raw_connect(fixture->port);
    struct buffer rest = {0};
    char connection[32];
    raw_send_text(fd, request);
    struct raw_answer answer = raw_read(fd, &rest, true);
    assert_int_equal(answer.status, 200);
    assert_true(raw_header(&answer, "Connection", connection, sizeof connection));
    assert_string_equal(connection, "close");
    assert_true(raw_is_closed(fd));
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(fd);
}

static void connection_close_is_answered_so_and_closes(void **state) {
    assert_closes_after(*state, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_closes_after(*state, "GET /later HTTP/1.1\r\nHost: a\r\nconnection: CLOSE\r\n\r\n");
    assert_closes_after(*state, "GET /a HTTP/1.0\r\n\r\n");
}

static void a_client_that_waits_for_100_continue_gets_it(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->port);
    struct buffer rest = {0};
    raw_send_text(fd, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                      "Expect: 100-continue\r\n\r\n");
    struct raw_answer interim = raw_read(fd, &rest, false);
    assert_int_equal(interim.status, 100);
    raw_send_text(fd, "ok");
    struct raw_answer answer = raw_read(fd, &rest, true);
    assert_string_equal(answer.text.data, "POST /later? ok");
    raw_answer_clear(&interim);
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(fd);
}

static void answers_carry_a_date(void **state) {
    struct fixture *fixture = *state;
    struct raw_answer answer =
        raw_exchange(fixture->port, BYTES("GET /none HTTP/1.1\r\nHost: a\r\n\r\n"));
    char date[64];
    assert_int_equal(answer.status, 204);
    assert_true(raw_header(&answer, "Date", date, sizeof date));
    assert_non_null(strstr(date, " GMT"));
    raw_answer_clear(&answer);
}

static void an_error_is_json_with_the_message_escaped(void **state) {
    struct fixture *fixture = *state;
    struct raw_answer answer =
        raw_exchange(fixture->port, BYTES("GET /error HTTP/1.1\r\nHost: a\r\n\r\n"));
    char value[64];
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer.text.data, "{\"errors\":[{\"message\":\"no \\\"room\\\"\\n\"}]}");
    assert_true(raw_header(&answer, "Retry-After", value, sizeof value));
    assert_string_equal(value, "7");
    assert_true(raw_header(&answer, "Content-Type", value, sizeof value));
    assert_string_equal(value, "application/json");
    raw_answer_clear(&answer);
}

static void a_handler_cannot_break_the_framing_of_its_answer(void **state) {
    struct fixture *fixture = *state;
    struct raw_answer answer =
        raw_exchange(fixture->port, BYTES("GET /odd HTTP/1.1\r\nHost: a\r\n\r\n"));
    char value[64];
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.text.data, "body");
    assert_true(raw_header(&answer, "X-Good", value, sizeof value));
    assert_false(raw_header(&answer, "X-Smuggled", value, sizeof value));
    assert_false(raw_header(&answer, "Transfer-Encoding", value, sizeof value));
    assert_false(raw_header(&answer, "Connection", value, sizeof value));
    raw_answer_clear(&answer);
}

static void a_status_that_http_does_not_have_becomes_500(void **state) {
    assert_exchange(*state, "GET /odd-status HTTP/1.1\r\nHost: a\r\n\r\n", 500, "");
}

static void answer_headers_beyond_the_limit_become_500(void **state) {
    assert_exchange(*state, "GET /large-header HTTP/1.1\r\nHost: a\r\n\r\n", 500,
                    "{\"errors\":[{\"message\":\"the headers of the answer are too large\"}]}");
}

static void a_large_answer_arrives_whole(void **state) {
    struct fixture *fixture = *state;
    struct raw_answer answer =
        raw_exchange(fixture->port, BYTES("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(answer.body.size, 8 * 1024 * 1024);
    assert_int_equal(answer.body.data[answer.body.size - 1], 'l');
    raw_answer_clear(&answer);
}

static void a_request_knows_its_peer_and_its_time(void **state) {
    assert_exchange(*state, "GET /facts HTTP/1.1\r\nHost: a\r\n\r\n", 200, "127.0.0.1 1");
}

static void a_client_that_has_closed_its_sending_side_gets_its_answer(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->port);
    struct buffer rest = {0};
    raw_send_text(fd, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(fd, SHUT_WR);
    struct raw_answer answer = raw_read(fd, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(fd);
}

static void an_answer_to_a_client_that_has_left_is_dropped(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++) {
        int fd = raw_connect(fixture->port);
        raw_send_text(fd, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        sem_wait(&fixture->is_held);
        struct linger reset = {.l_onoff = i == 0, .l_linger = 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        event_loop_call(fixture->loop, answer_held, fixture);
    }
    assert_exchange(fixture, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /a? ");
    assert_int_equal(http_server_requests_inside(fixture->server), 0);
}

static void whoever_asked_is_told_that_the_client_has_left(void **state) {
    struct fixture *fixture = *state;
    int staying = raw_connect(fixture->port);
    raw_send_text(staying, "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    sem_wait(&fixture->is_held);
    for (int way = 0; way < 3; way++) {
        int fd = raw_connect(fixture->port);
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
    event_loop_call(fixture->loop, answer_held, fixture);
    struct buffer rest = {0};
    struct raw_answer answer = raw_read(staying, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(staying);
    assert_int_equal(fixture->left_count, 3);
    assert_int_equal(http_server_requests_inside(fixture->server), 0);
}

static void close_door(void *context) {
    struct fixture *fixture = context;
    http_server_close_door(fixture->server);
    http_server_close_door(fixture->server);
    assert_int_equal(http_server_requests_inside(fixture->server), 1);
}

static void a_closed_door_still_lets_answers_out_and_then_closes(void **state) {
    struct fixture *fixture = *state;
    int fd = raw_connect(fixture->port);
    int idle = raw_connect(fixture->port);
    struct buffer rest = {0};
    char connection[32];
    raw_send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    sem_wait(&fixture->is_held);
    event_loop_call(fixture->loop, close_door, fixture);
    int refused = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(fixture->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(refused, (struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, ECONNREFUSED);
    // What was connected before is served.
    raw_send_text(idle, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    struct raw_answer answer = raw_read(idle, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    assert_true(raw_is_closed(idle));
    event_loop_call(fixture->loop, answer_held, fixture);
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
    http_server_close_silent(fixture->server, 60 * 1000);
}

static void close_silent(void *context) {
    struct fixture *fixture = context;
    http_server_close_silent(fixture->server, 0);
}

static void count_connections(void *context) {
    struct fixture *fixture = context;
    fixture->connections = http_server_connections(fixture->server);
}

static void wait_for_connections(struct fixture *fixture, size_t wanted) {
    do {
        event_loop_call(fixture->loop, count_connections, fixture);
    } while (fixture->connections != wanted);
}

static void silent_connections_are_closed_and_others_are_not(void **state) {
    struct fixture *fixture = *state;
    int busy = raw_connect(fixture->port);
    int silent = raw_connect(fixture->port);
    struct buffer rest = {0};
    raw_send_text(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    sem_wait(&fixture->is_held);
    wait_for_connections(fixture, 2);
    event_loop_call(fixture->loop, close_silent_for_a_minute, fixture);
    raw_send_text(silent, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    struct raw_answer answer = raw_read(silent, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    event_loop_call(fixture->loop, close_silent, fixture);
    assert_true(raw_is_closed(silent));
    wait_for_connections(fixture, 1);
    event_loop_call(fixture->loop, answer_held, fixture);
    answer = raw_read(busy, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(silent);
    close(busy);
}

static void answer_held_and_destroy(void *context) {
    answer_held(context);
    destroy_server(context);
}

static void what_was_answered_before_destroy_reaches_the_client(void **state) {
    struct fixture *fixture = *state;
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = raw_connect(fixture->port);
        raw_send_text(fds[i], "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
        sem_wait(&fixture->is_held);
    }
    event_loop_call(fixture->loop, answer_held_and_destroy, fixture);
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
    options.port = fixture->port;
    assert_int_equal(event_loop_create("second", &loop, &error), STATUS_OK);
    assert_int_equal(http_server_create(loop, &options, &second, &error), STATUS_OK);
    assert_int_equal(http_server_port(second), fixture->port);
    http_server_destroy(second);
    options.must_be_free = true;
    assert_int_equal(http_server_create(loop, &options, &second, &error), STATUS_UNAVAILABLE);
    char port[16];
    snprintf(port, sizeof port, "%u", fixture->port);
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
        TEST(a_request_is_answered_at_once_or_later),
        TEST(path_and_query_stay_as_they_came),
        TEST(an_absolute_target_gives_its_path),
        TEST(any_method_reaches_the_handler),
        TEST(headers_are_found_in_any_case_and_listed_in_order),
        TEST(a_chunked_body_arrives_whole),
        TEST(a_body_that_comes_byte_by_byte_arrives_whole),
        TEST(a_body_of_the_full_size_arrives_whole),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(an_answer_to_head_has_no_body),
        TEST(connection_close_is_answered_so_and_closes),
        TEST(a_client_that_waits_for_100_continue_gets_it),
        TEST(answers_carry_a_date),
        TEST(an_error_is_json_with_the_message_escaped),
        TEST(a_handler_cannot_break_the_framing_of_its_answer),
        TEST(a_status_that_http_does_not_have_becomes_500),
        TEST(answer_headers_beyond_the_limit_become_500),
        TEST(a_large_answer_arrives_whole),
        TEST(a_request_knows_its_peer_and_its_time),
        TEST(a_client_that_has_closed_its_sending_side_gets_its_answer),
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
