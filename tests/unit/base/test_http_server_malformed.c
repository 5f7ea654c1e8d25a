// The HTTP server with requests that no client should send.
#include "tests/support/raw_http.h"

static void handle(void *context, struct http_request *request) {
    (void)context;
    raw_answer_echo(request);
}

static struct raw_server *start(int64_t idle_timeout_ms) {
    struct raw_server *server = memory_allocate(sizeof *server);
    raw_server_start(server, (struct http_server_options){.body_max_bytes = 100 * 1000,
                                                          .idle_timeout_ms = idle_timeout_ms,
                                                          .handler = handle});
    return server;
}

static void stop(struct raw_server *server) {
    raw_server_stop(server);
    free(server);
}

static int setup(void **state) {
    *state = start(60000);
    return 0;
}

static int teardown(void **state) {
    stop(*state);
    return 0;
}

static void malformed_requests_get_400(void **state) {
    raw_assert_refused(*state, "GET /a HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400);
    raw_assert_refused(*state, "GET /a HTTP/1.1\r\n\r\n", 400);
    raw_assert_refused(*state, "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    raw_assert_refused(*state, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    raw_assert_refused(*state, "GET /a HTTP/9.9\r\nHost: a\r\n\r\n", 505);
    raw_assert_refused(*state, "GET /a HTTX/1.1\r\nHost: a\r\n\r\n", 400);
    raw_assert_works(*state);
}

static void ambiguous_lengths_get_400(void **state) {
    raw_assert_refused(*state,
                       "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                       "Content-Length: 2\r\n\r\nxy",
                       400);
    raw_assert_refused(*state,
                       "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                       400);
    raw_assert_refused(*state, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
                       501);
    raw_assert_refused(*state,
                       "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                       501);
    raw_assert_works(*state);
}

// libmicrohttpd answers these itself, with its head twice: the status is right, the body is not.
static void assert_status_and_close(struct raw_server *server, const char *request, int status) {
    int fd = raw_connect(server->port);
    struct buffer text = {0};
    raw_send_text(fd, request);
    while (raw_receive(fd, &text)) {
    }
    assert_int_equal(strtol(text.data + strlen("HTTP/1.1 "), NULL, 10), status);
    buffer_clear(&text);
    close(fd);
}

static void a_length_that_is_no_number_gets_400(void **state) {
    static const char *const lengths[] = {"abc", "-1", "1x", "0x1"};
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        char request[128];
        snprintf(request, sizeof request,
                 "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\n", lengths[i]);
        assert_status_and_close(*state, request, 400);
    }
    assert_status_and_close(*state,
                            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: "
                            "99999999999999999999999999\r\n\r\n",
                            413);
    raw_assert_works(*state);
}

static void malformed_chunks_get_400(void **state) {
    raw_assert_refused(*state,
                       "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "xyz\r\n",
                       400);
    raw_assert_refused(*state,
                       "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "1\r\nabc",
                       400);
    raw_assert_works(*state);
}

static void odd_bytes_do_no_harm(void **state) {
    static const struct bytes requests[] = {
        BYTES("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
        BYTES("GET /a HTTP/1.1\r\nHost: a\r\nX\0Y: b\0c\r\n\r\n"),
        BYTES("G\0T /a HTTP/1.1\r\nHost: a\r\n\r\n"),
        BYTES("GET /a HTTP/1.1\r\nHost: a\r\n\xff\xfe: \x80\x01\r\n\r\n"),
        BYTES("GET /a HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n"),
        BYTES("GET /a HTTP/1.1\r\n folded\r\nHost: a\r\n\r\n"),
        BYTES("GET /a HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\tagain\r\n\r\n"),
        BYTES("GET\r\n\r\n"),
        BYTES("GET \r\n\r\n"),
        BYTES(" / HTTP/1.1\r\n\r\n"),
        BYTES("\r\n\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"),
        BYTES("\0\0\0\0\r\n\r\n"),
        BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), // a TLS hello
        BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        BYTES("GET /a?x\0y HTTP/1.1\r\nHost: a\r\n\r\n"),
        BYTES("GET ?x HTTP/1.1\r\nHost: a\r\n\r\n"),
        BYTES("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n"),
        BYTES("GET /a HTTP/1.1\nHost: a\n\n"),
        BYTES("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
              "ffffffffffffffffff\r\n"),
        BYTES("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
              "0\r\nbad trailer\r\n\r\n"),
        BYTES("GET /a HTTP/1.1\r\nHost: a\r\nCookie: a=b; ;;=; c\r\n\r\n"),
    };
    (void)state;
    // libmicrohttpd can overlook the end of a connection that comes together with its last bytes;
    // then the idle timeout closes it.
    struct raw_server *server = start(50);
    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
        int fd = raw_connect(server->port);
        struct buffer text = {0};
        raw_send(fd, requests[i]);
        shutdown(fd, SHUT_WR);
        while (raw_receive(fd, &text)) {
        }
        buffer_clear(&text);
        close(fd);
    }
    raw_assert_works(server);
    stop(server);
}

// Every prefix of a request, cut off: nothing may be left inside.
static void a_request_that_is_cut_off_anywhere_is_forgotten(void **state) {
    static const char request[] = "POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                  "\r\n5\r\nhello\r\n0\r\n\r\n";
    struct raw_server *server = *state;
    for (size_t size = 0; size < sizeof request - 1; size++) {
        int fd = raw_connect(server->port);
        assert_true(raw_send(fd, (struct bytes){request, size}));
        close(fd);
    }
    raw_assert_works(server);
    assert_int_equal(http_server_requests_inside(server->server), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(malformed_requests_get_400),
        TEST(ambiguous_lengths_get_400),
        TEST(a_length_that_is_no_number_gets_400),
        TEST(malformed_chunks_get_400),
        cmocka_unit_test(odd_bytes_do_no_harm),
        TEST(a_request_that_is_cut_off_anywhere_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
