// What the fuzzers read their input with: text in lines, of which some are "name: value".
#ifndef EVENT_GATEWAY_TESTS_FUZZ_LINES_H
#define EVENT_GATEWAY_TESTS_FUZZ_LINES_H

#include "core/base/bytes.h"
#include "core/base/http_server.h"

#define HEADERS_MAX 64

// What lies before the end, which is skipped.
static inline struct bytes take_until(struct bytes *rest, char end) {
    struct bytes taken = bytes_slice(*rest, 0, bytes_find(*rest, end));
    *rest = bytes_slice(*rest, taken.size + 1, rest->size);
    return taken;
}

// Up to an empty line, or to HEADERS_MAX. Returns how many there are.
static inline size_t take_headers(struct bytes *rest, struct http_header headers[HEADERS_MAX]) {
    size_t count = 0;
    while (count < HEADERS_MAX) {
        struct bytes line = take_until(rest, '\n');
        if (line.size == 0) {
            break;
        }
        struct bytes name = take_until(&line, ':');
        headers[count++] = (struct http_header){.name = name, .value = bytes_trim(line)};
    }
    return count;
}

#endif
