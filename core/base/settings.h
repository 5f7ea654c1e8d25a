// Settings from flags, environment (EVENT_GATEWAY_...) and a file, by one table that is also the
// help text, the validation and the documentation. Flag beats environment beats file beats default.
// Used by main.c and egctl at start; immutable afterwards.
#ifndef EVENT_GATEWAY_BASE_SETTINGS_H
#define EVENT_GATEWAY_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

enum setting_kind {
    SETTING_TEXT,
    SETTING_SWITCH,   // --name, or true/false in environment and file
    SETTING_NUMBER,   // within minimum and maximum
    SETTING_SIZE,     // bytes: 1048576, 512KiB, 1MiB, 2GiB
    SETTING_DURATION, // milliseconds: 500ms, 30s, 5m, 2h, 7d
    SETTING_CHOICE,   // one of choices, separated by '|'
    SETTING_LIST,     // may be given several times; NAME=VALUE pairs for --kafka-set
};

struct setting {
    // "events-port": --events-port, EVENT_GATEWAY_EVENTS_PORT, events-port: in the file.
    const char *name;
    enum setting_kind kind;
    unsigned commands;        // bit set of the commands it belongs to
    const char *default_text; // as it would be typed; NULL = none
    const char *value_name;   // "PORT", shown in help
    const char *help;         // one sentence
    const char *choices;      // SETTING_CHOICE
    int64_t minimum, maximum; // SETTING_NUMBER, SIZE, DURATION; both 0 = no limits
    const char *group;        // heading in help
};

struct settings;

// Flags are `--name value` or `--name=value`, of a switch `--name` or `--no-name`. The setting
// "config" of kind TEXT, if the table has one, names the file: a `name: value` a line, '#'
// comments. Lists are given several times or separated by commas; of NAME=VALUE pairs a flag and a
// line hold one each, and in a variable a comma ends a pair only before another NAME=. An empty
// variable is not set. Variables and lines of another command are passed over, its flags are not.
//
// Reads argument by argument. An unknown flag (with the nearest known one as a hint), a missing or
// bad value, one given twice, an unknown EVENT_GATEWAY_ variable or file key: STATUS_INVALID, one
// line that names flag, value and rule.
enum status must_check settings_read(const struct setting *table, size_t table_size,
                                     unsigned command, int argument_count, char **arguments,
                                     char **environment, struct settings **ret_settings,
                                     struct error *error);
void settings_destroy(struct settings *settings);
// name must be in the table with a fitting kind (asserted).
const char *settings_text(const struct settings *settings, const char *name); // NULL = not set
bool settings_switch(const struct settings *settings, const char *name);
int64_t settings_number(const struct settings *settings, const char *name); // also SIZE, DURATION
size_t settings_list(const struct settings *settings, const char *name,
                     const char *const **ret_values);
// The flags of a command for people, grouped, 80 columns wide.
void settings_write_help(const struct setting *table, size_t table_size, unsigned command,
                         struct buffer *ret_buffer);

#endif
