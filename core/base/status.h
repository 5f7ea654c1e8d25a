// How functions say that they failed: a status that the compiler makes the caller look at, and a
// text for people. Used everywhere. The text is filled by whoever knows the reason and passed up
// unchanged.
#ifndef EVENT_GATEWAY_BASE_STATUS_H
#define EVENT_GATEWAY_BASE_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_INVALID,     // the input breaks a rule; the text says which and where
    STATUS_NOT_FOUND,   // what was named is not there
    STATUS_EXISTS,      // what should be created is there already
    STATUS_CONFLICT,    // somebody else changed it first
    STATUS_TOO_LARGE,   // beyond a limit
    STATUS_FULL,        // a bounded queue is full; trying later can succeed
    STATUS_UNAVAILABLE, // a store or a peer cannot be reached now; trying later can succeed
    STATUS_TIMEOUT,     // no answer in time
    STATUS_CLOSED,      // shutting down
    STATUS_FAILED,      // anything else
};

#define must_check __attribute__((warn_unused_result))

struct error {
    char text[1024];
};

// "unavailable", "too large", ...: for log lines and metrics labels.
const char *status_name(enum status status);

// Formats the text, cut at the buffer's end; error may be NULL. Returns status, so that a failure
// reads `return error_set(error, STATUS_INVALID, "...")`.
enum status error_set(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts "prefix: " in front of the text that is there; error may be NULL.
void error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
