// Any request -> events, and each event through the log and into every format. What is taken must
// come out as well-formed JSON and as the same event. Input: text like HTTP/1.1, with bare
// newlines.

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/json.h"
#include "core/events/event.h"
#include "core/events/event_format.h"
#include "core/events/event_http.h"
#include "core/events/event_record.h"
#include "tests/fuzz/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(struct bytes text, struct event_http_request *request,
                  struct http_header headers[HEADERS_MAX]) {
    struct bytes line = take_until(&text, '\n');
    request->method = take_until(&line, ' ');
    request->path = take_until(&line, '?');
    request->query = line;
    request->headers = headers;
    request->header_count = take_headers(&text, headers);
    request->body = text;
}

static void assert_same(const struct event *a, const struct event *b) {
    assert(bytes_equal(a->id, b->id) && bytes_equal(a->source, b->source));
    assert(bytes_equal(a->type, b->type) && bytes_equal(a->subject, b->subject));
    assert(bytes_equal(a->time, b->time) && bytes_equal(a->dataschema, b->dataschema));
    assert(bytes_equal(a->datacontenttype, b->datacontenttype));
    assert(a->data_kind == b->data_kind && bytes_equal(a->data, b->data));
    assert(a->extension_count == b->extension_count);
    for (size_t i = 0; i < a->extension_count; i++) {
        assert(bytes_equal(a->extensions[i].name, b->extensions[i].name));
        assert(bytes_equal(a->extensions[i].value, b->extensions[i].value));
        assert(a->extensions[i].kind == b->extensions[i].kind);
    }
}

static void check_record(const struct event *event) {
    struct encoded_record encoded;
    event_record_encode(event, &encoded);
    struct stored_record stored = {.record = encoded.record};
    const struct event *copy = NULL;
    enum status status = event_record_decode(&stored, &copy, NULL);
    assert(status == STATUS_OK);
    assert_same(event, copy);
    event_unref(copy);
    event_record_clear(&encoded);
}

// What we write as 1.0 JSON must be an event again, as a receiver reads it.
static void check_structured(struct bytes json, const struct event_http_options *options) {
    struct http_header header = {BYTES("Content-Type"), BYTES("application/cloudevents+json")};
    struct event_http_request request = {
        .method = BYTES("POST"), .headers = &header, .header_count = 1, .body = json};
    struct event_list list = {0};
    unsigned http_status = 0;
    enum status status =
        event_http_decode(&request, EVENT_DIALECT_STRUCTURED, options, &list, &http_status, NULL);
    assert(status == STATUS_OK && list.count == 1);
    event_list_clear(&list);
}

static void check_formats(const struct event *event, const struct event_http_options *options) {
    struct http_header item = {BYTES("id"), BYTES("\xff\"\n")};
    struct event_params params = {.items = &item, .count = 1};
    for (int i = EVENT_FORMAT_CLOUDEVENTS_1_0; i <= EVENT_FORMAT_CLASSIC; i++) {
        struct event_message message;
        event_format_write(event, (enum event_format)i, &params, BYTES(""), &message);
        assert(message.header_count > 0);
        if (i != EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0) {
            // Data at the limit of nesting is written, one level deeper than it is read.
            assert(event->data.size > 200 || json_is_valid(message.body));
        }
        if (i == EVENT_FORMAT_CLOUDEVENTS_1_0 && event->data.size <= 200) {
            check_structured(message.body, options);
        }
        event_message_clear(&message);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_header headers[HEADERS_MAX];
    struct event_http_request request = {0};
    parse((struct bytes){(const char *)data, size}, &request, headers);
    struct event_http_options options = {
        .source = BYTES("/event-gateway"),
        .context = {.method = BYTES("POST"), .path = request.path, .received_us = 1},
    };
    enum event_dialect dialect;
    unsigned http_status = 0;
    struct error error = {{0}};
    struct event_list list = {0};
    if (event_http_dialect(&request, &dialect, &http_status, &error) ||
        event_http_decode(&request, dialect, &options, &list, &http_status, &error)) {
        assert(http_status == 400 || http_status == 413 || http_status == 415);
        assert(error.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < list.count; i++) {
        check_record(list.events[i]);
        check_formats(list.events[i], &options);
    }
    event_list_clear(&list);
    return 0;
}
