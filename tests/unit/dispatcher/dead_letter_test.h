// What a test reads in a dead letter.
#ifndef EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_DEAD_LETTER_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_DISPATCHER_DEAD_LETTER_TEST_H

#include "tests/unit/dispatcher/dispatcher_log_test.h"

struct letter {
    struct dead_letter letter;
    struct buffer storage;
    const struct event *event;
};

static inline void read_letter(struct recorder *recorder, size_t index, struct letter *ret_letter) {
    struct stored_record stored = {.record = recorder->received[index].record};
    struct error error;
    *ret_letter = (struct letter){0};
    if (dead_letter_decode(&stored, &ret_letter->letter, &ret_letter->storage, &ret_letter->event,
                           &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static inline void letter_clear(struct letter *letter) {
    buffer_clear(&letter->storage);
    event_unref(letter->event);
}

static inline void assert_text(struct bytes bytes, const char *expected) {
    char *text = bytes_to_text(bytes);
    assert_string_equal(text, expected);
    free(text);
}

static inline void assert_begins(struct bytes bytes, const char *expected) {
    if (!bytes_start_with(bytes, bytes_of_text(expected))) {
        fail_msg("\"%.*s\" does not begin with \"%s\"", (int)bytes.size, bytes.data, expected);
    }
}

// Waits for the one dead letter that there is, and checks that all are committed past.
static inline void await_letter(struct dispatcher_test *test, struct letter *ret_letter) {
    struct recorder recorder;
    test_read_dead_letters(test, &recorder);
    recorder_await_received(&recorder, 1);
    test_close_dispatcher(test);
    assert_int_equal(recorder.received_count, 1);
    read_letter(&recorder, 0, ret_letter);
    recorder_close(&recorder);
    recorder_clear(&recorder);
}

#endif
