#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/registry/redrive.h"

static json_t *good_document(void) {
    json_t *document = NULL;
    static const char text[] =
        "{\"space\":\"team1\",\"redriveId\":\"r1\",\"state\":\"running\",\"owner\":\"node-1\","
        "\"subscriptionId\":\"s1\",\"since\":\"2026-11-25T00:00:00Z\","
        "\"until\":\"2026-11-25T02:00:00Z\",\"begun\":\"2026-11-25T01:00:00Z\","
        "\"ratePerSecond\":5,\"total\":9,\"redriven\":4,\"failed\":2,\"missing\":1,"
        "\"after\":[1795568400000000,3,17],\"new\":{}}";
    assert_int_equal(json_parse(bytes_of_text(text), &document, NULL), STATUS_OK);
    return document;
}

static void a_document_is_read(void **state) {
    (void)state;
    json_t *document = good_document();
    const struct redrive *redrive = NULL;
    assert_int_equal(redrive_parse(document, &redrive, NULL), STATUS_OK);
    json_decref(document);
    assert_true(bytes_equal_text(redrive->space, "team1"));
    assert_true(bytes_equal_text(redrive->id, "r1"));
    assert_true(bytes_equal_text(redrive->owner, "node-1"));
    assert_true(bytes_equal_text(redrive->subscription_id, "s1"));
    assert_int_equal(redrive->state, REDRIVE_RUNNING);
    assert_int_equal(redrive->begun_us, INT64_C(1795568400000000));
    assert_int_equal(redrive->until_us - redrive->since_us, INT64_C(7200000000));
    assert_int_equal(redrive->ended_us, 0);
    assert_int_equal(redrive->rate, 5);
    assert_int_equal(redrive->total, 9);
    assert_int_equal(redrive->redriven + redrive->failed * 10 + redrive->missing * 100, 124);
    assert_int_equal(redrive->after_us, INT64_C(1795568400000000));
    assert_int_equal(redrive->after.partition, 3);
    assert_int_equal(redrive->after.offset, 17);
    assert_int_equal(redrive->letter_count, 0);
    redrive_unref(redrive_ref(redrive));
    redrive_unref(redrive);
}

static void letters_are_read_in_their_order(void **state) {
    (void)state;
    json_t *document = good_document();
    const struct redrive *redrive = NULL;
    json_object_del(document, "after");
    json_object_set_new(document, "letters", json_pack("[[i,i],[i,i]]", 1, 2, 0, 7));
    json_object_set_new(document, "at", json_integer(1));
    assert_int_equal(redrive_parse(document, &redrive, NULL), STATUS_OK);
    json_decref(document);
    assert_int_equal(redrive->letter_count, 2);
    assert_int_equal(redrive->letters[1].offset, 7);
    assert_int_equal(redrive->letter_at, 1);
    assert_int_equal(redrive->after_us, -1);
    redrive_unref(redrive);
}

static void a_wrong_document_is_refused_with_the_member(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
    } wrong[] = {
        {"space", "\"\""},
        {"redriveId", "1"},
        {"state", "\"eaten\""},
        {"state", "null"},
        {"owner", "7"},
        {"begun", "\"soon\""},
        {"begun", "null"},
        {"since", "5"},
        {"ended", "\"x\""},
        {"failed", "9007199254740993"},
        {"missing", "-1"},
        {"total", "-1"},
        {"total", "1.5"},
        {"ratePerSecond", "1000001"},
        {"after", "[1,2]"},
        {"after", "[1,-2,3]"},
        {"after", "[1,2147483648,3]"},
        {"letters", "[]"},
        {"letters", "[[1]]"},
        {"letters", "[[1,\"2\"]]"},
        {"letters", "[[1,-2]]"},
        {"at", "1001"},
        {"missing", "\"1\""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        json_t *document = good_document(), *value;
        const struct redrive *redrive = NULL;
        struct error error;
        value = json_loads(wrong[i].value, JSON_DECODE_ANY, NULL);
        json_object_set_new(document, wrong[i].name, value);
        assert_int_equal(redrive_parse(document, &redrive, &error), STATUS_INVALID);
        assert_memory_equal(error.text, wrong[i].name, strlen(wrong[i].name));
        json_decref(document);
    }
    json_t *array = json_array();
    const struct redrive *redrive = NULL;
    assert_int_equal(redrive_parse(array, &redrive, NULL), STATUS_INVALID);
    json_decref(array);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read),
        cmocka_unit_test(letters_are_read_in_their_order),
        cmocka_unit_test(a_wrong_document_is_refused_with_the_member),
    };
    return cmocka_run_group_tests_name("redrive", tests, NULL, NULL);
}
