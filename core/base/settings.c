#include "core/base/settings.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"

#define ENVIRONMENT_PREFIX "EVENT_GATEWAY_"
#define FILE_MAX_BYTES (1024 * 1024)
#define NAME_MAX_SIZE 128

enum setting_source {
    SOURCE_DEFAULT,
    SOURCE_FILE,
    SOURCE_ENVIRONMENT,
    SOURCE_FLAG
};

struct setting_value {
    enum setting_source source;
    char *text;
    int64_t number;
    char **list;
    size_t list_count;
};

struct settings {
    const struct setting *table;
    size_t table_size;
    unsigned command;
    struct setting_value *values; // by index in the table
};

static size_t index_of(const struct settings *settings, const char *name) {
    size_t index = 0;
    while (index < settings->table_size && strcmp(settings->table[index].name, name) != 0) {
        index++;
    }
    return index;
}

// Levenshtein distance, one row at a time.
static size_t edit_distance(const char *a, const char *b) {
    size_t row[NAME_MAX_SIZE + 1];
    size_t size = strlen(b);
    if (size > NAME_MAX_SIZE) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= size; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            size_t shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < shorter ? replaced : shorter;
        }
    }
    return row[size];
}

static const char *nearest_name(const struct settings *settings, const char *name) {
    const char *nearest = NULL;
    size_t best = strlen(name) / 3 + 2;
    for (size_t i = 0; i < settings->table_size; i++) {
        size_t distance = edit_distance(name, settings->table[i].name);
        if ((settings->table[i].commands & settings->command) && distance < best) {
            best = distance;
            nearest = settings->table[i].name;
        }
    }
    return nearest;
}

// label is what the user typed: "--evnts-port", "EVENT_GATEWAY_EVNTS_PORT", "gateway.conf:3:
// evnts-port".
static enum status find_setting(const struct settings *settings, const char *name,
                                const char *label, size_t *ret_index, struct error *error) {
    size_t index = index_of(settings, name);
    if (index == settings->table_size) {
        const char *nearest = nearest_name(settings, name);
        return error_set(error, STATUS_INVALID, "%s: unknown setting%s%s%s", label,
                         nearest ? "; did you mean " : "", nearest ? nearest : "",
                         nearest ? "?" : "");
    }
    *ret_index = index;
    return STATUS_OK;
}

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit sizes[] = {
    {"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}};
static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

static bool read_number(const char *text, const struct unit *units, size_t unit_count,
                        int64_t *ret_number) {
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || isspace((unsigned char)text[0])) {
        return false;
    }
    for (size_t i = 0; i < unit_count; i++) {
        if (strcmp(end, units[i].name) == 0) {
            return !__builtin_mul_overflow((int64_t)value, units[i].factor, ret_number);
        }
    }
    return unit_count == 0 && *end == '\0' && ((*ret_number = value), true);
}

static enum status parse_number(const struct setting *setting, const char *label, const char *text,
                                int64_t *ret_number, struct error *error) {
    bool is_read = false;
    const char *expected = "a whole number";
    if (setting->kind == SETTING_SIZE) {
        is_read = read_number(text, sizes, ARRAY_LENGTH(sizes), ret_number);
        expected = "a size such as 512KiB or 1MiB";
    } else if (setting->kind == SETTING_DURATION) {
        is_read = read_number(text, durations, ARRAY_LENGTH(durations), ret_number);
        expected = "a time such as 500ms, 30s, 5m, 2h or 7d";
    } else {
        is_read = read_number(text, NULL, 0, ret_number);
    }
    if (!is_read) {
        return error_set(error, STATUS_INVALID, "%s: \"%s\" is not %s", label, text, expected);
    }
    bool is_limited = setting->minimum != 0 || setting->maximum != 0;
    if (is_limited && (*ret_number < setting->minimum || *ret_number > setting->maximum)) {
        const char *unit = setting->kind == SETTING_SIZE       ? " bytes"
                           : setting->kind == SETTING_DURATION ? " ms"
                                                               : "";
        return error_set(error, STATUS_INVALID,
                         "%s: %s is not between %" PRId64 " and %" PRId64 "%s", label, text,
                         setting->minimum, setting->maximum, unit);
    }
    return STATUS_OK;
}

static enum status parse_switch(const char *label, const char *text, int64_t *ret_number,
                                struct error *error) {
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        return error_set(error, STATUS_INVALID, "%s: \"%s\" is neither true nor false", label,
                         text);
    }
    *ret_number = strcmp(text, "true") == 0;
    return STATUS_OK;
}

static enum status parse_choice(const struct setting *setting, const char *label, const char *text,
                                struct error *error) {
    struct bytes rest = bytes_of_text(setting->choices);
    while (rest.size > 0) {
        struct bytes choice = bytes_slice(rest, 0, bytes_find(rest, '|'));
        if (bytes_equal_text(choice, text)) {
            return STATUS_OK;
        }
        rest = bytes_slice(rest, choice.size + 1, SIZE_MAX);
    }
    return error_set(error, STATUS_INVALID, "%s: \"%s\" is not one of %s", label, text,
                     setting->choices);
}

static void list_add(struct setting_value *value, struct bytes item) {
    value->list = memory_resize(value->list, value->list_count + 1, sizeof *value->list);
    value->list[value->list_count++] = bytes_to_text(item);
}

static void value_clear(struct setting_value *value) {
    for (size_t i = 0; i < value->list_count; i++) {
        free(value->list[i]);
    }
    free(value->list);
    free(value->text);
    *value = (struct setting_value){0};
}

// Lists are separated by commas, except NAME=VALUE pairs, whose values may hold some.
static void list_add_all(const struct setting *setting, struct setting_value *value,
                         const char *text) {
    struct bytes rest = bytes_of_text(text);
    if (setting->value_name && strchr(setting->value_name, '=')) {
        list_add(value, rest);
        return;
    }
    while (rest.size > 0) {
        struct bytes item = bytes_slice(rest, 0, bytes_find(rest, ','));
        rest = bytes_slice(rest, item.size + 1, SIZE_MAX);
        if (bytes_trim(item).size > 0) {
            list_add(value, bytes_trim(item));
        }
    }
}

// A stronger source replaces a weaker one; the same source twice is a mistake, but for lists.
static enum status set_value(struct settings *settings, size_t index, enum setting_source source,
                             const char *label, const char *text, struct error *error) {
    const struct setting *setting = &settings->table[index];
    struct setting_value *value = &settings->values[index];
    enum status status = STATUS_OK;
    int64_t number = 0;
    if (source < value->source) {
        return STATUS_OK;
    }
    if (source == value->source && source != SOURCE_DEFAULT && setting->kind != SETTING_LIST) {
        return error_set(error, STATUS_INVALID, "%s: given twice", label);
    }
    if (setting->kind == SETTING_SWITCH) {
        status = parse_switch(label, text, &number, error);
    } else if (setting->kind == SETTING_CHOICE) {
        status = parse_choice(setting, label, text, error);
    } else if (setting->kind != SETTING_TEXT && setting->kind != SETTING_LIST) {
        status = parse_number(setting, label, text, &number, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (source != value->source) {
        value_clear(value);
    }
    value->source = source;
    value->number = number;
    if (setting->kind == SETTING_LIST) {
        list_add_all(setting, value, text);
    } else {
        free(value->text);
        value->text = memory_copy_text(text);
    }
    return STATUS_OK;
}

static enum status check_command(const struct settings *settings, size_t index, const char *label,
                                 struct error *error) {
    if ((settings->table[index].commands & settings->command) == 0) {
        return error_set(error, STATUS_INVALID, "%s: is not a setting of this command", label);
    }
    return STATUS_OK;
}

// "--name value", "--name=value", "--name" and "--no-name" of a switch. Moves *next past what it
// took.
static enum status read_flag(struct settings *settings, int count, char **arguments, int *next,
                             struct error *error) {
    char name[NAME_MAX_SIZE];
    char label[NAME_MAX_SIZE + 4];
    const char *argument = arguments[(*next)++];
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
        return error_set(error, STATUS_INVALID, "\"%s\" is not a flag (flags begin with --)",
                         argument);
    }
    const char *equals = strchr(argument, '=');
    size_t size = equals ? (size_t)(equals - argument - 2) : strlen(argument) - 2;
    if (size >= sizeof name) {
        return error_set(error, STATUS_INVALID, "%.40s...: unknown setting", argument);
    }
    memcpy(name, argument + 2, size);
    name[size] = '\0';
    snprintf(label, sizeof label, "--%s", name);
    bool is_negated = strncmp(name, "no-", 3) == 0 &&
                      index_of(settings, name) == settings->table_size &&
                      index_of(settings, name + 3) < settings->table_size;
    size_t index = 0;
    enum status status = find_setting(settings, is_negated ? name + 3 : name, label, &index, error);
    if (status == STATUS_OK) {
        status = check_command(settings, index, label, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    const char *value = equals ? equals + 1 : NULL;
    if (settings->table[index].kind == SETTING_SWITCH) {
        value = value ? value : is_negated ? "false" : "true";
    } else if (is_negated) {
        return error_set(error, STATUS_INVALID, "%s: --%s is not a switch", label, name + 3);
    } else if (!value) {
        if (*next == count) {
            return error_set(error, STATUS_INVALID, "%s: needs a value", label);
        }
        value = arguments[(*next)++];
    }
    return set_value(settings, index, SOURCE_FLAG, label, value, error);
}

static enum status read_flags(struct settings *settings, int count, char **arguments,
                              struct error *error) {
    int next = 0;
    while (next < count) {
        enum status status = read_flag(settings, count, arguments, &next, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status read_variable(struct settings *settings, const char *variable,
                                 struct error *error) {
    char name[NAME_MAX_SIZE];
    char label[NAME_MAX_SIZE + 32];
    const char *start = variable + strlen(ENVIRONMENT_PREFIX);
    const char *equals = strchr(start, '=');
    size_t size = equals ? (size_t)(equals - start) : 0;
    if (!equals || size >= sizeof name) {
        return error_set(error, STATUS_INVALID, "%.60s: unknown setting", variable);
    }
    for (size_t i = 0; i < size; i++) {
        name[i] = start[i] == '_' ? '-' : (char)tolower((unsigned char)start[i]);
    }
    name[size] = '\0';
    snprintf(label, sizeof label, "%.*s", (int)(equals - variable), variable);
    size_t index = 0;
    enum status status = find_setting(settings, name, label, &index, error);
    if (status != STATUS_OK) {
        return status;
    }
    // One environment can serve several commands: what is not this command's is passed over.
    if ((settings->table[index].commands & settings->command) == 0) {
        return STATUS_OK;
    }
    return set_value(settings, index, SOURCE_ENVIRONMENT, label, equals + 1, error);
}

static enum status read_environment(struct settings *settings, char **environment,
                                    struct error *error) {
    for (; environment && *environment; environment++) {
        if (strncmp(*environment, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) == 0) {
            enum status status = read_variable(settings, *environment, error);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    return STATUS_OK;
}

static struct bytes without_comment(struct bytes line) {
    for (size_t i = 0; i < line.size; i++) {
        bool starts_word = i == 0 || line.data[i - 1] == ' ' || line.data[i - 1] == '\t';
        if (line.data[i] == '#' && starts_word) {
            return bytes_slice(line, 0, i);
        }
    }
    return line;
}

static struct bytes unquoted(struct bytes value) {
    bool is_quoted = value.size >= 2 && (value.data[0] == '"' || value.data[0] == '\'') &&
                     value.data[value.size - 1] == value.data[0];
    return is_quoted ? bytes_slice(value, 1, value.size - 2) : value;
}

static enum status read_file_line(struct settings *settings, const char *path, size_t number,
                                  struct bytes line, struct error *error) {
    struct buffer label = {0};
    size_t index = 0;
    line = bytes_trim(without_comment(line));
    if (line.size == 0) {
        return STATUS_OK;
    }
    size_t colon = bytes_find(line, ':');
    char *name = bytes_to_text(bytes_trim(bytes_slice(line, 0, colon)));
    char *value = bytes_to_text(unquoted(bytes_trim(bytes_slice(line, colon + 1, SIZE_MAX))));
    buffer_append_format(&label, "%s:%zu: %s", path, number, name);
    enum status status = STATUS_OK;
    if (colon == line.size) {
        status = error_set(error, STATUS_INVALID, "%s: not of the form `name: value`", label.data);
    } else {
        status = find_setting(settings, name, label.data, &index, error);
    }
    if (status == STATUS_OK && (settings->table[index].commands & settings->command)) {
        status = set_value(settings, index, SOURCE_FILE, label.data, value, error);
    }
    free(name);
    free(value);
    buffer_clear(&label);
    return status;
}

static enum status load_file(const char *path, struct buffer *ret_text, struct error *error) {
    FILE *file = fopen(path, "re");
    if (!file) {
        return error_set(error, STATUS_INVALID, "--config: cannot open %s: %s", path,
                         strerror(errno));
    }
    char *room = buffer_reserve(ret_text, FILE_MAX_BYTES);
    ret_text->size = fread(room, 1, FILE_MAX_BYTES, file);
    bool is_whole = feof(file) && !ferror(file);
    fclose(file);
    if (!is_whole) {
        return error_set(error, STATUS_INVALID, "--config: cannot read %s, or it is too large",
                         path);
    }
    return STATUS_OK;
}

static enum status read_file(struct settings *settings, const char *path, struct error *error) {
    struct buffer text = {0};
    enum status status = load_file(path, &text, error);
    struct bytes rest = buffer_bytes(&text);
    for (size_t number = 1; status == STATUS_OK && rest.size > 0; number++) {
        struct bytes line = bytes_slice(rest, 0, bytes_find(rest, '\n'));
        rest = bytes_slice(rest, line.size + 1, SIZE_MAX);
        if (line.size > 0 && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        status = read_file_line(settings, path, number, line, error);
    }
    buffer_clear(&text);
    return status;
}

static enum status set_defaults(struct settings *settings, struct error *error) {
    for (size_t i = 0; i < settings->table_size; i++) {
        const struct setting *setting = &settings->table[i];
        const char *text = setting->default_text;
        if (!text && setting->kind == SETTING_SWITCH) {
            text = "false";
        }
        if (text) {
            enum status status = set_value(settings, i, SOURCE_DEFAULT, setting->name, text, error);
            assert(status == STATUS_OK); // The table is ours.
        }
    }
    return STATUS_OK;
}

enum status settings_read(const struct setting *table, size_t table_size, unsigned command,
                          int argument_count, char **arguments, char **environment,
                          struct settings **ret_settings, struct error *error) {
    struct settings *settings = memory_allocate(sizeof *settings);
    *settings = (struct settings){.table = table, .table_size = table_size, .command = command};
    settings->values = memory_allocate(table_size * sizeof *settings->values);
    enum status status = set_defaults(settings, error);
    if (status == STATUS_OK) {
        status = read_flags(settings, argument_count, arguments, error);
    }
    if (status == STATUS_OK) {
        status = read_environment(settings, environment, error);
    }
    // The file is named by a flag or the environment, and is weaker than both.
    size_t config = index_of(settings, "config");
    if (status == STATUS_OK && config < table_size && settings->values[config].text) {
        status = read_file(settings, settings->values[config].text, error);
    }
    if (status != STATUS_OK) {
        settings_destroy(settings);
        return status;
    }
    *ret_settings = settings;
    return STATUS_OK;
}

void settings_destroy(struct settings *settings) {
    if (!settings) {
        return;
    }
    for (size_t i = 0; i < settings->table_size; i++) {
        value_clear(&settings->values[i]);
    }
    free(settings->values);
    free(settings);
}

static const struct setting_value *value_of(const struct settings *settings, const char *name) {
    size_t index = index_of(settings, name);
    assert(index < settings->table_size);
    return &settings->values[index];
}

const char *settings_text(const struct settings *settings, const char *name) {
    return value_of(settings, name)->text;
}

bool settings_switch(const struct settings *settings, const char *name) {
    return value_of(settings, name)->number != 0;
}

int64_t settings_number(const struct settings *settings, const char *name) {
    return value_of(settings, name)->number;
}

size_t settings_list(const struct settings *settings, const char *name,
                     const char *const **ret_values) {
    const struct setting_value *value = value_of(settings, name);
    *ret_values = (const char *const *)value->list;
    return value->list_count;
}

bool settings_is_default(const struct settings *settings, const char *name) {
    return value_of(settings, name)->source == SOURCE_DEFAULT;
}
