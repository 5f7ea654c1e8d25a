#include "ingest/cors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/memory.h"

static void patterns_match_as_a_whole_and_in_any_case(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"https://a.example", "https://a.example", true},
        {"https://A.Example", "https://a.eXample", true},
        {"https://a.example", "https://a.example:8080", false},
        {"https://a.example", "http://a.example", false},
        {"https://*.a.example", "https://x.a.example", true},
        {"https://*.a.example", "https://x.y.a.example", true},
        {"https://*.a.example", "https://a.example", false},
        {"https://*.a.example", "https://xa.example", false},
        {"https://*.a.example", "https://x.a.example.evil", false},
        {"http*://a.example:*", "https://a.example:8443", true},
        {"*", "anything", true},
        {"*", "", true},
        {"**", "x", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXcYb", false},
        {"", "", true},
        {"", "x", false},
        {"*a", "aaaaaaaaaaaaaaaaaaaaab", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        bool matches =
            cors_pattern_matches(bytes_of_text(cases[i].pattern), bytes_of_text(cases[i].text));
        if (matches != cases[i].matches) {
            fail_msg("%s, %s", cases[i].pattern, cases[i].text);
        }
    }
}

// A rule for origins (' for ") with GET, POST and X-One.
static const struct cors_rule *rule_for(const char *origins, bool credentials) {
    const struct cors_rule *rule = NULL;
    struct error error;
    json_t *list = json_loads(origins, 0, NULL);
    json_t *document =
        json_pack("{s:s,s:s,s:s,s:s,s:o,s:[ss],s:[s],s:b}", "space", "default", "corsId", "GET%2F",
                  "method", "GET", "path", "/", "allowedOrigins", list, "allowedMethods", "GET",
                  "POST", "allowedHeaders", "X-One", "allowCredentials", credentials);
    if (cors_rule_parse(document, &rule, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    json_decref(document);
    return rule;
}

// "Name: value" lines.
static const char *lines_of(const struct cors_answer *answer) {
    static char text[4096];
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < answer->count; i++) {
        const struct http_header *header = &answer->headers[i];
        size += (size_t)snprintf(text + size, sizeof text - size, "%.*s: %.*s\n",
                                 (int)header->name.size, header->name.data, (int)header->value.size,
                                 header->value.data);
    }
    return text;
}

static void expect_request(const struct cors_rule *rule, const char *origin, const char *method,
                           const char *lines) {
    struct cors_answer answer;
    struct cors_request request = {.origin = bytes_of_text(origin),
                                   .method = bytes_of_text(method)};
    cors_answer_request(rule, &request, &answer);
    assert_true(answer.is_there);
    assert_string_equal(lines_of(&answer), lines);
}

static void an_allowed_origin_is_named(void **state) {
    (void)state;
    const struct cors_rule *rule = rule_for("[\"https://a.example\",\"https://*.b\"]", false);
    expect_request(rule, "https://a.example", "GET",
                   "Vary: Origin\nAccess-Control-Allow-Origin: https://a.example\n");
    expect_request(rule, "https://x.b", "GET",
                   "Vary: Origin\nAccess-Control-Allow-Origin: https://x.b\n");
    expect_request(rule, "https://c", "GET", "Vary: Origin\n");
    expect_request(rule, "https://a.example", "DELETE", "Vary: Origin\n");
    expect_request(rule, "", "GET", "Vary: Origin\n");
    cors_rule_unref(rule);
}

static void everybody_is_a_star_and_nothing_varies(void **state) {
    (void)state;
    const struct cors_rule *rule = rule_for("[\"*\",\"https://a.example\"]", false);
    expect_request(rule, "https://c", "GET", "Access-Control-Allow-Origin: *\n");
    expect_request(rule, "", "GET", "Access-Control-Allow-Origin: *\n");
    cors_rule_unref(rule);
}

static void credentials_never_come_with_a_star(void **state) {
    (void)state;
    const struct cors_rule *rule = rule_for("[\"*\"]", true);
    expect_request(rule, "https://c", "GET",
                   "Vary: Origin\nAccess-Control-Allow-Origin: https://c\n"
                   "Access-Control-Allow-Credentials: true\n");
    expect_request(rule, "", "GET", "Vary: Origin\n");
    cors_rule_unref(rule);
}

static void the_origin_null_must_be_named(void **state) {
    (void)state;
    const struct cors_rule *pattern = rule_for("[\"*\"]", true);
    const struct cors_rule *named = rule_for("[\"null\"]", true);
    expect_request(pattern, "null", "GET", "Vary: Origin\n");
    expect_request(named, "null", "GET",
                   "Vary: Origin\nAccess-Control-Allow-Origin: null\n"
                   "Access-Control-Allow-Credentials: true\n");
    cors_rule_unref(pattern);
    cors_rule_unref(named);
}

static void without_a_rule_everybody_may_read(void **state) {
    (void)state;
    expect_request(NULL, "https://c", "POST",
                   "Access-Control-Allow-Origin: *\nAccess-Control-Expose-Headers: Event-Id\n");
}

static void expect_preflight(const struct cors_rule *rule, const char *origin, const char *method,
                             const char *headers, const char *refusal, const char *lines) {
    static const char vary[] =
        "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\n";
    struct cors_answer answer;
    struct error error = {0};
    struct cors_request request = {.origin = bytes_of_text(origin),
                                   .method = bytes_of_text(method),
                                   .headers = bytes_of_text(headers)};
    enum status status = cors_answer_preflight(rule, &request, &answer, &error);
    assert_int_equal(status, refusal ? STATUS_INVALID : STATUS_OK);
    if (refusal) {
        assert_string_equal(error.text, refusal);
    }
    const char *text = lines_of(&answer);
    assert_memory_equal(text, vary, sizeof vary - 1);
    assert_string_equal(text + sizeof vary - 1, lines);
}

static void a_preflight_is_told_what_it_asked_about(void **state) {
    (void)state;
    const struct cors_rule *rule = rule_for("[\"https://a\"]", true);
    expect_preflight(rule, "https://a", "POST", "x-one", NULL,
                     "Access-Control-Allow-Origin: https://a\n"
                     "Access-Control-Allow-Credentials: true\n"
                     "Access-Control-Allow-Methods: POST\nAccess-Control-Allow-Headers: x-one\n");
    expect_preflight(rule, "https://a", "GET", "", NULL,
                     "Access-Control-Allow-Origin: https://a\n"
                     "Access-Control-Allow-Credentials: true\n"
                     "Access-Control-Allow-Methods: GET\n");
    expect_preflight(rule, "https://a", "GET", "origin, ,X-ONE", NULL,
                     "Access-Control-Allow-Origin: https://a\n"
                     "Access-Control-Allow-Credentials: true\n"
                     "Access-Control-Allow-Methods: GET\n"
                     "Access-Control-Allow-Headers: origin, ,X-ONE\n");
    cors_rule_unref(rule);
}

static void a_preflight_that_is_refused_says_why(void **state) {
    (void)state;
    const struct cors_rule *rule = rule_for("[\"https://a\"]", true);
    expect_preflight(rule, "https://b", "GET", "", "CORS: origin \"https://b\" is not allowed", "");
    expect_preflight(rule, "https://a", "PUT", "", "CORS: method \"PUT\" is not allowed", "");
    expect_preflight(rule, "https://a", "GET", "x-one,x-two",
                     "CORS: header \"x-two\" is not allowed", "");
    cors_rule_unref(rule);
}

static void an_endless_origin_is_not_looked_at(void **state) {
    (void)state;
    char origin[1100];
    memset(origin, 'a', sizeof origin);
    origin[sizeof origin - 1] = '\0';
    const struct cors_rule *rule = rule_for("[\"a*\"]", false);
    expect_request(rule, origin, "GET", "Vary: Origin\n");
    cors_rule_unref(rule);
}

static void the_rules_word_replaces_the_functions(void **state) {
    (void)state;
    const struct cors_rule *rule = rule_for("[\"https://a\"]", false);
    struct cors_answer answer;
    struct cors_request request = {.origin = BYTES("https://a"), .method = BYTES("GET")};
    const struct http_header own[] = {{BYTES("access-control-allow-origin"), BYTES("*")},
                                      {BYTES("Access-Control-Allow-Credentials"), BYTES("true")},
                                      {BYTES("X-Own"), BYTES("1")}};
    struct http_response response = {.headers = own, .header_count = ARRAY_LENGTH(own)};
    struct http_header joined[ARRAY_LENGTH(own) + CORS_HEADERS_MAX];
    cors_answer_request(rule, &request, &answer);
    assert_int_equal(cors_answer_join(&answer, &response, joined), 3);
    assert_true(bytes_equal_text(joined[0].name, "X-Own"));
    assert_true(bytes_equal_text(joined[2].value, "https://a"));
    cors_rule_unref(rule);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_a_whole_and_in_any_case),
        cmocka_unit_test(an_allowed_origin_is_named),
        cmocka_unit_test(everybody_is_a_star_and_nothing_varies),
        cmocka_unit_test(credentials_never_come_with_a_star),
        cmocka_unit_test(the_origin_null_must_be_named),
        cmocka_unit_test(without_a_rule_everybody_may_read),
        cmocka_unit_test(a_preflight_is_told_what_it_asked_about),
        cmocka_unit_test(a_preflight_that_is_refused_says_why),
        cmocka_unit_test(an_endless_origin_is_not_looked_at),
        cmocka_unit_test(the_rules_word_replaces_the_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
