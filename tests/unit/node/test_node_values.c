#include "node_test.h"

#include <arpa/inet.h>

#include "core/node/node_values.h"

static struct node_settings settings_of(enum command command, const char *flags) {
    struct node_settings settings;
    struct error error;
    assert_int_equal(read_flags(command, flags, &settings, &error), STATUS_OK);
    return settings;
}

#define CLUSTER "--kafka a:1 --zookeeper b:2 "

static bool allows(const struct target_rules *rules, const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
    return target_rules_allow(rules, (const struct sockaddr *)&address);
}

static struct target_rules *targets_of(enum command command, const char *flags) {
    struct node_settings settings = settings_of(command, flags);
    struct target_rules *rules = NULL;
    struct error error;
    assert_int_equal(node_targets_create(&settings, &rules, &error), STATUS_OK);
    node_settings_clear(&settings);
    return rules;
}

static void functions_on_this_machine_are_allowed_in_dev_mode_alone(void **state) {
    (void)state;
    struct target_rules *rules = targets_of(COMMAND_DEV, "--allow-target 10.0.0.0/8");
    assert_true(allows(rules, "127.0.0.1"));
    assert_true(allows(rules, "10.1.2.3"));
    assert_false(allows(rules, "192.168.1.1"));
    target_rules_destroy(rules);
    rules = targets_of(COMMAND_RUN, CLUSTER "--allow-target 10.0.0.0/8,192.168.1.0/24");
    assert_false(allows(rules, "127.0.0.1"));
    assert_true(allows(rules, "10.1.2.3"));
    assert_true(allows(rules, "192.168.1.1"));
    target_rules_destroy(rules);
}

static void a_bad_target_is_said_with_its_flag(void **state) {
    (void)state;
    struct node_settings settings = settings_of(COMMAND_DEV, "--allow-target 10.0.0.0/64");
    struct target_rules *rules = NULL;
    struct error error;
    assert_int_equal(node_targets_create(&settings, &rules, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "--allow-target"));
    node_settings_clear(&settings);
}

static void workers_are_as_many_as_wanted_or_as_cores(void **state) {
    (void)state;
    struct node_settings settings = settings_of(COMMAND_DEV, "--workers 3");
    assert_int_equal(node_worker_count(settings.settings), 3);
    node_settings_clear(&settings);
    settings = settings_of(COMMAND_DEV, "");
    size_t count = node_worker_count(settings.settings);
    assert_true(count >= 1 && count <= 64);
    node_settings_clear(&settings);
}

static void a_share_of_the_bodies_holds_one_at_least(void **state) {
    (void)state;
    struct node_settings settings = settings_of(COMMAND_DEV, "--max-body 1MiB --max-bodies 8MiB");
    assert_int_equal(node_body_share(settings.settings, 4), 2 * 1024 * 1024);
    assert_int_equal(node_body_share(settings.settings, 64), 1024 * 1024);
    node_settings_clear(&settings);
}

static void ports_are_shared_only_in_a_cluster_that_asks_for_it(void **state) {
    (void)state;
    struct node_settings settings = settings_of(COMMAND_RUN, CLUSTER "--reuse-port");
    assert_true(node_may_share_ports(&settings));
    node_settings_clear(&settings);
    settings = settings_of(COMMAND_RUN, CLUSTER);
    assert_false(node_may_share_ports(&settings));
    node_settings_clear(&settings);
    settings = settings_of(COMMAND_DEV, "");
    assert_false(node_may_share_ports(&settings));
    node_settings_clear(&settings);
}

static void the_format_of_events_is_the_one_that_was_asked_for(void **state) {
    (void)state;
    struct node_settings settings = settings_of(COMMAND_DEV, "");
    assert_int_equal(node_default_format(settings.settings), EVENT_FORMAT_CLOUDEVENTS_1_0);
    node_settings_clear(&settings);
    settings = settings_of(COMMAND_DEV, "--default-event-format classic");
    assert_int_equal(node_default_format(settings.settings), EVENT_FORMAT_CLASSIC);
    node_settings_clear(&settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_on_this_machine_are_allowed_in_dev_mode_alone),
        cmocka_unit_test(a_bad_target_is_said_with_its_flag),
        cmocka_unit_test(workers_are_as_many_as_wanted_or_as_cores),
        cmocka_unit_test(a_share_of_the_bodies_holds_one_at_least),
        cmocka_unit_test(ports_are_shared_only_in_a_cluster_that_asks_for_it),
        cmocka_unit_test(the_format_of_events_is_the_one_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
