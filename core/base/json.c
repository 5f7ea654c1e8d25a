#include "core/base/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"

// jansson loses a NUL byte after a number and reads on, so NUL bytes do not come to it.
static enum status check_bytes(struct bytes text, struct error *error) {
    size_t nul = bytes_find(text, '\0');
    if (text.size == 0) {
        return error_set(error, STATUS_INVALID, "line 1, column 1: empty, JSON expected");
    }
    if (nul == text.size) {
        return STATUS_OK;
    }
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < nul; i++) {
        column = text.data[i] == '\n' ? 1 : column + 1;
        line += text.data[i] == '\n';
    }
    return error_set(error, STATUS_INVALID, "line %zu, column %zu: a NUL byte", line, column);
}

enum status json_parse(struct bytes text, struct json_t **ret_value, struct error *error) {
    json_error_t reason;
    enum status status = check_bytes(text, error);
    if (status != STATUS_OK) {
        return status;
    }
    // ALLOW_NUL: an escaped U+0000 is legal in a string.
    json_t *value = json_loadb(text.data, text.size,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &reason);
    if (!value) {
        return error_set(error, STATUS_INVALID, "line %d, column %d: %s", reason.line,
                         reason.column, reason.text);
    }
    *ret_value = value;
    return STATUS_OK;
}

char *json_write(const struct json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) {
        abort();
    }
    return text;
}

struct bytes json_string_bytes(const struct json_t *value) {
    return (struct bytes){json_string_value(value), json_string_length(value)};
}

struct bytes json_member_bytes(const struct json_t *object, const char *name) {
    return json_string_bytes(json_object_get(object, name));
}

enum status json_needed_bytes(const struct json_t *object, const char *name, struct bytes *ret_text,
                              struct error *error) {
    struct bytes text = json_member_bytes(object, name);
    if (text.size == 0) {
        return error_set(error, STATUS_INVALID, "%s: must be a non-empty string", name);
    }
    *ret_text = text;
    return STATUS_OK;
}

enum status json_refuse_others(const struct json_t *object, const char *const *names, size_t count,
                               struct error *error) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        bool is_known = false;
        for (size_t i = 0; i < count; i++) {
            is_known |= strcmp(name, names[i]) == 0;
        }
        if (!is_known) {
            return error_set(error, STATUS_INVALID, "unknown field '%.100s'", name);
        }
    }
    return STATUS_OK;
}

static int append_piece(const char *piece, size_t size, void *context) {
    buffer_append(context, (struct bytes){piece, size});
    return 0;
}

void json_append(const struct json_t *value, struct buffer *ret_buffer) {
    if (json_dump_callback(value, append_piece, ret_buffer, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
        abort();
    }
}

// How many bytes go through as they are.
static size_t plain_run(struct bytes text) {
    size_t size = 0;
    while (size < text.size && (unsigned char)text.data[size] >= 0x20 && text.data[size] != '"' &&
           text.data[size] != '\\') {
        size++;
    }
    return size;
}

static void append_escaped(char byte, struct buffer *ret_buffer) {
    static const char specials[] = "\"\\\b\f\n\r\t";
    static const char escapes[] = "\"\\bfnrt";
    const char *found = byte == '\0' ? NULL : strchr(specials, byte);
    if (found) {
        buffer_append_byte(ret_buffer, '\\');
        buffer_append_byte(ret_buffer, escapes[found - specials]);
    } else {
        buffer_append_format(ret_buffer, "\\u%04x", (unsigned)(unsigned char)byte);
    }
}

static void append_escaping(struct bytes text, struct buffer *ret_buffer) {
    while (text.size > 0) {
        size_t run = plain_run(text);
        buffer_append(ret_buffer, bytes_slice(text, 0, run));
        if (run < text.size) {
            append_escaped(text.data[run], ret_buffer);
            run++;
        }
        text = bytes_slice(text, run, SIZE_MAX);
    }
}

// Each byte that does not belong to a valid sequence becomes U+FFFD.
static void append_repairing(struct bytes text, struct buffer *ret_buffer) {
    while (text.size > 0) {
        size_t size = utf8_sequence(text);
        append_escaping(size > 0 ? bytes_slice(text, 0, size) : BYTES("\xef\xbf\xbd"), ret_buffer);
        text = bytes_slice(text, size > 0 ? size : 1, SIZE_MAX);
    }
}

void json_append_string(struct bytes text, struct buffer *ret_buffer) {
    buffer_append_byte(ret_buffer, '"');
    if (utf8_is_valid(text)) {
        append_escaping(text, ret_buffer);
    } else {
        append_repairing(text, ret_buffer);
    }
    buffer_append_byte(ret_buffer, '"');
}
