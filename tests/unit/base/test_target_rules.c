// Which addresses may be called: public ones always, special ones only by rule.
#include "core/base/target_rules.h"

#include "core/base/memory.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

static bool allows(const struct target_rules *rules, const char *text) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return target_rules_allow(rules, (struct sockaddr *)&v4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return target_rules_allow(rules, (struct sockaddr *)&v6);
}

static struct target_rules *create(const char *list) {
    struct target_rules *rules = NULL;
    struct error error = {{0}};
    enum status status = target_rules_create(list, &rules, &error);
    if (status != STATUS_OK) {
        fail_msg("%s: %s", list ? list : "NULL", error.text);
    }
    return rules;
}

static void assert_all(const char *list, const char *const *addresses, size_t count,
                       bool expected) {
    struct target_rules *rules = create(list);
    for (size_t i = 0; i < count; i++) {
        if (allows(rules, addresses[i]) != expected) {
            fail_msg("%s with \"%s\"", addresses[i], list ? list : "");
        }
    }
    target_rules_destroy(rules);
}

static const char *const special[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "fc00::1",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "100::1",
};
static const char *const ordinary[] = {
    "1.1.1.1",          "9.255.255.255",   "11.0.0.0",     "100.63.255.255", "100.128.0.0",
    "126.255.255.255",  "128.0.0.1",       "169.253.0.1",  "169.255.0.1",    "172.15.255.255",
    "172.32.0.0",       "192.0.1.1",       "192.167.1.1",  "192.169.0.1",    "198.17.255.255",
    "198.20.0.0",       "223.255.255.1",   "2606:4700::1", "2a00:1450::1",   "::ffff:8.8.8.8",
    "64:ff9b::808:808", "2002:808:808::1", "fbff::1",
};

static void public_addresses_are_allowed_without_a_rule(void **state) {
    (void)state;
    assert_all("", ordinary, ARRAY_LENGTH(ordinary), true);
    assert_all("127.0.0.0/8", ordinary, ARRAY_LENGTH(ordinary), true);
}

static void special_addresses_are_not_allowed_without_a_rule(void **state) {
    (void)state;
    assert_all("", special, ARRAY_LENGTH(special), false);
    assert_all(NULL, special, ARRAY_LENGTH(special), false);
    assert_all("  ", special, ARRAY_LENGTH(special), false);
}

static void any_allows_everything(void **state) {
    (void)state;
    assert_all("any", special, ARRAY_LENGTH(special), true);
    assert_all("10.0.0.0/8, any", special, ARRAY_LENGTH(special), true);
}

static void a_rule_allows_its_range_and_nothing_beside_it(void **state) {
    (void)state;
    struct target_rules *rules =
        create(" 127.0.0.0/8 ,::1,10.1.128.0/17\t,169.254.169.254,fd00::/9");
    assert_true(allows(rules, "127.9.9.9"));
    assert_true(allows(rules, "::1"));
    assert_true(allows(rules, "10.1.128.0"));
    assert_true(allows(rules, "10.1.255.255"));
    assert_false(allows(rules, "10.1.127.255"));
    assert_false(allows(rules, "10.2.128.0"));
    assert_true(allows(rules, "169.254.169.254"));
    assert_false(allows(rules, "169.254.169.253"));
    assert_true(allows(rules, "fd7f::1"));
    assert_false(allows(rules, "fd80::1"));
    target_rules_destroy(rules);
}

static void a_rule_for_ipv4_counts_for_its_ipv6_forms(void **state) {
    (void)state;
    struct target_rules *rules = create("10.0.0.0/8");
    assert_true(allows(rules, "::ffff:10.1.2.3"));
    assert_true(allows(rules, "64:ff9b::10.1.2.3"));
    assert_false(allows(rules, "::ffff:127.0.0.1"));
    target_rules_destroy(rules);
    rules = create("::ffff:127.0.0.0/104");
    assert_true(allows(rules, "127.0.0.1"));
    assert_false(allows(rules, "10.0.0.1"));
    target_rules_destroy(rules);
}

static void ranges_of_everything_allow_their_family(void **state) {
    (void)state;
    struct target_rules *rules = create("0.0.0.0/0");
    assert_true(allows(rules, "127.0.0.1"));
    assert_false(allows(rules, "::1"));
    target_rules_destroy(rules);
    rules = create("::/0");
    assert_true(allows(rules, "::1"));
    target_rules_destroy(rules);
}

static void other_families_are_not_allowed(void **state) {
    (void)state;
    struct target_rules *rules = create("0.0.0.0/0,::/0");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_false(target_rules_allow(rules, (struct sockaddr *)&address));
    target_rules_destroy(rules);
}

static void an_error_names_the_bad_element(void **state) {
    (void)state;
    static const struct {
        const char *list;
        const char *named;
    } cases[] = {
        {"10.0.0.0/33", "\"10.0.0.0/33\""},
        {"10.0.0.0/", "\"10.0.0.0/\""},
        {"127.0.0.1,nonsense", "\"nonsense\""},
        {"::1,10.0.0/8,::2", "\"10.0.0/8\""},
        {"::1/129", "\"::1/129\""},
        {"10.0.0.0/8x", "\"10.0.0.0/8x\""},
        {"10.0.0.0/-1", "\"10.0.0.0/-1\""},
        {"1.2.3.4,", "\"\""},
        {",", "\"\""},
        {"localhost", "\"localhost\""},
        {"anyone", "\"anyone\""},
        {"10.0.0.0/0008", "\"10.0.0.0/0008\""},
        {"/8", "\"/8\""},
        {"fe80::1%eth0", "\"fe80::1%eth0\""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct target_rules *rules = NULL;
        struct error error = {{0}};
        assert_int_equal(target_rules_create(cases[i].list, &rules, &error), STATUS_INVALID);
        assert_null(rules);
        assert_non_null(strstr(error.text, cases[i].named));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_addresses_are_allowed_without_a_rule),
        cmocka_unit_test(special_addresses_are_not_allowed_without_a_rule),
        cmocka_unit_test(any_allows_everything),
        cmocka_unit_test(a_rule_allows_its_range_and_nothing_beside_it),
        cmocka_unit_test(a_rule_for_ipv4_counts_for_its_ipv6_forms),
        cmocka_unit_test(ranges_of_everything_allow_their_family),
        cmocka_unit_test(other_families_are_not_allowed),
        cmocka_unit_test(an_error_names_the_bad_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
