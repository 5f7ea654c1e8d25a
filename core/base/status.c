#include "core/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *status_name(enum status status) {
    switch (status) {
    case STATUS_OK:
        return "ok";
    case STATUS_INVALID:
        return "invalid";
    case STATUS_NOT_FOUND:
        return "not found";
    case STATUS_EXISTS:
        return "exists";
    case STATUS_CONFLICT:
        return "conflict";
    case STATUS_TOO_LARGE:
        return "too large";
    case STATUS_FULL:
        return "full";
    case STATUS_UNAVAILABLE:
        return "unavailable";
    case STATUS_TIMEOUT:
        return "timeout";
    case STATUS_CLOSED:
        return "closed";
    case STATUS_FAILED:
        return "failed";
    }
    return "unknown";
}

enum status error_set(struct error *error, enum status status, const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return status;
}

void error_prefix(struct error *error, const char *format, ...) {
    if (!error) {
        return;
    }
    struct error prefixed;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(prefixed.text, sizeof prefixed.text, format, arguments);
    va_end(arguments);
    size_t used = size < 0 ? 0 : (size_t)size;
    if (used + 2 < sizeof prefixed.text) {
        // What does not fit is cut off.
        size_t room = sizeof prefixed.text - used - 3;
        size_t rest = strnlen(error->text, room);
        memcpy(prefixed.text + used, ": ", 2);
        memcpy(prefixed.text + used + 2, error->text, rest);
        prefixed.text[used + 2 + rest] = '\0';
    }
    *error = prefixed;
}
