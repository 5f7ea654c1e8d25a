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
#include "core/base/event_loop_call.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/event_log/event_log_kinds.h"
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

static inline bool is_too_late(const struct timespec *until) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > until->tv_sec;
}

static inline struct timespec deadline(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += AWAIT_SECONDS;
    return until;
}

// Until the members were asked for n times more.
static inline void await_listings(struct redrives_fixture *fixture, int n) {
    struct timespec until = deadline();
    int wanted = atomic_load(&fixture->store->listings) + n;
    while (atomic_load(&fixture->store->listings) < wanted) {
        assert_false(is_too_late(&until));
        sched_yield();
    }
}

// The redrive as the registry has it; the caller owns it, NULL = not there.
static inline const struct redrive *stored_redrive(struct redrives_fixture *fixture,
                                                   const char *id) {
    const struct snapshot *snapshot = registry_snapshot(fixture->registry);
    const struct redrive *redrive = snapshot_redrive(snapshot, BYTES("default"), bytes_of_text(id));
    redrive = redrive ? redrive : snapshot_redrive(snapshot, BYTES("team2"), bytes_of_text(id));
    redrive = redrive ? redrive_ref(redrive) : NULL;
    snapshot_unref(snapshot);
    return redrive;
}

static inline const struct redrive *await_state(struct redrives_fixture *fixture, const char *id,
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

static inline void put_done(struct registry_change *change) {
    sem_post(&CONTAINER_OF(change, struct put_change, change)->done);
}

// document with ' for "; NULL = delete. Again while others change something, too.
static inline void put(struct redrives_fixture *fixture, enum resource_kind kind, const char *space,
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

static inline void put_subscription(struct redrives_fixture *fixture, const char *id) {
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
static inline void put_redrive(struct redrives_fixture *fixture, const char *id, const char *owner,
                               const char *more) {
    char document[1024];
    snprintf(document, sizeof document,
             "{'space':'default','redriveId':'%s','owner':'%s','begun':'%s'%s}", id, owner,
             strcmp(id, "newer") == 0 ? "2026-11-25T02:00:00Z" : "2026-11-25T01:00:00Z", more);
    put(fixture, RESOURCE_REDRIVE, "default", id, document);
}

// --- The whole.

static inline void open_on_loop(void *context) {
    struct redrives_fixture *fixture = context;
    struct error error = {0};
    if (event_index_open(fixture->path, "log", &fixture->index, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    fixture->follower = event_follower_create(fixture->log, fixture->loop.loop, fixture->index);
}

static inline void start_on_loop(void *context) {
    struct redrives_fixture *fixture = context;
    fixture->redrives = redrives_create(&(struct redrives_options){.log = fixture->log,
                                                                   .registry = fixture->registry,
                                                                   .loop = fixture->loop.loop,
                                                                   .index = fixture->index,
                                                                   .node_id = fixture->node_id,
                                                                   .look_ms = 20,
                                                                   .missing_ms = 40});
}

static inline void start_redrives(struct redrives_fixture *fixture, const char *node_id) {
    fixture->node_id = node_id;
    event_loop_call(fixture->loop.loop, start_on_loop, fixture);
}

static inline void has_stopped(void *context) {
    struct redrives_fixture *fixture = context;
    redrives_destroy(fixture->redrives);
    fixture->redrives = NULL;
    sem_post(&fixture->stopped);
}

static inline void stop_on_loop(void *context) {
    struct redrives_fixture *fixture = context;
    redrives_stop(fixture->redrives, has_stopped, fixture);
}

static inline void stop_redrives(struct redrives_fixture *fixture) {
    event_loop_call(fixture->loop.loop, stop_on_loop, fixture);
    while (sem_wait(&fixture->stopped) != 0) {
    }
}

static inline void follower_has_stopped(void *context) {
    struct redrives_fixture *fixture = context;
    event_follower_destroy(fixture->follower);
    event_index_close(fixture->index);
    sem_post(&fixture->stopped);
}

static inline void close_on_loop(void *context) {
    struct redrives_fixture *fixture = context;
    event_follower_stop(fixture->follower, follower_has_stopped, fixture);
}

static inline int redrives_set_up(void **state) {
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

static inline int redrives_tear_down(void **state) {
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
