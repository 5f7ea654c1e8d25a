// Settings as the command line gives them.
#ifndef EVENT_GATEWAY_TESTS_UNIT_NODE_NODE_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_NODE_NODE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/node/node_settings.h"

#define FLAGS_MAX 16

// Reads flags that are separated by blanks.
static inline enum status read_flags(enum command command, const char *flags,
                                     struct node_settings *settings, struct error *error) {
    char text[512];
    char *arguments[FLAGS_MAX];
    char *rest = text;
    int count = 0;
    size_t size = strlen(flags);
    assert_true(size < sizeof text);
    memcpy(text, flags, size + 1);
    while (rest && *rest && count < FLAGS_MAX) {
        arguments[count++] = strsep(&rest, " ");
    }
    return node_settings_read(command, count, arguments, NULL, settings, error);
}

#endif
