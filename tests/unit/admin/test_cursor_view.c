#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdlib.h>

#include "admin/cursor_view.h"
#include "core/base/memory.h"
#include "core/event_log/event_log_kinds.h"
#include "tests/support/raw_http.h"

struct fixture {
    struct event_loop *loop;
    struct event_loop_thread *thread;
    struct event_log *log;
    struct cursor_view *view;
};

static void create_view(void *context) {
    struct fixture *fixture = context;
    fixture->view = cursor_view_create(fixture->log, fixture->loop);
}

static void destroy_view(void *context) {
    struct fixture *fixture = context;
    cursor_view_destroy(fixture->view);
}

static int set_up(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    const struct event_log_memory_options options = {.partitions = 2};
    struct error error = {0};
    assert_int_equal(event_log_memory_create(&options, &fixture->log, &error), STATUS_OK);
    assert_int_equal(event_loop_create("view-test", &fixture->loop, &error), STATUS_OK);
    fixture->thread = event_loop_thread_start(fixture->loop);
    event_loop_call(fixture->loop, create_view, fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    event_loop_call(fixture->loop, destroy_view, fixture);
    event_loop_stop(fixture->loop);
    event_loop_thread_join(fixture->thread);
    event_loop_destroy(fixture->loop);
    event_log_close(fixture->log, 0);
    event_log_destroy(fixture->log);
    free(fixture);
    return 0;
}

// --- Writing.

struct stored {
    struct event_log_append append;
    sem_t done;
};

static void append_done(struct event_log_append *append) {
    struct stored *stored = CONTAINER_OF(append, struct stored, append);
    assert_int_equal(append->status, STATUS_OK);
    sem_post(&stored->done);
}

static void store(struct fixture *fixture, const struct cursor_record *record, bool has_value) {
    struct buffer key_text = {0};
    struct buffer value = {0};
    struct cursor_key key;
    struct stored stored = {
        .append = {.stream = EVENT_LOG_CURSORS, .loop = fixture->loop, .done = append_done}};
    cursor_record_key(record, &key);
    cursor_key_write(&key, &key_text);
    cursor_record_write(record, &value);
    stored.append.record = (struct record){.key = buffer_bytes(&key_text),
                                           .value = has_value ? buffer_bytes(&value) : BYTES(""),
                                           .has_value = has_value};
    sem_init(&stored.done, 0, 0);
    assert_int_equal(event_log_append(fixture->log, &stored.append), STATUS_OK);
    sem_wait(&stored.done);
    sem_destroy(&stored.done);
    buffer_clear(&key_text);
    buffer_clear(&value);
}

static const struct cursor_key live_key = {.kind = CURSOR_LIVE, .partition = 1};

static void store_live(struct fixture *fixture, int64_t position) {
    const struct cursor_record record = {.kind = CURSOR_LIVE,
                                         .partition = 1,
                                         .epoch = 1,
                                         .position = position,
                                         .until = CURSOR_NO_END};
    store(fixture, &record, position >= 0);
}

// --- Asking.

struct asked {
    struct cursor_view_request request;
    struct cursor_view *view;
    int64_t position; // -1: no record; -2: it could not be read
    sem_t done;
};

static void answered(struct cursor_view_request *request, const struct cursor_fold *fold) {
    struct asked *asked = CONTAINER_OF(request, struct asked, request);
    const struct cursor_record *record = fold ? cursor_fold_find(fold, &live_key) : NULL;
    asked->position = !fold ? -2 : record ? record->position : -1;
    sem_post(&asked->done);
}

static void ask(void *context) {
    struct asked *asked = context;
    asked->request.done = answered;
    cursor_view_ask(asked->view, &asked->request);
}

static int64_t position_of(struct fixture *fixture) {
    struct asked asked = {.view = fixture->view};
    sem_init(&asked.done, 0, 0);
    event_loop_call(fixture->loop, ask, &asked);
    sem_wait(&asked.done);
    sem_destroy(&asked.done);
    return asked.position;
}

static void each_request_sees_what_was_stored_before_it(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(position_of(fixture), -1);
    for (int64_t position = 0; position < 50; position++) {
        store_live(fixture, position);
        assert_int_equal(position_of(fixture), position);
    }
    store_live(fixture, -1); // A removal.
    assert_int_equal(position_of(fixture), -1);
}

struct both {
    struct asked first, second;
};

static void ask_both(void *context) {
    struct both *both = context;
    ask(&both->first);
    ask(&both->second);
}

static void requests_at_once_are_all_answered(void **state) {
    struct fixture *fixture = *state;
    struct both both = {.first = {.view = fixture->view}, .second = {.view = fixture->view}};
    sem_init(&both.first.done, 0, 0);
    sem_init(&both.second.done, 0, 0);
    store_live(fixture, 7);
    event_loop_call(fixture->loop, ask_both, &both);
    sem_wait(&both.first.done);
    sem_wait(&both.second.done);
    assert_int_equal(both.first.position, 7);
    assert_int_equal(both.second.position, 7);
    sem_destroy(&both.first.done);
    sem_destroy(&both.second.done);
}

static void more_than_one_slice_is_read_to_its_end(void **state) {
    struct fixture *fixture = *state;
    for (int64_t position = 0; position < 4500; position++) {
        store_live(fixture, position);
    }
    assert_int_equal(position_of(fixture), 4499);
}

static void compaction_between_requests_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    store_live(fixture, 1);
    assert_int_equal(position_of(fixture), 1);
    store_live(fixture, 2);
    store_live(fixture, 3);
    event_log_memory_compact(fixture->log, EVENT_LOG_CURSORS);
    assert_int_equal(position_of(fixture), 3);
}

static void a_log_that_cannot_be_read_is_told(void **state) {
    struct fixture *fixture = *state;
    store_live(fixture, 1);
    event_log_close(fixture->log, 0);
    assert_int_equal(position_of(fixture), -2);
    assert_int_equal(position_of(fixture), -2);
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

int main(void) {
    const struct CMUnitTest rules[] = {
        RULE(each_request_sees_what_was_stored_before_it),
        RULE(requests_at_once_are_all_answered),
        RULE(more_than_one_slice_is_read_to_its_end),
        RULE(compaction_between_requests_changes_nothing),
        RULE(a_log_that_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests_name("cursor_view", rules, NULL, NULL);
}
