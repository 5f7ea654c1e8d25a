// The HTTP client against a server that follows a script, well-behaved or not.
#include "raw_http.h"

#include "core/base/http_client.h"
#include "core/base/target_rules.h"

#include <errno.h>
#include <pthread.h>

enum step_kind {
    STEP_REPLY,       // reads one request, sends the reply, keeps the connection
    STEP_REPLY_CLOSE, // and closes it
    STEP_SILENT,      // reads one request and says nothing until the peer leaves
    STEP_CLOSE_IDLE,  // closes the connection without waiting for a request
};

struct step {
    enum step_kind kind;
    const char *reply;
};

struct scripted {
    const struct step *steps;
    size_t step_count;
    int listener;
    uint16_t port;
    pthread_t thread;
    struct buffer requests; // all that was read
    size_t accepted;
    sem_t idle_closed;
};

struct fixture {
    struct event_loop *loop;
    struct target_rules *targets;
    struct http_client *client;
    struct scripted server;
};

struct outcome {
    struct event_loop *loop;
    int calls;
    int expected; // stops the loop when that many calls are done; 0 = never
    enum http_call_result result;
    unsigned status;
    char body[256];
    size_t body_size;
    char error_text[512];
    char header[128]; // X-Answer
    size_t header_count;
};

static bool read_request(int fd, struct buffer *rest, struct buffer *log) {
    struct buffer text = *rest;
    char *end;
    while (!text.data || !(end = memmem(text.data, text.size, "\r\n\r\n", 4))) {
        if (!raw_receive(fd, &text)) {
            *rest = text;
            return false;
        }
    }
    size_t size = (size_t)(end - text.data) + 4;
    const char *length = strcasestr(text.data, "Content-Length:");
    size += length && length < end ? strtoul(length + 15, NULL, 10) : 0;
    while (text.size < size) {
        if (!raw_receive(fd, &text)) {
            *rest = text;
            return false;
        }
    }
    buffer_append(log, buffer_bytes(&text));
    buffer_reset(&text);
    *rest = text;
    return true;
}

// True when the connection stays open for the next step.
static bool play_step(struct scripted *server, const struct step *step, int fd,
                      struct buffer *rest) {
    if (step->kind == STEP_CLOSE_IDLE) {
        return false;
    }
    if (!read_request(fd, rest, &server->requests)) {
        return false;
    }
    if (step->kind == STEP_SILENT) {
        while (raw_receive(fd, rest)) {
        }
        return false;
    }
    raw_send(fd, bytes_of_text(step->reply));
    return step->kind == STEP_REPLY;
}

static void *play_script(void *context) {
    struct scripted *server = context;
    struct buffer rest = {0};
    int fd = -1;
    for (size_t i = 0; i < server->step_count; i++) {
        if (fd < 0) {
            fd = accept(server->listener, NULL, NULL);
            if (fd < 0) {
                break;
            }
            struct timeval patience = {.tv_sec = RAW_PATIENCE_S};
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            server->accepted++;
        }
        if (!play_step(server, &server->steps[i], fd, &rest)) {
            close(fd);
            fd = -1;
            buffer_clear(&rest);
        }
        if (server->steps[i].kind == STEP_CLOSE_IDLE) {
            sem_post(&server->idle_closed);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    buffer_clear(&rest);
    return NULL;
}

static void start_script(struct scripted *server, const struct step *steps, size_t count) {
    server->steps = steps;
    server->step_count = count;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sem_init(&server->idle_closed, 0, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 64), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &size);
    server->port = ntohs(address.sin_port);
    pthread_create(&server->thread, NULL, play_script, server);
}

static void stop_script(struct scripted *server) {
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    buffer_clear(&server->requests);
    sem_destroy(&server->idle_closed);
}

static void make_client(struct fixture *fixture, const char *targets,
                        struct http_client_options options) {
    struct error error;
    assert_int_equal(event_loop_create("client", &fixture->loop, &error), STATUS_OK);
    assert_int_equal(target_rules_create(targets, &fixture->targets, &error), STATUS_OK);
    options.targets = fixture->targets;
    assert_int_equal(http_client_create(fixture->loop, &options, &fixture->client, &error),
                     STATUS_OK);
}

static int setup(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    make_client(fixture, "127.0.0.0/8", (struct http_client_options){0});
    *state = fixture;
    return 0;
}

static void destroy_client(struct fixture *fixture) {
    http_client_destroy(fixture->client);
    target_rules_destroy(fixture->targets);
    event_loop_destroy(fixture->loop);
}

static int teardown(void **state) {
    destroy_client(*state);
    free(*state);
    return 0;
}

static void done(void *context, const struct http_answer *answer) {
    struct outcome *outcome = context;
    struct bytes value;
    outcome->calls++;
    outcome->result = answer->result;
    outcome->status = answer->status;
    outcome->body_size = answer->body.size;
    outcome->header_count = answer->header_count;
    snprintf(outcome->body, sizeof outcome->body, "%.*s", (int)answer->body.size,
             answer->body.data ? answer->body.data : "");
    snprintf(outcome->error_text, sizeof outcome->error_text, "%s", answer->error_text);
    if (http_answer_header(answer, "x-ANSWER", &value)) {
        snprintf(outcome->header, sizeof outcome->header, "%.*s", (int)value.size, value.data);
    }
    assert_true(answer->duration_us >= 0);
    if (outcome->calls == outcome->expected) {
        event_loop_stop(outcome->loop);
    }
}

static char *url_of(struct fixture *fixture, char *ret_url, size_t size) {
    snprintf(ret_url, size, "http://127.0.0.1:%u/f?x=1", fixture->server.port);
    return ret_url;
}

// One call, from its start to its done.
static struct outcome call_with(struct fixture *fixture, struct http_call_options options) {
    struct outcome outcome = {.loop = fixture->loop, .expected = 1};
    struct error error;
    char url[128];
    if (!options.url) {
        options.url = url_of(fixture, url, sizeof url);
    }
    if (!options.method) {
        options.method = "POST";
    }
    if (options.timeout_ms == 0) {
        options.timeout_ms = 60000;
    }
    assert_int_equal(http_client_send(fixture->client, &options, done, &outcome, NULL, &error),
                     STATUS_OK);
    assert_int_equal(outcome.calls, 0);
    event_loop_run(fixture->loop);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(http_client_calls_inside(fixture->client), 0);
    return outcome;
}

static struct outcome call_script(struct fixture *fixture, const char *reply) {
    const struct step steps[] = {{STEP_REPLY_CLOSE, reply}};
    start_script(&fixture->server, steps, 1);
    struct outcome outcome = call_with(fixture, (struct http_call_options){.body = BYTES("hello")});
    stop_script(&fixture->server);
    return outcome;
}

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

static void a_post_on_a_connection_that_died_idle_is_sent_anew(void **state) {
    struct fixture *fixture = *state;
    const struct step steps[] = {
        {STEP_REPLY, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"},
        {STEP_CLOSE_IDLE, NULL},
        {STEP_REPLY_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"},
    };
    start_script(&fixture->server, steps, ARRAY_LENGTH(steps));
    struct outcome first = call_with(fixture, (struct http_call_options){.body = BYTES("a")});
    assert_string_equal(first.body, "1");
    sem_wait(&fixture->server.idle_closed);
    struct outcome second = call_with(fixture, (struct http_call_options){.body = BYTES("b")});
    assert_int_equal(second.result, HTTP_CALL_ANSWERED);
    assert_string_equal(second.body, "2");
    stop_script(&fixture->server);
}

static void a_post_whose_connection_dies_with_it_is_sent_anew(void **state) {
    struct fixture *fixture = *state;
    // The server reads the second request on the kept connection and closes without a byte.
    const struct step steps[] = {
        {STEP_REPLY, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"},
        {STEP_REPLY_CLOSE, ""},
        {STEP_REPLY_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"},
    };
    start_script(&fixture->server, steps, ARRAY_LENGTH(steps));
    call_with(fixture, (struct http_call_options){.body = BYTES("a")});
    struct outcome second = call_with(fixture, (struct http_call_options){.body = BYTES("b")});
    assert_int_equal(second.result, HTTP_CALL_ANSWERED);
    assert_string_equal(second.body, "2");
    stop_script(&fixture->server);
}

struct canceller {
    struct event_loop_timer timer;
    struct http_call *call;
};

static void cancel_it(struct event_loop_timer *timer) {
    struct canceller *canceller = CONTAINER_OF(timer, struct canceller, timer);
    http_call_cancel(canceller->call);
    http_call_cancel(canceller->call);
}

static void a_cancelled_call_is_done_once_and_later(void **state) {
    struct fixture *fixture = *state;
    const struct step steps[] = {{STEP_SILENT, NULL}};
    struct outcome outcome = {.loop = fixture->loop, .expected = 1};
    struct canceller canceller = {.timer.expired = cancel_it};
    struct error error;
    char url[128];
    start_script(&fixture->server, steps, 1);
    struct http_call_options options = {
        .method = "POST", .url = url_of(fixture, url, sizeof url), .timeout_ms = 60000};
    assert_int_equal(
        http_client_send(fixture->client, &options, done, &outcome, &canceller.call, &error),
        STATUS_OK);
    event_loop_timer_start(fixture->loop, &canceller.timer, 10000);
    event_loop_run(fixture->loop);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.result, HTTP_CALL_CANCELLED);
    // Also one that curl has not even begun.
    assert_int_equal(
        http_client_send(fixture->client, &options, done, &outcome, &canceller.call, &error),
        STATUS_OK);
    outcome.expected = 2;
    http_call_cancel(canceller.call);
    assert_int_equal(outcome.calls, 1);
    event_loop_run(fixture->loop);
    assert_int_equal(outcome.calls, 2);
    stop_script(&fixture->server);
}

static void destroy_ends_all_calls_inside(void **state) {
    struct fixture *fixture = *state;
    const struct step steps[] = {{STEP_SILENT, NULL}};
    struct outcome outcome = {.loop = fixture->loop};
    struct error error;
    char url[128];
    start_script(&fixture->server, steps, 1);
    struct http_call_options options = {
        .method = "POST", .url = url_of(fixture, url, sizeof url), .timeout_ms = 60000};
    for (int i = 0; i < 10; i++) {
        options.url = i % 2 == 0 ? url : "ftp://never/";
        assert_int_equal(http_client_send(fixture->client, &options, done, &outcome, NULL, &error),
                         STATUS_OK);
    }
    assert_int_equal(http_client_calls_inside(fixture->client), 10);
    http_client_destroy(fixture->client);
    fixture->client = NULL;
    assert_int_equal(outcome.calls, 10);
    stop_script(&fixture->server);
}

// A client of which one call at a time runs to a host: the first never ends, so the others wait.
static struct http_client *narrow_client(struct fixture *fixture) {
    struct http_client *client = NULL;
    struct http_client_options options = {.targets = fixture->targets,
                                          .connections_per_host_max = 1};
    assert_int_equal(http_client_create(fixture->loop, &options, &client, NULL), STATUS_OK);
    return client;
}

static void a_call_that_waits_for_a_place_can_be_cancelled_and_times_out(void **state) {
    struct fixture *fixture = *state;
    const struct step steps[] = {{STEP_SILENT, NULL}};
    struct outcome silent = {.loop = fixture->loop};
    struct outcome cancelled = {.loop = fixture->loop, .expected = 1};
    struct outcome late = {.loop = fixture->loop, .expected = 1};
    struct http_client *client = narrow_client(fixture);
    struct http_call *call = NULL;
    char url[128];
    start_script(&fixture->server, steps, 1);
    struct http_call_options options = {
        .method = "POST", .url = url_of(fixture, url, sizeof url), .timeout_ms = 60000};
    assert_int_equal(http_client_send(client, &options, done, &silent, NULL, NULL), STATUS_OK);
    assert_int_equal(http_client_send(client, &options, done, &cancelled, &call, NULL), STATUS_OK);
    http_call_cancel(call);
    event_loop_run(fixture->loop);
    assert_int_equal(cancelled.result, HTTP_CALL_CANCELLED);
    options.timeout_ms = 20;
    assert_int_equal(http_client_send(client, &options, done, &late, NULL, NULL), STATUS_OK);
    event_loop_run(fixture->loop);
    assert_int_equal(late.result, HTTP_CALL_TIMED_OUT);
    assert_int_equal(silent.calls, 0);
    http_client_destroy(client);
    assert_int_equal(silent.calls, 1);
    stop_script(&fixture->server);
}

static void a_place_that_comes_free_goes_to_who_waits(void **state) {
    struct fixture *fixture = *state;
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const struct step steps[] = {
        {STEP_REPLY, reply}, {STEP_REPLY, reply}, {STEP_REPLY, reply}, {STEP_REPLY, reply}};
    struct outcome outcome = {.loop = fixture->loop, .expected = 4};
    struct http_client *client = narrow_client(fixture);
    char url[128];
    start_script(&fixture->server, steps, 4);
    struct http_call_options options = {
        .method = "POST", .url = url_of(fixture, url, sizeof url), .timeout_ms = 60000};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(http_client_send(client, &options, done, &outcome, NULL, NULL), STATUS_OK);
    }
    event_loop_run(fixture->loop);
    assert_int_equal(outcome.calls, 4);
    assert_int_equal(outcome.result, HTTP_CALL_ANSWERED);
    http_client_destroy(client);
    stop_script(&fixture->server);
    assert_int_equal(fixture->server.accepted, 1);
}

// Calls that call again from their done, against our own server: the pool, the limit for each host,
// the loop.
struct chain {
    struct fixture *fixture;
    struct event_loop *loop;
    char url[64];
    size_t left;
    size_t running;
    size_t failed;
};

static void continue_chain(void *context, const struct http_answer *answer);

static void send_of_chain(struct chain *chain) {
    struct error error;
    struct http_call_options options = {
        .method = "POST", .url = chain->url, .body = BYTES("ping"), .timeout_ms = 60000};
    chain->running++;
    assert_int_equal(
        http_client_send(chain->fixture->client, &options, continue_chain, chain, NULL, &error),
        STATUS_OK);
}

static void continue_chain(void *context, const struct http_answer *answer) {
    struct chain *chain = context;
    chain->running--;
    chain->failed +=
        answer->result == HTTP_CALL_ANSWERED && bytes_equal_text(answer->body, "ping") ? 0 : 1;
    if (chain->left > 0) {
        chain->left--;
        send_of_chain(chain);
    } else if (chain->running == 0) {
        event_loop_stop(chain->loop);
    }
}

static void echo(void *context, struct http_request *request) {
    (void)context;
    struct http_response response = {.status = 200, .body = http_request_body(request)};
    http_respond(request, &response);
}

static void
many_calls_at_a_time_share_a_few_connections_with_a_server_on_the_same_loop(void **state) {
    (void)state;
    struct fixture fixture = {0};
    struct http_server *server;
    struct error error;
    make_client(&fixture, "any", (struct http_client_options){.connections_per_host_max = 8});
    struct http_server_options options = {.name = "echo",
                                          .address = "127.0.0.1",
                                          .body_max_bytes = 100,
                                          .connections_max = 8,
                                          .idle_timeout_ms = 60000,
                                          .handler = echo};
    assert_int_equal(http_server_create(fixture.loop, &options, &server, &error), STATUS_OK);
    struct chain chain = {.fixture = &fixture, .loop = fixture.loop, .left = 2000};
    snprintf(chain.url, sizeof chain.url, "http://127.0.0.1:%u/", http_server_port(server));
    for (int i = 0; i < 100; i++) {
        send_of_chain(&chain);
    }
    event_loop_run(fixture.loop);
    assert_int_equal(chain.failed, 0);
    assert_true(http_server_connections(server) <= 8);
    http_client_destroy(fixture.client);
    http_server_destroy(server);
    target_rules_destroy(fixture.targets);
    event_loop_destroy(fixture.loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(a_post_on_a_connection_that_died_idle_is_sent_anew),
        TEST(a_post_whose_connection_dies_with_it_is_sent_anew),
        TEST(a_cancelled_call_is_done_once_and_later),
        TEST(destroy_ends_all_calls_inside),
        TEST(a_call_that_waits_for_a_place_can_be_cancelled_and_times_out),
        TEST(a_place_that_comes_free_goes_to_who_waits),
        cmocka_unit_test(
            many_calls_at_a_time_share_a_few_connections_with_a_server_on_the_same_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
