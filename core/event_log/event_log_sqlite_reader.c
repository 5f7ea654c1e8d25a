#include "core/event_log/event_log_sqlite.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What one reader needs: a connection of its own, so that reading waits for nobody.
struct sqlite_cursor {
    struct sqlite_log *log;
    sqlite3 *db;
    sqlite3_stmt *read[EVENT_LOG_STREAM_COUNT];
    sqlite3_stmt *load_position;
};

static void cursor_close(void *context) {
    struct sqlite_cursor *cursor = context;
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        sqlite3_finalize(cursor->read[stream]);
    }
    sqlite3_finalize(cursor->load_position);
    sqlite3_close(cursor->db);
    free(cursor);
}

static enum status prepare(struct sqlite_cursor *cursor, struct error *error) {
    enum status status = sqlite_prepare(
        cursor->db, "SELECT offset FROM positions WHERE group_name = ?1 AND stream = ?2",
        &cursor->load_position, error);
    for (size_t stream = 0; status == STATUS_OK && stream < EVENT_LOG_STREAM_COUNT; stream++) {
        char text[192];
        snprintf(text, sizeof text,
                 "SELECT offset, timestamp_ms, key, headers, value FROM \"%s\" "
                 "WHERE offset >= ?1 ORDER BY offset LIMIT ?2",
                 event_log_stream_name((enum event_log_stream)stream));
        status = sqlite_prepare(cursor->db, text, &cursor->read[stream], error);
    }
    return status;
}

static enum status cursor_open(void *store, void **ret_cursor, struct error *error) {
    struct sqlite_cursor *cursor = memory_allocate(sizeof *cursor);
    cursor->log = store;
    enum status status = STATUS_OK;
    if (sqlite3_open_v2(cursor->log->path, &cursor->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        status = error_set(error, STATUS_UNAVAILABLE, "SQLite: %s", sqlite3_errmsg(cursor->db));
    } else {
        sqlite3_busy_timeout(cursor->db, 1000);
        status = prepare(cursor, error);
    }
    if (status != STATUS_OK) {
        error_prefix(error, "event log %s", cursor->log->path);
        cursor_close(cursor);
        return status;
    }
    *ret_cursor = cursor;
    return STATUS_OK;
}

static enum status read_failed(const struct sqlite_cursor *cursor, const char *reason) {
    log_line(LOG_ERROR, "the event log cannot be read", LOG_TEXT("path", cursor->log->path),
             LOG_TEXT("reason", reason));
    return STATUS_UNAVAILABLE;
}

static enum status load_position(void *store, void *context, const struct local_place *place,
                                 int64_t *ret_offset) {
    (void)store;
    struct sqlite_cursor *cursor = context;
    sqlite3_bind_text(cursor->load_position, 1, place->group, -1, SQLITE_STATIC);
    sqlite3_bind_text(cursor->load_position, 2, event_log_stream_name(place->stream), -1,
                      SQLITE_STATIC);
    int result = sqlite3_step(cursor->load_position);
    *ret_offset = result == SQLITE_ROW ? sqlite3_column_int64(cursor->load_position, 0) : -1;
    sqlite3_reset(cursor->load_position);
    return result == SQLITE_ROW || result == SQLITE_DONE
               ? STATUS_OK
               : read_failed(cursor, sqlite3_errmsg(cursor->db));
}

static void range(void *store, const struct local_place *place, int64_t *ret_first,
                  int64_t *ret_end) {
    struct sqlite_log *log = store;
    // The end first: it only grows, so a first that is read later can pass it, but never by
    // mistake.
    *ret_end = atomic_load(&log->ranges[place->stream].end);
    *ret_first = atomic_load(&log->ranges[place->stream].first);
    if (*ret_end < *ret_first) {
        *ret_end = *ret_first;
    }
}

static struct bytes column_bytes(sqlite3_stmt *statement, int column, struct record_slice *slice) {
    int size = sqlite3_column_bytes(statement, column);
    if (size <= 0) {
        return (struct bytes){0};
    }
    char *copy = record_slice_allocate(slice, (size_t)size);
    memcpy(copy, sqlite3_column_blob(statement, column), (size_t)size);
    return (struct bytes){copy, (size_t)size};
}

static enum status read_row(sqlite3_stmt *statement, struct record_slice *slice) {
    struct record record = {
        .key = column_bytes(statement, 2, slice),
        .value = column_bytes(statement, 4, slice),
        .has_value = sqlite3_column_type(statement, 4) != SQLITE_NULL,
    };
    struct bytes headers = column_bytes(statement, 3, slice);
    enum status status = record_headers_decode(headers, slice, &record);
    if (status == STATUS_OK) {
        struct stored_record *stored = record_slice_add(slice);
        stored->record = record;
        stored->offset = sqlite3_column_int64(statement, 0);
        stored->timestamp_ms = sqlite3_column_int64(statement, 1);
        slice->byte_count += record.key.size + record.value.size + headers.size;
    }
    return status;
}

// What came before a bad row is still delivered.
static enum status read_records(void *store, void *context, const struct local_place *place,
                                int64_t offset, struct record_slice *slice) {
    (void)store;
    struct sqlite_cursor *cursor = context;
    sqlite3_stmt *statement = cursor->read[place->stream];
    sqlite3_bind_int64(statement, 1, offset);
    sqlite3_bind_int64(statement, 2, (int64_t)slice->max_records);
    enum status status = STATUS_OK;
    int result = SQLITE_ROW;
    while (status == STATUS_OK && !record_slice_is_full(slice) &&
           (result = sqlite3_step(statement)) == SQLITE_ROW) {
        status = read_row(statement, slice);
    }
    if (status != STATUS_OK) {
        (void)read_failed(cursor, "the headers of a row are broken");
    } else if (result != SQLITE_ROW && result != SQLITE_DONE) {
        status = read_failed(cursor, sqlite3_errmsg(cursor->db));
    }
    sqlite3_reset(statement);
    return slice->count > 0 ? STATUS_OK : status;
}

// The time of the first row at offset or after it; INT64_MAX when there is none.
static enum status time_at(struct sqlite_cursor *cursor, const struct local_place *place,
                           int64_t offset, int64_t *ret_time_ms) {
    sqlite3_stmt *statement = cursor->read[place->stream];
    sqlite3_bind_int64(statement, 1, offset);
    sqlite3_bind_int64(statement, 2, 1);
    int result = sqlite3_step(statement);
    *ret_time_ms = result == SQLITE_ROW ? sqlite3_column_int64(statement, 1) : INT64_MAX;
    sqlite3_reset(statement);
    return result == SQLITE_ROW || result == SQLITE_DONE
               ? STATUS_OK
               : read_failed(cursor, sqlite3_errmsg(cursor->db));
}

// By halves: times grow with the offsets, except where somebody set the clock back.
static enum status find_time(void *store, void *context, const struct local_place *place,
                             int64_t time_ms, int64_t *ret_offset) {
    int64_t low, high;
    range(store, place, &low, &high);
    while (low < high) {
        int64_t middle = low + (high - low) / 2, found_ms;
        enum status status = time_at(context, place, middle, &found_ms);
        if (status != STATUS_OK) {
            return status;
        }
        if (found_ms >= time_ms) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    *ret_offset = low;
    return STATUS_OK;
}

const struct local_store_ops sqlite_store_ops = {
    .cursor_open = cursor_open,
    .cursor_close = cursor_close,
    .load_position = load_position,
    .save_position = sqlite_save_position,
    .range = range,
    .read = read_records,
    .find_time = find_time,
};
