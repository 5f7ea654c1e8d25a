#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/memory.h"
#include "core/cursors/cursor_record.h"

static void keys_come_back_as_they_went(void **state) {
    (void)state;
    const struct cursor_key keys[] = {
        {CURSOR_OWNER, 0, BYTES(""), BYTES(""), 1, CURSOR_OF_EVENTS},
        {CURSOR_LIVE, 7, BYTES(""), BYTES(""), INT64_MAX, CURSOR_OF_EVENTS},
        {CURSOR_CATCH_UP, 12, BYTES("team1"), BYTES("YXN5bmM"), 3, CURSOR_OF_EVENTS},
        {CURSOR_CATCH_UP, 12, BYTES("owner"), BYTES("a/b"), 3, CURSOR_OF_EVENTS},
        {CURSOR_LOST, 3, BYTES("default"), BYTES("YXN5bmM"), 7, CURSOR_OF_EVENTS},
        {CURSOR_STARTED, INT32_MAX, BYTES("default"), BYTES("YXN5bmM"), 2, CURSOR_OF_EVENTS},
        {CURSOR_REPLAY, 1, BYTES("default"), BYTES("5b2c"), 9, CURSOR_OF_EVENTS},
        {CURSOR_OWNER, 0, BYTES(""), BYTES(""), 1, CURSOR_OF_RETRY_10S},
        {CURSOR_LIVE, 7, BYTES(""), BYTES(""), 1, CURSOR_OF_RETRY_10S},
        {CURSOR_LIVE, 7, BYTES(""), BYTES(""), 1, CURSOR_OF_RETRY_1M},
        {CURSOR_LIVE, 7, BYTES(""), BYTES(""), 1, CURSOR_OF_RETRY_10M},
        {CURSOR_LIVE, 7, BYTES(""), BYTES(""), 1, CURSOR_OF_RETRY_1H},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        struct buffer text = {0};
        struct cursor_key back;
        struct error error;
        cursor_key_write(&keys[i], &text);
        assert_int_equal(cursor_key_parse(buffer_bytes(&text), &back, &error), STATUS_OK);
        assert_true(cursor_key_same_place(&keys[i], &back));
        assert_int_equal(back.epoch, keys[i].epoch);
        for (size_t j = 0; j < i; j++) {
            assert_false(cursor_key_same_place(&keys[j], &back));
        }
        buffer_clear(&text);
    }
}

static void what_is_no_key_is_refused(void **state) {
    (void)state;
    const char *const texts[] = {
        "",
        "/",
        "0",
        "0/owner",
        "0/owner/",
        "0/owner/0",
        "-1/owner/1",
        "01/owner/1",
        "0/1",
        "0//1",
        "0/owner/x",
        "0/other/1",
        "0//id/1",
        "0/space//1",
        "0/s/start:/1",
        "4294967296/owner/1",
        "0/owner/9223372036854775808",
        "events/0/owner/1",
        "retry.2s/0/owner/1",
        "retry.10s/owner/1",
        "retry.10s/0/1",
        "retry.10s/0/space/id/1",
        "retry.10s/retry.10s/0/live/1",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct cursor_key key;
        struct error error;
        if (cursor_key_parse(bytes_of_text(texts[i]), &key, &error) != STATUS_INVALID) {
            fail_msg("taken: %s", texts[i]);
        }
    }
}

static struct cursor_record example(void) {
    struct cursor_record record = {
        .kind = CURSOR_CATCH_UP,
        .partition = 3,
        .epoch = 5,
        .space = BYTES("team1"),
        .subscription_id = BYTES("YXN5bmM"),
        .created = BYTES("2026-11-25T00:00:00Z"),
        .reason = BYTES("circuit \"open\""),
        .position = 100,
        .until = 300,
        .lost = 7,
        .delivered = 1,
        .failed = 2,
        .matched = 9,
        .written_us = 1234567,
    };
    offset_ranges_add(&record.finished, 110, 120);
    offset_ranges_add(&record.finished, 130, 131);
    tried_list_put(&record.tried, &(struct tried){.offset = 121,
                                                  .attempts = 3,
                                                  .first_us = 7,
                                                  .last_us = 9,
                                                  .status = 503,
                                                  .reason = "status 503"});
    return record;
}

// Of the live position: two subscriptions, one of which has only tried something.
static struct cursor_record live_example(void) {
    struct cursor_record record = {.kind = CURSOR_LIVE,
                                   .partition = 3,
                                   .epoch = 5,
                                   .position = 100,
                                   .until = CURSOR_NO_END,
                                   .shares = memory_allocate(2 * sizeof(struct cursor_share)),
                                   .share_count = 2};
    struct cursor_share *shares = record.shares;
    memcpy(shares[0].fingerprint, "abcdefghij-_0123", CURSOR_FINGERPRINT_SIZE);
    offset_ranges_add(&shares[0].finished, 101, 105);
    offset_ranges_add(&shares[0].finished, 107, 109);
    memcpy(shares[1].fingerprint, "ABCDEFGHIJKLMNOP", CURSOR_FINGERPRINT_SIZE);
    tried_list_put(&shares[1].tried, &(struct tried){.offset = 100, .attempts = 1});
    return record;
}

static void assert_same(const struct cursor_record *a, const struct cursor_record *b) {
    struct buffer text_a = {0};
    struct buffer text_b = {0};
    cursor_record_write(a, &text_a);
    cursor_record_write(b, &text_b);
    assert_string_equal(text_a.data, text_b.data);
    buffer_clear(&text_a);
    buffer_clear(&text_b);
}

static void a_record_comes_back_as_it_went(void **state) {
    (void)state;
    struct cursor_record record = example();
    struct cursor_record back;
    struct error error;
    struct buffer text = {0};
    cursor_record_write(&record, &text);
    assert_int_equal(cursor_record_parse(buffer_bytes(&text), &back, &error), STATUS_OK);
    assert_same(&record, &back);
    assert_int_equal(back.until, 300);
    assert_int_equal(back.finished.count, 2);
    assert_int_equal(back.finished.items[1].first, 130);
    assert_int_equal(back.tried.count, 1);
    assert_int_equal(back.tried.items[0].attempts, 3);
    assert_int_equal(back.tried.items[0].status, 503);
    assert_string_equal(back.tried.items[0].reason, "status 503");
    cursor_record_clear(&back);
    cursor_record_clear(&record);
    buffer_clear(&text);
}

static void what_subscriptions_have_finished_comes_back_as_it_went(void **state) {
    (void)state;
    struct cursor_record record = live_example();
    struct cursor_record back;
    struct error error;
    struct buffer text = {0};
    cursor_record_write(&record, &text);
    assert_int_equal(cursor_record_parse(buffer_bytes(&text), &back, &error), STATUS_OK);
    assert_same(&record, &back);
    assert_int_equal(back.share_count, 2);
    assert_string_equal(back.shares[0].fingerprint, "abcdefghij-_0123");
    assert_int_equal(back.shares[0].finished.count, 2);
    assert_int_equal(back.shares[0].finished.items[1].end, 109);
    assert_int_equal(back.shares[0].tried.count, 0);
    assert_int_equal(back.shares[1].tried.items[0].attempts, 1);
    cursor_record_clear(&back);
    cursor_record_clear(&record);
    buffer_clear(&text);
}

static void what_is_finished_of_a_tier_comes_back_as_it_went(void **state) {
    (void)state;
    for (int stream = 0; stream < CURSOR_STREAM_COUNT; stream++) {
        struct cursor_record record = {.kind = CURSOR_LIVE,
                                       .stream = (enum cursor_stream)stream,
                                       .partition = 2,
                                       .epoch = 4,
                                       .position = 10,
                                       .until = CURSOR_NO_END};
        struct cursor_record back;
        struct buffer text = {0};
        offset_ranges_add(&record.finished, 11, 20);
        cursor_record_write(&record, &text);
        assert_int_equal(cursor_record_parse(buffer_bytes(&text), &back, NULL), STATUS_OK);
        assert_same(&record, &back);
        assert_int_equal(back.stream, stream);
        assert_int_equal(back.finished.items[0].end, 20);
        cursor_record_clear(&back);
        cursor_record_clear(&record);
        buffer_clear(&text);
    }
}

static void without_an_end_a_record_has_none(void **state) {
    (void)state;
    struct cursor_record back;
    struct error error;
    assert_int_equal(
        cursor_record_parse(BYTES("{\"kind\":\"live\",\"partition\":0,\"epoch\":1,\"position\":0}"),
                            &back, &error),
        STATUS_OK);
    assert_true(back.until == CURSOR_NO_END);
    cursor_record_clear(&back);
}

static void what_is_no_record_is_refused(void **state) {
    (void)state;
#define HEAD "{\"kind\":\"catch-up\",\"space\":\"s\",\"subscriptionId\":\"i\",\"partition\":0,"
    const char *const texts[] = {
        "",
        "[]",
        "null",
        "{\"kind\":\"none\",\"partition\":0,\"epoch\":1,\"position\":0}",
        "{\"partition\":0,\"epoch\":1,\"position\":0}",
        "{\"kind\":\"catch-up\",\"partition\":0,\"epoch\":1,\"position\":0}",
        "{\"kind\":\"owner\",\"partition\":0,\"epoch\":1,\"position\":0}",
        HEAD "\"epoch\":0,\"position\":0}",
        HEAD "\"epoch\":1}",
        HEAD "\"epoch\":1,\"position\":-1}",
        HEAD "\"epoch\":1,\"position\":\"1\"}",
        HEAD "\"epoch\":1,\"position\":1.5}",
        HEAD "\"epoch\":1,\"position\":5,\"finished\":{}}",
        HEAD "\"epoch\":1,\"position\":5,\"finished\":[[6]]}",
        HEAD "\"epoch\":1,\"position\":5,\"finished\":[[4,6]]}",
        HEAD "\"epoch\":1,\"position\":5,\"finished\":[[6,6]]}",
        HEAD "\"epoch\":1,\"position\":5,\"finished\":[[9,10],[6,7]]}",
        HEAD "\"epoch\":1,\"position\":5,\"reason\":5}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":5}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[6,1,1,1,0]]}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[4,1,1,1,0,\"\"]]}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[6,0,1,1,0,\"\"]]}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[6,4294967296,1,1,0,\"\"]]}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[6,1,-1,1,0,\"\"]]}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[6,1,1,1,1000,\"\"]]}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[6,1,1,1,0,\"a\\r\\nb: c\"]]}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[6,1,1,1,0,"
             "\"longer than a reason that is sent\"]]}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[6,1,1,1,0,\"\"],[6,1,1,1,0,\"\"]]}",
        HEAD "\"epoch\":1,\"position\":5,\"tried\":[[9223372036854775807,1,1,1,0,\"\"]]}",
        HEAD "\"epoch\":1,\"position\":5,\"subscriptions\":{}}",
        HEAD "\"epoch\":1,\"position\":5,\"subscriptions\":[5]}",
        HEAD "\"epoch\":1,\"position\":5,\"subscriptions\":[{\"fingerprint\":\"short\"}]}",
        HEAD "\"epoch\":1,\"position\":5,"
             "\"subscriptions\":[{\"fingerprint\":\"0123456789 bcdef\"}]}",
        HEAD "\"epoch\":1,\"position\":5,"
             "\"subscriptions\":[{\"fingerprint\":\"0123456789abcdef\",\"finished\":[[4,5]]}]}",
        HEAD "\"epoch\":1,\"position\":5,\"until\":null}",
        "{\"kind\":\"live\",\"stream\":\"retry.2s\",\"partition\":0,\"epoch\":1,\"position\":0}",
        "{\"kind\":\"live\",\"stream\":1,\"partition\":0,\"epoch\":1,\"position\":0}",
    };
#undef HEAD
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct cursor_record record;
        struct error error;
        if (cursor_record_parse(bytes_of_text(texts[i]), &record, &error) != STATUS_INVALID) {
            fail_msg("taken: %s", texts[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_back_as_they_went),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(a_record_comes_back_as_it_went),
        cmocka_unit_test(what_subscriptions_have_finished_comes_back_as_it_went),
        cmocka_unit_test(what_is_finished_of_a_tier_comes_back_as_it_went),
        cmocka_unit_test(without_an_end_a_record_has_none),
        cmocka_unit_test(what_is_no_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
