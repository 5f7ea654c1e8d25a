// What browsers ask of the Events API: preflights and cross-origin requests.
#include "tests/unit/ingest/ingest_test.h"

static int rules_setup(void **state) {
    struct ingest_fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->has_cors_rules = true;
    fixture->options.hosted_domain = "example.com";
    *state = fixture;
    fixture_start(fixture);
    return 0;
}

// header: "Name: value" that must be there; with '!' before the name it must not.
static void expect_header(void **state, const char *line, const char *headers, int status,
                          const char *header) {
    char value[256] = "";
    char name[64] = "";
    bool is_wanted = header[0] != '!';
    snprintf(name, sizeof name, "%.*s", (int)strcspn(header + !is_wanted, ":"),
             header + !is_wanted);
    struct raw_answer answer = read_answer(send_request(*state, line, headers, ""));
    bool is_there = raw_header(&answer, name, value, sizeof value);
    const char *wanted = strchr(header, ':');
    if (answer.status != status || is_there != is_wanted ||
        (is_wanted && strcmp(value, wanted + 2) != 0)) {
        fail_msg("%s\n%s  expected %d %s\n  answered %d %s: %s", line, headers, status, header,
                 answer.status, name, value);
    }
    raw_answer_clear(&answer);
}

#define PREFLIGHT(origin, method)                                                                  \
    "Origin: " origin "\r\nAccess-Control-Request-Method: " method "\r\n"

static void a_preflight_is_answered_by_the_rule_of_the_method_it_asks_about(void **state) {
    struct ingest_fixture *fixture = *state;
    expect_header(state, "OPTIONS /sync/ada", PREFLIGHT("https://page.example", "GET"), 204,
                  "Access-Control-Allow-Origin: https://page.example");
    expect_header(state, "OPTIONS /sync/ada", PREFLIGHT("https://page.example", "GET"), 204,
                  "Access-Control-Allow-Methods: GET");
    expect_header(
        state, "OPTIONS /sync/ada",
        PREFLIGHT("https://page.example", "GET") "Access-Control-Request-Headers: x-one\r\n", 204,
        "Access-Control-Allow-Headers: x-one");
    expect_header(state, "OPTIONS /async", PREFLIGHT("https://x.page.example", "POST"), 204,
                  "Access-Control-Allow-Credentials: true");
    assert_int_equal(fixture->calls, 0);
    expect_stored(state, 0);
}

static void a_preflight_that_no_rule_allows_is_refused(void **state) {
    expect_header(state, "OPTIONS /sync/ada", PREFLIGHT("https://evil.example", "GET"), 403,
                  "!Access-Control-Allow-Origin");
    expect(state, "OPTIONS /sync/ada",
           PREFLIGHT("https://page.example", "GET") "Access-Control-Request-Headers: x-two\r\n", "",
           403, "CORS: header \\\"x-two\\\" is not allowed");
    expect_header(state, "OPTIONS /async", PREFLIGHT("https://page.example", "POST"), 403,
                  "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
}

static void an_options_request_that_is_no_preflight_is_like_any_other(void **state) {
    expect(state, "OPTIONS /sync/ada", "Origin: https://page.example\r\n", "", 404, "not found");
    expect(state, "OPTIONS /nowhere", PREFLIGHT("https://page.example", "GET"), "", 404,
           "not found");
    expect(state, "OPTIONS /sync/ada", PREFLIGHT("https://page.example", "DELETE"), "", 404,
           "not found");
}

static void answers_carry_what_the_rule_says(void **state) {
    expect_header(state, "GET /sync/ada", "Origin: https://page.example\r\n", 200,
                  "Access-Control-Allow-Origin: https://page.example");
    expect_header(state, "GET /sync/ada", "Origin: https://page.example\r\n", 200, "Vary: Origin");
    expect_header(state, "GET /sync/ada", "Origin: https://evil.example\r\n", 200,
                  "!Access-Control-Allow-Origin");
    expect_header(state, "GET /sync/ada", "", 200, "Vary: Origin");
    expect_header(state, "POST /async", "Origin: https://x.page.example\r\n", 202,
                  "Access-Control-Allow-Credentials: true");
}

static void errors_carry_it_too(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "no JSON";
    expect_header(state, "GET /sync/ada", "Origin: https://page.example\r\n", 500,
                  "Access-Control-Allow-Origin: https://page.example");
    event_log_memory_set_away(fixture->log, true);
    expect_header(state, "POST /async", "Origin: https://x.page.example\r\n", 503,
                  "Access-Control-Allow-Origin: https://x.page.example");
    event_log_memory_set_away(fixture->log, false);
}

static void a_function_does_not_overrule_the_rule(void **state) {
    struct ingest_fixture *fixture = *state;
    fixture->function_answer = "{\"headers\":{\"access-control-allow-origin\":\"*\"}}";
    expect_header(state, "GET /sync/ada", "Origin: https://evil.example\r\n", 200,
                  "!Access-Control-Allow-Origin");
}

static void under_a_hosted_domain_the_space_is_part_of_the_rules_path(void **state) {
    expect_header(state, "OPTIONS /team1/open", PREFLIGHT("https://any.example", "POST"), 204,
                  "Access-Control-Allow-Origin: *");
    // The rule is the default space's, not team1's.
    expect_header(state, "OPTIONS /open",
                  "Host: team1.example.com\r\n" PREFLIGHT("https://any.example", "POST"), 404,
                  "!Access-Control-Allow-Origin");
    expect_header(state, "OPTIONS /open",
                  "Host: team1.example.com\r\n" PREFLIGHT(
                      "https://any.example", "POST") "Access-Control-Request-Headers: event\r\n",
                  204, "Access-Control-Allow-Origin: *");
}

static void classic_events_are_open_to_every_origin(void **state) {
    expect_header(state, "OPTIONS /",
                  PREFLIGHT("https://any.example",
                            "POST") "Access-Control-Request-Headers: content-type,event\r\n",
                  204, "Access-Control-Allow-Headers: content-type,event");
    expect_header(state, "POST /", "Event: t\r\nOrigin: https://any.example\r\n", 202,
                  "Access-Control-Allow-Origin: *");
    expect_header(state, "POST /", "Event: t\r\nOrigin: https://any.example\r\n", 202,
                  "Access-Control-Expose-Headers: Event-Id");
    expect_header(state, "POST /",
                  "Event: invoke\r\nFunction-ID: f\r\nOrigin: https://any.example\r\n", 200,
                  "!Access-Control-Allow-Credentials");
    expect_header(state, "POST /",
                  "Event: invoke\r\nFunction-ID: g\r\nOrigin: https://any.example\r\n", 500,
                  "Access-Control-Allow-Origin: *");
    expect_header(state, "POST /", "Event: t\r\n", 202, "!Access-Control-Allow-Origin");
}

static void a_rule_counts_for_classic_events_too(void **state) {
    expect_header(state, "POST /async", "Event: t\r\nOrigin: https://evil.example\r\n", 202,
                  "!Access-Control-Allow-Origin");
}

static void without_rules_nothing_is_added(void **state) {
    expect_header(state, "GET /sync/ada", "Origin: https://page.example\r\n", 200, "!Vary");
    expect_header(state, "OPTIONS /sync/ada", PREFLIGHT("https://page.example", "GET"), 404,
                  "!Vary");
}

#define WITH_RULES(test) cmocka_unit_test_setup_teardown(test, rules_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_RULES(a_preflight_is_answered_by_the_rule_of_the_method_it_asks_about),
        WITH_RULES(a_preflight_that_no_rule_allows_is_refused),
        WITH_RULES(an_options_request_that_is_no_preflight_is_like_any_other),
        WITH_RULES(answers_carry_what_the_rule_says),
        WITH_RULES(errors_carry_it_too),
        WITH_RULES(a_function_does_not_overrule_the_rule),
        WITH_RULES(under_a_hosted_domain_the_space_is_part_of_the_rules_path),
        WITH_RULES(classic_events_are_open_to_every_origin),
        WITH_RULES(a_rule_counts_for_classic_events_too),
        FIXTURE_TEST(without_rules_nothing_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
