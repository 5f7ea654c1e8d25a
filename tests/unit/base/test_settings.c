#include "core/base/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "core/base/memory.h"

enum {
    DEV = 1,
    RUN = 2,
    BOTH = 3
};

static const struct setting table[] = {
    {.name = "config",
     .kind = SETTING_TEXT,
     .value_name = "FILE",
     .help = "A file with these settings.",
     .commands = BOTH,
     .group = "General"},
    {.name = "data",
     .kind = SETTING_TEXT,
     .value_name = "DIR",
     .help = "A folder.",
     .commands = BOTH,
     .group = "General"},
    {.name = "log-level",
     .kind = SETTING_CHOICE,
     .default_text = "info",
     .choices = "debug|info|error",
     .value_name = "LEVEL",
     .help = "Log lines from this level on.",
     .commands = BOTH,
     .group = "General"},
    {.name = "events-port",
     .kind = SETTING_NUMBER,
     .default_text = "4000",
     .value_name = "PORT",
     .help = "Port of the Events API; 0 = a free one, which is printed once the program is ready "
             "to take requests on it.",
     .maximum = 65535,
     .commands = BOTH,
     .group = "Events API"},
    {.name = "offset",
     .kind = SETTING_NUMBER,
     .value_name = "N",
     .help = "Any number.",
     .commands = BOTH,
     .group = "Events API"},
    {.name = "max-body",
     .kind = SETTING_SIZE,
     .default_text = "1MiB",
     .value_name = "SIZE",
     .help = "Larger ones get 413.",
     .minimum = 1024,
     .maximum = 16777216,
     .commands = BOTH,
     .group = "Events API"},
    {.name = "timeout",
     .kind = SETTING_DURATION,
     .default_text = "30s",
     .value_name = "TIME",
     .help = "How long.",
     .minimum = 100,
     .maximum = 900000,
     .commands = BOTH,
     .group = "Events API"},
    {.name = "require-space",
     .kind = SETTING_SWITCH,
     .help = "Refuse the rest.",
     .commands = BOTH,
     .group = "Events API"},
    {.name = "record",
     .kind = SETTING_SWITCH,
     .default_text = "true",
     .help = "Keep records.",
     .commands = BOTH,
     .group = "Events API"},
    {.name = "role",
     .kind = SETTING_LIST,
     .default_text = "ingest,admin",
     .value_name = "ROLE,...",
     .help = "What it does.",
     .commands = BOTH,
     .group = "Stores"},
    {.name = "kafka",
     .kind = SETTING_TEXT,
     .value_name = "HOST:PORT,...",
     .help = "Brokers.",
     .commands = RUN,
     .group = "Stores"},
    {.name = "kafka-set",
     .kind = SETTING_LIST,
     .value_name = "NAME=VALUE",
     .help = "As it is.",
     .commands = RUN,
     .group = "Stores"},
};

// Reads flags and an environment, both lists that end in NULL.
static enum status read_settings(unsigned command, const char *const *arguments,
                                 const char *const *environment, struct settings **ret_settings,
                                 struct error *error) {
    int count = 0;
    while (arguments[count]) {
        count++;
    }
    // main's arguments are not const, although nobody changes them.
    return settings_read(table, ARRAY_LENGTH(table), command, count, (char **)arguments,
                         (char **)environment, ret_settings, error);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static struct settings *settings_of(unsigned command, const char *const *arguments,
                                    const char *const *environment) {
    struct settings *settings = NULL;
    struct error error = {0};
    if (read_settings(command, arguments, environment, &settings, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return settings;
}

static void assert_refused(unsigned command, const char *const *arguments,
                           const char *const *environment, const char *expected) {
    struct settings *settings = NULL;
    struct error error = {0};
    assert_int_equal(read_settings(command, arguments, environment, &settings, &error),
                     STATUS_INVALID);
    assert_string_equal(error.text, expected);
    assert_null(settings);
    // Who does not want the text may say so.
    assert_int_equal(read_settings(command, arguments, environment, &settings, NULL),
                     STATUS_INVALID);
}

#define assert_flags_refused(expected, ...) assert_refused(RUN, LIST(__VA_ARGS__), LIST(), expected)

static void assert_list(const struct settings *settings, const char *name, const char *expected) {
    const char *const *values;
    size_t count = settings_list(settings, name, &values);
    struct buffer text = {0};
    buffer_append_text(&text, "");
    for (size_t i = 0; i < count; i++) {
        buffer_append_format(&text, "[%s]", values[i]);
    }
    assert_string_equal(text.data, expected);
    buffer_clear(&text);
}

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

// A file with this text; its path is the caller's to remove and free.
static char *make_file(const char *text) {
    struct buffer path = {0};
    const char *folder = getenv("TMPDIR");
    buffer_append_format(&path, "%s/settings-XXXXXX", folder ? folder : P_tmpdir);
    int file = mkstemp(path.data);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
    return buffer_take(&path);
}

static void remove_file(char *path) {
    unlink(path);
    free(path);
}

static void a_file_has_a_setting_a_line(void **state) {
    (void)state;
    char *path = make_file("# All of them\n"
                           "\n"
                           "events-port: 5000 # the port\r\n"
                           "  data :  /a/b#c:d  \n"
                           "log-level: \"error\"   # quoted\n"
                           "kafka: 'a # b'\n"
                           "role: x,y\n"
                           "role: z\n"
                           "kafka-set: a=1,b=2\n"
                           "kafka-set: c=3\n"
                           "require-space: true");
    struct settings *settings = settings_of(RUN, LIST("--config", path), LIST());
    assert_int_equal(settings_number(settings, "events-port"), 5000);
    assert_string_equal(settings_text(settings, "data"), "/a/b#c:d");
    assert_string_equal(settings_text(settings, "log-level"), "error");
    assert_string_equal(settings_text(settings, "kafka"), "a # b");
    assert_list(settings, "role", "[x][y][z]");
    assert_list(settings, "kafka-set", "[a=1,b=2][c=3]");
    assert_true(settings_switch(settings, "require-space"));
    settings_destroy(settings);
    // Settings of another command do not disturb.
    settings = settings_of(DEV, LIST("--config", path), LIST());
    settings_destroy(settings);
    remove_file(path);
}

static void a_flag_beats_a_variable_beats_the_file_beats_the_default(void **state) {
    (void)state;
    char *path = make_file("events-port: 1\ndata: file\nrole: file\nlog-level: error\n");
    char variable[4096];
    snprintf(variable, sizeof variable, "EVENT_GATEWAY_CONFIG=%s", path);
    struct settings *settings =
        settings_of(RUN, LIST("--events-port", "3", "--role", "flag"),
                    LIST(variable, "EVENT_GATEWAY_EVENTS_PORT=2", "EVENT_GATEWAY_DATA=variable",
                         "EVENT_GATEWAY_ROLE=variable"));
    assert_int_equal(settings_number(settings, "events-port"), 3);
    assert_string_equal(settings_text(settings, "data"), "variable");
    assert_list(settings, "role", "[flag]");
    assert_string_equal(settings_text(settings, "log-level"), "error");
    assert_int_equal(settings_number(settings, "timeout"), 30000);
    settings_destroy(settings);
    remove_file(path);
}

static void mistakes_in_a_file_are_refused_with_their_line(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\nevent-port: 1\n", "2: event-port: unknown setting; did you mean events-port?"},
        {"data\n", "1: not of the form `name: value`"},
        {"role:\n- a\n", "2: not of the form `name: value`"},
        {"events-port: x", "1: events-port: \"x\" is not a whole number"},
        {"data: a\ndata: b\n", "2: data: given twice"},
        {"data: \"a", "1: a quote is not closed at the end"},
        {"data: 'a' b", "1: a quote is not closed at the end"},
        {"config: other", "1: config: a file cannot name another one"},
        {": a", "1: : unknown setting"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *path = make_file(cases[i][0]);
        char expected[4096];
        snprintf(expected, sizeof expected, "%s:%s", path, cases[i][1]);
        assert_refused(RUN, LIST("--config", path), LIST(), expected);
        remove_file(path);
    }
}

static void a_file_that_cannot_be_read_is_refused(void **state) {
    (void)state;
    assert_flags_refused("--config: cannot open /nowhere/at-all: No such file or directory",
                         "--config", "/nowhere/at-all");
    assert_flags_refused("--config: cannot read /: Is a directory", "--config", "/");
    struct buffer large = {0};
    for (size_t i = 0; i < 1024 * 1024 / 16 + 1; i++) {
        buffer_append_text(&large, "# 4567890123456\n");
    }
    char *path = make_file(large.data);
    char expected[4096];
    snprintf(expected, sizeof expected, "--config: %s is larger than 1 MiB", path);
    assert_refused(RUN, LIST("--config", path), LIST(), expected);
    buffer_clear(&large);
    remove_file(path);
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
        cmocka_unit_test(a_file_has_a_setting_a_line),
        cmocka_unit_test(a_flag_beats_a_variable_beats_the_file_beats_the_default),
        cmocka_unit_test(mistakes_in_a_file_are_refused_with_their_line),
        cmocka_unit_test(a_file_that_cannot_be_read_is_refused),
        cmocka_unit_test(help_is_grouped_wrapped_and_of_one_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
