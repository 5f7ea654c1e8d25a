#include "core/base/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/settings_private.h"

size_t settings_index(const struct settings *settings, const char *name) {
    size_t index = 0;
    while (index < settings->table_size && strcmp(settings->table[index].name, name) != 0) {
        index++;
    }
    return index;
}

bool settings_belongs(const struct settings *settings, size_t index) {
    return (settings->table[index].commands & settings->command) != 0;
}

// Levenshtein distance, one row at a time. Both names are shorter than SETTING_NAME_SIZE.
static size_t edit_distance(const char *a, const char *b) {
    size_t row[SETTING_NAME_SIZE];
    size_t size = strlen(b);
    assert(size < SETTING_NAME_SIZE);
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

// NULL when none is so near that it can be meant.
static const char *nearest_name(const struct settings *settings, const char *name) {
    const char *nearest = NULL;
    size_t best = strlen(name) / 3 + 2;
    for (size_t i = 0; i < settings->table_size; i++) {
        size_t distance = edit_distance(name, settings->table[i].name);
        if (settings_belongs(settings, i) && distance < best) {
            best = distance;
            nearest = settings->table[i].name;
        }
    }
    return nearest;
}

void settings_append_variable(const char *name, struct buffer *ret_text) {
    buffer_append_text(ret_text, ENVIRONMENT_PREFIX);
    for (; *name; name++) {
        bool is_lower = *name >= 'a' && *name <= 'z';
        char letter = is_lower ? (char)(*name - 'a' + 'A') : *name;
        buffer_append_byte(ret_text, letter == '-' ? '_' : letter);
    }
}

static void append_spelled(const char *name, enum setting_source source, struct buffer *ret_text) {
    if (source == SOURCE_ENVIRONMENT) {
        settings_append_variable(name, ret_text);
    } else {
        buffer_append_format(ret_text, "%s%s", source == SOURCE_FLAG ? "--" : "", name);
    }
}

enum status settings_unknown(const struct settings *settings, const char *name,
                             const struct setting_origin *origin, struct error *error) {
    const char *nearest = strlen(name) < SETTING_NAME_SIZE ? nearest_name(settings, name) : NULL;
    if (!nearest) {
        return error_set(error, STATUS_INVALID, "%s: unknown setting", origin->label);
    }
    struct buffer hint = {0};
    append_spelled(nearest, origin->source, &hint);
    enum status status = error_set(error, STATUS_INVALID, "%s: unknown setting; did you mean %s?",
                                   origin->label, hint.data);
    buffer_clear(&hint);
    return status;
}

static void set_defaults(struct settings *settings) {
    for (size_t i = 0; i < settings->table_size; i++) {
        const struct setting *setting = &settings->table[i];
        const struct setting_origin origin = {SOURCE_DEFAULT, setting->name};
        const char *text = setting->default_text;
        if (!text && setting->kind == SETTING_SWITCH) {
            text = "false";
        }
        if (text) {
            enum status status = settings_set(settings, i, &origin, text, NULL);
            assert(status == STATUS_OK); // The table is ours.
        }
    }
}

// The file is named by a flag or the environment, so they come first although they are stronger.
static enum status read_sources(struct settings *settings, int argument_count, char **arguments,
                                char **environment, struct error *error) {
    enum status status = settings_read_flags(settings, argument_count, arguments, error);
    if (status == STATUS_OK) {
        status = settings_read_environment(settings, environment, error);
    }
    size_t config = settings_index(settings, "config");
    if (status == STATUS_OK && config < settings->table_size && settings->values[config].text) {
        status = settings_read_file(settings, settings->values[config].text, error);
    }
    return status;
}

enum status settings_read(const struct setting *table, size_t table_size, unsigned command,
                          int argument_count, char **arguments, char **environment,
                          struct settings **ret_settings, struct error *error) {
    struct settings *settings = memory_allocate(sizeof *settings);
    *settings = (struct settings){.table = table, .table_size = table_size, .command = command};
    settings->values = memory_allocate(table_size * sizeof *settings->values);
    set_defaults(settings);
    enum status status = read_sources(settings, argument_count, arguments, environment, error);
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
        settings_value_clear(&settings->values[i]);
    }
    free(settings->values);
    free(settings);
}

#define KIND(kind) (1U << (kind))

static const struct setting_value *value_of(const struct settings *settings, const char *name,
                                            unsigned kinds) {
    size_t index = settings_index(settings, name);
    assert(index < settings->table_size);
    assert(KIND(settings->table[index].kind) & kinds);
    return &settings->values[index];
}

const char *settings_text(const struct settings *settings, const char *name) {
    return value_of(settings, name, KIND(SETTING_TEXT) | KIND(SETTING_CHOICE))->text;
}

bool settings_switch(const struct settings *settings, const char *name) {
    return value_of(settings, name, KIND(SETTING_SWITCH))->number != 0;
}

int64_t settings_number(const struct settings *settings, const char *name) {
    unsigned kinds = KIND(SETTING_NUMBER) | KIND(SETTING_SIZE) | KIND(SETTING_DURATION);
    return value_of(settings, name, kinds)->number;
}

size_t settings_list(const struct settings *settings, const char *name,
                     const char *const **ret_values) {
    const struct setting_value *value = value_of(settings, name, KIND(SETTING_LIST));
    *ret_values = (const char *const *)value->list;
    return value->list_count;
}
