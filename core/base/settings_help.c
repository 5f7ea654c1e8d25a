// The help text of settings.h.

#include <string.h>

#include "core/base/settings_private.h"

#define LINE_WIDTH 80
#define INDENT 6

// Words wrapped at the line's width, each line indented.
static void append_wrapped(const char *text, struct buffer *ret_buffer) {
    struct bytes rest = bytes_of_text(text);
    size_t column = LINE_WIDTH;
    while (rest.size > 0) {
        struct bytes word = bytes_slice(rest, 0, bytes_find(rest, ' '));
        rest = bytes_slice(rest, word.size + 1, SIZE_MAX);
        if (column + 1 + word.size > LINE_WIDTH) {
            buffer_append_format(ret_buffer, "%s%*s", column == LINE_WIDTH ? "" : "\n", INDENT, "");
            column = INDENT;
        } else {
            buffer_append_byte(ret_buffer, ' ');
            column++;
        }
        buffer_append(ret_buffer, word);
        column += word.size;
    }
    buffer_append_byte(ret_buffer, '\n');
}

static void append_setting(const struct setting *setting, struct buffer *ret_buffer) {
    struct buffer text = {0};
    buffer_append_format(ret_buffer, "  --%s%s%s\n", setting->name, setting->value_name ? " " : "",
                         setting->value_name ? setting->value_name : "");
    buffer_append_text(&text, setting->help);
    if (setting->kind == SETTING_SWITCH && setting->default_text &&
        strcmp(setting->default_text, "true") == 0) {
        buffer_append_format(&text, " On unless --no-%s is given.", setting->name);
    }
    if (setting->choices) {
        buffer_append_format(&text, " One of %s.", setting->choices);
    }
    if (setting->default_text && setting->kind != SETTING_SWITCH) {
        buffer_append_format(&text, " Default: %s.", setting->default_text);
    }
    append_wrapped(text.data, ret_buffer);
    buffer_clear(&text);
}

// The rule by which a flag's other names follow, once, with the last flag as the example.
static void append_rule(const char *name, bool has_file, struct buffer *ret_buffer) {
    buffer_append_format(ret_buffer, "\nEach flag is a variable as well: --%s is\n", name);
    settings_append_variable(name, ret_buffer);
    if (has_file) {
        buffer_append_format(ret_buffer,
                             ", and in the file of --config the line\n%s: VALUE\n"
                             "A flag beats a variable, a variable beats the file",
                             name);
    }
    buffer_append_text(ret_buffer, ".\n");
}

void settings_write_help(const struct setting *table, size_t table_size, unsigned command,
                         struct buffer *ret_buffer) {
    const char *group = "";
    const char *last = NULL;
    bool has_file = false;
    size_t start = ret_buffer->size;
    for (size_t i = 0; i < table_size; i++) {
        if ((table[i].commands & command) == 0) {
            continue;
        }
        if (table[i].group && strcmp(group, table[i].group) != 0) {
            group = table[i].group;
            buffer_append_format(ret_buffer, "%s%s\n", ret_buffer->size > start ? "\n" : "", group);
        }
        append_setting(&table[i], ret_buffer);
        has_file |= strcmp(table[i].name, "config") == 0;
        last = table[i].name;
    }
    if (last) {
        append_rule(last, has_file, ret_buffer);
    }
}
