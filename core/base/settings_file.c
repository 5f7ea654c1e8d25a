// Settings in a file: a `name: value` a line, a subset of YAML. '#' begins a comment at the start
// of a word; a value may stand in quotes, which is needed where it holds such a '#'.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/settings_private.h"

#define FILE_MAX_BYTES (1024 * 1024)

static bool is_comment_or_empty(struct bytes text) {
    text = bytes_trim(text);
    return text.size == 0 || text.data[0] == '#';
}

static struct bytes without_comment(struct bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        bool starts_word = i == 0 || text.data[i - 1] == ' ' || text.data[i - 1] == '\t';
        if (text.data[i] == '#' && starts_word) {
            return bytes_trim(bytes_slice(text, 0, i));
        }
    }
    return text;
}

// False when a quote is not closed, or something follows it.
static bool read_value(struct bytes text, struct bytes *ret_value) {
    text = bytes_trim(text);
    if (text.size == 0 || (text.data[0] != '"' && text.data[0] != '\'')) {
        *ret_value = without_comment(text);
        return true;
    }
    struct bytes quoted = bytes_slice(text, 1, SIZE_MAX);
    size_t end = bytes_find(quoted, text.data[0]);
    *ret_value = bytes_slice(quoted, 0, end);
    return end < quoted.size && is_comment_or_empty(bytes_slice(quoted, end + 1, SIZE_MAX));
}

static enum status set_from_line(struct settings *settings, const char *name, const char *value,
                                 const struct setting_origin *origin, struct error *error) {
    size_t index = settings_index(settings, name);
    if (index == settings->table_size) {
        return settings_unknown(settings, name, origin, error);
    }
    if (strcmp(name, "config") == 0) {
        return error_set(error, STATUS_INVALID, "%s: a file cannot name another one",
                         origin->label);
    }
    // One file can serve several commands.
    return settings_belongs(settings, index) ? settings_set(settings, index, origin, value, error)
                                             : STATUS_OK;
}

static enum status read_line(struct settings *settings, const char *path, size_t number,
                             struct bytes line, struct error *error) {
    size_t colon = bytes_find(line, ':');
    struct bytes value;
    if (is_comment_or_empty(line)) {
        return STATUS_OK;
    }
    if (colon == line.size || bytes_find(line, '\0') < line.size) {
        return error_set(error, STATUS_INVALID, "%s:%zu: not of the form `name: value`", path,
                         number);
    }
    if (!read_value(bytes_slice(line, colon + 1, SIZE_MAX), &value)) {
        return error_set(error, STATUS_INVALID, "%s:%zu: a quote is not closed at the end", path,
                         number);
    }
    struct buffer label = {0};
    char *name = bytes_to_text(bytes_trim(bytes_slice(line, 0, colon)));
    char *text = bytes_to_text(value);
    buffer_append_format(&label, "%s:%zu: %s", path, number, name);
    const struct setting_origin origin = {SOURCE_FILE, label.data};
    enum status status = set_from_line(settings, name, text, &origin, error);
    free(name);
    free(text);
    buffer_clear(&label);
    return status;
}

static enum status load_file(const char *path, struct buffer *ret_text, struct error *error) {
    FILE *file = fopen(path, "re");
    if (!file) {
        return error_set(error, STATUS_INVALID, "--config: cannot open %s: %s", path,
                         strerror(errno));
    }
    char *room = buffer_reserve(ret_text, FILE_MAX_BYTES + 1);
    size_t size = fread(room, 1, FILE_MAX_BYTES + 1, file);
    int failure = ferror(file) ? errno : 0;
    fclose(file);
    if (failure != 0) {
        return error_set(error, STATUS_INVALID, "--config: cannot read %s: %s", path,
                         strerror(failure));
    }
    if (size > FILE_MAX_BYTES) {
        return error_set(error, STATUS_INVALID, "--config: %s is larger than 1 MiB", path);
    }
    ret_text->size = size;
    return STATUS_OK;
}

enum status settings_read_file(struct settings *settings, const char *path, struct error *error) {
    struct buffer text = {0};
    enum status status = load_file(path, &text, error);
    struct bytes rest = buffer_bytes(&text);
    for (size_t number = 1; status == STATUS_OK && rest.size > 0; number++) {
        struct bytes line = bytes_slice(rest, 0, bytes_find(rest, '\n'));
        rest = bytes_slice(rest, line.size + 1, SIZE_MAX);
        if (line.size > 0 && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        status = read_line(settings, path, number, line, error);
    }
    buffer_clear(&text);
    return status;
}
