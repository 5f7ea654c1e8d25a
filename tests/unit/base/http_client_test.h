// A server on a thread that follows a script, well-behaved or not, and an HTTP client on a loop of
// its own that calls it.
#ifndef EVENT_GATEWAY_TESTS_HTTP_CLIENT_TEST_H
#define EVENT_GATEWAY_TESTS_HTTP_CLIENT_TEST_H

#include "tests/support/raw_http.h"

#include "core/base/http_client.h"
#include "core/base/target_rules.h"

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

static inline bool read_request(int fd, struct buffer *rest, struct buffer *log) {
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
static inline bool play_step(struct scripted *server, const struct step *step, int fd,
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

static inline void *play_script(void *context) {
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

static inline void start_script(struct scripted *server, const struct step *steps, size_t count) {
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

static inline void stop_script(struct scripted *server) {
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    buffer_clear(&server->requests);
    sem_destroy(&server->idle_closed);
}

static inline void make_client(struct fixture *fixture, const char *targets,
                               struct http_client_options options) {
    struct error error;
    assert_int_equal(event_loop_create("client", &fixture->loop, &error), STATUS_OK);
    assert_int_equal(target_rules_create(targets, &fixture->targets, &error), STATUS_OK);
    options.targets = fixture->targets;
    assert_int_equal(http_client_create(fixture->loop, &options, &fixture->client, &error),
                     STATUS_OK);
}

static inline int setup(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    make_client(fixture, "127.0.0.0/8", (struct http_client_options){0});
    *state = fixture;
    return 0;
}

static inline void destroy_client(struct fixture *fixture) {
    http_client_destroy(fixture->client);
    target_rules_destroy(fixture->targets);
    event_loop_destroy(fixture->loop);
}

static inline int teardown(void **state) {
    destroy_client(*state);
    free(*state);
    return 0;
}

static inline void done(void *context, const struct http_answer *answer) {
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

static inline char *url_of(struct fixture *fixture, char *ret_url, size_t size) {
    snprintf(ret_url, size, "http://127.0.0.1:%u/f?x=1", fixture->server.port);
    return ret_url;
}

// One call, from its start to its done.
static inline struct outcome call_with(struct fixture *fixture, struct http_call_options options) {
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

static inline struct outcome call_script(struct fixture *fixture, const char *reply) {
    const struct step steps[] = {{STEP_REPLY_CLOSE, reply}};
    start_script(&fixture->server, steps, 1);
    struct outcome outcome = call_with(fixture, (struct http_call_options){.body = BYTES("hello")});
    stop_script(&fixture->server);
    return outcome;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
