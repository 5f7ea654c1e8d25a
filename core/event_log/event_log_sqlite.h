// What the files of the SQLite kind share; the only header that includes sqlite3.h. Inside
// core/event_log only.
//
//   append ─▶ waiting ─▶ writer thread: one transaction for all that waits ─▶ answers, readers
//   woken commit ─▶ positions ──────────┘                        readers: own connection and thread
//   each
#ifndef EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_SQLITE_H
#define EVENT_GATEWAY_EVENT_LOG_EVENT_LOG_SQLITE_H

#include "core/event_log/event_log_kind.h"
#include "core/event_log/event_log_kinds.h"
#include "core/event_log/local_readers.h"

#include <sqlite3.h>
#include <stdatomic.h>

// A position that waits for the next transaction.
struct sqlite_position {
    struct sqlite_position *next;
    enum event_log_stream stream;
    char *group;
    int64_t offset;
};

// One more than what is there: the rows of a stream have offsets first <= offset < end.
struct sqlite_range {
    atomic_llong first;
    atomic_llong end;
};

struct sqlite_log {
    struct event_log base;
    char *path;
    int file;                                     // holds the lock that keeps other processes out
    int64_t retention_ms[EVENT_LOG_STREAM_COUNT]; // 0 = for ever
    int64_t compaction_lag_ms;
    size_t buffer_max_records;
    size_t buffer_max_bytes;
    struct local_readers *readers;
    struct sqlite_range ranges[EVENT_LOG_STREAM_COUNT];
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; // for what follows
    pthread_cond_t has_work;
    pthread_cond_t has_result;              // positions were tried, or the last append was answered
    struct event_log_append *first_waiting; // linked by log_private
    struct event_log_append *last_waiting;
    struct sqlite_position *positions;
    uint64_t position_rounds; // transactions that had positions, well or not
    size_t inside;
    size_t inside_bytes;
    bool is_closed;
    bool is_stopping;
    bool is_away;
    char reason[256];

    // The writer's.
    sqlite3 *db;
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *insert[EVENT_LOG_STREAM_COUNT];
    sqlite3_stmt *set_position;
    sqlite3_stmt *probe;
    struct buffer headers;

    // Retention's, on the writer's thread.
    sqlite3_stmt *remove[EVENT_LOG_STREAM_COUNT];
    sqlite3_stmt *find_old;        // compaction: the last offset before a time
    sqlite3_stmt *remove_replaced; // records with a newer one of their key
    sqlite3_stmt *remove_tombstones;
    int64_t retention_due_us;
    int64_t compacted;          // what a record below this offset replaces is removed
    int64_t tombstones_removed; // below this offset
};

// event_log_sqlite.c
enum status must_check sqlite_prepare(sqlite3 *db, const char *text, sqlite3_stmt **ret_statement,
                                      struct error *error);
// Runs a statement that gives no rows; false: SQLite says why.
bool sqlite_run(sqlite3_stmt *statement);
// Learns first and end of a stream from the file.
enum status must_check sqlite_learn_range(struct sqlite_log *log, enum event_log_stream stream,
                                          struct error *error);

// event_log_sqlite_writer.c
enum status must_check sqlite_writer_prepare(struct sqlite_log *log, struct error *error);
void sqlite_writer_start(struct sqlite_log *log);
void sqlite_writer_stop(struct sqlite_log *log);
enum status must_check sqlite_append(struct event_log *log, struct event_log_append *append);
void sqlite_close_log(struct event_log *log, int64_t deadline_ms);
void sqlite_save_position(void *store, const struct local_place *place, int64_t offset,
                          bool is_final);

// event_log_sqlite_retention.c, on the writer's thread.
#define SQLITE_RETENTION_INTERVAL_US 1000000
enum status must_check sqlite_retention_prepare(struct sqlite_log *log, struct error *error);
// Removes a slice of each stream when nothing waits, and now and then when it never gets quiet.
void sqlite_retention_apply(struct sqlite_log *log, bool is_quiet);
// Finalizes its statements; accepts those that were never prepared.
void sqlite_retention_clear(struct sqlite_log *log);

// event_log_sqlite_reader.c
extern const struct local_store_ops sqlite_store_ops;

#endif
