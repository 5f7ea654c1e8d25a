#include "tests/unit/events/events_test.h"

#include "core/events/parked_record.h"

static const struct event *some_event(void) {
    return test_event("PUT /a\nce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\n"
                      "ce-subject: u\nce-mine: x\nContent-Type: text/plain\n\nhello");
}

static const struct parked_delivery sample = {
    .subscription_id = {"sub", 3},
    .space = {"team1", 5},
    .function_id = {"fun", 3},
    .due_us = RECEIVED_US + 3600000000,
    .attempts = 4000000000,
    .first_us = RECEIVED_US,
    .last_us = RECEIVED_US + 1000000,
    .last_status = 503,
    .reason = {"status 503", 10},
    .replay_id = {"r1", 2},
    .traceparent = {"00-1-2-01", 9},
    .partition = 3,
    .offset = 12345678901,
};

static void a_parked_delivery_comes_back_with_its_event(void **state) {
    (void)state;
    const struct event *event = some_event();
    struct encoded_record encoded;
    parked_delivery_encode(&sample, event, &encoded);
    struct stored_record stored = {.record = encoded.record, .timestamp_ms = 1};
    struct parked_delivery parked;
    struct buffer storage = {0};
    const struct event *copy = NULL;
    struct error error;
    assert_int_equal(parked_delivery_decode(&stored, &parked, &storage, &copy, &error), STATUS_OK);
    event_record_clear(&encoded);
    event_unref(event);
    assert_bytes(parked.subscription_id, "sub");
    assert_bytes(parked.space, "team1");
    assert_bytes(parked.function_id, "fun");
    assert_bytes(parked.reason, "status 503");
    assert_bytes(parked.replay_id, "r1");
    assert_bytes(parked.traceparent, "00-1-2-01");
    assert_int_equal(parked.due_us, sample.due_us);
    assert_int_equal(parked.attempts, 4000000000);
    assert_int_equal(parked.first_us, RECEIVED_US);
    assert_int_equal(parked.last_us, RECEIVED_US + 1000000);
    assert_int_equal(parked.last_status, 503);
    assert_int_equal(parked.partition, 3);
    assert_int_equal(parked.offset, 12345678901);
    assert_bytes(copy->id, "1");
    assert_bytes(copy->subject, "u");
    assert_bytes(copy->data, "hello");
    assert_bytes(copy->context.method, "PUT");
    assert_bytes(copy->context.path, "/a");
    assert_int_equal(copy->context.received_us, RECEIVED_US);
    assert_int_equal(copy->extension_count, 1);
    event_unref(copy);
    buffer_clear(&storage);
}

static void a_parked_record_keeps_the_key_of_its_event(void **state) {
    (void)state;
    const struct event *event = some_event();
    struct encoded_record encoded;
    parked_delivery_encode(&sample, event, &encoded);
    assert_bytes(encoded.record.key, "u");
    event_record_clear(&encoded);
    event_unref(event);
}

static void a_long_reason_is_cut(void **state) {
    (void)state;
    char reason[1000];
    memset(reason, 'x', sizeof reason);
    struct parked_delivery long_one = sample;
    long_one.reason = (struct bytes){reason, sizeof reason};
    const struct event *event = some_event();
    struct encoded_record encoded;
    parked_delivery_encode(&long_one, event, &encoded);
    struct stored_record stored = {.record = encoded.record};
    struct parked_delivery parked;
    struct buffer storage = {0};
    const struct event *copy = NULL;
    assert_int_equal(parked_delivery_decode(&stored, &parked, &storage, &copy, NULL), STATUS_OK);
    assert_int_equal(parked.reason.size, 256);
    event_unref(copy);
    buffer_clear(&storage);
    event_record_clear(&encoded);
    event_unref(event);
}

// The record with the headers of that name gone (value NULL) or changed must be refused, with the
// name in the text.
static void refuse(const struct event *event, const char *name, const char *value) {
    struct encoded_record encoded;
    parked_delivery_encode(&sample, event, &encoded);
    struct http_header headers[64];
    size_t count = 0;
    for (size_t i = 0; i < encoded.record.header_count; i++) {
        headers[count] = encoded.record.headers[i];
        if (!bytes_equal_text(headers[count].name, name)) {
            count++;
        } else if (value) {
            headers[count++].value = bytes_of_text(value);
        }
    }
    struct stored_record stored = {.record = encoded.record};
    stored.record.headers = headers;
    stored.record.header_count = count;
    struct parked_delivery parked;
    struct buffer storage = {0};
    const struct event *copy = NULL;
    struct error error = {{0}};
    assert_int_equal(parked_delivery_decode(&stored, &parked, &storage, &copy, &error),
                     STATUS_INVALID);
    if (!strstr(error.text, name + strlen("ce_"))) {
        fail_msg("%s: \"%s\"", name, error.text);
    }
    assert_null(copy);
    assert_int_equal(storage.size, 0);
    buffer_clear(&storage);
    event_record_clear(&encoded);
}

static void what_is_missing_or_malformed_is_refused(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"ce_egrtsubscription", NULL}, {"ce_egrtsubscription", ""},
        {"ce_egrtdue", NULL},          {"ce_egrtdue", "soon"},
        {"ce_egrtattempts", "-1"},     {"ce_egrtattempts", "4294967296"},
        {"ce_egrtfirsttime", ""},      {"ce_egrtlasttime", "1"},
        {"ce_egrtstatus", "1000"},     {"ce_egrtpartition", "2147483648"},
        {"ce_egrtoffset", "-2"},       {"ce_id", ""}};
    const struct event *event = some_event();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refuse(event, bad[i][0], bad[i][1]);
    }
    event_unref(event);
}

static void what_is_not_known_of_the_delivery_may_be_missing(void **state) {
    (void)state;
    const struct http_header headers[] = {
        {BYTES("ce_specversion"), BYTES("1.0")},
        {BYTES("ce_id"), BYTES("1")},
        {BYTES("ce_source"), BYTES("/s")},
        {BYTES("ce_type"), BYTES("t")},
        {BYTES("ce_egrtsubscription"), BYTES("s")},
        {BYTES("ce_egrtlater"), BYTES("x")},
        {BYTES("ce_egrtdue"), BYTES("1970-01-01T00:00:01Z")},
    };
    struct stored_record stored = {
        .record = {.headers = headers, .header_count = sizeof headers / sizeof headers[0]}};
    struct parked_delivery parked;
    struct buffer storage = {0};
    const struct event *event = NULL;
    assert_int_equal(parked_delivery_decode(&stored, &parked, &storage, &event, NULL), STATUS_OK);
    assert_int_equal(parked.due_us, 1000000);
    assert_int_equal(parked.attempts, 0);
    assert_int_equal(parked.partition, -1);
    assert_int_equal(parked.offset, -1);
    assert_int_equal(parked.replay_id.size, 0);
    assert_int_equal(event->extension_count, 0);
    event_unref(event);
    buffer_clear(&storage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parked_delivery_comes_back_with_its_event),
        cmocka_unit_test(a_parked_record_keeps_the_key_of_its_event),
        cmocka_unit_test(a_long_reason_is_cut),
        cmocka_unit_test(what_is_missing_or_malformed_is_refused),
        cmocka_unit_test(what_is_not_known_of_the_delivery_may_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
