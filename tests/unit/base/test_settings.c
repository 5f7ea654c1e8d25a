// Settings from flags and variables, and the help.
#include "tests/unit/base/settings_test.h"

#include <stdio.h>
#include <string.h>

static void nothing_given_leaves_the_defaults(void **state) {
    (void)state;
    struct settings *settings = settings_of(RUN, LIST(), LIST());
    assert_null(settings_text(settings, "data"));
    assert_string_equal(settings_text(settings, "log-level"), "info");
    assert_int_equal(settings_number(settings, "events-port"), 4000);
    assert_int_equal(settings_number(settings, "offset"), 0);
    assert_int_equal(settings_number(settings, "max-body"), 1048576);
    assert_int_equal(settings_number(settings, "timeout"), 30000);
    assert_false(settings_switch(settings, "require-space"));
    assert_true(settings_switch(settings, "record"));
    assert_list(settings, "role", "[ingest][admin]");
    assert_list(settings, "kafka-set", "");
    settings_destroy(settings);
    settings_destroy(NULL);
}

static void a_flags_value_follows_it_or_an_equals_sign(void **state) {
    (void)state;
    struct settings *settings = settings_of(RUN,
                                            LIST("--events-port", "0", "--log-level=debug",
                                                 "--data=a=b", "--offset", "-5", "--kafka", ""),
                                            NULL);
    assert_int_equal(settings_number(settings, "events-port"), 0);
    assert_string_equal(settings_text(settings, "log-level"), "debug");
    assert_string_equal(settings_text(settings, "data"), "a=b");
    assert_int_equal(settings_number(settings, "offset"), -5);
    assert_string_equal(settings_text(settings, "kafka"), "");
    settings_destroy(settings);
}

static void a_switch_is_turned_on_and_off(void **state) {
    (void)state;
    struct settings *settings = settings_of(DEV, LIST("--require-space", "--no-record"), LIST());
    assert_true(settings_switch(settings, "require-space"));
    assert_false(settings_switch(settings, "record"));
    settings_destroy(settings);
    settings = settings_of(DEV, LIST("--require-space=true", "--record=false"), LIST());
    assert_true(settings_switch(settings, "require-space"));
    assert_false(settings_switch(settings, "record"));
    settings_destroy(settings);
}

static void numbers_have_units(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        int64_t number;
    } cases[] = {
        {"max-body", "2048", 2048},
        {"max-body", "2048B", 2048},
        {"max-body", "512KiB", 524288},
        {"max-body", "16MiB", 16777216},
        {"timeout", "500ms", 500},
        {"timeout", "2s", 2000},
        {"timeout", "15m", 900000},
        {"offset", "007", 7},
        {"offset", "9223372036854775807", INT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char flag[64];
        snprintf(flag, sizeof flag, "--%s=%s", cases[i].name, cases[i].text);
        struct settings *settings = settings_of(DEV, LIST(flag), LIST());
        assert_true(settings_number(settings, cases[i].name) == cases[i].number);
        settings_destroy(settings);
    }
}

static void bad_values_are_refused_with_the_rule(void **state) {
    (void)state;
    assert_flags_refused("--events-port: \"x\" is not a whole number", "--events-port", "x");
    assert_flags_refused("--events-port: \"\" is not a whole number", "--events-port", "");
    assert_flags_refused("--events-port: \" 1\" is not a whole number", "--events-port", " 1");
    assert_flags_refused("--events-port: \"+1\" is not a whole number", "--events-port", "+1");
    assert_flags_refused("--events-port: \"1.5\" is not a whole number", "--events-port", "1.5");
    assert_flags_refused("--offset: \"9223372036854775808\" is not a whole number", "--offset",
                         "9223372036854775808");
    assert_flags_refused("--events-port: 65536 is not between 0 and 65535", "--events-port",
                         "65536");
    assert_flags_refused("--events-port: -1 is not between 0 and 65535", "--events-port", "-1");
    assert_flags_refused("--max-body: 1GiB is not between 1KiB and 16MiB", "--max-body", "1GiB");
    assert_flags_refused("--max-body: \"1MB\" is not a size such as 1048576, 512KiB or 1MiB",
                         "--max-body", "1MB");
    assert_flags_refused("--max-body: \"9999999999GiB\" is not a size such as 1048576, 512KiB or "
                         "1MiB",
                         "--max-body", "9999999999GiB");
    assert_flags_refused("--timeout: \"30\" is not a time such as 500ms, 30s, 5m, 2h or 7d",
                         "--timeout", "30");
    assert_flags_refused("--timeout: 1d is not between 100ms and 15m", "--timeout", "1d");
    assert_flags_refused("--log-level: \"inf\" is not one of debug|info|error", "--log-level",
                         "inf");
    assert_flags_refused("--record: \"yes\" is neither true nor false", "--record=yes");
}

static void mistaken_flags_are_refused_with_a_hint(void **state) {
    (void)state;
    assert_flags_refused("--evnts-port: unknown setting; did you mean --events-port?",
                         "--evnts-port", "1");
    assert_flags_refused("--something-else: unknown setting", "--something-else");
    assert_flags_refused("--no-recrd: unknown setting", "--no-recrd");
    assert_flags_refused("\"events-port\" is not a flag; flags begin with --", "events-port");
    assert_flags_refused("\"-p\" is not a flag; flags begin with --", "-p");
    assert_flags_refused("\"--\" is not a flag; flags begin with --", "--");
    assert_flags_refused("--: unknown setting", "--=x");
    assert_flags_refused("--data: needs a value: --data DIR", "--data");
    assert_flags_refused("--data: needs a value, but --record follows; a value that begins with "
                         "-- is written --data=VALUE",
                         "--data", "--record");
    assert_flags_refused("--no-data: --data is not a switch", "--no-data");
    assert_flags_refused("--no-record: takes no value", "--no-record=true");
    assert_flags_refused("--data: given twice", "--data", "a", "--data=a");
    assert_flags_refused("--no-record: given twice", "--record", "--no-record");
    assert_refused(DEV, LIST("--kafka", "x"), LIST(), "--kafka: belongs to another command");
    assert_refused(DEV, LIST("--kafkas", "x"), LIST(), "--kafkas: unknown setting");
    char name[400];
    memset(name, '-', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_flags_refused("----------------------------------------...: unknown setting", name);
}

static void lists_are_repeated_or_separated_by_commas(void **state) {
    (void)state;
    struct settings *settings = settings_of(
        RUN, LIST("--role", "a, b,,c", "--role=d", "--kafka-set", "x=1,2", "--kafka-set=y=a=b,z=3"),
        LIST());
    assert_list(settings, "role", "[a][b][c][d]");
    assert_list(settings, "kafka-set", "[x=1,2][y=a=b,z=3]");
    settings_destroy(settings);
    settings = settings_of(RUN, LIST(), LIST("EVENT_GATEWAY_ROLE=a,b"));
    assert_list(settings, "role", "[a][b]");
    settings_destroy(settings);
}

static void a_variable_holds_pairs_whose_values_may_have_commas(void **state) {
    (void)state;
    struct settings *settings =
        settings_of(RUN, LIST(), LIST("EVENT_GATEWAY_KAFKA_SET=a=1,2,3, b=x=y,c=,d,,e=5,"));
    assert_list(settings, "kafka-set", "[a=1,2,3][b=x=y][c=,d,][e=5,]");
    settings_destroy(settings);
}

static void variables_are_named_in_capitals(void **state) {
    (void)state;
    struct settings *settings = settings_of(
        RUN, LIST(),
        LIST("PATH=/bin", "EVENT_GATEWAY_EVENTS_PORT=5000", "EVENT_GATEWAY_RECORD=false",
             "EVENT_GATEWAY_KAFKA=k=1:9092", "EVENT_GATEWAYX=1", "EVENT_GATEWAY_DATA="));
    assert_int_equal(settings_number(settings, "events-port"), 5000);
    assert_false(settings_switch(settings, "record"));
    assert_string_equal(settings_text(settings, "kafka"), "k=1:9092");
    assert_null(settings_text(settings, "data"));
    settings_destroy(settings);
}

static void mistaken_variables_are_refused(void **state) {
    (void)state;
    assert_refused(RUN, LIST(), LIST("EVENT_GATEWAY_EVENT_PORT=1"),
                   "EVENT_GATEWAY_EVENT_PORT: unknown setting; did you mean "
                   "EVENT_GATEWAY_EVENTS_PORT?");
    assert_refused(RUN, LIST(), LIST("EVENT_GATEWAY_events_port=1"),
                   "EVENT_GATEWAY_events_port: unknown setting");
    assert_refused(RUN, LIST(), LIST("EVENT_GATEWAY_=1"), "EVENT_GATEWAY_: unknown setting");
    assert_refused(RUN, LIST(), LIST("EVENT_GATEWAY_LOG_LEVEL=loud"),
                   "EVENT_GATEWAY_LOG_LEVEL: \"loud\" is not one of debug|info|error");
    // Also where a flag makes it unimportant.
    assert_refused(RUN, LIST("--log-level", "info"), LIST("EVENT_GATEWAY_LOG_LEVEL=loud"),
                   "EVENT_GATEWAY_LOG_LEVEL: \"loud\" is not one of debug|info|error");
}

static void variables_of_another_command_or_of_a_service_are_passed_over(void **state) {
    (void)state;
    struct settings *settings = settings_of(
        DEV, LIST(),
        LIST("EVENT_GATEWAY_KAFKA=k:9092", "EVENT_GATEWAY_SERVICE_HOST=10.0.0.1",
             "EVENT_GATEWAY_SERVICE_PORT=4000", "EVENT_GATEWAY_SERVICE_PORT_EVENTS=4000",
             "EVENT_GATEWAY_PORT=tcp://10.0.0.1:4000", "EVENT_GATEWAY_PORT_4000_TCP_ADDR=10.0.0.1",
             "EVENT_GATEWAY_CONFIG_SERVICE_HOST=10.0.0.2"));
    settings_destroy(settings);
}

static void help_is_grouped_wrapped_and_of_one_command(void **state) {
    (void)state;
    struct buffer help = {0};
    settings_write_help(table, ARRAY_LENGTH(table), DEV, &help);
    static const char *const pieces[] = {
        "General\n  --config FILE\n      A file with these settings.\n",
        "      Log lines from this level on. One of debug|info|error. Default: info.\n",
        "\n\nEvents API\n  --events-port PORT\n",
        "      Port of the Events API; 0 = a free one, which is printed once the program\n"
        "      is ready to take requests on it. Default: 4000.\n",
        "  --require-space\n      Refuse the rest.\n",
        "  --record\n      Keep records. On unless --no-record is given.\n",
        "\n\nStores\n  --role ROLE,...\n",
        "\nEach flag is a variable as well: --role is\nEVENT_GATEWAY_ROLE, and in the file of "
        "--config the line\nrole: VALUE\n",
    };
    const char *place = help.data;
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        place = strstr(place, pieces[i]);
        assert_non_null(place);
    }
    assert_null(strstr(help.data, "kafka"));
    struct bytes rest = buffer_bytes(&help);
    while (rest.size > 0) {
        size_t size = bytes_find(rest, '\n');
        assert_in_range(size, 0, 80);
        rest = bytes_slice(rest, size + 1, SIZE_MAX);
    }
    buffer_clear(&help);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_leaves_the_defaults),
        cmocka_unit_test(a_flags_value_follows_it_or_an_equals_sign),
        cmocka_unit_test(a_switch_is_turned_on_and_off),
        cmocka_unit_test(numbers_have_units),
        cmocka_unit_test(bad_values_are_refused_with_the_rule),
        cmocka_unit_test(mistaken_flags_are_refused_with_a_hint),
        cmocka_unit_test(lists_are_repeated_or_separated_by_commas),
        cmocka_unit_test(a_variable_holds_pairs_whose_values_may_have_commas),
        cmocka_unit_test(variables_are_named_in_capitals),
        cmocka_unit_test(mistaken_variables_are_refused),
        cmocka_unit_test(variables_of_another_command_or_of_a_service_are_passed_over),
        cmocka_unit_test(help_is_grouped_wrapped_and_of_one_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
