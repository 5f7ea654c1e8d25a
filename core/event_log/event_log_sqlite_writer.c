// The thread that writes the file: one transaction for all appends and positions that wait, their
// answers, and the way back after a full disk.
#include "core/event_log/event_log_sqlite.h"

#include "core/base/clock.h"
#include "core/base/condition.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// More in one transaction would only make the first of them wait longer.
#define TRANSACTION_MAX_RECORDS 1000
#define TRANSACTION_MAX_BYTES (16u << 20)
#define PROBE_INTERVAL_US 250000
#define PROBE_BYTES "65536"
#define FINAL_POSITION_MS 5000

// What one transaction takes from what waits.
struct work {
    struct event_log_append *appends; // linked by log_private
    size_t append_count;
    size_t append_bytes;
    struct sqlite_position *positions;
    bool is_quiet; // nothing waits any more
};

static struct sqlite_log *sqlite_log_of(struct event_log *log) {
    return CONTAINER_OF(log, struct sqlite_log, base);
}

// --- Any thread.

static enum status refuse(const struct sqlite_log *log, size_t size) {
    if (log->is_closed) {
        return STATUS_CLOSED;
    }
    if (size > EVENT_LOG_RECORD_MAX_BYTES) {
        return STATUS_TOO_LARGE;
    }
    if (log->is_away) {
        return STATUS_UNAVAILABLE;
    }
    bool has_room = log->inside < log->buffer_max_records &&
                    (log->inside == 0 || log->inside_bytes + size <= log->buffer_max_bytes);
    return has_room ? STATUS_OK : STATUS_FULL;
}

enum status sqlite_append(struct event_log *base, struct event_log_append *append) {
    struct sqlite_log *log = sqlite_log_of(base);
    size_t size = event_log_record_size(&append->record);
    pthread_mutex_lock(&log->lock);
    enum status status = refuse(log, size);
    if (status == STATUS_OK) {
        append->log_private = NULL;
        if (log->last_waiting) {
            log->last_waiting->log_private = append;
        } else {
            log->first_waiting = append;
            pthread_cond_signal(&log->has_work);
        }
        log->last_waiting = append;
        log->inside++;
        log->inside_bytes += size;
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

void sqlite_close_log(struct event_log *base, int64_t deadline_ms) {
    struct sqlite_log *log = sqlite_log_of(base);
    int64_t until_us = clock_monotonic_us() + deadline_ms * 1000;
    pthread_mutex_lock(&log->lock);
    log->is_closed = true;
    while (log->inside > 0 && condition_wait_until(&log->has_result, &log->lock, until_us)) {
    }
    pthread_mutex_unlock(&log->lock);
}

// Needs the lock. A newer position of the same group takes the older one's place.
static void add_position(struct sqlite_log *log, enum event_log_stream stream, const char *group,
                         int64_t offset) {
    struct sqlite_position *position = log->positions;
    while (position && (position->stream != stream || strcmp(position->group, group) != 0)) {
        position = position->next;
    }
    if (!position) {
        position = memory_allocate(sizeof *position);
        position->stream = stream;
        position->group = memory_copy_text(group);
        position->next = log->positions;
        log->positions = position;
    }
    position->offset = offset > position->offset ? offset : position->offset;
}

void sqlite_save_position(void *store, const struct local_place *place, int64_t offset,
                          bool is_final) {
    struct sqlite_log *log = store;
    int64_t until_us = clock_monotonic_us() + FINAL_POSITION_MS * 1000;
    pthread_mutex_lock(&log->lock);
    add_position(log, place->stream, place->group, offset);
    pthread_cond_signal(&log->has_work);
    // The round that is being written may have begun without it: the one after surely has it.
    uint64_t round = log->position_rounds + 2;
    while (is_final && log->positions && log->position_rounds < round &&
           condition_wait_until(&log->has_result, &log->lock, until_us)) {
    }
    pthread_mutex_unlock(&log->lock);
}

// --- The writer's thread.

static void set_away(struct sqlite_log *log, const char *reason) {
    pthread_mutex_lock(&log->lock);
    bool was_away = log->is_away;
    log->is_away = true;
    snprintf(log->reason, sizeof log->reason, "%s", reason);
    pthread_mutex_unlock(&log->lock);
    if (!was_away) {
        log_line(LOG_ERROR, "the event log cannot be written", LOG_TEXT("path", log->path),
                 LOG_TEXT("reason", reason));
    }
}

static void set_back(struct sqlite_log *log) {
    pthread_mutex_lock(&log->lock);
    bool was_away = log->is_away;
    log->is_away = false;
    pthread_mutex_unlock(&log->lock);
    if (was_away) {
        log_line(LOG_INFO, "the event log can be written again", LOG_TEXT("path", log->path));
    }
}

static bool bind_bytes(sqlite3_stmt *statement, int column, struct bytes bytes) {
    return sqlite3_bind_blob64(statement, column, bytes.size > 0 ? bytes.data : "", bytes.size,
                               SQLITE_STATIC) == SQLITE_OK;
}

static bool insert(struct sqlite_log *log, struct event_log_append *append, int64_t now_ms) {
    const struct record *record = &append->record;
    sqlite3_stmt *statement = log->insert[append->stream];
    buffer_reset(&log->headers);
    record_headers_encode(record, &log->headers);
    bool is_bound = sqlite3_bind_int64(statement, 1, now_ms) == SQLITE_OK &&
                    (record->key.size > 0 ? bind_bytes(statement, 2, record->key)
                                          : sqlite3_bind_null(statement, 2) == SQLITE_OK) &&
                    bind_bytes(statement, 3, buffer_bytes(&log->headers)) &&
                    (record->has_value ? bind_bytes(statement, 4, record->value)
                                       : sqlite3_bind_null(statement, 4) == SQLITE_OK);
    if (!is_bound || !sqlite_run(statement)) {
        return false;
    }
    append->offset = sqlite3_last_insert_rowid(log->db);
    return true;
}

static bool set_position(struct sqlite_log *log, const struct sqlite_position *position) {
    sqlite3_bind_text(log->set_position, 1, position->group, -1, SQLITE_STATIC);
    sqlite3_bind_text(log->set_position, 2, event_log_stream_name(position->stream), -1,
                      SQLITE_STATIC);
    sqlite3_bind_int64(log->set_position, 3, position->offset);
    return sqlite_run(log->set_position);
}

static bool write_work(struct sqlite_log *log, const struct work *work) {
    int64_t now_ms = clock_wall_us() / 1000;
    bool is_written = sqlite_run(log->begin);
    for (struct event_log_append *append = work->appends; is_written && append;
         append = append->log_private) {
        is_written = insert(log, append, now_ms);
    }
    for (const struct sqlite_position *position = work->positions; is_written && position;
         position = position->next) {
        is_written = set_position(log, position);
    }
    return is_written && sqlite_run(log->commit);
}

// Leaves the reason in reason.
static void roll_back(struct sqlite_log *log, char *reason, size_t size) {
    snprintf(reason, size, "%s (SQLite result code %d)", sqlite3_errmsg(log->db),
             sqlite3_extended_errcode(log->db));
    if (!sqlite3_get_autocommit(log->db)) {
        sqlite3_exec(log->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

static void answer(struct sqlite_log *log, const struct work *work, enum status status) {
    struct event_log_answers answers = {0};
    bool is_new[EVENT_LOG_STREAM_COUNT] = {false};
    struct event_log_append *append = work->appends;
    while (append) {
        struct event_log_append *next = append->log_private;
        if (status == STATUS_OK) {
            is_new[append->stream] = true;
            atomic_store(&log->ranges[append->stream].end, append->offset + 1);
        }
        event_log_answers_add(&answers, append, status, 0,
                              status == STATUS_OK ? append->offset : -1);
        append = next;
    }
    event_log_answers_post(&answers);
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        if (is_new[stream]) {
            local_readers_wake(log->readers, (enum event_log_stream)stream, 0);
        }
    }
}

// Positions that could not be written wait for the next transaction.
static void finish_positions(struct sqlite_log *log, struct sqlite_position *position,
                             bool is_written) {
    while (position) {
        struct sqlite_position *next = position->next;
        if (!is_written) {
            add_position(log, position->stream, position->group, position->offset);
        }
        free(position->group);
        free(position);
        position = next;
    }
}

static void do_work(struct sqlite_log *log, struct work *work) {
    bool is_written = write_work(log, work);
    if (is_written) {
        set_back(log);
    } else {
        char reason[sizeof log->reason];
        roll_back(log, reason, sizeof reason);
        set_away(log, reason);
    }
    answer(log, work, is_written ? STATUS_OK : STATUS_UNAVAILABLE);
    pthread_mutex_lock(&log->lock);
    log->inside -= work->append_count;
    log->inside_bytes -= work->append_bytes;
    log->position_rounds += work->positions != NULL;
    finish_positions(log, work->positions, is_written);
    pthread_cond_broadcast(&log->has_result);
    pthread_mutex_unlock(&log->lock);
}

// Needs the lock.
static struct work take_work(struct sqlite_log *log) {
    struct work work = {.appends = log->first_waiting, .positions = log->positions};
    log->positions = NULL;
    struct event_log_append *last = NULL;
    while (log->first_waiting && work.append_count < TRANSACTION_MAX_RECORDS &&
           work.append_bytes < TRANSACTION_MAX_BYTES) {
        last = log->first_waiting;
        work.append_count++;
        work.append_bytes += event_log_record_size(&last->record);
        log->first_waiting = last->log_private;
    }
    if (last) {
        last->log_private = NULL;
    }
    if (!log->first_waiting) {
        log->last_waiting = NULL;
    }
    work.is_quiet = !log->first_waiting;
    return work;
}

// Nothing is appended while the log is away, so something else has to find out that it can be
// written again.
static void probe(struct sqlite_log *log) {
    if (sqlite_run(log->probe)) {
        set_back(log);
    } else {
        char reason[sizeof log->reason];
        roll_back(log, reason, sizeof reason);
        set_away(log, reason);
    }
}

// Waits for work, for the next look at retention, or for the next probe. False: stop. Needs the
// lock.
static bool await_work(struct sqlite_log *log) {
    int64_t wait_us = log->is_away ? PROBE_INTERVAL_US : SQLITE_RETENTION_INTERVAL_US;
    int64_t until_us = clock_monotonic_us() + wait_us;
    while (!log->first_waiting && (!log->positions || log->is_away) && !log->is_stopping &&
           condition_wait_until(&log->has_work, &log->lock, until_us)) {
    }
    return !log->is_stopping || log->first_waiting || (log->positions && !log->is_away);
}

static void *run(void *argument) {
    struct sqlite_log *log = argument;
    pthread_mutex_lock(&log->lock);
    while (await_work(log)) {
        bool is_away = log->is_away;
        struct work work = take_work(log);
        pthread_mutex_unlock(&log->lock);
        if (work.appends || work.positions) {
            do_work(log, &work);
        } else if (is_away) {
            probe(log);
        }
        sqlite_retention_apply(log, work.is_quiet);
        pthread_mutex_lock(&log->lock);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

// --- Start and stop: the owner's thread.

static enum status prepare_insert(struct sqlite_log *log, enum event_log_stream stream,
                                  struct error *error) {
    char text[256];
    snprintf(text, sizeof text,
             "INSERT INTO \"%s\"(timestamp_ms, key, headers, value) VALUES(?1, ?2, ?3, ?4)",
             event_log_stream_name(stream));
    return sqlite_prepare(log->db, text, &log->insert[stream], error);
}

enum status sqlite_writer_prepare(struct sqlite_log *log, struct error *error) {
    const struct {
        const char *text;
        sqlite3_stmt **place;
    } statements[] = {
        {"BEGIN IMMEDIATE", &log->begin},
        {"COMMIT", &log->commit},
        {"INSERT INTO positions(group_name, stream, offset) VALUES(?1, ?2, ?3) "
         "ON CONFLICT DO UPDATE SET offset = excluded.offset",
         &log->set_position},
        {"REPLACE INTO probe(id, filler) VALUES(1, randomblob(" PROBE_BYTES "))", &log->probe},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(statements); i++) {
        status = sqlite_prepare(log->db, statements[i].text, statements[i].place, error);
    }
    for (size_t i = 0; status == STATUS_OK && i < EVENT_LOG_STREAM_COUNT; i++) {
        status = prepare_insert(log, (enum event_log_stream)i, error);
    }
    return status == STATUS_OK ? sqlite_retention_prepare(log, error) : status;
}

void sqlite_writer_start(struct sqlite_log *log) {
    if (pthread_create(&log->thread, NULL, run, log) != 0) {
        abort(); // No memory or threads left at start: as for small allocations.
    }
    pthread_setname_np(log->thread, "log");
    log->has_thread = true;
}

void sqlite_writer_stop(struct sqlite_log *log) {
    if (log->has_thread) {
        pthread_mutex_lock(&log->lock);
        log->is_stopping = true;
        pthread_cond_signal(&log->has_work);
        pthread_mutex_unlock(&log->lock);
        pthread_join(log->thread, NULL);
    }
    sqlite3_finalize(log->begin);
    sqlite3_finalize(log->commit);
    sqlite3_finalize(log->set_position);
    sqlite3_finalize(log->probe);
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        sqlite3_finalize(log->insert[stream]);
    }
    sqlite_retention_clear(log);
    finish_positions(log, log->positions, true);
    log->positions = NULL;
}
