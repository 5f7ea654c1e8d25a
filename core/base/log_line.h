// Structured log lines on stderr: JSON objects, or text for people. Any thread; one line is one
// write. Roles log; core returns errors. Never log a secret: fields that carry one are the caller's
// fault.
#ifndef EVENT_GATEWAY_BASE_LOG_LINE_H
#define EVENT_GATEWAY_BASE_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARNING,
    LOG_ERROR
};
enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON
};

// Once, before other threads start. Defaults: LOG_INFO, LOG_FORMAT_TEXT.
void log_configure(enum log_level level, enum log_format format);
bool log_is_enabled(enum log_level level);

enum log_field_kind {
    LOG_FIELD_TEXT,
    LOG_FIELD_BYTES,
    LOG_FIELD_NUMBER
};
struct log_field {
    const char *name;
    enum log_field_kind kind;
    const char *text;
    struct bytes bytes;
    int64_t number;
};

// log_line(LOG_INFO, "function called", LOG_TEXT("function", id), LOG_NUMBER("status", 200));
// The message is a constant sentence without values in it; the values are fields.
#define LOG_TEXT(field_name, value)                                                                \
    ((struct log_field){.name = (field_name), .kind = LOG_FIELD_TEXT, .text = (value)})
#define LOG_BYTES(field_name, value)                                                               \
    ((struct log_field){.name = (field_name), .kind = LOG_FIELD_BYTES, .bytes = (value)})
#define LOG_NUMBER(field_name, value)                                                              \
    ((struct log_field){.name = (field_name), .kind = LOG_FIELD_NUMBER, .number = (value)})
#define log_line(level, message, ...)                                                              \
    do {                                                                                           \
        if (log_is_enabled(level)) {                                                               \
            log_write((level), (message), (const struct log_field[]){{.name = NULL}, __VA_ARGS__}, \
                      sizeof((const struct log_field[]){{.name = NULL}, __VA_ARGS__}) /            \
                          sizeof(struct log_field));                                               \
        }                                                                                          \
    } while (0)
// fields[0] is unused. Values are escaped; a text longer than 2 KiB is cut.
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count);

// For what an outsider can trigger often: true at most `per_second` times a second for this site,
// and ret_suppressed tells how many were swallowed since.
struct log_limit {
    int64_t window_us;
    uint64_t in_window;
    uint64_t suppressed;
};
bool log_limit_allows(struct log_limit *limit, unsigned per_second, uint64_t *ret_suppressed);

#endif
