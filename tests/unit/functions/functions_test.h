// What the tests of the functions box share: an invoker, a server that stands for the functions,
// and both on one loop in the test's own thread. A call runs the loop until its end is reported.
#ifndef EVENT_GATEWAY_TESTS_UNIT_FUNCTIONS_FUNCTIONS_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_FUNCTIONS_FUNCTIONS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/event_loop.h"
#include "core/base/http_server.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/target_rules.h"
#include "core/functions/invoker.h"
#include "core/registry/snapshot_builder.h"

// What the server saw, and what it answers.
struct stub_server {
    struct http_server *server;
    size_t requests;
    struct buffer head; // "POST /path?query", then "Name: value" lines, of the last request
    struct buffer body;
    unsigned status;
    struct http_header headers[4];
    size_t header_count;
    struct bytes answer;
    bool is_silent; // keeps the requests until the fixture ends
    struct http_request *kept[8];
    size_t kept_count;
};

struct fixture {
    struct event_loop *loop;
    struct target_rules *targets;
    struct stub_server stub;
    struct invoker *invoker;
    struct snapshot_builder *builder;
    const struct snapshot *snapshot; // NULL until the first call
    // The last call's end, copied.
    size_t reports;
    struct invocation_result result;
    struct buffer result_body;
    char content_type[100];
    char error_text[1024];
};

static inline bool stub_note_header(void *context, const struct http_header *header) {
    struct buffer *head = context;
    buffer_append(head, header->name);
    buffer_append_text(head, ": ");
    buffer_append(head, header->value);
    buffer_append_byte(head, '\n');
    return true;
}

static inline void stub_answer(struct stub_server *stub, struct http_request *request) {
    struct http_response response = {
        .status = stub->status,
        .content_type = "application/json",
        .headers = stub->headers,
        .header_count = stub->header_count,
        .body = stub->answer,
    };
    http_respond(request, &response);
}

static inline void stub_handle(void *context, struct http_request *request) {
    struct stub_server *stub = context;
    stub->requests++;
    buffer_reset(&stub->head);
    buffer_reset(&stub->body);
    buffer_append(&stub->head, http_request_method(request));
    buffer_append_byte(&stub->head, ' ');
    buffer_append(&stub->head, http_request_path(request));
    if (http_request_query(request).size > 0) {
        buffer_append_byte(&stub->head, '?');
        buffer_append(&stub->head, http_request_query(request));
    }
    buffer_append_byte(&stub->head, '\n');
    http_request_each_header(request, stub_note_header, &stub->head);
    buffer_append(&stub->body, http_request_body(request));
    if (stub->is_silent) {
        assert_true(stub->kept_count < ARRAY_LENGTH(stub->kept));
        stub->kept[stub->kept_count++] = request;
        return;
    }
    stub_answer(stub, request);
}

static inline void fixture_create_invoker(struct fixture *fixture, const char *allowed,
                                          const struct secrets *secrets) {
    struct invoker_options options = {.secrets = secrets};
    assert_int_equal(target_rules_create(allowed, &fixture->targets, NULL), STATUS_OK);
    options.targets = fixture->targets;
    assert_int_equal(invoker_create(fixture->loop, &options, &fixture->invoker, NULL), STATUS_OK);
}

static inline void fixture_open_with(struct fixture *fixture, const char *allowed,
                                     const struct secrets *secrets) {
    *fixture = (struct fixture){.stub = {.status = 200, .answer = BYTES("{}")}};
    assert_int_equal(event_loop_create("test", &fixture->loop, NULL), STATUS_OK);
    struct http_server_options server = {
        .name = "stub",
        .address = "127.0.0.1",
        .body_max_bytes = (size_t)16 * 1024 * 1024,
        .connections_max = 64,
        .idle_timeout_ms = 60000,
        .handler = stub_handle,
        .context = &fixture->stub,
    };
    assert_int_equal(http_server_create(fixture->loop, &server, &fixture->stub.server, NULL),
                     STATUS_OK);
    fixture_create_invoker(fixture, allowed, secrets);
    fixture->builder = snapshot_builder_create(NULL);
}

static inline void fixture_open(struct fixture *fixture) {
    fixture_open_with(fixture, "127.0.0.0/8", NULL);
}

static inline void fixture_close(struct fixture *fixture) {
    invoker_destroy(fixture->invoker);
    for (size_t i = 0; i < fixture->stub.kept_count; i++) {
        stub_answer(&fixture->stub, fixture->stub.kept[i]);
    }
    http_server_destroy(fixture->stub.server);
    event_loop_destroy(fixture->loop);
    target_rules_destroy(fixture->targets);
    snapshot_unref(fixture->snapshot);
    snapshot_builder_destroy(fixture->builder);
    buffer_clear(&fixture->stub.head);
    buffer_clear(&fixture->stub.body);
    buffer_clear(&fixture->result_body);
}

// What the server answers from now on.
static inline void fixture_answer(struct fixture *fixture, unsigned status, const char *body) {
    fixture->stub.status = status;
    fixture->stub.answer = bytes_of_text(body);
}

// A document in which every PORT is the server's.
static inline void fixture_put(struct fixture *fixture, const char *id, const char *type,
                               const char *provider, const char *event_format) {
    struct buffer text = {0};
    struct error error = {0};
    buffer_append_format(&text, "{\"space\":\"default\",\"functionId\":\"%s\",\"type\":\"%s\",", id,
                         type);
    if (event_format) {
        buffer_append_format(&text, "\"eventFormat\":\"%s\",", event_format);
    }
    buffer_append_text(&text, "\"provider\":");
    for (const char *port = strstr(provider, "PORT"); port; port = strstr(provider, "PORT")) {
        buffer_append(&text, (struct bytes){provider, (size_t)(port - provider)});
        buffer_append_format(&text, "%u", http_server_port(fixture->stub.server));
        provider = port + 4;
    }
    buffer_append_format(&text, "%s}", provider);
    if (snapshot_builder_put(fixture->builder, RESOURCE_FUNCTION, BYTES("default"),
                             bytes_of_text(id), buffer_bytes(&text), &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    buffer_clear(&text);
}

// Publishes what was put since the last time.
static inline const struct snapshot *fixture_snapshot(struct fixture *fixture) {
    if (fixture->builder) {
        snapshot_unref(fixture->snapshot);
        fixture->snapshot = snapshot_builder_finish_take(fixture->builder, 1);
        fixture->builder = NULL;
    }
    return fixture->snapshot;
}

// Begins a next snapshot on top of the published one.
static inline void fixture_change(struct fixture *fixture) {
    (void)fixture_snapshot(fixture);
    fixture->builder = snapshot_builder_create(fixture->snapshot);
}

static inline void fixture_report(void *context, const struct invocation_result *result) {
    struct fixture *fixture = context;
    fixture->reports++;
    fixture->result = *result;
    buffer_reset(&fixture->result_body);
    buffer_append(&fixture->result_body, result->body);
    snprintf(fixture->content_type, sizeof fixture->content_type, "%.*s",
             (int)result->content_type.size, result->content_type.data);
    snprintf(fixture->error_text, sizeof fixture->error_text, "%s", result->error_text);
    event_loop_stop(fixture->loop);
}

static inline struct event_builder *fixture_event_builder(void) {
    struct event_builder *builder = event_builder_create();
    event_builder_set(builder, BYTES("id"), BYTES("id-1"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("source"), BYTES("/shop"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("type"), BYTES("order.placed"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("datacontenttype"), BYTES("application/json"),
                      EVENT_VALUE_STRING);
    event_builder_set_data(builder, BYTES("{\"amount\":7}"), EVENT_DATA_JSON);
    return builder;
}

static inline const struct event *fixture_event(void) {
    const struct event *event = NULL;
    assert_int_equal(event_builder_finish_take(fixture_event_builder(), &event, NULL), STATUS_OK);
    return event;
}

// The call of a function with the event, until its end. options: NULL = as it comes.
static inline void fixture_call_with(struct fixture *fixture, const char *id,
                                     const struct invocation_options *given) {
    struct invocation_options options = given ? *given : (struct invocation_options){0};
    const struct event *event = NULL;
    size_t reports = fixture->reports;
    options.snapshot = fixture_snapshot(fixture);
    options.space = BYTES("default");
    options.function_id = bytes_of_text(id);
    if (!options.event && options.payload.size == 0) {
        options.event = event = fixture_event();
    }
    options.timeout_ms = options.timeout_ms > 0 ? options.timeout_ms : 60000;
    (void)invoker_invoke(fixture->invoker, &options, fixture_report, fixture);
    assert_int_equal(fixture->reports, reports);
    event_unref(event);
    event_loop_run(fixture->loop);
    assert_int_equal(fixture->reports, reports + 1);
    assert_int_equal(invoker_calls_inside(fixture->invoker), 0);
}

static inline void fixture_call(struct fixture *fixture, const char *id) {
    fixture_call_with(fixture, id, NULL);
}

// The value of a header of the last request, in a buffer that the next call reuses; "" when absent.
static inline const char *fixture_header(const struct fixture *fixture, const char *name) {
    static char value[4096];
    struct bytes rest = buffer_bytes(&fixture->stub.head);
    value[0] = '\0';
    while (rest.size > 0) {
        struct bytes line = bytes_slice(rest, 0, bytes_find(rest, '\n'));
        size_t colon = bytes_find(line, ':');
        if (bytes_equal_ignoring_case(bytes_slice(line, 0, colon), bytes_of_text(name))) {
            struct bytes found = bytes_trim(bytes_slice(line, colon + 1, line.size));
            snprintf(value, sizeof value, "%.*s", (int)found.size, found.data);
        }
        rest = bytes_slice(rest, line.size + 1, rest.size);
    }
    return value;
}

static inline void assert_body_json(const struct fixture *fixture, const char *wanted) {
    json_t *got = NULL;
    json_t *expected = NULL;
    assert_int_equal(json_parse(buffer_bytes(&fixture->stub.body), &got, NULL), STATUS_OK);
    assert_int_equal(json_parse(bytes_of_text(wanted), &expected, NULL), STATUS_OK);
    if (!json_equal(got, expected)) {
        fail_msg("the function got %s", fixture->stub.body.data);
    }
    json_decref(got);
    json_decref(expected);
}

#endif
