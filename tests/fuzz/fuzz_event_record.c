// Any record of the log, as anybody can write it there -> event, which then goes through the log
// unchanged and into every format. Input: lines "name: value", an empty line, the value ("-" alone:
// none).

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/json.h"
#include "core/events/event.h"
#include "core/events/event_format.h"
#include "core/events/event_record.h"
#include "core/events/parked_record.h"
#include "tests/fuzz/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(struct bytes text, struct record *record,
                  struct http_header headers[HEADERS_MAX]) {
    record->headers = headers;
    record->header_count = take_headers(&text, headers);
    record->has_value = !bytes_equal(text, BYTES("-"));
    record->value = record->has_value ? text : BYTES("");
}

static void check_formats(const struct event *event) {
    for (int i = EVENT_FORMAT_CLOUDEVENTS_1_0; i <= EVENT_FORMAT_CLASSIC; i++) {
        struct event_message message;
        event_format_write(event, (enum event_format)i, NULL, BYTES(""), &message);
        if (i != EVENT_FORMAT_CLOUDEVENTS_BINARY_1_0 && event->data.size <= 200) {
            assert(json_is_valid(message.body));
        }
        event_message_clear(&message);
    }
}

static void check_again(const struct event *event) {
    struct encoded_record encoded;
    event_record_encode(event, &encoded);
    struct stored_record stored = {.record = encoded.record};
    const struct event *copy = NULL;
    enum status status = event_record_decode(&stored, &copy, NULL);
    assert(status == STATUS_OK);
    assert(bytes_equal(event->data, copy->data) && event->data_kind == copy->data_kind);
    assert(event->extension_count == copy->extension_count);
    assert(bytes_equal(event->context.space, copy->context.space));
    event_record_clear(&encoded);
    event_unref(copy);
}

static void check_letter(const struct stored_record *stored) {
    struct dead_letter letter;
    struct buffer storage = {0};
    const struct event *event = NULL;
    if (dead_letter_decode(stored, &letter, &storage, &event, NULL) == STATUS_OK) {
        assert(letter.subscription_id.size > 0);
        event_unref(event);
    }
    buffer_clear(&storage);
}

// What waits goes from tier to tier unchanged.
static void check_parked(const struct stored_record *stored) {
    struct parked_delivery parked, copy;
    struct buffer storage = {0};
    const struct event *event = NULL, *copied_event = NULL;
    if (parked_delivery_decode(stored, &parked, &storage, &event, NULL) == STATUS_OK) {
        struct buffer copied = {0};
        struct encoded_record encoded;
        parked_delivery_encode(&parked, event, &encoded);
        struct stored_record again = {.record = encoded.record};
        enum status status = parked_delivery_decode(&again, &copy, &copied, &copied_event, NULL);
        assert(status == STATUS_OK);
        assert(bytes_equal(copy.subscription_id, parked.subscription_id));
        assert(copy.attempts == parked.attempts && copy.last_status == parked.last_status);
        assert(copy.partition == parked.partition && copy.offset == parked.offset);
        event_record_clear(&encoded);
        buffer_clear(&copied);
        event_unref(copied_event);
        event_unref(event);
    }
    buffer_clear(&storage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_header headers[HEADERS_MAX];
    struct stored_record stored = {.timestamp_ms = 1};
    parse((struct bytes){(const char *)data, size}, &stored.record, headers);
    struct error error = {{0}};
    const struct event *event = NULL;
    if (event_record_decode(&stored, &event, &error) == STATUS_OK) {
        check_again(event);
        check_formats(event);
        event_unref(event);
    } else {
        assert(error.text[0] != '\0');
    }
    check_letter(&stored);
    check_parked(&stored);
    return 0;
}
