// JSON as a test in C writes it.
#ifndef EVENT_GATEWAY_TESTS_UNIT_ADMIN_JSON_TEXT_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_ADMIN_JSON_TEXT_TEST_H

#include "core/base/memory.h"

// JSON with ' for ", so that it can be read in C. An apostrophe inside a text cannot be written.
static inline char *json_text(const char *quoted) {
    char *text = memory_copy_text(quoted);
    for (char *at = text; at && *at; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    return text;
}

#endif
