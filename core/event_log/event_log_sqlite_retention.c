// Retention and compaction: what is older than its stream keeps goes, and of a compacted stream
// what a newer record of the same key replaced. Slice by slice on the writer's thread, so that no
// append waits for more than one of them.
#include "core/event_log/event_log_sqlite.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"

#include <stdio.h>

#define SLICE_ROWS 500
// Tombstones stay so many times longer than what they replace.
#define TOMBSTONE_LAGS 10
#define BUSY_INTERVAL_US 5000000

// Returns whether there may be more to remove.
static bool remove_old(struct sqlite_log *log, enum event_log_stream stream, int64_t now_ms) {
    if (log->retention_ms[stream] <= 0) {
        return false;
    }
    int64_t first = atomic_load(&log->ranges[stream].first);
    int64_t end = atomic_load(&log->ranges[stream].end);
    if (first == end) {
        return false;
    }
    sqlite3_bind_int64(log->remove[stream], 1, now_ms - log->retention_ms[stream]);
    struct error error;
    if (!sqlite_run(log->remove[stream])) {
        log_line(LOG_WARNING, "old records cannot be removed", LOG_TEXT("path", log->path),
                 LOG_TEXT("reason", sqlite3_errmsg(log->db)));
        return false;
    }
    int removed = sqlite3_changes(log->db);
    if (removed > 0 && sqlite_learn_range(log, stream, &error) == STATUS_OK) {
        local_readers_wake(log->readers, stream, 0);
    }
    return removed == SLICE_ROWS;
}

// The end of the next slice of rows that are older than age_ms and not below from; from when there
// is none.
static int64_t old_slice_end(struct sqlite_log *log, int64_t from, int64_t before_ms) {
    sqlite3_bind_int64(log->find_old, 1, from);
    sqlite3_bind_int64(log->find_old, 2, SLICE_ROWS);
    sqlite3_bind_int64(log->find_old, 3, before_ms);
    int64_t end = from;
    if (sqlite3_step(log->find_old) == SQLITE_ROW &&
        sqlite3_column_type(log->find_old, 0) != SQLITE_NULL) {
        end = sqlite3_column_int64(log->find_old, 0) + 1;
    }
    sqlite3_reset(log->find_old);
    return end;
}

// Runs a statement over the rows from *position on that are old enough. Returns whether there may
// be more.
static bool compact_slice(struct sqlite_log *log, sqlite3_stmt *statement, int64_t *position,
                          int64_t before_ms) {
    int64_t end = old_slice_end(log, *position, before_ms);
    if (end == *position) {
        return false;
    }
    sqlite3_bind_int64(statement, 1, *position);
    sqlite3_bind_int64(statement, 2, end);
    if (!sqlite_run(statement)) {
        log_line(LOG_WARNING, "the cursors cannot be compacted", LOG_TEXT("path", log->path),
                 LOG_TEXT("reason", sqlite3_errmsg(log->db)));
        return false;
    }
    *position = end;
    return true;
}

// A tombstone goes only long after what it replaces: who read that, and reads on, finds it.
static bool compact(struct sqlite_log *log, int64_t now_ms) {
    bool has_moved =
        compact_slice(log, log->remove_replaced, &log->compacted, now_ms - log->compaction_lag_ms);
    if (log->tombstones_removed < log->compacted) {
        has_moved |= compact_slice(log, log->remove_tombstones, &log->tombstones_removed,
                                   now_ms - TOMBSTONE_LAGS * log->compaction_lag_ms);
    }
    struct error error;
    if (has_moved && sqlite_learn_range(log, EVENT_LOG_CURSORS, &error) != STATUS_OK) {
        log_line(LOG_WARNING, "the cursors' range is not known", LOG_TEXT("reason", error.text));
    }
    return has_moved;
}

void sqlite_retention_apply(struct sqlite_log *log, bool is_quiet) {
    int64_t now_us = clock_monotonic_us();
    if (now_us < log->retention_due_us + (is_quiet ? 0 : BUSY_INTERVAL_US)) {
        return;
    }
    int64_t now_ms = clock_wall_us() / 1000;
    bool has_more = false;
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        has_more |= remove_old(log, (enum event_log_stream)stream, now_ms);
    }
    has_more |= compact(log, now_ms);
    log->retention_due_us = has_more ? now_us : now_us + SQLITE_RETENTION_INTERVAL_US;
}

static enum status prepare_remove(struct sqlite_log *log, enum event_log_stream stream,
                                  struct error *error) {
    const char *name = event_log_stream_name(stream);
    char text[256];
    snprintf(text, sizeof text,
             "DELETE FROM \"%s\" WHERE timestamp_ms < ?1 AND offset IN "
             "(SELECT offset FROM \"%s\" ORDER BY offset LIMIT %d)",
             name, name, SLICE_ROWS);
    return sqlite_prepare(log->db, text, &log->remove[stream], error);
}

enum status sqlite_retention_prepare(struct sqlite_log *log, struct error *error) {
    const struct {
        const char *text;
        sqlite3_stmt **place;
    } statements[] = {
        {"SELECT max(offset) FROM (SELECT offset, timestamp_ms FROM \"cursor\" WHERE offset >= ?1 "
         "ORDER BY offset LIMIT ?2) WHERE timestamp_ms < ?3",
         &log->find_old},
        {"DELETE FROM \"cursor\" WHERE offset IN (SELECT older.offset FROM \"cursor\" newer "
         "JOIN \"cursor\" older ON older.key = newer.key AND older.offset < newer.offset "
         "WHERE newer.offset >= ?1 AND newer.offset < ?2)",
         &log->remove_replaced},
        {"DELETE FROM \"cursor\" WHERE offset >= ?1 AND offset < ?2 AND value IS NULL",
         &log->remove_tombstones},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(statements); i++) {
        status = sqlite_prepare(log->db, statements[i].text, statements[i].place, error);
    }
    for (size_t i = 0; status == STATUS_OK && i < EVENT_LOG_STREAM_COUNT; i++) {
        status = prepare_remove(log, (enum event_log_stream)i, error);
    }
    return status;
}

void sqlite_retention_clear(struct sqlite_log *log) {
    sqlite3_finalize(log->find_old);
    sqlite3_finalize(log->remove_replaced);
    sqlite3_finalize(log->remove_tombstones);
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        sqlite3_finalize(log->remove[stream]);
    }
}
