#include "core/base/log_line.h"

#include <inttypes.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/text.h"

#define VALUE_MAX 2048

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

static const char *level_name(enum log_level level) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return names[level];
}

static struct bytes value_of(const struct log_field *field) {
    struct bytes value = field->kind == LOG_FIELD_BYTES ? field->bytes : bytes_of_text(field->text);
    return bytes_slice(value, 0, VALUE_MAX);
}

static bool needs_quotes(struct bytes value) {
    for (size_t i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\') {
            return true;
        }
    }
    return value.size == 0;
}

static void append_text_field(const struct log_field *field, struct buffer *line) {
    buffer_append_format(line, " %s=", field->name);
    if (field->kind == LOG_FIELD_NUMBER) {
        buffer_append_format(line, "%" PRId64, field->number);
    } else if (needs_quotes(value_of(field))) {
        json_append_string(value_of(field), line);
    } else {
        buffer_append(line, value_of(field));
    }
}

static void append_json_field(const struct log_field *field, struct buffer *line) {
    buffer_append_byte(line, ',');
    json_append_string(bytes_of_text(field->name), line);
    buffer_append_byte(line, ':');
    if (field->kind == LOG_FIELD_NUMBER) {
        buffer_append_format(line, "%" PRId64, field->number);
    } else {
        json_append_string(value_of(field), line);
    }
}

static void append_head(enum log_level level, const char *message, struct buffer *line) {
    char time[TIMESTAMP_TEXT_SIZE];
    timestamp_format(clock_wall_us(), time);
    if (line_format == LOG_FORMAT_JSON) {
        buffer_append_format(line, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", time,
                             level_name(level));
        json_append_string(bytes_of_text(message), line);
    } else {
        buffer_append_format(line, "%s %-7s %s", time, level_name(level), message);
    }
}

// One write, so that lines of several threads do not mix. Nobody can be told when it fails.
static void write_line(struct bytes line) {
    ssize_t written = write(STDERR_FILENO, line.data, line.size);
    (void)written;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count) {
    struct buffer line = {0};
    append_head(level, message, &line);
    for (size_t i = 1; i < field_count; i++) {
        if (line_format == LOG_FORMAT_JSON) {
            append_json_field(&fields[i], &line);
        } else {
            append_text_field(&fields[i], &line);
        }
    }
    buffer_append_text(&line, line_format == LOG_FORMAT_JSON ? "}\n" : "\n");
    write_line(buffer_bytes(&line));
    buffer_clear(&line);
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
