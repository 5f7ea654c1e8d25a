// Calls and the connections that they share: kept ones that died, places to wait for, cancelling.
#include "http_client_test.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
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
