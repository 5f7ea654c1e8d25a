#include "tests/unit/events/events_test.h"

#include "core/events/delivery_times.h"

#define DAY_US (86400 * (int64_t)1000000)

static const struct event *event_with(const char *header) {
    char text[256];
    snprintf(text, sizeof text,
             "POST /\nce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\n%s\n", header);
    return test_event(text);
}

static void times_are_those_of_the_extensions(void **state) {
    (void)state;
    static const struct {
        const char *header;
        int64_t not_before_us, expires_us;
    } cases[] = {
        {"", 0, INT64_MAX},
        {"ce-delivernotbefore: 2026-11-24T02:14:05.004005Z\n", RECEIVED_US, INT64_MAX},
        {"ce-delivernotbefore: 1969-12-31T23:59:59Z\n", 0, INT64_MAX},
        {"ce-delivernotbefore: tomorrow\n", 0, INT64_MAX},
        {"ce-expirytime: 2026-11-24T02:14:05.004005Z\n", 0, RECEIVED_US},
        {"ce-expirytime: 12\n", 0, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct event *event = event_with(cases[i].header);
        assert_int_equal(event_not_before_us(event), cases[i].not_before_us);
        assert_int_equal(event_expires_us(event), cases[i].expires_us);
        event_unref(event);
    }
}

static void check(const char *header, int64_t now_us, const char *part) {
    const struct event *event = event_with(header);
    struct error error = {{0}};
    enum status status = event_delivery_times_check(event, now_us, &error);
    assert_int_equal(status, part ? STATUS_INVALID : STATUS_OK);
    if (part && !strstr(error.text, part)) {
        fail_msg("\"%s\" is not in \"%s\"", part, error.text);
    }
    event_unref(event);
}

static void an_event_may_ask_for_seven_days(void **state) {
    (void)state;
    static const char later[] = "ce-delivernotbefore: 2026-11-24T02:14:05.004005Z\n";
    check("", RECEIVED_US, NULL);
    check(later, RECEIVED_US + 400 * DAY_US, NULL);
    check(later, RECEIVED_US - 7 * DAY_US, NULL);
    check(later, RECEIVED_US - 7 * DAY_US - 1, "7 days");
    check("ce-delivernotbefore: 0000-01-01T00:00:00Z\n", RECEIVED_US, NULL);
    check("ce-delivernotbefore: tomorrow\n", RECEIVED_US, "tomorrow");
    check("ce-delivernotbefore: 2026-11-24\n", RECEIVED_US, "2026-11-24");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_those_of_the_extensions),
        cmocka_unit_test(an_event_may_ask_for_seven_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
