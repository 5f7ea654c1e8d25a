// An append that does not rest until it is confirmed.
#include "dispatcher/record_post.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/event_log/event_log_kinds.h"
#include "tests/support/log_recorder.h"

struct fixture {
    struct event_log *log;
    struct test_loop loop;
    struct record_post post;
    struct event_loop_task task;
    sem_t told;
    unsigned stored, failed, released, failures_until_given_up;
    enum status last_failure;
    bool forgets_at_once;
    int64_t gather_us;
};

static struct fixture *fixture_of(struct record_post *post) {
    return CONTAINER_OF(post, struct fixture, post);
}

static void stored(struct record_post *post) {
    fixture_of(post)->stored++;
    sem_post(&fixture_of(post)->told);
}

static bool failed(struct record_post *post, enum status status) {
    struct fixture *fixture = fixture_of(post);
    fixture->failed++;
    fixture->last_failure = status;
    assert_int_equal(post->failures, fixture->failed);
    if (fixture->failed == fixture->failures_until_given_up) {
        sem_post(&fixture->told);
        return false;
    }
    if (status == STATUS_TOO_LARGE) {
        record_post_replace(post, &(struct record){.value = BYTES("small"), .has_value = true});
    }
    return true;
}

static void released(struct record_post *post) {
    fixture_of(post)->released++;
    sem_post(&fixture_of(post)->told);
}

static const struct record_post_events events = {stored, failed, released};

static void start(struct event_loop_task *task) {
    struct fixture *fixture = CONTAINER_OF(task, struct fixture, task);
    struct record_post_options options = {.events = &events,
                                          .log = fixture->log,
                                          .loop = fixture->loop.loop,
                                          .stream = EVENT_LOG_DEAD_LETTERS,
                                          .record = {.value = BYTES("large"), .has_value = true},
                                          .gather_us = fixture->gather_us};
    record_post_start(&fixture->post, &options);
    assert_int_equal(fixture->stored + fixture->failed, 0); // never from within
    if (fixture->forgets_at_once) {
        if (record_post_forget(&fixture->post)) {
            sem_post(&fixture->told);
        }
    }
}

static void run(struct fixture *fixture) {
    fixture->task.run = start;
    event_loop_post(fixture->loop.loop, &fixture->task);
    while (sem_wait(&fixture->told) != 0) {
    }
}

static int set_up(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    struct event_log_memory_options options = {0};
    struct error error;
    assert_int_equal(event_log_memory_create(&options, &fixture->log, &error), STATUS_OK);
    test_loop_start(&fixture->loop);
    sem_init(&fixture->told, 0, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    event_log_close(fixture->log, 1000);
    test_loop_stop(&fixture->loop);
    event_log_destroy(fixture->log);
    sem_destroy(&fixture->told);
    free(fixture);
    return 0;
}

// The records of the stream by now.
static size_t stored_records(struct fixture *fixture, struct recorder *recorder, size_t wanted) {
    *recorder = (struct recorder){.releases = true};
    recorder_start(recorder, fixture->log, EVENT_LOG_DEAD_LETTERS, "test", 0);
    recorder_await_received(recorder, wanted);
    recorder_close(recorder);
    return recorder->received_count;
}

static void the_first_confirmation_is_the_end(void **state) {
    struct fixture *fixture = *state;
    struct recorder recorder;
    run(fixture);
    assert_int_equal(fixture->stored, 1);
    assert_int_equal(fixture->failed, 0);
    assert_int_equal(stored_records(fixture, &recorder, 1), 1);
    recorder_clear(&recorder);
}

static void one_that_is_gathered_is_appended_a_moment_later(void **state) {
    struct fixture *fixture = *state;
    struct recorder recorder;
    fixture->gather_us = 1000;
    run(fixture);
    assert_int_equal(fixture->stored, 1);
    assert_int_equal(stored_records(fixture, &recorder, 1), 1);
    recorder_clear(&recorder);
    // Until then nothing is inside.
    fixture->stored = 0;
    fixture->gather_us = INT64_MAX / 2;
    fixture->forgets_at_once = true;
    run(fixture);
    assert_int_equal(fixture->released + fixture->stored, 0);
}

static void failures_of_both_kinds_are_repeated(void **state) {
    struct fixture *fixture = *state;
    struct recorder recorder;
    event_log_memory_fail_append(fixture->log, EVENT_LOG_DEAD_LETTERS, 1, 2, STATUS_FULL);
    run(fixture);
    assert_int_equal(fixture->failed, 2);
    assert_int_equal(fixture->stored, 1);
    fixture->failed = fixture->stored = 0;
    event_log_memory_fail_append(fixture->log, EVENT_LOG_DEAD_LETTERS, 1, 3, STATUS_TIMEOUT);
    run(fixture);
    assert_int_equal(fixture->failed, 3);
    assert_int_equal(fixture->last_failure, STATUS_TIMEOUT);
    assert_int_equal(fixture->stored, 1);
    assert_true(stored_records(fixture, &recorder, 2) >= 2);
    recorder_clear(&recorder);
}

static void one_that_is_too_large_can_be_replaced(void **state) {
    struct fixture *fixture = *state;
    struct recorder recorder;
    event_log_memory_fail_append(fixture->log, EVENT_LOG_DEAD_LETTERS, 1, 1, STATUS_TOO_LARGE);
    run(fixture);
    assert_int_equal(fixture->stored, 1);
    assert_int_equal(stored_records(fixture, &recorder, 1), 1);
    assert_true(bytes_equal_text(recorder.received[0].record.value, "small"));
    recorder_clear(&recorder);
}

static void one_that_is_given_up_tells_nothing_more(void **state) {
    struct fixture *fixture = *state;
    fixture->failures_until_given_up = 2;
    event_log_memory_fail_append(fixture->log, EVENT_LOG_DEAD_LETTERS, 1, 2, STATUS_UNAVAILABLE);
    run(fixture);
    assert_int_equal(fixture->failed, 2);
    assert_int_equal(fixture->stored, 0);
}

static void one_that_is_forgotten_inside_is_released_and_tells_nothing(void **state) {
    struct fixture *fixture = *state;
    fixture->forgets_at_once = true;
    run(fixture);
    assert_int_equal(fixture->released, 1);
    assert_int_equal(fixture->stored, 0);
}

static void one_that_is_forgotten_while_it_waits_is_over_at_once(void **state) {
    struct fixture *fixture = *state;
    fixture->forgets_at_once = true;
    event_log_memory_fail_append(fixture->log, EVENT_LOG_DEAD_LETTERS, 1, 1, STATUS_FULL);
    run(fixture);
    assert_int_equal(fixture->released, 0);
    assert_int_equal(fixture->failed, 0);
    assert_int_equal(fixture->stored, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_first_confirmation_is_the_end),
        TEST(one_that_is_gathered_is_appended_a_moment_later),
        TEST(failures_of_both_kinds_are_repeated),
        TEST(one_that_is_too_large_can_be_replaced),
        TEST(one_that_is_given_up_tells_nothing_more),
        TEST(one_that_is_forgotten_inside_is_released_and_tells_nothing),
        TEST(one_that_is_forgotten_while_it_waits_is_over_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
