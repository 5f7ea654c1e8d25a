#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/subscriptions/subscription.h"

// The least that a subscription says, with more members in front of the closing brace.
static enum status parse(const char *more, const struct subscription **ret_subscription,
                         struct error *error) {
    struct buffer text = {0};
    buffer_append_format(&text,
                         "{\"space\":\"default\",\"subscriptionId\":\"id\",\"type\":\"async\","
                         "\"eventType\":\"order\",\"functionId\":\"bill\"%s}",
                         more);
    // Later members win over earlier ones of the same name.
    json_t *document = json_loads(text.data, 0, NULL);
    assert_non_null(document);
    enum status status = subscription_parse(document, ret_subscription, error);
    json_decref(document);
    buffer_clear(&text);
    return status;
}

static const struct subscription *parse_good(const char *more) {
    const struct subscription *subscription = NULL;
    struct error error = {""};
    if (parse(more, &subscription, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return subscription;
}

static void what_is_absent_has_the_defaults_of_the_contract(void **state) {
    (void)state;
    const struct subscription *subscription = parse_good("");
    const struct delivery_policy *delivery = &subscription->delivery;
    static const uint16_t final_statuses[] = {400, 405, 406, 411, 413, 414, 415, 422, 431, 501};
    assert_true(bytes_equal_text(subscription->space, "default"));
    assert_true(bytes_equal_text(subscription->id, "id"));
    assert_true(bytes_equal_text(subscription->event_type, "order"));
    assert_true(bytes_equal_text(subscription->function_id, "bill"));
    assert_true(bytes_equal_text(subscription->method, "POST"));
    assert_true(bytes_equal_text(subscription->path, "/"));
    assert_false(subscription->is_sync);
    assert_int_equal(delivery->ordering, ORDERING_NONE);
    assert_int_equal(delivery->max_in_flight, 64);
    assert_true(delivery->rate_per_second == 0);
    assert_int_equal(delivery->batch_max_events, 1);
    assert_int_equal(delivery->batch_max_wait_ms, 20);
    assert_int_equal(delivery->timeout_ms, 30000);
    assert_int_equal(delivery->retry.max_attempts, 18);
    assert_int_equal(delivery->retry.initial_ms, 500);
    assert_true(delivery->retry.factor == 2);
    assert_int_equal(delivery->retry.max_ms, 3600000);
    assert_int_equal(delivery->retry.max_age_ms, 86400000);
    assert_int_equal(delivery->retry.final_status_count, ARRAY_LENGTH(final_statuses));
    assert_memory_equal(delivery->retry.final_statuses, final_statuses, sizeof final_statuses);
    assert_true(delivery->has_dead_letter);
    subscription_unref(subscription);
}

static void what_is_given_is_read(void **state) {
    (void)state;
    const struct subscription *subscription =
        parse_good(",\"type\":\"sync\",\"method\":\"get\",\"path\":\"users/:id/\",\"paused\":false,"
                   "\"delivery\":{\"maxInFlight\":3,\"timeoutMs\":900000,\"deadLetter\":false,"
                   "\"ordering\":\"key\",\"ratePerSecond\":0.5,"
                   "\"batch\":{\"maxEvents\":1000,\"maxWaitMs\":0},"
                   "\"retry\":{\"maxAttempts\":1,\"initialMs\":10,\"factor\":1.5,\"maxMs\":20,"
                   "\"maxAgeMs\":30,\"finalStatuses\":[404]}}");
    const struct delivery_policy *delivery = &subscription->delivery;
    assert_true(subscription->is_sync);
    assert_true(bytes_equal_text(subscription->method, "GET"));
    assert_true(bytes_equal_text(subscription->path, "/users/:id"));
    assert_int_equal(delivery->max_in_flight, 3);
    assert_int_equal(delivery->ordering, ORDERING_KEY);
    assert_true(delivery->rate_per_second == 0.5);
    assert_int_equal(delivery->batch_max_events, 1000);
    assert_int_equal(delivery->batch_max_wait_ms, 0);
    assert_int_equal(delivery->timeout_ms, 900000);
    assert_false(delivery->has_dead_letter);
    assert_int_equal(delivery->retry.max_attempts, 1);
    assert_int_equal(delivery->retry.initial_ms, 10);
    assert_true(delivery->retry.factor == 1.5);
    assert_int_equal(delivery->retry.max_ms, 20);
    assert_int_equal(delivery->retry.max_age_ms, 30);
    assert_int_equal(delivery->retry.final_status_count, 1);
    assert_int_equal(delivery->retry.final_statuses[0], 404);
    subscription_unref(subscription);
}

static void wrong_members_are_named(void **state) {
    (void)state;
    static const struct {
        const char *more, *reason;
    } cases[] = {
        {",\"space\":\"\"", "space:"},
        {",\"subscriptionId\":7", "subscriptionId:"},
        {",\"type\":\"both\"", "type:"},
        {",\"eventType\":null", "eventType:"},
        {",\"functionId\":[]", "functionId:"},
        {",\"method\":\"TRACE\"", "method:"},
        {",\"method\":1", "method:"},
        {",\"path\":1", "path:"},
        {",\"path\":\"/*a/b\"", "path:"},
        {",\"paused\":\"yes\"", "paused:"},
        {",\"delivery\":[]", "delivery:"},
        {",\"delivery\":{\"maxInFlight\":0}", "delivery.maxInFlight:"},
        {",\"delivery\":{\"maxInFlight\":10001}", "delivery.maxInFlight:"},
        {",\"delivery\":{\"maxInFlight\":1.5}", "delivery.maxInFlight:"},
        {",\"delivery\":{\"timeoutMs\":900001}", "delivery.timeoutMs:"},
        {",\"delivery\":{\"timeoutMs\":0}", "delivery.timeoutMs:"},
        {",\"delivery\":{\"deadLetter\":1}", "delivery.deadLetter:"},
        {",\"delivery\":{\"ordering\":\"fifo\"}", "delivery.ordering:"},
        {",\"delivery\":{\"ordering\":null}", "delivery.ordering:"},
        {",\"delivery\":{\"ratePerSecond\":0}", "delivery.ratePerSecond:"},
        {",\"delivery\":{\"ratePerSecond\":\"9\"}", "delivery.ratePerSecond:"},
        {",\"delivery\":{\"ratePerSecond\":1e7}", "delivery.ratePerSecond:"},
        {",\"delivery\":{\"batch\":7}", "delivery.batch:"},
        {",\"delivery\":{\"batch\":{\"maxEvents\":0}}", "delivery.batch.maxEvents:"},
        {",\"delivery\":{\"batch\":{\"maxEvents\":1001}}", "delivery.batch.maxEvents:"},
        {",\"delivery\":{\"batch\":{\"maxWaitMs\":-1}}", "delivery.batch.maxWaitMs:"},
        {",\"delivery\":{\"batch\":{\"maxWaitMs\":60001}}", "delivery.batch.maxWaitMs:"},
        {",\"delivery\":{\"retry\":1}", "delivery.retry:"},
        {",\"delivery\":{\"retry\":{\"maxAttempts\":0}}", "delivery.retry.maxAttempts:"},
        {",\"delivery\":{\"retry\":{\"maxAttempts\":1001}}", "delivery.retry.maxAttempts:"},
        {",\"delivery\":{\"retry\":{\"initialMs\":0}}", "delivery.retry.initialMs:"},
        {",\"delivery\":{\"retry\":{\"factor\":0.5}}", "delivery.retry.factor:"},
        {",\"delivery\":{\"retry\":{\"factor\":\"2\"}}", "delivery.retry.factor:"},
        {",\"delivery\":{\"retry\":{\"factor\":10.5}}", "delivery.retry.factor:"},
        {",\"delivery\":{\"retry\":{\"maxMs\":604800001}}", "delivery.retry.maxMs:"},
        {",\"delivery\":{\"retry\":{\"maxAgeMs\":0}}", "delivery.retry.maxAgeMs:"},
        {",\"delivery\":{\"retry\":{\"finalStatuses\":200}}", "delivery.retry.finalStatuses:"},
        {",\"delivery\":{\"retry\":{\"finalStatuses\":[400,200]}}",
         "delivery.retry.finalStatuses[1]:"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct subscription *subscription = NULL;
        struct error error = {""};
        assert_int_equal(parse(cases[i].more, &subscription, &error), STATUS_INVALID);
        assert_null(subscription);
        assert_ptr_equal(strstr(error.text, cases[i].reason), error.text);
    }
}

static void what_is_not_built_yet_is_refused_instead_of_ignored(void **state) {
    (void)state;
    static const char *const cases[] = {
        ",\"filters\":[{\"exact\":{\"source\":\"/shop\"}}]",
        ",\"transform\":{\"jq\":\".\"}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct subscription *subscription = NULL;
        struct error error = {""};
        assert_int_equal(parse(cases[i], &subscription, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "not supported yet"));
    }
}

static void what_is_not_built_yet_passes_when_it_says_the_default(void **state) {
    (void)state;
    subscription_unref(parse_good(",\"filters\":[],\"transform\":null,\"start\":\"latest\""));
}

static void a_document_that_is_no_object_is_invalid(void **state) {
    (void)state;
    const struct subscription *subscription = NULL;
    json_t *document = json_array();
    assert_int_equal(subscription_parse(document, &subscription, NULL), STATUS_INVALID);
    json_decref(document);
}

static void metadata_alone_does_not_change_the_delivery(void **state) {
    (void)state;
    static const char *const different[] = {
        ",\"path\":\"/x\"",
        ",\"functionId\":\"ship\"",
        ",\"delivery\":{\"maxInFlight\":65}",
        ",\"delivery\":{\"deadLetter\":false}",
        ",\"delivery\":{\"retry\":{\"finalStatuses\":[]}}",
        ",\"delivery\":{\"retry\":{\"factor\":3}}",
    };
    const struct subscription *one = parse_good("");
    const struct subscription *two =
        parse_good(",\"metadata\":{\"team\":\"a\"},\"delivery\":{\"maxInFlight\":64}");
    assert_true(subscription_same_delivery(one, two));
    for (size_t i = 0; i < ARRAY_LENGTH(different); i++) {
        const struct subscription *other = parse_good(different[i]);
        assert_false(subscription_same_delivery(one, other));
        subscription_unref(other);
    }
    subscription_unref(one);
    subscription_unref(two);
}

static void a_reference_keeps_the_subscription_and_its_document(void **state) {
    (void)state;
    const struct subscription *subscription = parse_good(",\"path\":\"/a/\"");
    const struct subscription *kept = subscription_ref(subscription);
    subscription_unref(subscription);
    assert_true(bytes_equal_text(kept->path, "/a"));
    assert_string_equal(json_string_value(json_object_get(kept->document, "path")), "/a/");
    subscription_unref(kept);
    subscription_unref(NULL);
}

static void ids_are_those_of_the_original(void **state) {
    (void)state;
    struct buffer id = {0};
    struct buffer plain = {0};
    subscription_id_write(false, BYTES("user.created"), BYTES("send"), BYTES("/a/:b"),
                          BYTES("POST"), &id);
    assert_int_equal(base64url_decode(buffer_bytes(&id), &plain), STATUS_OK);
    assert_string_equal(plain.data, "async,user.created,send,%2Fa%2F:b,POST");
    assert_int_equal(bytes_find(buffer_bytes(&id), '='), id.size);
    buffer_reset(&id);
    buffer_reset(&plain);
    subscription_id_write(true, BYTES("http.request"), BYTES("send"), BYTES("/"), BYTES("GET"),
                          &id);
    assert_int_equal(base64url_decode(buffer_bytes(&id), &plain), STATUS_OK);
    assert_string_equal(plain.data, "sync,http.request,%2F,GET");
    buffer_reset(&id);
    subscription_classic_id_write(BYTES("http"), BYTES("send"), BYTES("/a b"), BYTES("GET"), &id);
    assert_string_equal(id.data, "http,GET,%2Fa%20b");
    buffer_reset(&id);
    subscription_classic_id_write(BYTES("user.created"), BYTES("send"), BYTES("/"), BYTES("POST"),
                                  &id);
    assert_string_equal(id.data, "user.created,send,%2F");
    buffer_clear(&id);
    buffer_clear(&plain);
}

static void fingerprint_of(const char *more, char ret_text[SUBSCRIPTION_FINGERPRINT_SIZE]) {
    const struct subscription *subscription = parse_good(more);
    memcpy(ret_text, subscription->fingerprint, SUBSCRIPTION_FINGERPRINT_SIZE);
    subscription_unref(subscription);
}

static void the_fingerprint_is_of_the_very_subscription(void **state) {
    (void)state;
    char fingerprint[SUBSCRIPTION_FINGERPRINT_SIZE];
    char other[SUBSCRIPTION_FINGERPRINT_SIZE];
    fingerprint_of(",\"created\":\"1\"", fingerprint);
    assert_int_equal(strlen(fingerprint), SUBSCRIPTION_FINGERPRINT_SIZE - 1);
    fingerprint_of(",\"created\":\"1\",\"paused\":true", other);
    assert_string_equal(fingerprint, other);
    // What "printf 'default\nid\n1' | openssl dgst -sha256 -binary | base64" begins with.
    assert_string_equal(fingerprint, "wQLpZ9vakDqb0oj0");
    const char *const differing[] = {",\"created\":\"2\"",
                                     ",\"created\":\"1\",\"subscriptionId\":\"di\"",
                                     ",\"created\":\"1\",\"space\":\"other\""};
    for (size_t i = 0; i < ARRAY_LENGTH(differing); i++) {
        fingerprint_of(differing[i], other);
        assert_string_not_equal(fingerprint, other);
    }
    fingerprint_of("", other);
    assert_string_equal(other, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_absent_has_the_defaults_of_the_contract),
        cmocka_unit_test(what_is_given_is_read),
        cmocka_unit_test(wrong_members_are_named),
        cmocka_unit_test(what_is_not_built_yet_is_refused_instead_of_ignored),
        cmocka_unit_test(what_is_not_built_yet_passes_when_it_says_the_default),
        cmocka_unit_test(a_document_that_is_no_object_is_invalid),
        cmocka_unit_test(metadata_alone_does_not_change_the_delivery),
        cmocka_unit_test(a_reference_keeps_the_subscription_and_its_document),
        cmocka_unit_test(ids_are_those_of_the_original),
        cmocka_unit_test(the_fingerprint_is_of_the_very_subscription),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
