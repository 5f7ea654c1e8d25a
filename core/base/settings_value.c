// The kinds of settings.h: how the text of each is checked and read.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/settings_private.h"

struct unit {
    const char *name;
    int64_t factor;
};

// The larger ones last; numbers are shown in the largest that fits.
static const struct unit plain_units[] = {{"", 1}};
static const struct unit size_units[] = {
    {"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}};
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

struct number_kind {
    const char *expected;
    const struct unit *units;
    size_t unit_count;
};

static struct number_kind number_kind_of(enum setting_kind kind) {
    if (kind == SETTING_SIZE) {
        return (struct number_kind){"a size such as 1048576, 512KiB or 1MiB", size_units,
                                    ARRAY_LENGTH(size_units)};
    }
    if (kind == SETTING_DURATION) {
        return (struct number_kind){"a time such as 500ms, 30s, 5m, 2h or 7d", duration_units,
                                    ARRAY_LENGTH(duration_units)};
    }
    return (struct number_kind){"a whole number", plain_units, ARRAY_LENGTH(plain_units)};
}

// An optional minus and digits, then a unit.
static bool read_number(const char *text, const struct number_kind *kind, int64_t *ret_number) {
    bool is_negative = *text == '-';
    const char *digit = text + is_negative;
    const char *first = digit;
    int64_t number = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *digit - '0', &number)) {
            return false;
        }
    }
    for (size_t i = 0; digit > first && i < kind->unit_count; i++) {
        if (strcmp(digit, kind->units[i].name) == 0) {
            return !__builtin_mul_overflow(is_negative ? -number : number, kind->units[i].factor,
                                           ret_number);
        }
    }
    return false;
}

// As it would be typed.
static void append_number(int64_t number, const struct number_kind *kind, struct buffer *ret_text) {
    size_t unit = kind->unit_count - 1;
    while (unit > 0 && (number == 0 || number % kind->units[unit].factor != 0)) {
        unit--;
    }
    buffer_append_format(ret_text, "%" PRId64 "%s", number / kind->units[unit].factor,
                         kind->units[unit].name);
}

static enum status check_range(const struct setting *setting, const struct number_kind *kind,
                               const char *label, const char *text, int64_t number,
                               struct error *error) {
    bool is_limited = setting->minimum != 0 || setting->maximum != 0;
    if (!is_limited || (number >= setting->minimum && number <= setting->maximum)) {
        return STATUS_OK;
    }
    struct buffer range = {0};
    append_number(setting->minimum, kind, &range);
    buffer_append_text(&range, " and ");
    append_number(setting->maximum, kind, &range);
    enum status status =
        error_set(error, STATUS_INVALID, "%s: %s is not between %s", label, text, range.data);
    buffer_clear(&range);
    return status;
}

static enum status parse_number(const struct setting *setting, const char *label, const char *text,
                                int64_t *ret_number, struct error *error) {
    struct number_kind kind = number_kind_of(setting->kind);
    int64_t number = 0;
    if (!read_number(text, &kind, &number)) {
        return error_set(error, STATUS_INVALID, "%s: \"%s\" is not %s", label, text, kind.expected);
    }
    enum status status = check_range(setting, &kind, label, text, number, error);
    if (status == STATUS_OK) {
        *ret_number = number;
    }
    return status;
}

static enum status parse_switch(const char *label, const char *text, int64_t *ret_number,
                                struct error *error) {
    bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0) {
        return error_set(error, STATUS_INVALID, "%s: \"%s\" is neither true nor false", label,
                         text);
    }
    *ret_number = is_true;
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

static enum status parse(const struct setting *setting, const char *label, const char *text,
                         int64_t *ret_number, struct error *error) {
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_LIST:
        return STATUS_OK;
    case SETTING_SWITCH:
        return parse_switch(label, text, ret_number, error);
    case SETTING_CHOICE:
        return parse_choice(setting, label, text, error);
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_DURATION:
        return parse_number(setting, label, text, ret_number, error);
    }
    return STATUS_OK;
}

static void list_add(struct setting_value *value, struct bytes item) {
    value->list = memory_resize(value->list, value->list_count + 1, sizeof *value->list);
    value->list[value->list_count++] = bytes_to_text(item);
}

static bool begins_pair(struct bytes text) {
    size_t size = 0;
    while (size < text.size && text.data[size] != '=' && text.data[size] != ',') {
        size++;
    }
    return size > 0 && size < text.size && text.data[size] == '=';
}

// A comma begins a new pair only where a NAME= follows, so that values may hold commas.
static struct bytes first_pair(struct bytes text) {
    size_t size = bytes_find(text, ',');
    while (size < text.size && !begins_pair(bytes_slice(text, size + 1, SIZE_MAX))) {
        size += 1 + bytes_find(bytes_slice(text, size + 1, SIZE_MAX), ',');
    }
    return bytes_slice(text, 0, size);
}

// Pairs can be repeated as flags and in the file, where each is taken as it is; a variable holds
// all of them.
static void list_add_all(const struct setting *setting, enum setting_source source,
                         const char *text, struct setting_value *value) {
    bool has_pairs = setting->value_name && strchr(setting->value_name, '=');
    struct bytes rest = bytes_of_text(text);
    if (has_pairs && source != SOURCE_ENVIRONMENT) {
        list_add(value, rest);
        return;
    }
    while (rest.size > 0) {
        struct bytes item =
            has_pairs ? first_pair(rest) : bytes_slice(rest, 0, bytes_find(rest, ','));
        rest = bytes_slice(rest, item.size + 1, SIZE_MAX);
        if (bytes_trim(item).size > 0) {
            list_add(value, bytes_trim(item));
        }
    }
}

void settings_value_clear(struct setting_value *value) {
    for (size_t i = 0; i < value->list_count; i++) {
        free(value->list[i]);
    }
    free(value->list);
    free(value->text);
    *value = (struct setting_value){0};
}

enum status settings_set(struct settings *settings, size_t index,
                         const struct setting_origin *origin, const char *text,
                         struct error *error) {
    const struct setting *setting = &settings->table[index];
    struct setting_value *value = &settings->values[index];
    int64_t number = 0;
    enum status status = parse(setting, origin->label, text, &number, error);
    if (status != STATUS_OK || origin->source < value->source) {
        return status;
    }
    if (origin->source == value->source && origin->source != SOURCE_DEFAULT &&
        setting->kind != SETTING_LIST) {
        return error_set(error, STATUS_INVALID, "%s: given twice", origin->label);
    }
    if (origin->source != value->source) {
        settings_value_clear(value);
    }
    value->source = origin->source;
    value->number = number;
    if (setting->kind == SETTING_LIST) {
        list_add_all(setting, origin->source, text, value);
    } else {
        value->text = memory_copy_text(text);
    }
    return STATUS_OK;
}
