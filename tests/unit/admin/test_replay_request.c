#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "admin/replays_api.h"
#include "core/base/memory.h"

static struct replay_request read_good(const char *body) {
    struct replay_request request;
    struct error error = {0};
    if (replay_request_read(bytes_of_text(body), &request, &error) != STATUS_OK) {
        fail_msg("%s: %s", body, error.text);
    }
    return request;
}

static void times_are_read(void **state) {
    (void)state;
    struct replay_request request =
        read_good("{\"from\":\"2026-11-25T00:00:00Z\",\"to\":\"2026-11-25T00:00:01.5Z\"}");
    assert_int_equal(request.to_ms - request.from_ms, 1500);
    json_decref(request.document);
    request = read_good("{\"from\":\"earliest\"}");
    assert_int_equal(request.from_ms, 0);
    assert_true(request.to_ms > INT64_C(4000000000000));
    json_decref(request.document);
}

static void assert_part(const struct replay_request *request, size_t partition, int64_t from,
                        int64_t until) {
    int64_t got_from = 100;
    int64_t got_until = 200;
    replay_request_apply(request, partition, &got_from, &got_until);
    assert_int_equal(got_from, from);
    assert_int_equal(got_until, until);
}

static void offsets_narrow_what_is_there(void **state) {
    (void)state;
    struct replay_request request = read_good("{\"from\":\"earliest\"}");
    assert_part(&request, 0, 100, 200);
    json_decref(request.document);
    request = read_good("{\"from\":{\"0\":150,\"2\":0,\"3\":900},\"to\":{\"0\":160,\"2\":999}}");
    assert_part(&request, 0, 150, 160);
    assert_part(&request, 1, 200, 200); // It is not named.
    assert_part(&request, 2, 100, 200); // Not more than there is.
    assert_part(&request, 3, 200, 200);
    json_decref(request.document);
    request = read_good("{\"from\":\"earliest\",\"to\":{\"1\":50}}");
    assert_part(&request, 0, 100, 200);
    assert_part(&request, 1, 50, 50); // Before what there is: nothing.
    json_decref(request.document);
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "object"},
        {"{}", "from"},
        {"{\"from\":\"soon\"}", "from"},
        {"{\"from\":{\"01\":1}}", "from"},
        {"{\"from\":{\"0\":\"1\"}}", "from"},
        {"{\"from\":\"earliest\",\"to\":{}}", "to"},
        {"{\"from\":\"2026-11-25T00:00:00Z\",\"to\":\"2026-11-24T00:00:00Z\"}", "to"},
        {"{\"from\":\"earliest\",\"ratePerSecond\":-1}", "ratePerSecond"},
        {"{\"from\":\"earliest\",\"filters\":[{\"prefix\":{\"type\":\"a\"}}]}", "prefix"},
        {"{\"from\":\"earliest\",\"partitions\":[]}", "partitions"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct replay_request request;
        struct error error = {0};
        assert_int_equal(replay_request_read(bytes_of_text(cases[i][0]), &request, &error),
                         STATUS_INVALID);
        assert_non_null(strstr(error.text, cases[i][1]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(offsets_narrow_what_is_there),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
