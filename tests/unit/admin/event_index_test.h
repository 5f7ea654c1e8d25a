// An index in a file of its own, and what is put into it.
#ifndef EVENT_GATEWAY_TESTS_UNIT_ADMIN_EVENT_INDEX_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_ADMIN_EVENT_INDEX_TEST_H

#include "admin/event_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/events/event_builder.h"

struct fixture {
    char path[64];
    struct event_index *index;
};

static inline void open_index(struct fixture *fixture, const char *identity) {
    struct error error = {0};
    if (event_index_open(fixture->path, identity, &fixture->index, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static inline int set_up(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    snprintf(fixture->path, sizeof fixture->path, "%s", "/tmp/event-index-XXXXXX");
    int file = mkstemp(fixture->path);
    assert_true(file >= 0);
    close(file);
    open_index(fixture, "log");
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    event_index_close(fixture->index);
    unlink(fixture->path);
    free(fixture);
    return 0;
}

static inline void commit(struct fixture *fixture) {
    struct error error = {0};
    if (event_index_commit(fixture->index, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

struct example {
    const char *id, *source, *type, *subject, *space;
    int32_t partition;
    int64_t offset, time_us;
};

static inline const struct event *build(const struct example *example) {
    const struct event_context context = {.space = bytes_of_text(example->space),
                                          .method = BYTES("POST"),
                                          .path = BYTES("/"),
                                          .received_us = example->time_us};
    const char *const attributes[][2] = {
        {"id", example->id},
        {"source", example->source},
        {"type", example->type},
        {"subject", example->subject},
    };
    struct event_builder *builder = event_builder_create();
    for (size_t i = 0; i < ARRAY_LENGTH(attributes); i++) {
        if (attributes[i][1]) {
            event_builder_set(builder, bytes_of_text(attributes[i][0]),
                              bytes_of_text(attributes[i][1]), EVENT_VALUE_STRING);
        }
    }
    event_builder_set_context(builder, &context);
    const struct event *event;
    struct error error;
    assert_int_equal(event_builder_finish_take(builder, &event, &error), STATUS_OK);
    return event;
}

static inline void add(struct fixture *fixture, const struct example *examples, size_t count) {
    event_index_begin(fixture->index);
    for (size_t i = 0; i < count; i++) {
        const struct event *event = build(&examples[i]);
        struct stored_record stored = {.partition = examples[i].partition,
                                       .offset = examples[i].offset};
        event_index_add_event(fixture->index, &stored, event);
        event_unref(event);
    }
    commit(fixture);
}

static const struct example examples[] = {
    {"1", "/shop", "order.created", "customer-7", "team1", 0, 10, 1000000},
    {"2", "/shop", "order.paid", NULL, "team1", 1, 10, 2000000},
    {"3", "/bank", "order.paid", "Customer-8", "team1", 0, 11, 3000000},
    {"4", "/bank", "order.paid", NULL, "team2", 0, 12, 4000000},
    {"5", "/bank", "order.paid", NULL, "", 0, 13, 4000000},
    {"6", "/shop", "order.sent", NULL, "team1", 1, 11, 3000000},
};

static inline void add_examples(struct fixture *fixture) {
    add(fixture, examples, ARRAY_LENGTH(examples));
}

// The ids of a page, "6 3 2 1", and the cursor if there is one.
static inline void list(struct fixture *fixture, struct event_query *query, const char *expected,
                        struct buffer *ret_cursor) {
    json_t *answer = NULL, *event;
    struct error error = {0};
    struct buffer ids = {0};
    size_t place;
    query->limit = query->limit > 0 ? query->limit : 100;
    if (event_index_list_events(fixture->index, query, &answer, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    json_array_foreach(json_object_get(answer, "events"), place, event) {
        buffer_append_format(&ids, "%s%s", ids.size > 0 ? " " : "",
                             json_string_value(json_object_get(event, "id")));
    }
    assert_string_equal(ids.data ? ids.data : "", expected);
    if (ret_cursor) {
        buffer_reset(ret_cursor);
        const char *cursor = json_string_value(json_object_get(answer, "cursor"));
        buffer_append_text(ret_cursor, cursor ? cursor : "");
    }
    buffer_clear(&ids);
    json_decref(answer);
}

static inline void add_outcome(struct fixture *fixture, enum outcome_kind kind, uint32_t attempt,
                               int64_t time_us) {
    const struct outcome outcome = {
        .event_id = BYTES("1"),
        .event_source = BYTES("/shop"),
        .partition = 0,
        .offset = 10,
        .space = BYTES("team1"),
        .subscription_id = BYTES("sub"),
        .kind = kind,
        .attempt = attempt,
        .status = 503,
        .answer = BYTES("bro\xffken"),
        .next_attempt_us = kind == OUTCOME_RETRY ? time_us + 5000000 : 0,
        .node = BYTES("node-1"),
        .time_us = time_us,
    };
    event_index_begin(fixture->index);
    event_index_add_outcome(fixture->index, &(struct log_place){1, 7}, &outcome);
    commit(fixture);
}

static inline json_t *find(struct fixture *fixture, const char *id) {
    json_t *answer = NULL;
    struct log_place place;
    struct error error = {0};
    enum status status = event_index_find_event(fixture->index, BYTES("team1"), bytes_of_text(id),
                                                (struct bytes){0}, &answer, &place, &error);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    return answer;
}

static inline void add_letter(struct fixture *fixture, int32_t partition, int64_t offset,
                              const char *subscription) {
    const struct event *event = build(&examples[0]);
    const struct dead_letter letter = {.subscription_id = bytes_of_text(subscription),
                                       .function_id = BYTES("f"),
                                       .space = BYTES("team1"),
                                       .reason = BYTES("given up"),
                                       .attempts = 3,
                                       .last_status = 500};
    struct stored_record stored = {
        .partition = partition, .offset = offset, .timestamp_ms = offset * 1000};
    event_index_add_letter(fixture->index, &stored, &letter, event);
    event_unref(event);
}

static inline size_t count_letters(struct fixture *fixture, const char *subscription) {
    const struct event_query query = {
        .space = BYTES("team1"), .subscription_id = bytes_of_text(subscription), .limit = 100};
    json_t *answer = NULL;
    struct error error = {0};
    int64_t count;
    assert_int_equal(event_index_list_letters(fixture->index, &query, &answer, &error), STATUS_OK);
    size_t size = json_array_size(json_object_get(answer, "deadLetters"));
    assert_int_equal(event_index_count_letters(fixture->index, &query, &count, &error), STATUS_OK);
    assert_int_equal(count, size);
    json_decref(answer);
    return size;
}

// --- A subscription.

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

#endif
