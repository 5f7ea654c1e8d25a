// What the program under test logs, for tests that read it: between the two calls the lines go into
// a file instead of to stderr.
#ifndef EVENT_GATEWAY_TESTS_LOG_CAPTURE_H
#define EVENT_GATEWAY_TESTS_LOG_CAPTURE_H

#include "core/base/bytes.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct log_capture {
    int file;
    int old_stderr;
};

static inline struct log_capture log_capture_start(void) {
    struct log_capture capture = {.file = memfd_create("log", MFD_CLOEXEC),
                                  .old_stderr = dup(STDERR_FILENO)};
    assert_true(capture.file >= 0 && capture.old_stderr >= 0);
    // Like a log file: the kernel itself moves each write to the end.
    assert_int_equal(fcntl(capture.file, F_SETFL, O_APPEND), 0);
    assert_int_equal(dup2(capture.file, STDERR_FILENO), STDERR_FILENO);
    return capture;
}

// Adds the text to the buffer, with a NUL behind it.
static inline void log_capture_end(struct log_capture *capture, struct buffer *ret_text) {
    assert_int_equal(dup2(capture->old_stderr, STDERR_FILENO), STDERR_FILENO);
    off_t size = lseek(capture->file, 0, SEEK_END);
    char *room = buffer_reserve(ret_text, (size_t)size);
    assert_int_equal(pread(capture->file, room, (size_t)size, 0), size);
    ret_text->size += (size_t)size;
    buffer_append_text(ret_text, ""); // A NUL at the end.
    close(capture->file);
    close(capture->old_stderr);
}

#endif
