// The dead letters of a test of redrives: appended and marked, and what the log and the index have
// of them afterwards.
#ifndef EVENT_GATEWAY_TESTS_UNIT_ADMIN_REDRIVE_LETTERS_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_ADMIN_REDRIVE_LETTERS_TEST_H

#include "tests/unit/admin/redrives_test.h"

#include "core/base/clock.h"
#include "core/events/event_record.h"
#include "core/events/letter_mark.h"
#include "core/events/parked_record.h"

static inline const struct event *build_event(const char *id) {
    struct event_builder *builder = event_builder_create();
    const struct event *event = NULL;
    struct error error = {0};
    const struct event_context context = {.space = BYTES("default"),
                                          .method = BYTES("POST"),
                                          .path = BYTES("/"),
                                          .received_us = clock_wall_us()};
    event_builder_set(builder, BYTES("id"), bytes_of_text(id), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("source"), BYTES("/test"), EVENT_VALUE_STRING);
    event_builder_set(builder, BYTES("type"), BYTES("test"), EVENT_VALUE_STRING);
    event_builder_set_context(builder, &context);
    if (event_builder_finish_take(builder, &event, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return event;
}

static inline struct dead_letter letter_of(const char *subscription) {
    return (struct dead_letter){.subscription_id = bytes_of_text(subscription),
                                .function_id = BYTES("f"),
                                .space = BYTES("default"),
                                .reason = BYTES("given up"),
                                .attempts = 3,
                                .last_status = 500,
                                .offset = 7};
}

static inline void append_encoded(struct redrives_fixture *fixture, const struct record *record) {
    struct append_answer answer =
        append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_DEAD_LETTERS, record);
    assert_int_equal(answer.status, STATUS_OK);
}

static inline void append_letter(struct redrives_fixture *fixture, const char *subscription,
                                 const char *event_id) {
    const struct event *event = build_event(event_id);
    struct dead_letter letter = letter_of(subscription);
    struct encoded_record encoded;
    dead_letter_encode(&letter, event, &encoded);
    append_encoded(fixture, &encoded.record);
    event_record_clear(&encoded);
    event_unref(event);
}

static inline void append_mark(struct redrives_fixture *fixture, int64_t offset,
                               const char *redrive_id) {
    const struct letter_mark mark = {
        .kind = LETTER_MARK_REDRIVEN, .offset = offset, .redrive_id = bytes_of_text(redrive_id)};
    struct letter_mark_record record;
    letter_mark_encode(&mark, &record);
    append_encoded(fixture, &record.record);
}

struct words {
    char words[128][16];
    size_t count;
};

static inline void add_word(struct words *words, struct bytes word) {
    assert_true(words->count < ARRAY_LENGTH(words->words));
    snprintf(words->words[words->count++], sizeof words->words[0], "%.*s", (int)word.size,
             word.data);
}

static inline int compare_words(const void *left, const void *right) {
    return strcmp(left, right);
}

// Sorted, since letters that are on their way together end in any order; a space after each.
static inline const char *write_words(struct words *words) {
    static char text[2048];
    size_t used = 0;
    text[0] = '\0';
    qsort(words->words, words->count, sizeof words->words[0], compare_words);
    for (size_t i = 0; i < words->count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s ", words->words[i]);
    }
    return text;
}

// Ids of the events that were parked, and which was parked last, unless NULL.
static inline const char *parked(struct redrives_fixture *fixture, char ret_last[16]) {
    struct words ids = {.count = 0};
    struct event_log_slice slice = {
        .stream = EVENT_LOG_RETRY_10S, .from_offset = EVENT_LOG_BEGINNING, .max_records = 1000};
    read_and_wait(fixture->log, &fixture->loop, &slice);
    assert_int_equal(slice.status, STATUS_OK);
    for (size_t i = 0; i < slice.count; i++) {
        struct parked_delivery delivery;
        struct buffer storage = {0};
        const struct event *event = NULL;
        assert_int_equal(
            parked_delivery_decode(&slice.records[i], &delivery, &storage, &event, NULL),
            STATUS_OK);
        assert_int_equal(delivery.attempts, 0);
        assert_int_equal(delivery.offset, 7);
        add_word(&ids, event->id);
        event_unref(event);
        buffer_clear(&storage);
    }
    event_log_slice_clear(&slice);
    if (ret_last) {
        snprintf(ret_last, sizeof ids.words[0], "%s",
                 ids.count > 0 ? ids.words[ids.count - 1] : "");
    }
    return write_words(&ids);
}

// Offsets of the letters that marks in the log name.
static inline const char *marked(struct redrives_fixture *fixture) {
    struct words offsets = {.count = 0};
    struct event_log_slice slice = {
        .stream = EVENT_LOG_DEAD_LETTERS, .from_offset = EVENT_LOG_BEGINNING, .max_records = 1000};
    read_and_wait(fixture->log, &fixture->loop, &slice);
    for (size_t i = 0; i < slice.count; i++) {
        struct letter_mark mark;
        if (letter_mark_decode(&slice.records[i].record, &mark) == STATUS_OK) {
            assert_int_equal(mark.kind, LETTER_MARK_REDRIVEN);
            assert_true(bytes_equal_text(mark.redrive_id, "r"));
            char offset[16];
            snprintf(offset, sizeof offset, "%lld", (long long)mark.offset);
            add_word(&offsets, bytes_of_text(offset));
        }
    }
    event_log_slice_clear(&slice);
    return write_words(&offsets);
}

struct index_count {
    struct redrives_fixture *fixture;
    int64_t letters, marks;
};

static inline void count_on_loop(void *context) {
    struct index_count *count = context;
    const struct event_query query = {.space = BYTES("default")};
    struct error error;
    assert_int_equal(
        event_index_count_letters(count->fixture->index, &query, &count->letters, &error),
        STATUS_OK);
    assert_int_equal(
        event_index_count_marks(count->fixture->index, BYTES("r"), &count->marks, &error),
        STATUS_OK);
}

// How many letters are still dead, and how many the redrive "r" has marked.
static inline struct index_count count_letters(struct redrives_fixture *fixture) {
    struct index_count count = {.fixture = fixture};
    event_loop_call(fixture->loop.loop, count_on_loop, &count);
    return count;
}

#endif
