#include "admin/event_index.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/event_index_private.h"
#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"

// To change index_schema: raise the version. A file of another one is thrown away.
#define APPLICATION_ID 0x45474978 // "EGIx"
#define SCHEMA_VERSION 3
#define TRIM_OFFSETS 2000
// So far one node's clock may be ahead of another's while both are right.
#define CLOCKS_DIFFER_US INT64_C(60000000)

void index_bind_bytes(sqlite3_stmt *statement, int column, struct bytes bytes) {
    if (bytes.size == 0) {
        sqlite3_bind_null(statement, column);
    } else {
        sqlite3_bind_text(statement, column, bytes.data, (int)bytes.size, SQLITE_STATIC);
    }
}

struct bytes index_column_bytes(sqlite3_stmt *statement, int column) {
    const void *data = sqlite3_column_blob(statement, column);
    return (struct bytes){data, data ? (size_t)sqlite3_column_bytes(statement, column) : 0};
}

enum status index_failed(struct event_index *index, struct error *error) {
    return error_set(error, STATUS_UNAVAILABLE, "the index %s: %s", index->path,
                     sqlite3_errmsg(index->db));
}

bool index_run(struct event_index *index, enum index_statement number) {
    sqlite3_stmt *statement = index->statements[number];
    bool is_done = sqlite3_step(statement) == SQLITE_DONE;
    if (!is_done && !index->has_failed) {
        index->has_failed = true;
        snprintf(index->reason, sizeof index->reason, "%s", sqlite3_errmsg(index->db));
    }
    sqlite3_reset(statement);
    return is_done;
}

// --- Opening.

static bool execute(struct event_index *index, const char *text) {
    return sqlite3_exec(index->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

static int64_t number_of(struct event_index *index, const char *text) {
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(index->db, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        number = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return number;
}

static bool has_identity(struct event_index *index, const char *identity) {
    sqlite3_stmt *statement = NULL;
    bool has = sqlite3_prepare_v2(index->db, "SELECT identity FROM meta", -1, &statement, NULL) ==
                   SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW &&
               bytes_equal_text(index_column_bytes(statement, 0), identity);
    sqlite3_finalize(statement);
    return has;
}

static bool create_schema(struct event_index *index, const char *identity) {
    char versions[96];
    snprintf(versions, sizeof versions, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             APPLICATION_ID, SCHEMA_VERSION);
    sqlite3_stmt *statement = NULL;
    bool is_done = execute(index, "BEGIN IMMEDIATE") && execute(index, index_schema) &&
                   execute(index, versions) &&
                   sqlite3_prepare_v2(index->db, "INSERT INTO meta VALUES(?1)", -1, &statement,
                                      NULL) == SQLITE_OK &&
                   sqlite3_bind_text(statement, 1, identity, -1, SQLITE_STATIC) == SQLITE_OK &&
                   sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_finalize(statement);
    return is_done && execute(index, "COMMIT");
}

static void close_database(struct event_index *index) {
    for (size_t i = 0; i < INDEX_STATEMENT_COUNT; i++) {
        sqlite3_finalize(index->statements[i]);
        index->statements[i] = NULL;
    }
    sqlite3_close(index->db);
    index->db = NULL;
}

static bool prepare(struct event_index *index) {
    for (size_t i = 0; i < INDEX_STATEMENT_COUNT; i++) {
        if (sqlite3_prepare_v3(index->db, index_statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &index->statements[i], NULL) != SQLITE_OK) {
            return false;
        }
    }
    return true;
}

// Nobody else's to read: SQLite would make it as the process's mask says.
static void create_file(const struct event_index *index) {
    int file = index->path[0] != '\0' ? open(index->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file >= 0) {
        close(file);
    }
}

// What it holds can be had again from the log, so nothing waits for the disk.
static bool open_database(struct event_index *index, const char *identity) {
    create_file(index);
    bool is_open = sqlite3_open_v2(index->path, &index->db,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                   NULL) == SQLITE_OK &&
                   execute(index, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768;"
                                  "PRAGMA journal_size_limit = 67108864");
    if (is_open && number_of(index, "SELECT count(*) FROM sqlite_master") == 0) {
        is_open = create_schema(index, identity);
    }
    return is_open && number_of(index, "PRAGMA application_id") == APPLICATION_ID &&
           number_of(index, "PRAGMA user_version") == SCHEMA_VERSION &&
           has_identity(index, identity) && execute(index, index_passing_schema) && prepare(index);
}

static void remove_files(const struct event_index *index) {
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        struct buffer path = {0};
        buffer_append_format(&path, "%s%s", index->path, ends[i]);
        unlink(path.data);
        buffer_clear(&path);
    }
}

enum status event_index_open(const char *path, const char *identity, struct event_index **ret_index,
                             struct error *error) {
    struct event_index *index = memory_allocate(sizeof *index);
    index->path = memory_copy_text(path);
    bool was_there = access(path, F_OK) == 0;
    bool is_open = open_database(index, identity);
    // Another process that has it open is no reason to take it away from that one.
    bool is_busy = !is_open && index->db && sqlite3_errcode(index->db) == SQLITE_BUSY;
    if (!is_open && was_there && !is_busy) {
        log_line(LOG_WARNING, "the index of events is made anew", LOG_TEXT("path", path),
                 LOG_TEXT("reason", index->db ? sqlite3_errmsg(index->db) : "no memory"));
        close_database(index);
        remove_files(index);
        is_open = open_database(index, identity);
    }
    if (!is_open) {
        enum status status = index_failed(index, error);
        event_index_close(index);
        return status;
    }
    *ret_index = index;
    return STATUS_OK;
}

void event_index_close(struct event_index *index) {
    if (!index) {
        return;
    }
    close_database(index);
    free(index->path);
    free(index);
}

// --- Filling.

struct bytes index_cut(struct bytes text) {
    return bytes_slice(text, 0, INDEX_TEXT_MAX);
}

// Never null where a column must not be.
void index_bind_required(sqlite3_stmt *statement, int column, struct bytes bytes) {
    sqlite3_bind_text(statement, column, bytes.size > 0 ? bytes.data : "", (int)bytes.size,
                      SQLITE_STATIC);
}

static void bind_place(sqlite3_stmt *statement, int32_t partition, int64_t offset) {
    sqlite3_bind_int64(statement, 1, partition);
    sqlite3_bind_int64(statement, 2, offset);
}

int64_t event_index_position(struct event_index *index, enum event_log_stream stream,
                             int32_t partition) {
    sqlite3_stmt *statement = index->statements[INDEX_GET_POSITION];
    bind_place(statement, (int32_t)stream, partition);
    int64_t position = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0)
                                                             : EVENT_LOG_BEGINNING;
    sqlite3_reset(statement);
    return position;
}

void event_index_begin(struct event_index *index) {
    index->has_failed = false;
    index->believed_until_us = clock_wall_us() + CLOCKS_DIFFER_US;
    (void)index_run(index, INDEX_BEGIN);
}

void event_index_add_event(struct event_index *index, const struct stored_record *stored,
                           const struct event *event) {
    sqlite3_stmt *statement = index->statements[INDEX_ADD_EVENT];
    struct bytes space = event->context.space;
    bind_place(statement, stored->partition, stored->offset);
    sqlite3_bind_int64(statement, 3, event->context.received_us);
    index_bind_required(statement, 4, space.size > 0 ? space : BYTES("default"));
    index_bind_required(statement, 5, index_cut(event->type));
    index_bind_required(statement, 6, index_cut(event->source));
    index_bind_bytes(statement, 7, index_cut(event->subject));
    index_bind_required(statement, 8, index_cut(event->id));
    (void)index_run(index, INDEX_ADD_EVENT);
}

static int state_of(enum outcome_kind kind) {
    switch (kind) {
    case OUTCOME_DELIVERED:
        return 1;
    case OUTCOME_RETRY:
    case OUTCOME_PARKED:
        return 2;
    case OUTCOME_DEAD_LETTERED:
    case OUTCOME_DROPPED:
        return 3;
    default:
        return 0;
    }
}

void event_index_add_outcome(struct event_index *index, const struct log_place *place,
                             const struct outcome *outcome) {
    sqlite3_stmt *statement = index->statements[INDEX_ADD_DELIVERY];
    bind_place(statement, outcome->partition, outcome->offset);
    index_bind_required(statement, 3, outcome->subscription_id);
    index_bind_required(statement, 4, outcome->space);
    sqlite3_bind_int(statement, 5, (int)outcome->kind);
    sqlite3_bind_int64(statement, 6, outcome->attempt);
    sqlite3_bind_int64(statement, 7, outcome->status);
    sqlite3_bind_int64(statement, 8, outcome->duration_us);
    index_bind_bytes(statement, 9, index_cut(outcome->reason));
    index_bind_bytes(statement, 10, index_cut(outcome->answer));
    sqlite3_bind_int64(statement, 11, outcome->next_attempt_us);
    index_bind_bytes(statement, 12, index_cut(outcome->node));
    sqlite3_bind_int64(statement, 13, outcome->time_us);
    sqlite3_bind_int(statement, 14, state_of(outcome->kind));
    sqlite3_bind_int64(statement, 15, index->believed_until_us);
    (void)index_run(index, INDEX_ADD_DELIVERY);
    if (sqlite3_changes(index->db) > 0) {
        bind_place(index->statements[INDEX_SET_EVENT_STATE], outcome->partition, outcome->offset);
        (void)index_run(index, INDEX_SET_EVENT_STATE);
    }
    index_note_result(index, place, outcome);
}

void event_index_add_letter(struct event_index *index, const struct stored_record *stored,
                            const struct dead_letter *letter, const struct event *event) {
    sqlite3_stmt *statement = index->statements[INDEX_ADD_LETTER];
    bind_place(statement, stored->partition, stored->offset);
    sqlite3_bind_int64(statement, 3, stored->timestamp_ms * 1000);
    index_bind_required(statement, 4, letter->space);
    index_bind_required(statement, 5, letter->subscription_id);
    index_bind_bytes(statement, 6, letter->function_id);
    index_bind_required(statement, 7, index_cut(event->id));
    index_bind_required(statement, 8, index_cut(event->source));
    index_bind_required(statement, 9, index_cut(event->type));
    index_bind_bytes(statement, 10, index_cut(event->subject));
    index_bind_bytes(statement, 11, index_cut(letter->reason));
    sqlite3_bind_int64(statement, 12, letter->attempts);
    sqlite3_bind_int64(statement, 13, letter->last_status);
    sqlite3_bind_int64(statement, 14, letter->first_us);
    sqlite3_bind_int64(statement, 15, letter->last_us);
    sqlite3_bind_int64(statement, 16, letter->partition);
    sqlite3_bind_int64(statement, 17, letter->offset);
    index_bind_bytes(statement, 18, index_cut(letter->last_answer));
    (void)index_run(index, INDEX_ADD_LETTER);
}

// The mark may come before the letter: they lie in different partitions.
void event_index_mark_letter(struct event_index *index, int32_t partition, int64_t offset,
                             enum letter_state state, struct bytes redrive_id) {
    static const enum index_statement statements[] = {INDEX_ADD_MARK, INDEX_MARK_LETTER};
    index_bind_bytes(index->statements[INDEX_ADD_MARK], 4, redrive_id);
    for (size_t i = 0; i < ARRAY_LENGTH(statements); i++) {
        bind_place(index->statements[statements[i]], partition, offset);
        sqlite3_bind_int(index->statements[statements[i]], 3, (int)state);
        (void)index_run(index, statements[i]);
    }
}

void event_index_set_position(struct event_index *index, enum event_log_stream stream,
                              int32_t partition, int64_t next_offset) {
    sqlite3_stmt *statement = index->statements[INDEX_SET_POSITION];
    bind_place(statement, (int32_t)stream, partition);
    sqlite3_bind_int64(statement, 3, next_offset);
    (void)index_run(index, INDEX_SET_POSITION);
}

static bool trim(struct event_index *index, enum index_statement number, int32_t partition,
                 int64_t first_offset) {
    sqlite3_stmt *statement = index->statements[number];
    bind_place(statement, partition, first_offset);
    sqlite3_bind_int64(statement, 3, TRIM_OFFSETS);
    return index_run(index, number) && sqlite3_changes(index->db) > 0;
}

bool event_index_trim(struct event_index *index, enum event_log_stream stream, int32_t partition,
                      int64_t first_offset) {
    bool has_more = false;
    if (stream == EVENT_LOG_EVENTS) {
        has_more |= trim(index, INDEX_TRIM_EVENTS, partition, first_offset);
        has_more |= trim(index, INDEX_TRIM_DELIVERIES, partition, first_offset);
    } else if (stream == EVENT_LOG_DEAD_LETTERS) {
        has_more |= trim(index, INDEX_TRIM_LETTERS, partition, first_offset);
        has_more |= trim(index, INDEX_TRIM_MARKS, partition, first_offset);
    } else if (stream == EVENT_LOG_OUTCOMES) {
        index_trim_results(index, partition, first_offset);
    }
    return has_more;
}

enum status event_index_commit(struct event_index *index, struct error *error) {
    if (!index->has_failed) {
        (void)index_run(index, INDEX_COMMIT);
    }
    if (!index->has_failed) {
        return STATUS_OK;
    }
    if (!sqlite3_get_autocommit(index->db)) {
        sqlite3_step(index->statements[INDEX_ROLLBACK]);
        sqlite3_reset(index->statements[INDEX_ROLLBACK]);
    }
    return error_set(error, STATUS_UNAVAILABLE, "the index %s: %s", index->path, index->reason);
}

enum status event_index_empty(struct event_index *index, struct error *error) {
    return execute(index, "BEGIN IMMEDIATE; DELETE FROM events; DELETE FROM deliveries;"
                          "DELETE FROM letters; DELETE FROM marks; DELETE FROM results;"
                          "DELETE FROM positions; COMMIT")
               ? STATUS_OK
               : index_failed(index, error);
}
