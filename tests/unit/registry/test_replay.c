#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/bytes.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/events/event.h"
#include "core/registry/replay.h"

static const char good[] =
    "{\"space\":\"default\",\"replayId\":\"r1\",\"subscriptionId\":\"s1\","
    "\"subscriptionCreated\":\"2026-11-25T00:00:00Z\",\"created\":\"2026-11-25T01:00:00Z\","
    "\"from\":\"earliest\",\"partitions\":[[0,10],[7,7]],\"ratePerSecond\":2.5,"
    "\"filters\":[{\"exact\":{\"type\":\"order\",\"source\":\"/"
    "a\"}},{\"exact\":{\"subject\":\"x\"}}]}";

static json_t *document_of(const char *text) {
    json_t *document = NULL;
    assert_int_equal(json_parse(bytes_of_text(text), &document, NULL), STATUS_OK);
    return document;
}

static void a_document_is_read(void **state) {
    (void)state;
    json_t *document = document_of(good);
    const struct replay *replay = NULL;
    assert_int_equal(replay_parse(document, &replay, NULL), STATUS_OK);
    json_decref(document);
    assert_true(bytes_equal_text(replay->space, "default"));
    assert_true(bytes_equal_text(replay->id, "r1"));
    assert_true(bytes_equal_text(replay->subscription_id, "s1"));
    assert_true(bytes_equal_text(replay->subscription_created, "2026-11-25T00:00:00Z"));
    assert_int_equal(replay->created_us, INT64_C(1795568400000000));
    assert_int_equal(replay->stopped_us, 0);
    assert_true(replay->rate_per_second > 2.4 && replay->rate_per_second < 2.6);
    assert_int_equal(replay->part_count, 2);
    assert_int_equal(replay->parts[0].until, 10);
    assert_int_equal(replay->parts[1].from, 7);
    assert_int_equal(replay->filter_count, 3);
    const struct replay *other = replay_ref(replay);
    replay_unref(replay);
    assert_true(bytes_equal_text(other->id, "r1"));
    replay_unref(other);
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    static const struct {
        const char *member, *value, *said;
    } cases[] = {
        {"space", "\"\"", "space"},
        {"replayId", "7", "replayId"},
        {"subscriptionId", "null", "subscriptionId"},
        {"created", "\"soon\"", "created"},
        {"stopped", "\"soon\"", "stopped"},
        {"stopped", "7", "stopped"},
        {"ratePerSecond", "0", "ratePerSecond"},
        {"ratePerSecond", "\"1\"", "ratePerSecond"},
        {"ratePerSecond", "1e7", "ratePerSecond"},
        {"partitions", "{}", "partitions"},
        {"partitions", "[[3,2]]", "partitions"},
        {"partitions", "[[-1,2]]", "partitions"},
        {"partitions", "[[1]]", "partitions"},
        {"partitions", "[[1,2.5]]", "partitions"},
        {"filters", "{}", "filters"},
        {"filters", "[{}]", "filters"},
        {"filters", "[{\"sql\":\"TRUE\"}]", "sql"},
        {"filters", "[{\"exact\":\"type\"}]", "exact"},
        {"filters", "[{\"exact\":{\"color\":\"red\"}}]", "color"},
        {"filters", "[{\"exact\":{\"type\":1}}]", "type"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct replay *replay = NULL;
        struct error error = {0};
        json_t *document = document_of(good);
        json_object_set_new(document, cases[i].member,
                            json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        assert_int_equal(replay_parse(document, &replay, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, cases[i].said));
        json_decref(document);
    }
}

static void an_event_passes_when_all_filters_hold(void **state) {
    (void)state;
    json_t *document = document_of(good);
    const struct replay *replay = NULL;
    assert_int_equal(replay_parse(document, &replay, NULL), STATUS_OK);
    json_decref(document);
    struct event event = {.type = BYTES("order"), .source = BYTES("/a"), .subject = BYTES("x")};
    assert_true(replay_takes(replay, &event));
    event.subject = BYTES("xy");
    assert_false(replay_takes(replay, &event));
    event.subject = (struct bytes){0};
    assert_false(replay_takes(replay, &event));
    event.subject = BYTES("x");
    event.type = BYTES("Order");
    assert_false(replay_takes(replay, &event));
    replay_unref(replay);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(an_event_passes_when_all_filters_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
