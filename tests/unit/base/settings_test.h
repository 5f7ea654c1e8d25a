// Settings of every kind, of a program with two commands, and what reading them gives.
#ifndef EVENT_GATEWAY_TESTS_UNIT_BASE_SETTINGS_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_BASE_SETTINGS_TEST_H

#include "core/base/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
static inline enum status read_settings(unsigned command, const char *const *arguments,
                                        const char *const *environment,
                                        struct settings **ret_settings, struct error *error) {
    int count = 0;
    while (arguments[count]) {
        count++;
    }
    // main's arguments are not const, although nobody changes them.
    return settings_read(table, ARRAY_LENGTH(table), command, count, (char **)arguments,
                         (char **)environment, ret_settings, error);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static inline struct settings *settings_of(unsigned command, const char *const *arguments,
                                           const char *const *environment) {
    struct settings *settings = NULL;
    struct error error = {0};
    if (read_settings(command, arguments, environment, &settings, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return settings;
}

static inline void assert_refused(unsigned command, const char *const *arguments,
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

static inline void assert_list(const struct settings *settings, const char *name,
                               const char *expected) {
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

#endif
