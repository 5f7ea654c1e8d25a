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

// To change the schema: raise the version. A file of another one is thrown away.
#define APPLICATION_ID 0x45474978 // "EGIx"
#define SCHEMA_VERSION 3
#define TRIM_OFFSETS 2000
// So far one node's clock may be ahead of another's while both are right.
#define CLOCKS_DIFFER_US INT64_C(60000000)
// The state of an event is that of its worst delivery: 0 none, 1 delivered, 2 waiting, 3 failed.
static const char schema[] =
    "CREATE TABLE meta(identity TEXT NOT NULL);"
    "CREATE TABLE positions(stream INTEGER, partition INTEGER, next_offset INTEGER NOT NULL,"
    " PRIMARY KEY(stream, partition)) WITHOUT ROWID;"
    "CREATE TABLE events(partition INTEGER, offset INTEGER, time_us INTEGER NOT NULL,"
    " space TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL, subject TEXT, id TEXT NOT "
    "NULL, state INTEGER NOT NULL, PRIMARY KEY(partition, offset)) WITHOUT ROWID;"
    "CREATE INDEX events_by_time ON events(space, time_us);"
    "CREATE INDEX events_by_type ON events(space, type, time_us);"
    "CREATE INDEX events_by_id ON events(id);"
    "CREATE TABLE deliveries(partition INTEGER, offset INTEGER, subscription TEXT, space TEXT,"
    " kind INTEGER NOT NULL, attempts INTEGER NOT NULL, status INTEGER NOT NULL, duration_us "
    "INTEGER NOT NULL, reason TEXT, answer BLOB, next_us INTEGER NOT NULL, node TEXT, time_us "
    "INTEGER NOT NULL, state INTEGER NOT NULL,"
    " PRIMARY KEY(partition, offset, space, subscription)) WITHOUT ROWID;"
    "CREATE INDEX deliveries_waiting ON deliveries(space, subscription, time_us, attempts)"
    " WHERE state = 2;"
    // Goes when the outcome that was noted last is gone from the log.
    "CREATE TABLE results(space TEXT, subscription TEXT, partition INTEGER NOT NULL,"
    " offset INTEGER NOT NULL, success_us INTEGER NOT NULL, success_id TEXT, success_source TEXT,"
    " error_us INTEGER NOT NULL, error_id TEXT, error_source TEXT, status INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, reason TEXT, answer BLOB,"
    " PRIMARY KEY(space, subscription)) WITHOUT ROWID;"
    "CREATE TABLE letters(partition INTEGER, offset INTEGER, time_us INTEGER NOT NULL,"
    " space TEXT NOT NULL, subscription TEXT NOT NULL, function TEXT, id TEXT NOT NULL, source "
    "TEXT "
    "NOT NULL, type TEXT NOT NULL, subject TEXT, reason TEXT, attempts INTEGER NOT NULL, status "
    "INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, event_partition "
    "INTEGER NOT NULL, event_offset INTEGER NOT NULL, answer BLOB, state INTEGER NOT NULL,"
    " PRIMARY KEY(partition, offset)) WITHOUT ROWID;"
    "CREATE INDEX letters_by_time ON letters(space, time_us) WHERE state = 0;"
    "CREATE INDEX letters_by_subscription ON letters(space, subscription, time_us) WHERE state = 0;"
    "CREATE TABLE marks(partition INTEGER, offset INTEGER, state INTEGER NOT NULL, redrive TEXT,"
    " PRIMARY KEY(partition, offset)) WITHOUT ROWID;"
    "CREATE INDEX marks_by_redrive ON marks(redrive) WHERE redrive IS NOT NULL;";

// What runs now is nothing to be kept.
static const char passing_schema[] =
    "PRAGMA temp_store = MEMORY;"
    "CREATE TEMP TABLE in_flight(space TEXT, subscription TEXT, node TEXT, lane INTEGER,"
    " count INTEGER NOT NULL, time_us INTEGER NOT NULL,"
    " PRIMARY KEY(space, subscription, node, lane)) WITHOUT ROWID";

#define EVENT_COLUMNS "partition, offset, time_us, type, source, subject, id, state"
#define LETTER_COLUMNS                                                                             \
    "partition, offset, time_us, subscription, function, id, source, type, subject, reason, "      \
    "attempts, status, first_us, last_us, event_partition, event_offset, answer"
#define BEFORE_CURSOR "(time_us, partition, offset) < (?1, ?2, ?3) AND time_us >= ?4"
#define NEWEST_FIRST " ORDER BY time_us DESC, partition DESC, offset DESC"
#define AFTER_PLACE "(time_us, partition, offset) > (?1, ?2, ?3) AND time_us >= ?4 AND time_us < ?5"
#define OLDEST_FIRST " ORDER BY time_us, partition, offset LIMIT ?6"

// Outcomes of one delivery may come out of order, from clocks that differ, or were wrong (?15 is
// the last time that is believed). A later attempt ends the waiting of an earlier one whatever the
// clocks say; attempts count from 1 again when a dead letter is redriven, so else the time decides.
// A time that has not come yet decides nothing against a later attempt.
#define IS_NEWER                                                                                   \
    "(deliveries.state = 2 AND excluded.attempts > deliveries.attempts) OR "                       \
    "CASE WHEN deliveries.time_us > ?15 "                                                          \
    "THEN excluded.state <> 2 OR excluded.attempts >= deliveries.attempts "                        \
    "ELSE excluded.time_us >= deliveries.time_us AND "                                             \
    "(excluded.time_us <= ?15 OR excluded.attempts >= deliveries.attempts) END"

static const char *const texts[INDEX_STATEMENT_COUNT] = {
    [INDEX_BEGIN] = "BEGIN IMMEDIATE",
    [INDEX_COMMIT] = "COMMIT",
    [INDEX_ROLLBACK] = "ROLLBACK",
    [INDEX_ADD_EVENT] =
        "INSERT OR REPLACE INTO events VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, coalesce((SELECT "
        "max(state) FROM deliveries WHERE partition = ?1 AND offset = ?2), 0))",
    [INDEX_ADD_DELIVERY] =
        "INSERT INTO deliveries VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
        "?14) "
        "ON CONFLICT DO UPDATE SET kind = excluded.kind, attempts = excluded.attempts, status = "
        "excluded.status, duration_us = excluded.duration_us, reason = excluded.reason, answer = "
        "excluded.answer, next_us = excluded.next_us, node = excluded.node, time_us = "
        "excluded.time_us, state = excluded.state WHERE " IS_NEWER,
    [INDEX_SET_EVENT_STATE] =
        "UPDATE events SET state = (SELECT max(state) FROM deliveries WHERE "
        "partition = ?1 AND offset = ?2) WHERE partition = ?1 AND offset = ?2",
    [INDEX_ADD_LETTER] =
        "INSERT OR REPLACE INTO letters VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
        "?13, ?14, ?15, ?16, ?17, ?18, coalesce((SELECT state FROM marks WHERE partition = ?1 AND "
        "offset = ?2), 0))",
    [INDEX_ADD_MARK] = "INSERT OR IGNORE INTO marks VALUES(?1, ?2, ?3, ?4)",
    [INDEX_MARK_LETTER] = "UPDATE letters SET state = ?3 WHERE partition = ?1 AND offset = ?2",
    [INDEX_SET_POSITION] = "INSERT OR REPLACE INTO positions VALUES(?1, ?2, ?3)",
    [INDEX_GET_POSITION] = "SELECT next_offset FROM positions WHERE stream = ?1 AND partition = ?2",
    [INDEX_TRIM_EVENTS] = "DELETE FROM events WHERE partition = ?1 AND offset < min(?2, (SELECT "
                          "min(offset) FROM events WHERE partition = ?1) + ?3)",
    [INDEX_TRIM_DELIVERIES] =
        "DELETE FROM deliveries WHERE partition = ?1 AND offset < min(?2, (SELECT min(offset) FROM "
        "deliveries WHERE partition = ?1) + ?3)",
    [INDEX_TRIM_LETTERS] = "DELETE FROM letters WHERE partition = ?1 AND offset < min(?2, (SELECT "
                           "min(offset) FROM letters WHERE partition = ?1) + ?3)",
    [INDEX_TRIM_MARKS] = "DELETE FROM marks WHERE partition = ?1 AND offset < min(?2, (SELECT "
                         "min(offset) FROM marks WHERE partition = ?1) + ?3)",
    [INDEX_LIST_EVENTS] = "SELECT " EVENT_COLUMNS " FROM events INDEXED BY events_by_time WHERE "
                          "space = ?5 AND " BEFORE_CURSOR NEWEST_FIRST,
    [INDEX_LIST_EVENTS_OF_TYPE] =
        "SELECT " EVENT_COLUMNS
        " FROM events INDEXED BY events_by_type WHERE space = ?5 AND type = "
        "?6 AND " BEFORE_CURSOR NEWEST_FIRST,
    [INDEX_FIND_EVENT] = "SELECT " EVENT_COLUMNS " FROM events INDEXED BY events_by_id WHERE id = "
                         "?1 AND space = ?2 AND (?3 IS NULL OR source = ?3) ORDER BY time_us DESC "
                         "LIMIT 1",
    [INDEX_LIST_DELIVERIES] =
        "SELECT subscription, space, kind, attempts, status, duration_us, reason, answer, next_us, "
        "node, time_us FROM deliveries WHERE partition = ?1 AND offset = ?2 ORDER BY space, "
        "subscription LIMIT 1000",
    [INDEX_LIST_LETTERS] =
        "SELECT " LETTER_COLUMNS " FROM letters INDEXED BY letters_by_time WHERE "
        "state = 0 AND space = ?5 AND " BEFORE_CURSOR NEWEST_FIRST,
    [INDEX_LIST_LETTERS_OF_SUBSCRIPTION] =
        "SELECT " LETTER_COLUMNS " FROM letters INDEXED BY letters_by_subscription WHERE state = 0 "
        "AND space = ?5 AND subscription = ?6 AND " BEFORE_CURSOR NEWEST_FIRST,
    [INDEX_FIND_LETTER] =
        "SELECT " LETTER_COLUMNS " FROM letters WHERE partition = ?1 AND offset = "
        "?2 AND space = ?3 AND state = 0",
    [INDEX_NEXT_LETTERS] =
        "SELECT time_us, partition, offset FROM letters INDEXED BY letters_by_time WHERE state = 0 "
        "AND space = ?7 AND " AFTER_PLACE OLDEST_FIRST,
    [INDEX_NEXT_LETTERS_OF_SUBSCRIPTION] =
        "SELECT time_us, partition, offset FROM letters INDEXED BY letters_by_subscription WHERE "
        "state = 0 AND space = ?7 AND subscription = ?8 AND " AFTER_PLACE OLDEST_FIRST,
    [INDEX_COUNT_LETTERS] =
        "SELECT count(*) FROM letters WHERE state = 0 AND space = ?1 AND (?2 IS NULL OR "
        "subscription = ?2) AND time_us >= ?3 AND time_us < ?4",
    [INDEX_NOTE_SUCCESS] =
        "INSERT INTO results VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, NULL, NULL, 0, 0, NULL, NULL) "
        "ON CONFLICT DO UPDATE SET partition = ?3, offset = ?4, success_us = ?5, success_id = ?6, "
        "success_source = ?7 WHERE ?5 >= success_us OR success_us > ?8",
    [INDEX_NOTE_ERROR] =
        "INSERT INTO results VALUES(?1, ?2, ?3, ?4, 0, NULL, NULL, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "
        "ON CONFLICT DO UPDATE SET partition = ?3, offset = ?4, error_us = ?5, error_id = ?6, "
        "error_source = ?7, status = ?8, attempts = ?9, reason = ?10, answer = ?11 "
        "WHERE ?5 >= error_us OR error_us > ?12",
    [INDEX_GET_RESULTS] =
        "SELECT success_us, success_id, success_source, error_us, error_id, error_source, status, "
        "attempts, reason, answer FROM results WHERE space = ?1 AND subscription = ?2",
    [INDEX_COUNT_WAITING] =
        "SELECT count(*) FROM deliveries INDEXED BY deliveries_waiting WHERE state = 2 AND space = "
        "?1 AND subscription = ?2 AND time_us >= ?3 AND attempts > 0",
    [INDEX_TRIM_RESULTS] = "DELETE FROM results WHERE partition = ?1 AND offset < ?2",
    [INDEX_SET_IN_FLIGHT] =
        "INSERT INTO in_flight VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO "
        "UPDATE SET count = ?5, time_us = ?6 WHERE ?6 >= time_us OR time_us > ?7",
    [INDEX_REMOVE_IN_FLIGHT] = "DELETE FROM in_flight WHERE space = ?1 AND subscription = ?2 AND "
                               "node = ?3 AND lane = ?4 AND (time_us <= ?5 OR time_us > ?6)",
    [INDEX_FORGET_IN_FLIGHT] = "DELETE FROM in_flight WHERE time_us < ?1",
    [INDEX_GET_IN_FLIGHT] = "SELECT coalesce(sum(count), 0) FROM in_flight WHERE space = ?1 AND "
                            "subscription = ?2 AND time_us >= ?3",
    [INDEX_COUNT_MARKS] = "SELECT count(*) FROM marks WHERE redrive = ?1",
};

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
    char text[sizeof schema + 256];
    snprintf(text, sizeof text,
             "BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d;", schema,
             APPLICATION_ID, SCHEMA_VERSION);
    sqlite3_stmt *statement = NULL;
    bool is_done = execute(index, text) &&
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
        if (sqlite3_prepare_v3(index->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
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
           has_identity(index, identity) && execute(index, passing_schema) && prepare(index);
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
