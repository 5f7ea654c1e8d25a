// A log in a file of its own, and what a test does to the file behind the log's back.
#ifndef EVENT_GATEWAY_TESTS_UNIT_EVENT_LOG_SQLITE_LOG_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_EVENT_LOG_SQLITE_LOG_TEST_H

#include "core/event_log/event_log_kinds.h"

#include "core/base/memory.h"
#include "tests/support/log_recorder.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char folder[64];
    char path[96];
    struct test_loop loop;
};

static inline int set_up(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "%s", "/tmp/event-log-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/events.db", fixture->folder);
    test_loop_start(&fixture->loop);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    test_loop_stop(&fixture->loop);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", fixture->path, ends[i]);
        unlink(path);
    }
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static inline struct event_log *create(const struct fixture *fixture,
                                       struct event_log_sqlite_options options) {
    options.path = fixture->path;
    struct event_log *log;
    struct error error;
    if (event_log_sqlite_create(&options, &log, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    return log;
}

static inline struct event_log *create_plain(const struct fixture *fixture) {
    return create(fixture, (struct event_log_sqlite_options){0});
}

static inline void close_log(struct event_log *log) {
    event_log_close(log, 10000);
    event_log_destroy(log);
}

static inline int64_t count_rows(const struct fixture *fixture, const char *table) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    char text[128];
    snprintf(text, sizeof text, "SELECT count(*) FROM \"%s\"", table);
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t rows = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return rows;
}

static inline void execute(const struct fixture *fixture, const char *text) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

#endif
