// What every kind of event log keeps: appends and consumer groups.
#include "tests/contract/event_log_contract_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/memory.h"

static size_t partition_count(const struct log_fixture *fixture) {
    return (size_t)event_log_partition_count(fixture->log, EVENT_LOG_EVENTS);
}

static void an_append_is_confirmed_with_its_place(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer first = append_text(fixture->log, &fixture->loop, "k", "one");
    struct append_answer second = append_text(fixture->log, &fixture->loop, "k", "two");
    assert_in_range(first.partition, 0, partition_count(fixture) - 1);
    assert_int_equal(first.partition, second.partition);
    assert_true(first.offset >= 0);
    assert_true(second.offset > first.offset);
}

struct loop_check {
    struct event_log_append append;
    struct event_loop_task check;
    struct event_log *log;
    struct event_loop *loop;
    bool was_on_loop;
    bool was_later;
    bool has_returned;
    struct append_answer *answer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
};

static void check_answer(struct event_log_append *append) {
    struct loop_check *check = CONTAINER_OF(append, struct loop_check, append);
    check->was_on_loop = event_loop_is_current(check->loop);
    check->was_later = check->has_returned;
    pthread_mutex_lock(&check->lock);
    check->is_done = true;
    pthread_cond_signal(&check->changed);
    pthread_mutex_unlock(&check->lock);
}

static void append_on_loop(struct event_loop_task *task) {
    struct loop_check *check = CONTAINER_OF(task, struct loop_check, check);
    check->append = (struct event_log_append){
        .record = {.value = BYTES("x"), .has_value = true},
        .loop = check->loop,
        .done = check_answer,
    };
    assert_int_equal(event_log_append(check->log, &check->append), STATUS_OK);
    check->has_returned = true;
}

static void done_comes_later_on_the_loop(void **state) {
    struct log_fixture *fixture = *state;
    struct loop_check check = {.log = fixture->log,
                               .loop = fixture->loop.loop,
                               .check = {.run = append_on_loop},
                               .lock = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER};
    event_loop_post(fixture->loop.loop, &check.check);
    pthread_mutex_lock(&check.lock);
    while (!check.is_done) {
        pthread_cond_wait(&check.changed, &check.lock);
    }
    pthread_mutex_unlock(&check.lock);
    assert_true(check.was_on_loop);
    assert_true(check.was_later);
    assert_int_equal(check.append.status, STATUS_OK);
}

static void assert_bytes(struct bytes actual, struct bytes expected) {
    assert_int_equal(actual.size, expected.size);
    if (expected.size > 0) {
        assert_memory_equal(actual.data, expected.data, expected.size);
    }
}

static void assert_record(const struct record *actual, const struct record *expected) {
    assert_bytes(actual->key, expected->key);
    assert_int_equal(actual->has_value, expected->has_value);
    assert_bytes(actual->value, expected->value);
    assert_int_equal(actual->header_count, expected->header_count);
    for (size_t i = 0; i < expected->header_count; i++) {
        assert_bytes(actual->headers[i].name, expected->headers[i].name);
        assert_bytes(actual->headers[i].value, expected->headers[i].value);
    }
}

static void a_record_comes_back_as_it_was_appended(void **state) {
    struct log_fixture *fixture = *state;
    const struct http_header headers[] = {
        {BYTES("ce_id"), BYTES("a\0b\xff")},
        {BYTES("ce_type"), BYTES("")},
        {BYTES("ce_id"), BYTES("twice")},
    };
    const struct record records[] = {
        {.key = BYTES("key\0\xfe"),
         .headers = headers,
         .header_count = 3,
         .value = BYTES("v\0\r\n\xff"),
         .has_value = true},
        {.value = BYTES(""), .has_value = true},
        {.key = BYTES("k"), .has_value = false},
        {.headers = headers, .header_count = 1, .value = BYTES("text"), .has_value = true},
    };
    int64_t before_ms = clock_wall_us() / 1000;
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    for (size_t i = 0; i < ARRAY_LENGTH(records); i++) {
        struct append_answer answer =
            append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &records[i]);
        assert_int_equal(answer.taken, STATUS_OK);
        assert_int_equal(answer.status, STATUS_OK);
        recorder_await_received(&recorder, i + 1);
        const struct received *received = &recorder.received[i];
        assert_record(&received->record, &records[i]);
        assert_int_equal(received->partition, answer.partition);
        assert_int_equal(received->offset, answer.offset);
        assert_in_range(received->timestamp_ms, before_ms, clock_wall_us() / 1000);
    }
    recorder_close(&recorder);
    assert_false(recorder.has_order_error);
    recorder_clear(&recorder);
}

static void a_large_record_fits_and_a_larger_one_is_refused(void **state) {
    struct log_fixture *fixture = *state;
    static char value[(2 << 20) + 1];
    memset(value, 'v', sizeof value);
    struct record record = {.value = {value, (2 << 20) - 100}, .has_value = true};
    struct append_answer answer =
        append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record);
    assert_int_equal(answer.taken, STATUS_OK);
    assert_int_equal(answer.status, STATUS_OK);
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 1);
    assert_record(&recorder.received[0].record, &record);
    recorder_close(&recorder);
    recorder_clear(&recorder);
    record.value.size = sizeof value;
    answer = append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record);
    assert_int_equal(answer.taken, STATUS_TOO_LARGE);
}

static void records_of_one_key_come_in_the_order_of_their_appends(void **state) {
    struct log_fixture *fixture = *state;
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, "key", 3000), 3000);
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 3000);
    for (size_t i = 0; i < 3000; i++) {
        char expected[24];
        snprintf(expected, sizeof expected, "%zu", i);
        assert_string_equal(recorder.received[i].record.value.data, expected);
    }
    recorder_close(&recorder);
    assert_int_equal(recorder.received_count, 3000);
    assert_false(recorder.has_order_error);
    recorder_clear(&recorder);
}

static void a_new_group_starts_at_the_beginning(void **state) {
    struct log_fixture *fixture = *state;
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, NULL, 50), 50);
    struct recorder first = {.releases = true}, second = {.releases = true};
    recorder_start(&first, fixture->log, EVENT_LOG_EVENTS, "first", 0);
    recorder_start(&second, fixture->log, EVENT_LOG_EVENTS, "second", 0);
    recorder_await_received(&first, 50);
    recorder_await_received(&second, 50);
    recorder_close(&first);
    recorder_close(&second);
    assert_int_equal(first.received_count, 50);
    assert_int_equal(second.received_count, 50);
    recorder_clear(&first);
    recorder_clear(&second);
}

static void streams_are_apart(void **state) {
    struct log_fixture *fixture = *state;
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_DEAD_LETTERS, "group", 0);
    append_text(fixture->log, &fixture->loop, NULL, "an event");
    struct record letter = {.value = BYTES("a letter"), .has_value = true};
    assert_int_equal(
        append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_DEAD_LETTERS, &letter).status,
        STATUS_OK);
    recorder_await_received(&recorder, 1);
    recorder_close(&recorder);
    assert_int_equal(recorder.received_count, 1);
    assert_string_equal(recorder.received[0].record.value.data, "a letter");
    recorder_clear(&recorder);
}

static void a_group_goes_on_where_it_committed(void **state) {
    struct log_fixture *fixture = *state;
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, "key", 20), 20);
    struct recorder recorder = {0};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 50);
    recorder_await_received(&recorder, 20);
    int32_t partition = recorder.received[0].partition;
    int64_t committed = recorder.received[12].offset;
    event_log_reader_commit(recorder.reader, partition, committed);
    // A position never moves back, and those of others are not ours to move.
    event_log_reader_commit(recorder.reader, partition, committed - 5);
    event_log_reader_commit(recorder.reader, 999, 5);
    event_log_reader_commit(recorder.reader, -1, 5);
    recorder_close(&recorder);
    recorder_clear(&recorder);
    recorder.releases = true;
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 8);
    assert_int_equal(recorder.start[partition], committed);
    assert_int_equal(recorder.received[0].offset, committed);
    recorder_close(&recorder);
    assert_int_equal(recorder.received_count, 8);
    recorder_clear(&recorder);
}

static void release_commits_before_the_partition_goes(void **state) {
    struct log_fixture *fixture = *state;
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, "key", 10), 10);
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 10);
    int32_t partition = recorder.received[0].partition;
    int64_t next = recorder.received[9].offset + 1;
    recorder_close(&recorder);
    recorder_clear(&recorder);
    recorder.releases = true;
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_assigned(&recorder, partition_count(fixture));
    assert_int_equal(recorder.start[partition], next);
    struct append_answer answer = append_text(fixture->log, &fixture->loop, "key", "new");
    recorder_await_received(&recorder, 1);
    assert_int_equal(recorder.received[0].offset, answer.offset);
    recorder_close(&recorder);
    recorder_clear(&recorder);
}

// Kafka's coordinator lets a group settle before it hands out partitions, so this one takes a while
// there.
static void a_partition_moves_only_after_its_release(void **state) {
    struct log_fixture *fixture = *state;
    size_t count = partition_count(fixture);
    struct recorder first = {0}, second = {.releases = true};
    recorder_start(&first, fixture->log, EVENT_LOG_EVENTS, "group", 60000);
    recorder_await_assigned(&first, count);
    recorder_start(&second, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    if (count == 1) {
        // Nothing to share: the second one waits.
        event_log_reader_close(first.reader, NULL);
    }
    size_t moving = count > 1 ? count / 2 : 1;
    recorder_await_revoked(&first, moving);
    assert_int_equal(recorder_owned(&second), 0);
    for (int32_t i = 0; i < (int32_t)count; i++) {
        if (first.is_revoked[i]) {
            event_log_reader_release(first.reader, i, first.next[i]);
        }
    }
    recorder_await_assigned(&second, moving);
    if (count > 1) {
        first.releases = true;
        assert_int_equal(recorder_owned(&first), count - moving);
        recorder_close(&first);
        recorder_await_assigned(&second, count);
    } else {
        event_log_reader_destroy(first.reader);
    }
    recorder_close(&second);
    assert_false(first.has_order_error || second.has_order_error);
    recorder_clear(&first);
    recorder_clear(&second);
}

static void a_partition_moves_without_release_when_the_time_is_up(void **state) {
    struct log_fixture *fixture = *state;
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, "key", 5), 5);
    struct recorder first = {0};
    recorder_start(&first, fixture->log, EVENT_LOG_EVENTS, "group", 10);
    recorder_await_received(&first, 5);
    int32_t partition = first.received[0].partition;
    event_log_reader_commit(first.reader, partition, first.received[2].offset);
    int64_t committed = first.received[2].offset;
    recorder_close(&first);
    recorder_clear(&first);
    struct recorder second = {.releases = true};
    recorder_start(&second, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&second, 3);
    assert_int_equal(second.start[partition], committed);
    recorder_close(&second);
    recorder_clear(&second);
}

static void nothing_is_lost_over_pause_and_resume(void **state) {
    struct log_fixture *fixture = *state;
    struct recorder recorder = {.releases = true, .commits = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_assigned(&recorder, partition_count(fixture));
    for (size_t round = 0; round < 3; round++) {
        for (int32_t i = 0; i < (int32_t)partition_count(fixture); i++) {
            event_log_reader_pause(recorder.reader, i);
        }
        assert_int_equal(append_numbers(fixture->log, &fixture->loop, "key", 200), 200);
        for (int32_t i = 0; i < (int32_t)partition_count(fixture); i++) {
            event_log_reader_resume(recorder.reader, i);
        }
        recorder_await_received(&recorder, 200 * (round + 1));
    }
    recorder_close(&recorder);
    assert_int_equal(recorder.received_count, 600);
    assert_false(recorder.has_order_error);
    recorder_clear(&recorder);
}

static size_t received_of(const struct recorder *recorder, int32_t partition) {
    size_t count = 0;
    for (size_t i = 0; i < recorder->received_count; i++) {
        count += recorder->received[i].partition == partition;
    }
    return count;
}

// More than a reader has in its hands at once, so that what is fetched waits somewhere.
static void a_paused_partition_gets_nothing_and_holds_up_nobody(void **state) {
    struct log_fixture *fixture = *state;
    struct recorder recorder = {.releases = true, .commits = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_assigned(&recorder, partition_count(fixture));
    struct append_answer held = append_text(fixture->log, &fixture->loop, "held", "first");
    recorder_await_received(&recorder, 1);
    event_log_reader_pause(recorder.reader, held.partition);
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, "held", 2000), 2000);
    size_t others = 0;
    for (int key = 0; key < 20; key++) {
        char name[16];
        snprintf(name, sizeof name, "other-%d", key);
        struct append_answer answer = append_text(fixture->log, &fixture->loop, name, "other");
        others += answer.partition != held.partition;
    }
    recorder_await_received(&recorder, 1 + others);
    assert_int_equal(received_of(&recorder, held.partition), 1);
    event_log_reader_resume(recorder.reader, held.partition);
    recorder_await_received(&recorder, 2021);
    recorder_close(&recorder);
    assert_int_equal(recorder.received_count, 2021);
    assert_false(recorder.has_order_error);
    recorder_clear(&recorder);
}

static void the_end_offset_is_the_next_one_to_be_given(void **state) {
    struct log_fixture *fixture = *state;
    struct append_answer answer = append_text(fixture->log, &fixture->loop, "key", "one");
    struct recorder recorder = {.releases = true};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 1);
    assert_int_equal(event_log_reader_end_offset(recorder.reader, answer.partition),
                     answer.offset + 1);
    assert_int_equal(event_log_reader_end_offset(recorder.reader, 999), -1);
    recorder_close(&recorder);
    recorder_clear(&recorder);
}

static void a_reader_that_is_destroyed_without_close_commits_nothing_more(void **state) {
    struct log_fixture *fixture = *state;
    assert_int_equal(append_numbers(fixture->log, &fixture->loop, "key", 5), 5);
    struct recorder recorder = {0};
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 5);
    event_log_reader_destroy(recorder.reader);
    recorder_clear(&recorder);
    recorder.releases = true;
    recorder_start(&recorder, fixture->log, EVENT_LOG_EVENTS, "group", 0);
    recorder_await_received(&recorder, 5);
    recorder_close(&recorder);
    recorder_clear(&recorder);
}

static void a_closed_log_refuses_and_has_nothing_inside(void **state) {
    struct log_fixture *fixture = *state;
    append_text(fixture->log, &fixture->loop, NULL, "one");
    struct error error;
    assert_int_equal(event_log_health(fixture->log, &error), STATUS_OK);
    event_log_close(fixture->log, 10000);
    assert_int_equal(event_log_appends_inside(fixture->log), 0);
    struct record record = {.value = BYTES("two"), .has_value = true};
    assert_int_equal(append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_EVENTS, &record).taken,
                     STATUS_CLOSED);
}

static const struct CMUnitTest rules[] = {
    RULE(an_append_is_confirmed_with_its_place),
    RULE(done_comes_later_on_the_loop),
    RULE(a_record_comes_back_as_it_was_appended),
    RULE(a_large_record_fits_and_a_larger_one_is_refused),
    RULE(records_of_one_key_come_in_the_order_of_their_appends),
    RULE(a_new_group_starts_at_the_beginning),
    RULE(streams_are_apart),
    RULE(a_group_goes_on_where_it_committed),
    RULE(release_commits_before_the_partition_goes),
    RULE(a_partition_moves_only_after_its_release),
    RULE(a_partition_moves_without_release_when_the_time_is_up),
    RULE(nothing_is_lost_over_pause_and_resume),
    RULE(a_paused_partition_gets_nothing_and_holds_up_nobody),
    RULE(the_end_offset_is_the_next_one_to_be_given),
    RULE(a_reader_that_is_destroyed_without_close_commits_nothing_more),
    RULE(a_closed_log_refuses_and_has_nothing_inside),
};

static int run_rules(const char *name) {
    return cmocka_run_group_tests_name(name, rules, NULL, NULL);
}

int main(int argument_count, char **arguments) {
    return run_over_kinds(argument_count, arguments, run_rules) > 0;
}
