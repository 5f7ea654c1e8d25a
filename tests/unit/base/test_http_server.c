// The HTTP server with clients that behave: requests as they come, answers as they go.
#include "tests/support/raw_http.h"

struct later {
    struct event_loop_task task;
    struct http_request *request;
};

static void answer_later(struct event_loop_task *task) {
    struct later *later = CONTAINER_OF(task, struct later, task);
    raw_answer_echo(later->request);
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

static void handle(void *context, struct http_request *request) {
    struct raw_server *server = context;
    struct bytes path = http_request_path(request);
    if (bytes_equal_text(path, "/later")) {
        struct later *later = memory_allocate(sizeof *later);
        *later = (struct later){{answer_later, NULL}, request};
        event_loop_post(server->loop, &later->task);
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
        raw_answer_echo(request);
    }
}

static int setup(void **state) {
    struct raw_server *server = memory_allocate(sizeof *server);
    raw_server_start(server, (struct http_server_options){.handler = handle, .context = server});
    *state = server;
    return 0;
}

static int teardown(void **state) {
    struct raw_server *server = *state;
    raw_server_stop(server);
    free(server);
    return 0;
}

static void a_request_is_answered_at_once_or_later(void **state) {
    raw_assert_exchange(*state, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /now? ");
    raw_assert_exchange(*state, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /later? ");
    raw_assert_exchange(*state, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok",
                        200, "POST /later? ok");
}

static void path_and_query_stay_as_they_came(void **state) {
    raw_assert_exchange(*state, "GET /a%20b/%2f+;x?y=%26&&z=+&?%zz HTTP/1.1\r\nHost: a\r\n\r\n",
                        200, "GET /a%20b/%2f+;x?y=%26&&z=+&?%zz ");
    raw_assert_exchange(*state, "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /a? ");
    raw_assert_exchange(*state, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200, "OPTIONS *? ");
}

static void an_absolute_target_gives_its_path(void **state) {
    raw_assert_exchange(*state, "GET http://a:80/b%20c?d HTTP/1.1\r\nHost: a\r\n\r\n", 200,
                        "GET /b%20c?d ");
    raw_assert_exchange(*state, "GET http://a?d HTTP/1.1\r\nHost: a\r\n\r\n", 200, "GET /?d ");
}

static void any_method_reaches_the_handler(void **state) {
    raw_assert_exchange(*state, "PATCH /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "PATCH /a? ");
    raw_assert_exchange(*state, "M-SEARCH /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "M-SEARCH /a? ");
    raw_assert_exchange(*state, "get /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "get /a? ");
}

static void headers_are_found_in_any_case_and_listed_in_order(void **state) {
    raw_assert_exchange(*state,
                        "GET /headers HTTP/1.1\r\nHost: a\r\nX-Twice: one\r\nEmpty:\r\n"
                        "x-twice:  two\r\nLast: 1\r\nUnseen: 2\r\n\r\n",
                        200, "Host=a;X-Twice=one;Empty=;x-twice=two;Last=1; first=one");
}

static void a_chunked_body_arrives_whole(void **state) {
    raw_assert_exchange(*state,
                        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "5;x=y\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n",
                        200, "POST /a? hello world");
}

static void a_body_that_comes_byte_by_byte_arrives_whole(void **state) {
    struct raw_server *server = *state;
    const char *request = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    int fd = raw_connect(server->port);
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
    struct raw_server *server = *state;
    size_t size = 1024 * 1024;
    struct buffer request = {0};
    buffer_append_format(&request, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                         size);
    for (size_t i = 0; i < size; i++) {
        buffer_append_byte(&request, (char)(i % 251));
    }
    struct raw_answer answer = raw_exchange(server->port, buffer_bytes(&request));
    size_t prefix = strlen("POST /later? ");
    assert_int_equal(answer.body.size, prefix + size);
    assert_memory_equal(answer.body.data + prefix, request.data + request.size - size, size);
    raw_answer_clear(&answer);
    buffer_clear(&request);
}

static void pipelined_requests_are_answered_in_order(void **state) {
    struct raw_server *server = *state;
    int fd = raw_connect(server->port);
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
    struct raw_server *server = *state;
    int fd = raw_connect(server->port);
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

static void assert_closes_after(struct raw_server *server, const char *request) {
    int fd = raw_connect(server->port);
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
    struct raw_server *server = *state;
    int fd = raw_connect(server->port);
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
    struct raw_server *server = *state;
    struct raw_answer answer =
        raw_exchange(server->port, BYTES("GET /none HTTP/1.1\r\nHost: a\r\n\r\n"));
    char date[64];
    assert_int_equal(answer.status, 204);
    assert_true(raw_header(&answer, "Date", date, sizeof date));
    assert_non_null(strstr(date, " GMT"));
    raw_answer_clear(&answer);
}

static void an_error_is_json_with_the_message_escaped(void **state) {
    struct raw_server *server = *state;
    struct raw_answer answer =
        raw_exchange(server->port, BYTES("GET /error HTTP/1.1\r\nHost: a\r\n\r\n"));
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
    struct raw_server *server = *state;
    struct raw_answer answer =
        raw_exchange(server->port, BYTES("GET /odd HTTP/1.1\r\nHost: a\r\n\r\n"));
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
    raw_assert_exchange(*state, "GET /odd-status HTTP/1.1\r\nHost: a\r\n\r\n", 500, "");
}

static void answer_headers_beyond_the_limit_become_500(void **state) {
    raw_assert_exchange(*state, "GET /large-header HTTP/1.1\r\nHost: a\r\n\r\n", 500,
                        "{\"errors\":[{\"message\":\"the headers of the answer are too large\"}]}");
}

static void a_large_answer_arrives_whole(void **state) {
    struct raw_server *server = *state;
    struct raw_answer answer =
        raw_exchange(server->port, BYTES("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(answer.body.size, 8 * 1024 * 1024);
    assert_int_equal(answer.body.data[answer.body.size - 1], 'l');
    raw_answer_clear(&answer);
}

static void a_request_knows_its_peer_and_its_time(void **state) {
    raw_assert_exchange(*state, "GET /facts HTTP/1.1\r\nHost: a\r\n\r\n", 200, "127.0.0.1 1");
}

static void a_client_that_has_closed_its_sending_side_gets_its_answer(void **state) {
    struct raw_server *server = *state;
    int fd = raw_connect(server->port);
    struct buffer rest = {0};
    raw_send_text(fd, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(fd, SHUT_WR);
    struct raw_answer answer = raw_read(fd, &rest, true);
    assert_int_equal(answer.status, 200);
    raw_answer_clear(&answer);
    buffer_clear(&rest);
    close(fd);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
