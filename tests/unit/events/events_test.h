// What the tests of the events box share: requests written as text, and JSON compared as JSON.
#ifndef EVENT_GATEWAY_TESTS_UNIT_EVENTS_EVENTS_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_EVENTS_EVENTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/json.h"
#include "core/events/event.h"
#include "core/events/event_format.h"
#include "core/events/event_http.h"
#include "core/events/event_record.h"

#define RECEIVED_US 1795486445004005 // 2026-11-24T02:14:05.004005Z

struct test_request {
    struct event_http_request request;
    struct http_header headers[64];
};

// "POST /path?query\nName: value\n\nbody", borrowed.
static inline void test_request_parse(const char *text, struct test_request *ret_request) {
    struct event_http_request *request = &ret_request->request;
    *ret_request = (struct test_request){0};
    struct bytes rest = bytes_of_text(text);
    struct bytes line = bytes_slice(rest, 0, bytes_find(rest, '\n'));
    request->method = bytes_slice(line, 0, bytes_find(line, ' '));
    struct bytes target = bytes_slice(line, request->method.size + 1, line.size);
    request->path = bytes_slice(target, 0, bytes_find(target, '?'));
    request->query = bytes_slice(target, request->path.size + 1, target.size);
    rest = bytes_slice(rest, line.size + 1, rest.size);
    for (;;) {
        line = bytes_slice(rest, 0, bytes_find(rest, '\n'));
        rest = bytes_slice(rest, line.size + 1, rest.size);
        if (line.size == 0) {
            break;
        }
        size_t colon = bytes_find(line, ':');
        assert_true(request->header_count < 64);
        ret_request->headers[request->header_count++] = (struct http_header){
            .name = bytes_slice(line, 0, colon),
            .value = bytes_trim(bytes_slice(line, colon + 1, line.size)),
        };
    }
    request->headers = ret_request->headers;
    request->body = rest;
}

static inline struct event_http_options test_options(const struct event_http_request *request) {
    return (struct event_http_options){
        .source = BYTES("/event-gateway"),
        .context = {.method = request->method, .path = request->path, .received_us = RECEIVED_US},
    };
}

static inline enum status test_decode(const char *text, struct event_list *ret_list,
                                      unsigned *ret_http_status, struct error *error) {
    struct test_request request;
    test_request_parse(text, &request);
    struct event_http_options options = test_options(&request.request);
    enum event_dialect dialect;
    enum status status = event_http_dialect(&request.request, &dialect, ret_http_status, error);
    if (status) {
        return status;
    }
    return event_http_decode(&request.request, dialect, &options, ret_list, ret_http_status, error);
}

// The one event of a request that must be taken.
static inline const struct event *test_event(const char *text) {
    struct event_list list = {0};
    unsigned http_status = 0;
    struct error error = {{0}};
    if (test_decode(text, &list, &http_status, &error) != STATUS_OK) {
        fail_msg("refused with %u: %s", http_status, error.text);
    }
    if (list.count != 1 || !list.events) {
        fail_msg("%zu events instead of one", list.count);
        abort(); // not reached; the analyzer does not know
    }
    const struct event *event = event_ref(list.events[0]);
    event_list_clear(&list);
    return event;
}

// A request that must be refused, with a text that contains the part.
static inline void test_refused(const char *text, unsigned http_status, const char *part) {
    struct event_list list = {0};
    unsigned given_status = 0;
    struct error error = {{0}};
    assert_int_not_equal(test_decode(text, &list, &given_status, &error), STATUS_OK);
    assert_int_equal(given_status, http_status);
    if (!strstr(error.text, part)) {
        fail_msg("\"%s\" is not in \"%s\"", part, error.text);
    }
    assert_null(list.events);
}

static inline void assert_bytes(struct bytes bytes, const char *text) {
    if (!bytes_equal_text(bytes, text)) {
        fail_msg("\"%.*s\" is not \"%s\"", (int)bytes.size, bytes.data ? bytes.data : "", text);
    }
}

static inline void assert_extension(const struct event *event, const char *name, const char *value,
                                    enum event_value_kind kind) {
    const struct event_extension *extension = event_extension(event, name);
    assert_non_null(extension);
    assert_bytes(extension->value, value);
    assert_int_equal(extension->kind, kind);
}

static inline void assert_json(struct bytes json, const char *expected) {
    json_error_t error;
    json_t *left = json_loadb(json.data, json.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!left) {
        fail_msg("not JSON (%s): %.*s", error.text, (int)json.size, json.data);
    }
    json_t *right = json_loads(expected, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    assert_non_null(right);
    if (!json_equal(left, right)) {
        fail_msg("%.*s is not %s", (int)json.size, json.data, expected);
    }
    json_decref(left);
    json_decref(right);
}

static inline void assert_event_json(const struct event *event, const char *expected) {
    struct buffer buffer = {0};
    event_format_append_json(event, &buffer);
    assert_json(buffer_bytes(&buffer), expected);
    buffer_clear(&buffer);
}

// Through the log and back; takes the reference and gives one of the copy.
static inline const struct event *test_through_log(const struct event *event) {
    struct encoded_record encoded;
    event_record_encode(event, &encoded);
    struct stored_record stored = {.record = encoded.record, .timestamp_ms = 1};
    const struct event *copy = NULL;
    struct error error = {{0}};
    if (event_record_decode(&stored, &copy, &error) != STATUS_OK) {
        fail_msg("refused: %s", error.text);
    }
    event_record_clear(&encoded);
    event_unref(event);
    return copy;
}

static inline void assert_format(const struct event *event, enum event_format format,
                                 const char *expected) {
    struct event_message message;
    event_format_write(event, format, NULL, BYTES(""), &message);
    assert_json(message.body, expected);
    event_message_clear(&message);
}

// The value of a message's header, or NULL bytes.
static inline struct bytes message_header(const struct event_message *message, const char *name) {
    for (size_t i = 0; i < message->header_count; i++) {
        if (bytes_equal_text(message->headers[i].name, name)) {
            return message->headers[i].value;
        }
    }
    return (struct bytes){0};
}

#endif
