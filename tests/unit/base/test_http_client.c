// What the HTTP client sends, and what it makes of answers, whole or broken.
#include "http_client_test.h"

static void an_answer_has_status_headers_and_body(void **state) {
    struct outcome outcome =
        call_script(*state, "HTTP/1.1 418 Odd\r\nX-Answer:  yes \r\nContent-Length: 4\r\n\r\nbody");
    assert_int_equal(outcome.result, HTTP_CALL_ANSWERED);
    assert_int_equal(outcome.status, 418);
    assert_string_equal(outcome.body, "body");
    assert_string_equal(outcome.header, "yes");
    assert_int_equal(outcome.header_count, 2);
    assert_string_equal(outcome.error_text, "");
}

static void answers_come_chunked_empty_or_until_the_connection_closes(void **state) {
    struct outcome chunked =
        call_script(*state, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "3\r\nabc\r\n2;x\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n");
    assert_string_equal(chunked.body, "abcde");
    struct outcome empty = call_script(*state, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(empty.status, 204);
    assert_int_equal(empty.body_size, 0);
    struct outcome until_close = call_script(*state, "HTTP/1.0 200 OK\r\n\r\nall of it");
    assert_string_equal(until_close.body, "all of it");
}

static void an_interim_answer_is_skipped(void **state) {
    struct outcome outcome =
        call_script(*state, "HTTP/1.1 103 Early Hints\r\nX-Answer: early\r\n\r\n"
                            "HTTP/1.1 200 OK\r\nX-Answer: late\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.header, "late");
    assert_int_equal(outcome.header_count, 2);
}

static void a_redirect_is_an_answer_and_not_followed(void **state) {
    struct fixture *fixture = *state;
    struct outcome outcome = call_script(
        fixture,
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(outcome.result, HTTP_CALL_ANSWERED);
    assert_int_equal(outcome.status, 302);
}

static void the_request_holds_what_was_given_and_no_more(void **state) {
    struct fixture *fixture = *state;
    const struct step steps[] = {{STEP_REPLY, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
                                 {STEP_REPLY, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}};
    const struct http_header headers[] = {
        {BYTES("Content-Type"), BYTES("application/json")},
        {BYTES("ce-id"), BYTES("1")},
        {BYTES("X-Empty"), {NULL, 0}},
        {BYTES("Content-Length"), BYTES("99")},
        {BYTES("Host"), BYTES("elsewhere")},
        {BYTES("Transfer-Encoding"), BYTES("chunked")},
    };
    start_script(&fixture->server, steps, 2);
    call_with(fixture, (struct http_call_options){.headers = headers,
                                                  .header_count = ARRAY_LENGTH(headers),
                                                  .body = BYTES("{}")});
    call_with(fixture, (struct http_call_options){.body = BYTES("x")});
    http_client_destroy(fixture->client);
    fixture->client = NULL;
    pthread_join(fixture->server.thread, NULL);
    char expected[512];
    snprintf(expected, sizeof expected,
             "POST /f?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
             "ce-id: 1\r\nX-Empty:\r\nContent-Length: 2\r\n\r\n{}"
             "POST /f?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 1\r\n\r\nx",
             fixture->server.port, fixture->server.port);
    assert_string_equal(fixture->server.requests.data, expected);
    assert_int_equal(fixture->server.accepted, 1);
    close(fixture->server.listener);
    buffer_clear(&fixture->server.requests);
    sem_destroy(&fixture->server.idle_closed);
}

static void assert_request_line(struct fixture *fixture, const char *method, struct bytes body,
                                const char *expected_start) {
    const struct step steps[] = {
        {STEP_REPLY_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}};
    start_script(&fixture->server, steps, 1);
    struct outcome outcome =
        call_with(fixture, (struct http_call_options){.method = method, .body = body});
    assert_int_equal(outcome.result, HTTP_CALL_ANSWERED);
    pthread_join(fixture->server.thread, NULL);
    assert_memory_equal(fixture->server.requests.data, expected_start, strlen(expected_start));
    bool has_length = strcasestr(fixture->server.requests.data, "Content-Length:") != NULL;
    bool is_bodiless =
        strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "DELETE") == 0;
    assert_int_equal(has_length, body.size > 0 || !is_bodiless);
    close(fixture->server.listener);
    buffer_clear(&fixture->server.requests);
    sem_destroy(&fixture->server.idle_closed);
}

static void every_method_is_sent_as_it_is_also_one_after_the_other(void **state) {
    // The easy handle is the same each time: nothing of the call before may remain.
    assert_request_line(*state, "GET", (struct bytes){NULL, 0}, "GET /f?x=1 ");
    assert_request_line(*state, "PUT", BYTES("put"), "PUT /f?x=1 ");
    assert_request_line(*state, "HEAD", (struct bytes){NULL, 0}, "HEAD /f?x=1 ");
    assert_request_line(*state, "POST", (struct bytes){NULL, 0}, "POST /f?x=1 ");
    assert_request_line(*state, "DELETE", (struct bytes){NULL, 0}, "DELETE /f?x=1 ");
    assert_request_line(*state, "POST", BYTES("post"), "POST /f?x=1 ");
    assert_request_line(*state, "PURGE", BYTES("x"), "PURGE /f?x=1 ");
    assert_request_line(*state, "GET", (struct bytes){NULL, 0}, "GET /f?x=1 ");
}

static void a_broken_answer_is_cut_off(void **state) {
    assert_int_equal(call_script(*state, "").result, HTTP_CALL_CUT_OFF);
    assert_int_equal(call_script(*state, "HTTP/1.1 200 OK\r\n").result, HTTP_CALL_CUT_OFF);
    assert_int_equal(call_script(*state, "HTTP/1.1 200 OK\r\nContent-Le").result,
                     HTTP_CALL_CUT_OFF);
    assert_int_equal(call_script(*state, "HTTP/1.1 200 OK\r\nA: b\r\n").result, HTTP_CALL_CUT_OFF);
    assert_int_equal(call_script(*state, "garbage\r\n\r\n").result, HTTP_CALL_CUT_OFF);
    assert_int_equal(call_script(*state, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").result,
                     HTTP_CALL_CUT_OFF);
    assert_int_equal(
        call_script(*state, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").result,
        HTTP_CALL_CUT_OFF);
    assert_true(call_script(*state, "").error_text[0] != '\0');
}

static struct outcome call_for_10_bytes(struct fixture *fixture) {
    const struct step steps[] = {
        {STEP_REPLY_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"}};
    start_script(&fixture->server, steps, 1);
    struct outcome outcome = call_with(fixture, (struct http_call_options){0});
    stop_script(&fixture->server);
    return outcome;
}

static void all_answers_together_have_a_limit(void **state) {
    (void)state;
    static const struct {
        size_t limit;
        enum http_call_result result;
    } cases[] = {{15, HTTP_CALL_ANSWERED}, {9, HTTP_CALL_ANSWER_TOO_LARGE}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fixture fixture = {0};
        struct http_client_options options = {.answers_max_bytes = cases[i].limit};
        make_client(&fixture, "127.0.0.0/8", options);
        assert_int_equal(call_for_10_bytes(&fixture).result, cases[i].result);
        // What the first one took was given back with it.
        assert_int_equal(call_for_10_bytes(&fixture).result, cases[i].result);
        destroy_client(&fixture);
    }
}

static void an_answer_beyond_the_limit_is_too_large(void **state) {
    struct fixture *fixture = *state;
    static const char *const replies[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n012345\r\n"
        "0\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(replies); i++) {
        const struct step steps[] = {{STEP_REPLY_CLOSE, replies[i]}};
        start_script(&fixture->server, steps, 1);
        struct outcome outcome =
            call_with(fixture, (struct http_call_options){.answer_max_bytes = 10});
        assert_int_equal(outcome.result, HTTP_CALL_ANSWER_TOO_LARGE);
        stop_script(&fixture->server);
    }
}

static void answer_headers_beyond_64_kib_are_too_large(void **state) {
    struct buffer reply = {0};
    buffer_append_text(&reply, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 70; i++) {
        buffer_append_format(&reply, "X-%d: ", i);
        for (int j = 0; j < 1000; j++) {
            buffer_append_byte(&reply, 'h');
        }
        buffer_append_text(&reply, "\r\n");
    }
    buffer_append_text(&reply, "\r\n");
    assert_int_equal(call_script(*state, reply.data).result, HTTP_CALL_ANSWER_TOO_LARGE);
    buffer_clear(&reply);
}

static void silence_is_a_timeout(void **state) {
    struct fixture *fixture = *state;
    const struct step steps[] = {{STEP_SILENT, NULL}};
    start_script(&fixture->server, steps, 1);
    struct outcome outcome = call_with(fixture, (struct http_call_options){.timeout_ms = 50});
    assert_int_equal(outcome.result, HTTP_CALL_TIMED_OUT);
    stop_script(&fixture->server);
}

static void a_refused_port_and_an_unknown_host_are_unreachable(void **state) {
    struct fixture *fixture = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    // Bound but not listening: nobody else gets this port meanwhile.
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    fixture->server.port = ntohs(address.sin_port);
    assert_int_equal(call_with(fixture, (struct http_call_options){0}).result,
                     HTTP_CALL_UNREACHABLE);
    struct outcome unknown =
        call_with(fixture, (struct http_call_options){.url = "http://no-such-host.invalid/"});
    assert_int_equal(unknown.result, HTTP_CALL_UNREACHABLE);
    assert_non_null(strstr(unknown.error_text, "no-such-host.invalid"));
    close(fd);
}

static void a_target_that_no_rule_allows_is_forbidden(void **state) {
    (void)state;
    struct fixture fixture = {0};
    make_client(&fixture, "127.0.0.1", (struct http_client_options){0});
    static const char *const urls[] = {"http://127.0.0.2:1/", "http://[::1]:1/",
                                       "http://169.254.169.254/latest", "http://0x7f000002:1/",
                                       "http://user:word@[::ffff:10.0.0.1]:80/"};
    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        struct outcome outcome = call_with(&fixture, (struct http_call_options){.url = urls[i]});
        assert_int_equal(outcome.result, HTTP_CALL_FORBIDDEN);
    }
    struct outcome outcome =
        call_with(&fixture, (struct http_call_options){.url = "http://127.0.0.3:1/"});
    assert_string_equal(outcome.error_text,
                        "127.0.0.3 is at 127.0.0.3, which is not an allowed target");
    http_client_destroy(fixture.client);
    target_rules_destroy(fixture.targets);
    event_loop_destroy(fixture.loop);
}

static void other_schemes_are_forbidden(void **state) {
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/",
                                       "gopher://127.0.0.1:1/"};
    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        struct outcome outcome = call_with(*state, (struct http_call_options){.url = urls[i]});
        assert_int_equal(outcome.result, HTTP_CALL_FORBIDDEN);
        assert_non_null(strstr(outcome.error_text, "only http and https"));
    }
}

static void what_cannot_be_sent_is_refused_at_once(void **state) {
    struct fixture *fixture = *state;
    struct outcome outcome = {.loop = fixture->loop};
    struct error error;
    static const char *const urls[] = {
        "", "example.com/x", "http://", "http://a b/", "http://a:99999/", "http://[::1/"};
    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        struct http_call_options options = {.method = "GET", .url = urls[i]};
        error.text[0] = '\0';
        assert_int_equal(http_client_send(fixture->client, &options, done, &outcome, NULL, &error),
                         STATUS_INVALID);
        assert_non_null(strstr(error.text, urls[i]));
    }
    const struct http_header headers[] = {{BYTES("X-Evil"), BYTES("a\r\nX-More: b")},
                                          {BYTES("X\nY"), BYTES("a")},
                                          {BYTES("X: y"), BYTES("a")},
                                          {BYTES(""), BYTES("a")}};
    for (size_t i = 0; i < ARRAY_LENGTH(headers); i++) {
        struct http_call_options options = {.method = "GET",
                                            .url = "http://127.0.0.1:1/",
                                            .headers = &headers[i],
                                            .header_count = 1};
        assert_int_equal(http_client_send(fixture->client, &options, done, &outcome, NULL, &error),
                         STATUS_INVALID);
    }
    assert_int_equal(outcome.calls, 0);
    assert_int_equal(http_client_calls_inside(fixture->client), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_has_status_headers_and_body),
        TEST(answers_come_chunked_empty_or_until_the_connection_closes),
        TEST(an_interim_answer_is_skipped),
        TEST(a_redirect_is_an_answer_and_not_followed),
        TEST(the_request_holds_what_was_given_and_no_more),
        TEST(every_method_is_sent_as_it_is_also_one_after_the_other),
        TEST(a_broken_answer_is_cut_off),
        TEST(an_answer_beyond_the_limit_is_too_large),
        cmocka_unit_test(all_answers_together_have_a_limit),
        TEST(answer_headers_beyond_64_kib_are_too_large),
        TEST(silence_is_a_timeout),
        TEST(a_refused_port_and_an_unknown_host_are_unreachable),
        cmocka_unit_test(a_target_that_no_rule_allows_is_forbidden),
        TEST(other_schemes_are_forbidden),
        TEST(what_cannot_be_sent_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
