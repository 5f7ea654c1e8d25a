#include "core/functions/weighted.h"

#include "functions_test.h"

static void calls_are_shared_by_weight(void **state) {
    (void)state;
    enum {
        CALLS = 1000
    };
    int first = 0;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "a", "http", "{\"url\":\"http://127.0.0.1:PORT/a\"}", NULL);
    fixture_put(&fixture, "b", "http", "{\"url\":\"http://127.0.0.1:PORT/b\"}", NULL);
    fixture_put(&fixture, "never", "http", "{\"url\":\"http://127.0.0.1:PORT/never\"}", NULL);
    fixture_put(&fixture, "w", "weighted",
                "{\"weighted\":[{\"functionId\":\"never\",\"weight\":0},"
                "{\"functionId\":\"a\",\"weight\":3},{\"functionId\":\"b\",\"weight\":1},"
                "{\"functionId\":\"never\",\"weight\":0}]}",
                NULL);
    for (int i = 0; i < CALLS; i++) {
        fixture_call(&fixture, "w");
        assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
        assert_null(strstr(fixture.stub.head.data, "never"));
        first += strncmp(fixture.stub.head.data, "POST /a\n", 8) == 0;
    }
    // 750 expected; seven standard deviations (13.7 each) are beyond chance.
    assert_in_range(first, 750 - 96, 750 + 96);
    fixture_close(&fixture);
}

static void a_weighted_function_may_choose_another_one(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "a", "http", "{\"url\":\"http://127.0.0.1:PORT/a\"}", NULL);
    fixture_put(&fixture, "inner", "weighted",
                "{\"weighted\":[{\"functionId\":\"a\",\"weight\":1}]}", NULL);
    fixture_put(&fixture, "outer", "weighted",
                "{\"weighted\":[{\"functionId\":\"inner\",\"weight\":5}]}", NULL);
    fixture_call(&fixture, "outer");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    fixture_close(&fixture);
}

static void a_cycle_that_got_in_ends_as_a_failure(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "a", "weighted", "{\"weighted\":[{\"functionId\":\"b\",\"weight\":1}]}",
                NULL);
    fixture_put(&fixture, "b", "weighted", "{\"weighted\":[{\"functionId\":\"a\",\"weight\":1}]}",
                NULL);
    fixture_call(&fixture, "a");
    assert_int_equal(fixture.result.outcome, INVOCATION_FAILED);
    assert_string_equal(fixture.error_text, "weighted functions are nested too deeply");
    fixture_close(&fixture);
}

static void a_member_that_is_gone_is_named(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "w", "weighted",
                "{\"weighted\":[{\"functionId\":\"ghost\",\"weight\":1}]}", NULL);
    fixture_call(&fixture, "w");
    assert_int_equal(fixture.result.outcome, INVOCATION_NO_FUNCTION);
    assert_string_equal(fixture.error_text, "Function \"ghost\" not found.");
    fixture_close(&fixture);
}

static void assert_weighted(struct fixture *fixture, const char *id, const char *provider,
                            const char *text) {
    struct error error = {0};
    json_t *value = NULL;
    assert_int_equal(json_parse(bytes_of_text(provider), &value, NULL), STATUS_OK);
    enum status status = weighted_check(fixture_snapshot(fixture), BYTES("default"),
                                        bytes_of_text(id), value, &error);
    assert_int_equal(status, text ? STATUS_INVALID : STATUS_OK);
    assert_string_equal(error.text, text ? text : "");
    json_decref(value);
}

static void members_must_exist_and_not_lead_back(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    fixture_put(&fixture, "a", "http", "{\"url\":\"http://127.0.0.1/\"}", NULL);
    fixture_put(&fixture, "b", "weighted", "{\"weighted\":[{\"functionId\":\"w\",\"weight\":1}]}",
                NULL);
    assert_weighted(&fixture, "w", "{\"url\":\"http://127.0.0.1/\"}", NULL);
    assert_weighted(&fixture, "w", "{\"weighted\":[{\"functionId\":\"a\",\"weight\":1}]}", NULL);
    assert_weighted(&fixture, "w", "{\"weighted\":[{\"functionId\":\"ghost\",\"weight\":1}]}",
                    "Function \"ghost\" not found.");
    assert_weighted(&fixture, "w", "{\"weighted\":[{\"functionId\":\"w\",\"weight\":1}]}",
                    "provider.weighted: function \"w\" would call itself");
    assert_weighted(&fixture, "w", "{\"weighted\":[{\"functionId\":\"b\",\"weight\":1}]}",
                    "provider.weighted: function \"w\" would call itself");
    fixture_close(&fixture);
}

// Each level names the next one many times, so that there are 200^7 ways through.
static void many_ways_through_the_members_are_refused_soon(void **state) {
    (void)state;
    struct fixture fixture;
    struct buffer provider = {0};
    fixture_open(&fixture);
    fixture_put(&fixture, "level8", "http", "{\"url\":\"http://127.0.0.1/\"}", NULL);
    for (int level = 7; level >= 1; level--) {
        char id[16];
        snprintf(id, sizeof id, "level%d", level);
        buffer_reset(&provider);
        buffer_append_text(&provider, "{\"weighted\":[");
        for (int i = 0; i < 200; i++) {
            buffer_append_format(&provider, "%s{\"functionId\":\"level%d\",\"weight\":1}",
                                 i > 0 ? "," : "", level + 1);
        }
        buffer_append_text(&provider, "]}");
        fixture_put(&fixture, id, "weighted", provider.data, NULL);
    }
    assert_weighted(&fixture, "w", "{\"weighted\":[{\"functionId\":\"level1\",\"weight\":1}]}",
                    "provider.weighted: more than 10000 members in nested functions");
    buffer_clear(&provider);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_shared_by_weight),
        cmocka_unit_test(a_weighted_function_may_choose_another_one),
        cmocka_unit_test(a_cycle_that_got_in_ends_as_a_failure),
        cmocka_unit_test(a_member_that_is_gone_is_named),
        cmocka_unit_test(members_must_exist_and_not_lead_back),
        cmocka_unit_test(many_ways_through_the_members_are_refused_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
