#include "functions_test.h"

static void the_emulator_gets_the_event_with_the_functions_id(void **state) {
    (void)state;
    struct fixture fixture;
    json_t *document = NULL;
    const json_t *payload;
    fixture_open(&fixture);
    fixture_put(&fixture, "f", "emulator",
                "{\"emulatorUrl\":\"http://127.0.0.1:PORT/\",\"apiVersion\":\"v0\"}", "classic");
    fixture_call(&fixture, "f");
    assert_int_equal(fixture.result.outcome, INVOCATION_SUCCEEDED);
    assert_memory_equal(fixture.stub.head.data, "POST /v0/emulator/api/functions/invoke\n", 39);
    assert_non_null(strstr(fixture.stub.body.data, "{\"functionId\":\"f\",\"payload\":{"));
    assert_int_equal(json_parse(buffer_bytes(&fixture.stub.body), &document, NULL), STATUS_OK);
    payload = json_object_get(document, "payload");
    assert_string_equal(json_string_value(json_object_get(payload, "event")), "order.placed");
    json_decref(document);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_emulator_gets_the_event_with_the_functions_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
