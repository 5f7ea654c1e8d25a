// Settings as flags: "--name value", "--name=value"; of a switch "--name" and "--no-name".

#include <stdio.h>
#include <string.h>

#include "core/base/settings_private.h"

struct flag {
    char name[SETTING_NAME_SIZE];
    char label[SETTING_NAME_SIZE + 2];
    const char *value; // after '='; NULL = none there
    bool is_negated;
    size_t index;
};

static enum status split_flag(const struct settings *settings, const char *argument,
                              struct flag *ret_flag, struct error *error) {
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
        return error_set(error, STATUS_INVALID, "\"%.200s\" is not a flag; flags begin with --",
                         argument);
    }
    const char *equals = strchr(argument, '=');
    size_t size = equals ? (size_t)(equals - argument) - 2 : strlen(argument) - 2;
    if (size >= sizeof ret_flag->name) {
        return error_set(error, STATUS_INVALID, "%.40s...: unknown setting", argument);
    }
    memcpy(ret_flag->name, argument + 2, size);
    ret_flag->name[size] = '\0';
    ret_flag->value = equals ? equals + 1 : NULL;
    ret_flag->index = settings_index(settings, ret_flag->name);
    snprintf(ret_flag->label, sizeof ret_flag->label, "--%s", ret_flag->name);
    ret_flag->is_negated = ret_flag->index == settings->table_size &&
                           strncmp(ret_flag->name, "no-", 3) == 0 &&
                           settings_index(settings, ret_flag->name + 3) < settings->table_size;
    if (ret_flag->is_negated) {
        ret_flag->index = settings_index(settings, ret_flag->name + 3);
    }
    return STATUS_OK;
}

static enum status find_flag(const struct settings *settings, const struct flag *flag,
                             const struct setting_origin *origin, struct error *error) {
    if (flag->index == settings->table_size) {
        return settings_unknown(settings, flag->name, origin, error);
    }
    const struct setting *setting = &settings->table[flag->index];
    if (!settings_belongs(settings, flag->index)) {
        return error_set(error, STATUS_INVALID, "%s: belongs to another command", origin->label);
    }
    if (flag->is_negated && setting->kind != SETTING_SWITCH) {
        return error_set(error, STATUS_INVALID, "%s: --%s is not a switch", origin->label,
                         setting->name);
    }
    if (flag->is_negated && flag->value) {
        return error_set(error, STATUS_INVALID, "%s: takes no value", origin->label);
    }
    return STATUS_OK;
}

// What follows as an argument of its own. Another flag there means that the value was forgotten.
static enum status take_value(const struct setting *setting, const char *label,
                              const char *following, const char **ret_value, struct error *error) {
    if (!following) {
        return error_set(error, STATUS_INVALID, "%s: needs a value: --%s %s", label, setting->name,
                         setting->value_name ? setting->value_name : "VALUE");
    }
    if (strncmp(following, "--", 2) == 0) {
        return error_set(error, STATUS_INVALID,
                         "%s: needs a value, but %.200s follows; a value that begins with -- is "
                         "written --%s=VALUE",
                         label, following, setting->name);
    }
    *ret_value = following;
    return STATUS_OK;
}

// Moves *next past what it took.
static enum status read_flag(struct settings *settings, int count, char **arguments, int *next,
                             struct error *error) {
    struct flag flag = {0};
    enum status status = split_flag(settings, arguments[(*next)++], &flag, error);
    if (status != STATUS_OK) {
        return status;
    }
    const struct setting_origin origin = {SOURCE_FLAG, flag.label};
    status = find_flag(settings, &flag, &origin, error);
    if (status != STATUS_OK) {
        return status;
    }
    const struct setting *setting = &settings->table[flag.index];
    if (setting->kind == SETTING_SWITCH && !flag.value) {
        flag.value = flag.is_negated ? "false" : "true";
    }
    if (!flag.value) {
        const char *following = *next < count ? arguments[*next] : NULL;
        status = take_value(setting, flag.label, following, &flag.value, error);
        *next += 1;
    }
    return status == STATUS_OK ? settings_set(settings, flag.index, &origin, flag.value, error)
                               : status;
}

enum status settings_read_flags(struct settings *settings, int count, char **arguments,
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
