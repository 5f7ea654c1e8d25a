// The redrives of a node in miniature: a log, a registry and its members in memory, an index with
// its follower, all on one loop's thread. Waiting is by condition, with a limit that only a broken
// program reaches.
#ifndef EVENT_GATEWAY_TESTS_UNIT_ADMIN_REDRIVES_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_ADMIN_REDRIVES_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/event_follower.h"
#include "admin/redrives.h"
#include "core/base/clock.h"
#include "core/base/event_loop_call.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/event_log/event_log_kinds.h"
#include "core/events/event_record.h"
#include "core/events/letter_mark.h"
#include "core/events/parked_record.h"
#include "core/registry/redrive.h"
#include "core/registry/registry_store.h"
#include "tests/support/log_recorder.h"
#include "tests/unit/admin/json_text_test.h"
#include "tests/unit/admin/member_store_test.h"

enum {
    AWAIT_SECONDS = 60
};

struct redrives_fixture {
    struct test_loop loop;
    struct event_log *log;
    struct member_store *store;
    struct registry *registry;
    char path[64];
    struct event_index *index;
    struct event_follower *follower;
    struct redrives *redrives;
    const char *node_id;
    sem_t stopped;
};

// --- Waiting.

static bool is_too_late(const struct timespec *until) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > until->tv_sec;
}

static struct timespec deadline(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += AWAIT_SECONDS;
    return until;
}

// Until the members were asked for n times more.
static void await_listings(struct redrives_fixture *fixture, int n) {
    struct timespec until = deadline();
    int wanted = atomic_load(&fixture->store->listings) + n;
    while (atomic_load(&fixture->store->listings) < wanted) {
        assert_false(is_too_late(&until));
        sched_yield();
    }
}

// The redrive as the registry has it; the caller owns it, NULL = not there.
static const struct redrive *stored_redrive(struct redrives_fixture *fixture, const char *id) {
    const struct snapshot *snapshot = registry_snapshot(fixture->registry);
    const struct redrive *redrive = snapshot_redrive(snapshot, BYTES("default"), bytes_of_text(id));
    redrive = redrive ? redrive : snapshot_redrive(snapshot, BYTES("team2"), bytes_of_text(id));
    redrive = redrive ? redrive_ref(redrive) : NULL;
    snapshot_unref(snapshot);
    return redrive;
}

static const struct redrive *await_state(struct redrives_fixture *fixture, const char *id,
                                         enum redrive_state state) {
    struct timespec until = deadline();
    for (;;) {
        const struct redrive *redrive = stored_redrive(fixture, id);
        if (redrive && redrive->state == state) {
            return redrive;
        }
        if (is_too_late(&until)) {
            fail_msg("redrive %s is %s instead of %s", id,
                     redrive ? redrive_state_name(redrive->state) : "gone",
                     redrive_state_name(state));
        }
        redrive_unref(redrive);
        sched_yield();
    }
}

// --- The registry.

struct put_change {
    struct registry_change change;
    sem_t done;
};

static void put_done(struct registry_change *change) {
    sem_post(&CONTAINER_OF(change, struct put_change, change)->done);
}

// document with ' for "; NULL = delete. Again while others change something, too.
static void put(struct redrives_fixture *fixture, enum resource_kind kind, const char *space,
                const char *id, const char *document) {
    char *text = json_text(document);
    struct registry_edit edit = {.kind = kind,
                                 .space = bytes_of_text(space),
                                 .id = bytes_of_text(id),
                                 .document = bytes_of_text(text)};
    struct put_change put;
    do {
        const struct snapshot *snapshot = registry_snapshot(fixture->registry);
        put = (struct put_change){.change = {.edits = &edit,
                                             .edit_count = 1,
                                             .based_on = snapshot_revision(snapshot),
                                             .loop = fixture->loop.loop,
                                             .done = put_done}};
        snapshot_unref(snapshot);
        sem_init(&put.done, 0, 0);
        registry_apply(fixture->registry, &put.change);
        while (sem_wait(&put.done) != 0) {
        }
        sem_destroy(&put.done);
    } while (put.change.status == STATUS_CONFLICT);
    if (put.change.status != STATUS_OK) {
        fail_msg("%s: %s", id, put.change.error.text);
    }
    free(text);
}

static void put_subscription(struct redrives_fixture *fixture, const char *id) {
    char document[512];
    put(fixture, RESOURCE_FUNCTION, "default", "f",
        "{'space':'default','functionId':'f','type':'http',"
        "'provider':{'url':'http://example.com/'}}");
    snprintf(document, sizeof document,
             "{'space':'default','subscriptionId':'%s','type':'async','eventType':'test',"
             "'functionId':'f','method':'POST','path':'/%s'}",
             id, id);
    put(fixture, RESOURCE_SUBSCRIPTION, "default", id, document);
}

// more: further members, each with a comma before it.
static void put_redrive(struct redrives_fixture *fixture, const char *id, const char *owner,
                        const char *more) {
    char document[1024];
    snprintf(document, sizeof document,
             "{'space':'default','redriveId':'%s','owner':'%s','begun':'%s'%s}", id, owner,
             strcmp(id, "newer") == 0 ? "2026-11-25T02:00:00Z" : "2026-11-25T01:00:00Z", more);
    put(fixture, RESOURCE_REDRIVE, "default", id, document);
}

// --- The log.

static const struct event *build_event(const char *id) {
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

static struct dead_letter letter_of(const char *subscription) {
    return (struct dead_letter){.subscription_id = bytes_of_text(subscription),
                                .function_id = BYTES("f"),
                                .space = BYTES("default"),
                                .reason = BYTES("given up"),
                                .attempts = 3,
                                .last_status = 500,
                                .offset = 7};
}

static void append_encoded(struct redrives_fixture *fixture, const struct record *record) {
    struct append_answer answer =
        append_and_wait(fixture->log, &fixture->loop, EVENT_LOG_DEAD_LETTERS, record);
    assert_int_equal(answer.status, STATUS_OK);
}

static void append_letter(struct redrives_fixture *fixture, const char *subscription,
                          const char *event_id) {
    const struct event *event = build_event(event_id);
    struct dead_letter letter = letter_of(subscription);
    struct encoded_record encoded;
    dead_letter_encode(&letter, event, &encoded);
    append_encoded(fixture, &encoded.record);
    event_record_clear(&encoded);
    event_unref(event);
}

static void append_mark(struct redrives_fixture *fixture, int64_t offset, const char *redrive_id) {
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

static void add_word(struct words *words, struct bytes word) {
    assert_true(words->count < ARRAY_LENGTH(words->words));
    snprintf(words->words[words->count++], sizeof words->words[0], "%.*s", (int)word.size,
             word.data);
}

static int compare_words(const void *left, const void *right) {
    return strcmp(left, right);
}

// Sorted, since letters that are on their way together end in any order; a space after each.
static const char *write_words(struct words *words) {
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
static const char *parked(struct redrives_fixture *fixture, char ret_last[16]) {
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
static const char *marked(struct redrives_fixture *fixture) {
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

static void count_on_loop(void *context) {
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
static struct index_count count_letters(struct redrives_fixture *fixture) {
    struct index_count count = {.fixture = fixture};
    event_loop_call(fixture->loop.loop, count_on_loop, &count);
    return count;
}

// --- The whole.

static void open_on_loop(void *context) {
    struct redrives_fixture *fixture = context;
    struct error error = {0};
    if (event_index_open(fixture->path, "log", &fixture->index, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    fixture->follower = event_follower_create(fixture->log, fixture->loop.loop, fixture->index);
}

static void start_on_loop(void *context) {
    struct redrives_fixture *fixture = context;
    fixture->redrives = redrives_create(&(struct redrives_options){.log = fixture->log,
                                                                   .registry = fixture->registry,
                                                                   .loop = fixture->loop.loop,
                                                                   .index = fixture->index,
                                                                   .node_id = fixture->node_id,
                                                                   .look_ms = 20,
                                                                   .missing_ms = 40});
}

static void start_redrives(struct redrives_fixture *fixture, const char *node_id) {
    fixture->node_id = node_id;
    event_loop_call(fixture->loop.loop, start_on_loop, fixture);
}

static void has_stopped(void *context) {
    struct redrives_fixture *fixture = context;
    redrives_destroy(fixture->redrives);
    fixture->redrives = NULL;
    sem_post(&fixture->stopped);
}

static void stop_on_loop(void *context) {
    struct redrives_fixture *fixture = context;
    redrives_stop(fixture->redrives, has_stopped, fixture);
}

static void stop_redrives(struct redrives_fixture *fixture) {
    event_loop_call(fixture->loop.loop, stop_on_loop, fixture);
    while (sem_wait(&fixture->stopped) != 0) {
    }
}

static void follower_has_stopped(void *context) {
    struct redrives_fixture *fixture = context;
    event_follower_destroy(fixture->follower);
    event_index_close(fixture->index);
    sem_post(&fixture->stopped);
}

static void close_on_loop(void *context) {
    struct redrives_fixture *fixture = context;
    event_follower_stop(fixture->follower, follower_has_stopped, fixture);
}

static int redrives_set_up(void **state) {
    struct redrives_fixture *fixture = memory_allocate(sizeof *fixture);
    struct registry_options options;
    struct error error = {0};
    *state = fixture;
    sem_init(&fixture->stopped, 0, 0);
    snprintf(fixture->path, sizeof fixture->path, "/tmp/redrives-test-%d-%p.index", (int)getpid(),
             (void *)fixture);
    fixture->store = member_store_create();
    options = (struct registry_options){.store = &fixture->store->forwarding.store};
    assert_int_equal(registry_create(&options, &fixture->registry, &error), STATUS_OK);
    assert_int_equal(event_log_memory_create(NULL, &fixture->log, &error), STATUS_OK);
    test_loop_start(&fixture->loop);
    event_loop_call(fixture->loop.loop, open_on_loop, fixture);
    put_subscription(fixture, "s");
    return 0;
}

static int redrives_tear_down(void **state) {
    struct redrives_fixture *fixture = *state;
    if (fixture->redrives) {
        stop_redrives(fixture);
    }
    event_loop_call(fixture->loop.loop, close_on_loop, fixture);
    while (sem_wait(&fixture->stopped) != 0) {
    }
    registry_close(fixture->registry);
    event_log_close(fixture->log, 0);
    test_loop_stop(&fixture->loop);
    event_log_destroy(fixture->log);
    registry_destroy(fixture->registry);
    sem_destroy(&fixture->stopped);
    unlink(fixture->path);
    free(fixture);
    return 0;
}

#define REDRIVES_TEST(test)                                                                        \
    cmocka_unit_test_setup_teardown(test, redrives_set_up, redrives_tear_down)

#endif
