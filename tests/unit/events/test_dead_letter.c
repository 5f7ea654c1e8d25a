#include "tests/unit/events/events_test.h"

static const struct event *some_event(void) {
    return test_event("PUT /a\nce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\n"
                      "ce-subject: u\nContent-Type: text/plain\n\nhello");
}

static const struct dead_letter sample = {
    .subscription_id = {"sub", 3},
    .function_id = {"fun", 3},
    .space = {"team1", 5},
    .reason = {"status 500", 10},
    .attempts = 18,
    .first_us = RECEIVED_US,
    .last_us = RECEIVED_US + 1000000,
    .last_status = 500,
    .last_answer = {"no\0pe\xff", 6},
    .partition = 3,
    .offset = 12345678901,
};

static void encode(const struct dead_letter *letter, const struct event *event,
                   struct encoded_record *ret_encoded, struct stored_record *ret_stored) {
    dead_letter_encode(letter, event, ret_encoded);
    *ret_stored = (struct stored_record){.record = ret_encoded->record, .timestamp_ms = 1};
}

static void a_letter_comes_back_with_its_event(void **state) {
    (void)state;
    const struct event *event = some_event();
    struct encoded_record encoded;
    struct stored_record stored;
    encode(&sample, event, &encoded, &stored);
    struct dead_letter letter;
    struct buffer storage = {0};
    const struct event *copy = NULL;
    struct error error;
    assert_int_equal(dead_letter_decode(&stored, &letter, &storage, &copy, &error), STATUS_OK);
    event_record_clear(&encoded);
    event_unref(event);
    assert_bytes(letter.subscription_id, "sub");
    assert_bytes(letter.function_id, "fun");
    assert_bytes(letter.space, "team1");
    assert_bytes(letter.reason, "status 500");
    assert_int_equal(letter.attempts, 18);
    assert_int_equal(letter.first_us, RECEIVED_US);
    assert_int_equal(letter.last_us, RECEIVED_US + 1000000);
    assert_int_equal(letter.last_status, 500);
    assert_true(bytes_equal(letter.last_answer, sample.last_answer));
    assert_int_equal(letter.partition, 3);
    assert_int_equal(letter.offset, 12345678901);
    assert_bytes(copy->id, "1");
    assert_bytes(copy->data, "hello");
    assert_bytes(copy->context.method, "PUT");
    assert_int_equal(copy->extension_count, 0);
    event_unref(copy);
    buffer_clear(&storage);
}

static void a_letter_is_an_event_of_the_kafka_binding(void **state) {
    (void)state;
    const struct event *event = some_event();
    struct encoded_record encoded;
    struct stored_record stored;
    encode(&sample, event, &encoded, &stored);
    assert_bytes(encoded.record.key, "u");
    assert_bytes(encoded.record.value, "hello");
    const struct event *copy = NULL;
    struct error error;
    assert_int_equal(event_record_decode(&stored, &copy, &error), STATUS_OK);
    assert_bytes(copy->id, "1");
    assert_int_equal(copy->extension_count, 0);
    event_unref(copy);
    event_record_clear(&encoded);
    event_unref(event);
}

static void a_long_answer_is_cut(void **state) {
    (void)state;
    char answer[5000];
    memset(answer, 'a', sizeof answer);
    struct dead_letter long_letter = sample;
    long_letter.last_answer = (struct bytes){answer, sizeof answer};
    long_letter.reason = (struct bytes){answer, sizeof answer};
    const struct event *event = some_event();
    struct encoded_record encoded;
    struct stored_record stored;
    encode(&long_letter, event, &encoded, &stored);
    struct dead_letter letter;
    struct buffer storage = {0};
    const struct event *copy = NULL;
    assert_int_equal(dead_letter_decode(&stored, &letter, &storage, &copy, NULL), STATUS_OK);
    assert_int_equal(letter.last_answer.size, 4096);
    assert_int_equal(letter.reason.size, 1024);
    event_unref(copy);
    buffer_clear(&storage);
    event_record_clear(&encoded);
    event_unref(event);
}

static void an_empty_letter_needs_only_its_subscription(void **state) {
    (void)state;
    struct dead_letter few = {.subscription_id = BYTES("sub")};
    const struct event *event = some_event();
    struct encoded_record encoded;
    struct stored_record stored;
    encode(&few, event, &encoded, &stored);
    struct dead_letter letter;
    struct buffer storage = {0};
    const struct event *copy = NULL;
    assert_int_equal(dead_letter_decode(&stored, &letter, &storage, &copy, NULL), STATUS_OK);
    assert_int_equal(letter.attempts, 0);
    assert_int_equal(letter.last_answer.size, 0);
    event_unref(copy);
    buffer_clear(&storage);
    event_record_clear(&encoded);
    event_unref(event);
}

static void records_without_a_letter_are_refused(void **state) {
    (void)state;
    const struct event *event = some_event();
    struct encoded_record encoded;
    event_record_encode(event, &encoded);
    struct stored_record stored = {.record = encoded.record};
    struct dead_letter letter;
    struct buffer storage = {0};
    const struct event *copy = NULL;
    struct error error;
    assert_int_equal(dead_letter_decode(&stored, &letter, &storage, &copy, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "egdlsubscription"));
    event_record_clear(&encoded);
    event_unref(event);
}

static void malformed_letters_are_refused(void **state) {
    (void)state;
    static const char *const bad[][2] = {{"ce_egdlattempts", "-1"},
                                         {"ce_egdlattempts", "4294967296"},
                                         {"ce_egdlattempts", ""},
                                         {"ce_egdlstatus", "x"},
                                         {"ce_egdlstatus", "1000"},
                                         {"ce_egdloffset", "1234567890123456789"},
                                         {"ce_egdlpartition", "99999999999"},
                                         {"ce_egdlfirsttime", "now"},
                                         {"ce_egdlanswer", "%"}};
    const struct event *event = some_event();
    struct encoded_record encoded;
    dead_letter_encode(&sample, event, &encoded);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http_header headers[64];
        memcpy(headers, encoded.record.headers, encoded.record.header_count * sizeof headers[0]);
        for (size_t j = 0; j < encoded.record.header_count; j++) {
            if (bytes_equal_text(headers[j].name, bad[i][0])) {
                headers[j].value = bytes_of_text(bad[i][1]);
            }
        }
        struct stored_record stored = {.record = encoded.record};
        stored.record.headers = headers;
        struct dead_letter letter;
        struct buffer storage = {0};
        const struct event *copy = NULL;
        struct error error;
        assert_int_equal(dead_letter_decode(&stored, &letter, &storage, &copy, &error),
                         STATUS_INVALID);
        assert_non_null(strstr(error.text, bad[i][0]));
        assert_null(copy);
        assert_int_equal(storage.size, 0);
        buffer_clear(&storage);
    }
    event_record_clear(&encoded);
    event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_comes_back_with_its_event),
        cmocka_unit_test(a_letter_is_an_event_of_the_kafka_binding),
        cmocka_unit_test(a_long_answer_is_cut),
        cmocka_unit_test(an_empty_letter_needs_only_its_subscription),
        cmocka_unit_test(records_without_a_letter_are_refused),
        cmocka_unit_test(malformed_letters_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
