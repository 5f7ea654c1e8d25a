#include "node_test.h"

static void expect_refused(enum command command, const char *flags, const char *part) {
    struct node_settings settings;
    struct error error = {0};
    assert_int_equal(read_flags(command, flags, &settings, &error), STATUS_INVALID);
    if (!strstr(error.text, part)) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, part);
    }
}

static void dev_needs_nothing_and_has_all_roles(void **state) {
    (void)state;
    struct node_settings settings;
    struct error error;
    assert_int_equal(read_flags(COMMAND_DEV, "", &settings, &error), STATUS_OK);
    assert_int_equal(settings.roles, ROLE_INGEST | ROLE_DISPATCHER | ROLE_ADMIN);
    assert_string_equal(node_settings_data(&settings), "event-gateway-data");
    assert_int_equal(settings_number(settings.settings, "events-port"), 4000);
    assert_int_equal(settings_number(settings.settings, "max-body"), 1024 * 1024);
    node_settings_clear(&settings);
}

static void run_needs_kafka_and_zookeeper(void **state) {
    (void)state;
    expect_refused(COMMAND_RUN, "", "--kafka HOST:PORT is needed");
    expect_refused(COMMAND_RUN, "--kafka a:1", "--zookeeper HOST:PORT is needed");
}

static void an_advertised_address_is_a_host_alone(void **state) {
    (void)state;
    expect_refused(COMMAND_DEV, "--advertise-address http://a", "--advertise-address");
    expect_refused(COMMAND_DEV, "--advertise-address a/b", "no port");
    struct node_settings settings;
    struct error error;
    assert_int_equal(
        read_flags(COMMAND_DEV, "--advertise-address gw-1.example.com", &settings, &error),
        STATUS_OK);
    node_settings_clear(&settings);
}

static void roles_are_a_list_of_known_names(void **state) {
    (void)state;
    struct node_settings settings;
    struct error error;
    assert_int_equal(read_flags(COMMAND_RUN, "--kafka a:1 --zookeeper b:2 --role ingest,admin",
                                &settings, &error),
                     STATUS_OK);
    assert_int_equal(settings.roles, ROLE_INGEST | ROLE_ADMIN);
    assert_null(node_settings_data(&settings));
    node_settings_clear(&settings);
    expect_refused(COMMAND_RUN, "--kafka a:1 --zookeeper b:2 --role ingst",
                   "\"ingst\" is not one of ingest, dispatcher, admin");
}

static void a_config_address_that_others_reach_needs_a_token(void **state) {
    (void)state;
    struct node_settings settings;
    struct error error;
    expect_refused(COMMAND_DEV, "--config-address 0.0.0.0", "--admin-token-file");
    expect_refused(COMMAND_DEV, "--config-address ::", "--admin-token-file");
    assert_int_equal(
        read_flags(COMMAND_DEV, "--config-address 0.0.0.0 --admin-token-file x", &settings, &error),
        STATUS_OK);
    node_settings_clear(&settings);
    assert_int_equal(read_flags(COMMAND_DEV, "--config-address ::1", &settings, &error), STATUS_OK);
    node_settings_clear(&settings);
}

static void addresses_are_numeric(void **state) {
    (void)state;
    expect_refused(COMMAND_DEV, "--events-address localhost", "not a numeric IP address");
    expect_refused(COMMAND_DEV, "--config-address 1.2.3", "not a numeric IP address");
}

static void a_flag_of_the_other_command_is_refused(void **state) {
    (void)state;
    expect_refused(COMMAND_DEV, "--kafka a:1", "--kafka");
}

static void help_names_every_flag_of_its_command_only(void **state) {
    (void)state;
    struct buffer help = {0};
    node_settings_write_help(COMMAND_DEV, &help);
    assert_non_null(strstr(help.data, "--events-port PORT"));
    assert_null(strstr(help.data, "--kafka HOST"));
    buffer_clear(&help);
    node_settings_write_help(COMMAND_RUN, &help);
    assert_non_null(strstr(help.data, "--kafka HOST"));
    assert_non_null(strstr(help.data, "--zookeeper-session TIME"));
    buffer_clear(&help);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dev_needs_nothing_and_has_all_roles),
        cmocka_unit_test(run_needs_kafka_and_zookeeper),
        cmocka_unit_test(roles_are_a_list_of_known_names),
        cmocka_unit_test(an_advertised_address_is_a_host_alone),
        cmocka_unit_test(a_config_address_that_others_reach_needs_a_token),
        cmocka_unit_test(addresses_are_numeric),
        cmocka_unit_test(a_flag_of_the_other_command_is_refused),
        cmocka_unit_test(help_names_every_flag_of_its_command_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
