// Settings from the file of --config.
#include "tests/unit/base/settings_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_has_a_setting_a_line),
        cmocka_unit_test(a_flag_beats_a_variable_beats_the_file_beats_the_default),
        cmocka_unit_test(mistakes_in_a_file_are_refused_with_their_line),
        cmocka_unit_test(a_file_that_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
