#include "core/base/log_line.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/text.h"

#define VALUE_MAX 2048
// A line of this size is built on the stack; a larger one moves to the heap.
#define SHORT_LINE 1024
#define NUMBER_TEXT_SIZE 24

// One of the program's two mutable globals; written once, before other threads start.
static enum log_level level_from = LOG_INFO;
static enum log_format line_format = LOG_FORMAT_TEXT;

void log_configure(enum log_level level, enum log_format format) {
    level_from = level;
    line_format = format;
}

bool log_is_enabled(enum log_level level) {
    return level >= level_from;
}

static struct bytes level_name(enum log_level level) {
    static const struct bytes names[] = {{"debug", 5}, {"info", 4}, {"warning", 7}, {"error", 5}};
    return names[level];
}

struct line {
    char room[SHORT_LINE];
    size_t size;
    struct buffer longer; // holds everything once the room is too small
};

static void line_append(struct line *line, struct bytes piece) {
    if (piece.size == 0) {
        return;
    }
    if (!line->longer.data && piece.size <= sizeof line->room - line->size) {
        memcpy(line->room + line->size, piece.data, piece.size);
        line->size += piece.size;
        return;
    }
    if (!line->longer.data) {
        buffer_append(&line->longer, (struct bytes){line->room, line->size});
    }
    buffer_append(&line->longer, piece);
}

static void line_append_text(struct line *line, const char *text) {
    line_append(line, bytes_of_text(text));
}

static void line_append_number(struct line *line, int64_t number) {
    char text[NUMBER_TEXT_SIZE];
    char *end = text + sizeof text;
    char *start = end;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do {
        *--start = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        *--start = '-';
    }
    line_append(line, (struct bytes){start, (size_t)(end - start)});
}

// A value that stands as it is between quotes. Bytes beyond ASCII go the long way, which checks
// them.
static bool is_plain(struct bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < ' ' || byte >= 0x7f || byte == '"' || byte == '\\') {
            return false;
        }
    }
    return true;
}

static void line_append_quoted(struct line *line, struct bytes text) {
    if (is_plain(text)) {
        line_append(line, BYTES("\""));
        line_append(line, text);
        line_append(line, BYTES("\""));
        return;
    }
    struct buffer literal = {0};
    json_append_string(text, &literal);
    line_append(line, buffer_bytes(&literal));
    buffer_clear(&literal);
}

// A value that needs no quotes in a line for people.
static bool is_word(struct bytes value) {
    return value.size > 0 && is_plain(value) && bytes_find(value, ' ') == value.size &&
           bytes_find(value, '=') == value.size;
}

static struct bytes value_of(const struct log_field *field) {
    struct bytes value = field->kind == LOG_FIELD_BYTES ? field->bytes : bytes_of_text(field->text);
    return bytes_slice(value, 0, VALUE_MAX);
}

static void append_text_field(struct line *line, const struct log_field *field) {
    struct bytes value = value_of(field);
    line_append(line, BYTES(" "));
    line_append_text(line, field->name);
    line_append(line, BYTES("="));
    if (field->kind == LOG_FIELD_NUMBER) {
        line_append_number(line, field->number);
    } else if (is_word(value)) {
        line_append(line, value);
    } else {
        line_append_quoted(line, value);
    }
}

static void append_json_field(struct line *line, const struct log_field *field) {
    line_append(line, BYTES(","));
    line_append_quoted(line, bytes_of_text(field->name));
    line_append(line, BYTES(":"));
    if (field->kind == LOG_FIELD_NUMBER) {
        line_append_number(line, field->number);
    } else {
        line_append_quoted(line, value_of(field));
    }
}

static void append_time(struct line *line) {
    // Cut to milliseconds; one microsecond more makes a whole second show its zeros.
    char text[TIMESTAMP_TEXT_SIZE];
    int64_t now_us = clock_wall_us();
    timestamp_format(now_us - now_us % 1000 + 1, text);
    line_append(line, (struct bytes){text, strlen("2026-11-24T01:02:03.004")});
    line_append(line, BYTES("Z"));
}

static void append_text_head(struct line *line, enum log_level level, const char *message) {
    static const char blanks[] = "      ";
    struct bytes name = level_name(level);
    append_time(line);
    line_append(line, BYTES(" "));
    line_append(line, name);
    line_append(line, (struct bytes){blanks, name.size < 5 ? 6 - name.size : 1});
    if (is_plain(bytes_of_text(message))) {
        line_append_text(line, message);
    } else {
        line_append_quoted(line, bytes_of_text(message));
    }
}

static void append_json_head(struct line *line, enum log_level level, const char *message) {
    line_append(line, BYTES("{\"time\":\""));
    append_time(line);
    line_append(line, BYTES("\",\"level\":\""));
    line_append(line, level_name(level));
    line_append(line, BYTES("\",\"message\":"));
    line_append_quoted(line, bytes_of_text(message));
}

// One write, so that lines of several threads do not mix. Nobody can be told when it fails.
static void write_line(const struct line *line) {
    const char *data = line->longer.data ? line->longer.data : line->room;
    size_t size = line->longer.data ? line->longer.size : line->size;
    ssize_t written;
    do {
        written = write(STDERR_FILENO, data, size);
    } while (written < 0 && errno == EINTR);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count) {
    // The room is not zeroed: only its first size bytes are ever read.
    struct line line;
    line.size = 0;
    line.longer = (struct buffer){0};
    bool is_json = line_format == LOG_FORMAT_JSON;
    (is_json ? append_json_head : append_text_head)(&line, level, message);
    for (size_t i = 1; i < field_count; i++) {
        (is_json ? append_json_field : append_text_field)(&line, &fields[i]);
    }
    line_append_text(&line, is_json ? "}\n" : "\n");
    write_line(&line);
    buffer_clear(&line.longer);
}

// Several threads may share a limit. What they count past each other is harmless: a line more or
// less.
bool log_limit_allows(struct log_limit *limit, unsigned per_second, uint64_t *ret_suppressed) {
    int64_t now_us = clock_monotonic_us();
    int64_t window_us = __atomic_load_n(&limit->window_us, __ATOMIC_RELAXED);
    if (window_us == 0 || now_us - window_us >= 1000000) {
        __atomic_store_n(&limit->window_us, now_us, __ATOMIC_RELAXED);
        __atomic_store_n(&limit->in_window, 0, __ATOMIC_RELAXED);
    }
    if (__atomic_add_fetch(&limit->in_window, 1, __ATOMIC_RELAXED) > per_second) {
        __atomic_add_fetch(&limit->suppressed, 1, __ATOMIC_RELAXED);
        return false;
    }
    *ret_suppressed = __atomic_exchange_n(&limit->suppressed, 0, __ATOMIC_RELAXED);
    return true;
}
