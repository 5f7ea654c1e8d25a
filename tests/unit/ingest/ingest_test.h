// A whole ingest role for tests: HTTP server, ingest and invoker on a loop's thread, an event log
// in memory with faults on order, a registry over the store in memory, and a server that stands for
// the functions. A client says in one line what is sent and what must come back.
#ifndef EVENT_GATEWAY_TESTS_INGEST_TEST_H
#define EVENT_GATEWAY_TESTS_INGEST_TEST_H

#include "core/base/target_rules.h"
#include "core/event_log/event_log_kinds.h"
#include "core/events/event_record.h"
#include "core/functions/invoker.h"
#include "core/registry/registry_store.h"
#include "ingest/ingest.h"
#include "tests/support/log_recorder.h"
#include "tests/support/raw_http.h"

struct ingest_fixture {
    struct event_loop *loop;
    struct event_loop_thread *thread;
    struct registry *registry;
    int64_t revision; // of its store, while it is filled
    struct event_log *log;
    struct target_rules *targets;
    struct invoker *invoker;
    struct ingest *ingest;
    struct http_server *server;
    uint16_t port;
    struct ingest_options options; // may be set before the start
    bool has_cors_rules;           // likewise
    int64_t gather_us;             // the log's advice; likewise
    bool has_listeners;            // to the system events of received events and calls; likewise

    // The functions: all at one server, told apart by path.
    struct http_server *functions;
    unsigned function_status;
    const char *function_answer;
    bool function_holds; // keeps the request until release_function
    struct http_request *held;
    sem_t is_held;
    size_t calls;
    struct buffer called_with; // the body of the last call
    struct buffer called_head; // its headers, a line each
    sem_t caller_has_left;     // while a call was held

    struct recorder recorder; // of what the log holds
};

static inline void answer_call(struct ingest_fixture *fixture, struct http_request *request) {
    struct http_response response = {.status = fixture->function_status,
                                     .content_type = "application/json",
                                     .body = bytes_of_text(fixture->function_answer)};
    http_respond(request, &response);
}

static inline bool note_header(void *context, const struct http_header *header) {
    struct buffer *head = context;
    buffer_append(head, header->name);
    buffer_append_text(head, ": ");
    buffer_append(head, header->value);
    buffer_append_text(head, "\n");
    return true;
}

static inline void caller_left(void *context) {
    struct ingest_fixture *fixture = context;
    sem_post(&fixture->caller_has_left);
}

static inline void handle_call(void *context, struct http_request *request) {
    struct ingest_fixture *fixture = context;
    fixture->calls++;
    buffer_reset(&fixture->called_head);
    http_request_each_header(request, note_header, &fixture->called_head);
    buffer_reset(&fixture->called_with);
    buffer_append(&fixture->called_with, http_request_body(request));
    if (fixture->function_holds) {
        fixture->held = request;
        http_request_on_client_left(request, caller_left, fixture);
        sem_post(&fixture->is_held);
    } else {
        answer_call(fixture, request);
    }
}

static inline void release_held(void *context) {
    struct ingest_fixture *fixture = context;
    answer_call(fixture, fixture->held);
    fixture->held = NULL;
}

static inline void release_function(struct ingest_fixture *fixture) {
    event_loop_call(fixture->loop, release_held, fixture);
}

static inline struct http_server *serve(struct ingest_fixture *fixture, const char *name,
                                        http_handler_fn handler, void *context) {
    struct http_server *server = NULL;
    struct error error;
    struct http_server_options options = {.name = name,
                                          .address = "127.0.0.1",
                                          .body_max_bytes = 1024 * 1024,
                                          .connections_max = 64,
                                          .handler = handler,
                                          .context = context};
    assert_int_equal(http_server_create(fixture->loop, &options, &server, &error), STATUS_OK);
    return server;
}

static inline void build_on_loop(void *context) {
    struct ingest_fixture *fixture = context;
    struct error error;
    struct invoker_options invoker = {.targets = fixture->targets};
    assert_int_equal(invoker_create(fixture->loop, &invoker, &fixture->invoker, &error), STATUS_OK);
    fixture->options.loop = fixture->loop;
    fixture->options.log = fixture->log;
    fixture->options.registry = fixture->registry;
    fixture->options.invoker = fixture->invoker;
    fixture->options.source = "/gateway";
    if (fixture->options.sync_timeout_ms == 0) {
        fixture->options.sync_timeout_ms = 60000;
    }
    assert_int_equal(ingest_create(&fixture->options, &fixture->ingest, &error), STATUS_OK);
    fixture->server = serve(fixture, "events", ingest_handle, fixture->ingest);
    fixture->port = http_server_port(fixture->server);
}

static inline void build_functions(void *context) {
    struct ingest_fixture *fixture = context;
    fixture->functions = serve(fixture, "functions", handle_call, fixture);
}

// A document with ' for " and the functions' port for PORT.
static inline void put_in(struct ingest_fixture *fixture, struct registry_store *store,
                          const char *space, enum resource_kind kind, const char *id,
                          const char *document) {
    struct buffer text = {0};
    struct error error = {0};
    for (const char *c = document; *c; c++) {
        if (strncmp(c, "PORT", 4) == 0) {
            buffer_append_format(&text, "%u", http_server_port(fixture->functions));
            c += 3;
        } else {
            buffer_append_byte(&text, *c == '\'' ? '"' : *c);
        }
    }
    struct registry_edit edit = {.kind = kind,
                                 .space = bytes_of_text(space),
                                 .id = bytes_of_text(id),
                                 .document = buffer_bytes(&text)};
    if (store->ops->apply(store, &edit, 1, fixture->revision, &fixture->revision, &error) !=
        STATUS_OK) {
        fail_msg("%s: %s", id, error.text);
    }
    buffer_clear(&text);
}

static inline void put(struct ingest_fixture *fixture, struct registry_store *store,
                       enum resource_kind kind, const char *id, const char *document) {
    put_in(fixture, store, "default", kind, id, document);
}

// What most tests need: a function; a type, one with an authorizer; subscriptions.
static inline void configure(struct ingest_fixture *fixture, struct registry_store *store) {
    put(fixture, store, RESOURCE_FUNCTION, "f",
        "{'space':'default','functionId':'f','type':'http',"
        "'provider':{'url':'http://127.0.0.1:PORT/'}}");
    put(fixture, store, RESOURCE_EVENT_TYPE, "known", "{'space':'default','name':'known'}");
    put(fixture, store, RESOURCE_EVENT_TYPE, "guarded",
        "{'space':'default','name':'guarded','authorizerId':'f'}");
    put(fixture, store, RESOURCE_EVENT_TYPE, "cached",
        "{'space':'default','name':'cached','authorizerId':'f','authorizerCacheSeconds':60}");
    put(fixture, store, RESOURCE_EVENT_TYPE, "orphaned",
        "{'space':'default','name':'orphaned','authorizerId':'missing'}");
    put_in(fixture, store, "team1", RESOURCE_EVENT_TYPE, "known",
           "{'space':'team1','name':'known'}");
    put_in(fixture, store, "team2", RESOURCE_EVENT_TYPE, "known",
           "{'space':'team2','name':'known'}");
    put_in(fixture, store, "team3", RESOURCE_EVENT_TYPE, "known",
           "{'space':'team3','name':'known'}");
    put(fixture, store, RESOURCE_SUBSCRIPTION, "sync-1",
        "{'space':'default','subscriptionId':'sync-1','type':'sync','eventType':'http.request',"
        "'functionId':'f','method':'GET','path':'/sync/:name'}");
    put(fixture, store, RESOURCE_SUBSCRIPTION, "sync-2",
        "{'space':'default','subscriptionId':'sync-2','type':'sync','eventType':'guarded',"
        "'functionId':'f','method':'GET','path':'/guarded/:name'}");
    put(fixture, store, RESOURCE_SUBSCRIPTION, "async-1",
        "{'space':'default','subscriptionId':'async-1','type':'async','eventType':'http.request',"
        "'functionId':'f','method':'POST','path':'/async'}");
}

static inline void configure_listeners(struct ingest_fixture *fixture,
                                       struct registry_store *store) {
    for (int kind = 0; kind <= SYSTEM_FUNCTION_FAILED; kind++) {
        char id[16];
        char document[256];
        snprintf(id, sizeof id, "listener-%d", kind);
        snprintf(document, sizeof document,
                 "{'space':'default','subscriptionId':'%s','type':'async','eventType':'%s',"
                 "'functionId':'f'}",
                 id, system_event_name((enum system_event)kind));
        put(fixture, store, RESOURCE_SUBSCRIPTION, id, document);
    }
}

// Rules for browsers: one page, its subdomains with credentials, and everybody.
static inline void configure_cors(struct ingest_fixture *fixture, struct registry_store *store) {
    put(fixture, store, RESOURCE_CORS, "GET%2Fsync%2F:name",
        "{'space':'default','corsId':'GET%2Fsync%2F:name','method':'GET','path':'/sync/:name',"
        "'allowedOrigins':['https://page.example'],'allowedMethods':['GET'],"
        "'allowedHeaders':['X-One','Content-Type'],'allowCredentials':false}");
    put(fixture, store, RESOURCE_CORS, "POST%2Fasync",
        "{'space':'default','corsId':'POST%2Fasync','method':'POST','path':'/async',"
        "'allowedOrigins':['https://*.page.example'],'allowedMethods':['POST'],"
        "'allowedHeaders':['*'],'allowCredentials':true}");
    put(fixture, store, RESOURCE_CORS, "POST%2Fteam1%2Fopen",
        "{'space':'default','corsId':'POST%2Fteam1%2Fopen','method':'POST','path':'/team1/open',"
        "'allowedOrigins':['*'],'allowedMethods':['POST'],'allowedHeaders':['X-One'],"
        "'allowCredentials':false}");
}

static inline void fixture_start(struct ingest_fixture *fixture) {
    struct error error = {0};
    struct event_log_memory_options log_options = {.gather_us = fixture->gather_us};
    struct registry_options registry = {0};
    sem_init(&fixture->is_held, 0, 0);
    sem_init(&fixture->caller_has_left, 0, 0);
    fixture->function_status = 200;
    fixture->function_answer = "{}";
    assert_int_equal(event_loop_create("ingest-test", &fixture->loop, &error), STATUS_OK);
    fixture->thread = event_loop_thread_start(fixture->loop);
    event_loop_call(fixture->loop, build_functions, fixture);
    assert_int_equal(registry_store_memory_create(&registry.store, &error), STATUS_OK);
    configure(fixture, registry.store);
    if (fixture->has_listeners) {
        configure_listeners(fixture, registry.store);
    }
    if (fixture->has_cors_rules) {
        configure_cors(fixture, registry.store);
    }
    assert_int_equal(registry_create(&registry, &fixture->registry, &error), STATUS_OK);
    assert_int_equal(event_log_memory_create(&log_options, &fixture->log, &error), STATUS_OK);
    assert_int_equal(target_rules_create("127.0.0.0/8", &fixture->targets, &error), STATUS_OK);
    event_loop_call(fixture->loop, build_on_loop, fixture);
    recorder_start(&fixture->recorder, fixture->log, EVENT_LOG_EVENTS, "test", 1);
}

static inline int fixture_setup(void **state) {
    *state = memory_allocate(sizeof(struct ingest_fixture));
    fixture_start(*state);
    return 0;
}

// The order of the program's own end.
static inline void destroy_on_loop(void *context) {
    struct ingest_fixture *fixture = context;
    invoker_destroy(fixture->invoker);
    http_server_destroy(fixture->server);
    ingest_destroy(fixture->ingest);
    if (fixture->held) {
        release_held(fixture);
    }
    http_server_destroy(fixture->functions);
}

static inline int fixture_teardown(void **state) {
    struct ingest_fixture *fixture = *state;
    recorder_close(&fixture->recorder);
    recorder_clear(&fixture->recorder);
    event_log_close(fixture->log, 1000);
    registry_close(fixture->registry);
    event_loop_call(fixture->loop, destroy_on_loop, fixture);
    event_loop_stop(fixture->loop);
    event_loop_thread_join(fixture->thread);
    event_loop_destroy(fixture->loop);
    event_log_destroy(fixture->log);
    registry_destroy(fixture->registry);
    target_rules_destroy(fixture->targets);
    rates_destroy(fixture->options.rates);
    buffer_clear(&fixture->called_with);
    buffer_clear(&fixture->called_head);
    sem_destroy(&fixture->caller_has_left);
    sem_destroy(&fixture->is_held);
    free(fixture);
    return 0;
}

#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

// Sends on a connection of its own; headers: whole lines with their ends.
static inline int send_request(struct ingest_fixture *fixture, const char *line,
                               const char *headers, const char *body) {
    struct buffer text = {0};
    int fd = raw_connect(fixture->port);
    buffer_append_format(&text, "%s HTTP/1.1\r\n%s%sContent-Length: %zu\r\n\r\n%s", line,
                         strstr(headers, "Host:") ? "" : "Host: gateway\r\n", headers, strlen(body),
                         body);
    assert_true(raw_send(fd, buffer_bytes(&text)));
    buffer_clear(&text);
    return fd;
}

static inline struct raw_answer read_answer(int fd) {
    struct buffer rest = {0};
    struct raw_answer answer = raw_read(fd, &rest, true);
    buffer_clear(&rest);
    close(fd);
    return answer;
}

// part: what the body must hold; NULL = it is empty.
static inline void check_answer(struct raw_answer answer, const char *what, int status,
                                const char *part) {
    const char *body = answer.text.data ? answer.text.data : "";
    if (answer.status != status || (part ? !strstr(body, part) : body[0] != '\0')) {
        fail_msg("%s\n  expected %d %s\n  answered %d %s", what, status, part ? part : "", //
                 answer.status, body);
    }
    raw_answer_clear(&answer);
}

static inline void expect(void **state, const char *line, const char *headers, const char *body,
                          int status, const char *part) {
    check_answer(read_answer(send_request(*state, line, headers, body)), line, status, part);
}

// The nth event of the log; the caller unrefs it.
static inline const struct event *stored_event(struct ingest_fixture *fixture, size_t index) {
    const struct event *event = NULL;
    struct error error;
    recorder_await_received(&fixture->recorder, index + 1);
    struct stored_record stored = {.record = fixture->recorder.received[index].record};
    assert_int_equal(event_record_decode(&stored, &event, &error), STATUS_OK);
    return event;
}

// How many events the log holds: an event that is sent now comes right behind them.
static inline void expect_stored(void **state, size_t count) {
    struct ingest_fixture *fixture = *state;
    expect(state, "POST /", "Event: end.of.test\r\n", "", 202, NULL);
    const struct event *last = stored_event(fixture, count);
    assert_true(bytes_equal_text(last->type, "end.of.test"));
    event_unref(last);
}

#endif
