#include "core/event_log/event_log_sqlite.h"

#include "core/base/condition.h"
#include "core/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

// A record that has a newer one of its key goes when that is so old: whoever reads the stream from
// its beginning meanwhile still finds what it expects.
#define COMPACTION_LAG_MS 60000
#define APPLICATION_ID 0x45474c67 // "EGLg": other SQLite files are refused
#define STREAM_TABLE(name)                                                                         \
    "CREATE TABLE \"" name                                                                         \
    "\"(offset INTEGER PRIMARY KEY AUTOINCREMENT, timestamp_ms INTEGER NOT "                       \
    "NULL, key BLOB, headers BLOB NOT NULL, value BLOB);"
// What leads from each version of the schema to the next one; an empty file has version 0. To
// change the schema: add a row, and a test that opens a file of the version before.
static const char *const steps[] = {
    STREAM_TABLE("events")
        STREAM_TABLE("deadletter") "CREATE TABLE positions(group_name TEXT NOT NULL, stream TEXT "
                                   "NOT NULL, offset INTEGER NOT "
                                   "NULL, PRIMARY KEY(group_name, stream)) WITHOUT ROWID;"
                                   "CREATE TABLE probe(id INTEGER PRIMARY KEY, filler BLOB);",
    STREAM_TABLE("cursor") STREAM_TABLE("outcome") STREAM_TABLE("retry.10s")
        STREAM_TABLE("retry.1m") STREAM_TABLE("retry.10m")
            STREAM_TABLE("retry.1h") "CREATE INDEX cursor_key ON \"cursor\"(key, offset);",
};
#define SCHEMA_VERSION ((int64_t)ARRAY_LENGTH(steps))

enum status sqlite_prepare(sqlite3 *db, const char *text, sqlite3_stmt **ret_statement,
                           struct error *error) {
    if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL) !=
        SQLITE_OK) {
        return error_set(error, STATUS_UNAVAILABLE, "SQLite: %s", sqlite3_errmsg(db));
    }
    return STATUS_OK;
}

bool sqlite_run(sqlite3_stmt *statement) {
    bool is_done = sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_reset(statement);
    return is_done;
}

// The number that a statement's first row starts with, or fallback when it has no row or a null
// there.
static enum status read_number(sqlite3 *db, const char *text, int64_t fallback, int64_t *ret_number,
                               struct error *error) {
    sqlite3_stmt *statement;
    enum status status = sqlite_prepare(db, text, &statement, error);
    if (status != STATUS_OK) {
        return status;
    }
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        *ret_number = sqlite3_column_type(statement, 0) == SQLITE_NULL
                          ? fallback
                          : sqlite3_column_int64(statement, 0);
    } else if (result == SQLITE_DONE) {
        *ret_number = fallback;
    } else {
        status = error_set(error, STATUS_UNAVAILABLE, "SQLite: %s", sqlite3_errmsg(db));
    }
    sqlite3_finalize(statement);
    return status;
}

enum status sqlite_learn_range(struct sqlite_log *log, enum event_log_stream stream,
                               struct error *error) {
    const char *name = event_log_stream_name(stream);
    char text[128];
    int64_t first = 0, end = 0;
    snprintf(text, sizeof text, "SELECT seq + 1 FROM sqlite_sequence WHERE name = '%s'", name);
    enum status status = read_number(log->db, text, 1, &end, error);
    if (status == STATUS_OK) {
        snprintf(text, sizeof text, "SELECT min(offset) FROM \"%s\"", name);
        status = read_number(log->db, text, end, &first, error);
    }
    if (status == STATUS_OK) {
        atomic_store(&log->ranges[stream].first, first);
        atomic_store(&log->ranges[stream].end, end);
    }
    return status;
}

static enum status execute(struct sqlite_log *log, const char *text, struct error *error) {
    if (sqlite3_exec(log->db, text, NULL, NULL, NULL) != SQLITE_OK) {
        return error_set(error, STATUS_UNAVAILABLE, "SQLite: %s", sqlite3_errmsg(log->db));
    }
    return STATUS_OK;
}

static enum status take_step(struct sqlite_log *log, int64_t version, struct error *error) {
    struct buffer text = {0};
    buffer_append_format(
        &text, "BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %lld; COMMIT",
        steps[version], APPLICATION_ID, (long long)version + 1);
    enum status status = execute(log, text.data, error);
    buffer_clear(&text);
    return status;
}

// An empty file becomes a log; everything else has to be one.
static enum status migrate(struct sqlite_log *log, struct error *error) {
    int64_t tables = 0, id = 0, version = 0;
    enum status status =
        read_number(log->db, "SELECT count(*) FROM sqlite_master", 0, &tables, error);
    if (status == STATUS_OK) {
        status = read_number(log->db, "PRAGMA application_id", 0, &id, error);
    }
    if (status == STATUS_OK) {
        status = read_number(log->db, "PRAGMA user_version", 0, &version, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (tables > 0 && id != APPLICATION_ID) {
        return error_set(error, STATUS_INVALID, "the database is not an event log");
    }
    if (tables > 0 && (version < 1 || version > SCHEMA_VERSION)) {
        return error_set(error, STATUS_INVALID,
                         "the event log has schema version %lld, this program knows only 1 to %lld",
                         (long long)version, (long long)SCHEMA_VERSION);
    }
    for (version = tables > 0 ? version : 0; status == STATUS_OK && version < SCHEMA_VERSION;
         version++) {
        status = take_step(log, version, error);
    }
    return status;
}

// flock is not the lock that SQLite uses, so both can be held, and the sqlite3 tool can still look
// inside.
static enum status lock_file(struct sqlite_log *log, struct error *error) {
    log->file = open(log->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (log->file < 0) {
        return error_set(error, STATUS_UNAVAILABLE, "cannot be opened: %s", strerror(errno));
    }
    if (flock(log->file, LOCK_EX | LOCK_NB) != 0) {
        return error_set(error, STATUS_UNAVAILABLE, "another process has it open");
    }
    return STATUS_OK;
}

static enum status open_file(struct sqlite_log *log, struct error *error) {
    enum status status = lock_file(log, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (sqlite3_open_v2(log->path, &log->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        return error_set(error, STATUS_UNAVAILABLE, "SQLite: %s", sqlite3_errmsg(log->db));
    }
    sqlite3_busy_timeout(log->db, 5000);
    status = migrate(log, error);
    if (status == STATUS_OK) {
        status = execute(log,
                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                         "PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 2000",
                         error);
    }
    for (size_t i = 0; status == STATUS_OK && i < EVENT_LOG_STREAM_COUNT; i++) {
        status = sqlite_learn_range(log, (enum event_log_stream)i, error);
    }
    return status == STATUS_OK ? sqlite_writer_prepare(log, error) : status;
}

static struct sqlite_log *sqlite_log_of(struct event_log *log) {
    return CONTAINER_OF(log, struct sqlite_log, base);
}

static enum status sqlite_health(struct event_log *base, struct error *error) {
    struct sqlite_log *log = sqlite_log_of(base);
    enum status status = STATUS_OK;
    pthread_mutex_lock(&log->lock);
    if (log->is_away) {
        status = error_set(error, STATUS_UNAVAILABLE, "the event log %s cannot be written: %s",
                           log->path, log->reason);
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

static size_t sqlite_appends_inside(struct event_log *base) {
    struct sqlite_log *log = sqlite_log_of(base);
    pthread_mutex_lock(&log->lock);
    size_t inside = log->inside;
    pthread_mutex_unlock(&log->lock);
    return inside;
}

static int64_t sqlite_keeps_ms(struct event_log *base) {
    return sqlite_log_of(base)->retention_ms[EVENT_LOG_EVENTS];
}

static int32_t sqlite_partition_count(struct event_log *log, enum event_log_stream stream) {
    (void)log;
    (void)stream;
    return 1;
}

static void sqlite_destroy(struct event_log *base) {
    struct sqlite_log *log = sqlite_log_of(base);
    sqlite_writer_stop(log);
    local_readers_destroy(log->readers);
    // The lock goes last: closing any descriptor of the file would also drop SQLite's own locks on
    // it.
    sqlite3_close(log->db);
    if (log->file >= 0) {
        close(log->file);
    }
    buffer_clear(&log->headers);
    pthread_cond_destroy(&log->has_work);
    pthread_cond_destroy(&log->has_result);
    pthread_mutex_destroy(&log->lock);
    free(log->path);
    free(log);
}

static struct slice_pool *sqlite_slices(struct event_log *base) {
    return local_readers_slices(sqlite_log_of(base)->readers);
}

static enum status sqlite_reader_create(struct event_log *base,
                                        const struct event_log_reader_options *options,
                                        struct event_log_reader **ret_reader, struct error *error) {
    return local_reader_create(sqlite_log_of(base)->readers, options, ret_reader, error);
}

static const struct event_log_ops sqlite_ops = {
    .append = sqlite_append,
    .health = sqlite_health,
    .appends_inside = sqlite_appends_inside,
    .partition_count = sqlite_partition_count,
    .keeps_ms = sqlite_keeps_ms,
    .close = sqlite_close_log,
    .destroy = sqlite_destroy,
    .reader_create = sqlite_reader_create,
    .slices = sqlite_slices,
};

static void set_retention(struct sqlite_log *log, const struct event_log_sqlite_options *options) {
    const struct event_log_retention retention = {options->retention_ms,
                                                  options->dead_letter_retention_ms};
    for (size_t i = 0; i < EVENT_LOG_STREAM_COUNT; i++) {
        enum event_log_stream stream = (enum event_log_stream)i;
        log->retention_ms[i] =
            event_log_stream_is_compacted(stream) ? 0 : event_log_retention_ms(stream, &retention);
    }
    log->compaction_lag_ms =
        options->compaction_lag_ms > 0 ? options->compaction_lag_ms : COMPACTION_LAG_MS;
}

enum status event_log_sqlite_create(const struct event_log_sqlite_options *options,
                                    struct event_log **ret_log, struct error *error) {
    struct sqlite_log *log = memory_allocate(sizeof *log);
    log->base.ops = &sqlite_ops;
    log->path = memory_copy_text(options->path);
    log->file = -1;
    set_retention(log, options);
    log->buffer_max_records = options->buffer_max_records > 0 ? options->buffer_max_records : 10000;
    log->buffer_max_bytes = options->buffer_max_bytes > 0 ? options->buffer_max_bytes : 64 << 20;
    pthread_mutex_init(&log->lock, NULL);
    condition_init(&log->has_work);
    condition_init(&log->has_result);
    int32_t partition_counts[EVENT_LOG_STREAM_COUNT];
    for (size_t i = 0; i < EVENT_LOG_STREAM_COUNT; i++) {
        partition_counts[i] = 1;
    }
    log->readers = local_readers_create(&sqlite_store_ops, log, partition_counts);
    enum status status = open_file(log, error);
    if (status != STATUS_OK) {
        error_prefix(error, "event log %s", log->path);
        sqlite_destroy(&log->base);
        return status;
    }
    sqlite_writer_start(log);
    *ret_log = &log->base;
    return STATUS_OK;
}
