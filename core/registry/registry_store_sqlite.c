#include "core/registry/registry_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "core/base/memory.h"
#include "core/registry/own_member.h"

// One file, one process: the connection keeps the file locked as long as it is open. A deleted
// document leaves its key and revision behind until as many revisions have followed.
#define MARKS_KEPT_REVISIONS 1000
// Raised with every change of the tables; a file with a higher one is a newer program's.
#define SCHEMA_VERSION 1

static const char schema[] =
    "CREATE TABLE documents (kind TEXT NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL,"
    " document TEXT, revision INTEGER NOT NULL, PRIMARY KEY (kind, space, id)) WITHOUT ROWID;"
    "CREATE INDEX documents_by_revision ON documents (revision);"
    "CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO state VALUES ('revision', 0), ('known_since', 0);"
    "PRAGMA user_version = 1;";

struct sqlite_store {
    struct registry_store store;
    sqlite3 *database;
    char *path;
    void (*notify)(void *context);
    void *notify_context;
    struct own_member member;
};

static struct sqlite_store *sqlite_store_of(struct registry_store *store) {
    return CONTAINER_OF(store, struct sqlite_store, store);
}

static enum status sqlite_error(const struct sqlite_store *store, struct error *error) {
    int code = store->database ? sqlite3_errcode(store->database) : SQLITE_NOMEM;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        return error_set(error, STATUS_UNAVAILABLE,
                         "%s is in use by another process; stop that one, or give this one "
                         "another data folder",
                         store->path);
    }
    bool is_broken = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return error_set(error, is_broken ? STATUS_FAILED : STATUS_UNAVAILABLE, "%s: %s", store->path,
                     store->database ? sqlite3_errmsg(store->database) : "out of memory");
}

static enum status execute(const struct sqlite_store *store, const char *sql, struct error *error) {
    return sqlite3_exec(store->database, sql, NULL, NULL, NULL) == SQLITE_OK
               ? STATUS_OK
               : sqlite_error(store, error);
}

static enum status prepare(const struct sqlite_store *store, const char *sql,
                           sqlite3_stmt **ret_statement, struct error *error) {
    return sqlite3_prepare_v2(store->database, sql, -1, ret_statement, NULL) == SQLITE_OK
               ? STATUS_OK
               : sqlite_error(store, error);
}

static enum status read_integer(const struct sqlite_store *store, const char *sql,
                                int64_t *ret_value, struct error *error) {
    sqlite3_stmt *statement = NULL;
    enum status status = prepare(store, sql, &statement, error);
    if (status == STATUS_OK && sqlite3_step(statement) != SQLITE_ROW) {
        status = sqlite_error(store, error);
    }
    if (status == STATUS_OK) {
        *ret_value = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return status;
}

static enum status read_state(const struct sqlite_store *store, int64_t *ret_revision,
                              int64_t *ret_known_since, struct error *error) {
    enum status status =
        read_integer(store, "SELECT value FROM state WHERE name = 'revision'", ret_revision, error);
    if (status == STATUS_OK && ret_known_since) {
        status = read_integer(store, "SELECT value FROM state WHERE name = 'known_since'",
                              ret_known_since, error);
    }
    return status;
}

static struct bytes column_bytes(sqlite3_stmt *statement, int column) {
    const void *data = sqlite3_column_blob(statement, column);
    return (struct bytes){data, (size_t)sqlite3_column_bytes(statement, column)};
}

static enum status visit_rows(const struct sqlite_store *store, sqlite3_stmt *statement,
                              registry_store_document_fn visit, void *context,
                              struct error *error) {
    int step = sqlite3_step(statement);
    for (; step == SQLITE_ROW; step = sqlite3_step(statement)) {
        enum resource_kind kind;
        // A kind that a newer program added is not ours to understand.
        if (resource_kind_parse(column_bytes(statement, 0), &kind)) {
            visit(context, kind, column_bytes(statement, 1), column_bytes(statement, 2),
                  column_bytes(statement, 3));
        }
    }
    return step == SQLITE_DONE ? STATUS_OK : sqlite_error(store, error);
}

static enum status visit_since(const struct sqlite_store *store, const char *sql, int64_t since,
                               registry_store_document_fn visit, void *context,
                               struct error *error) {
    sqlite3_stmt *statement = NULL;
    enum status status = prepare(store, sql, &statement, error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(statement, 1, since);
        status = visit_rows(store, statement, visit, context, error);
    }
    sqlite3_finalize(statement);
    return status;
}

static enum status sqlite_load(struct registry_store *store, registry_store_document_fn visit,
                               void *context, int64_t *ret_revision, struct error *error) {
    struct sqlite_store *sqlite = sqlite_store_of(store);
    enum status status = read_state(sqlite, ret_revision, NULL, error);
    if (status == STATUS_OK) {
        status = visit_since(sqlite,
                             "SELECT kind, space, id, document FROM documents"
                             " WHERE document IS NOT NULL AND revision >= ?",
                             0, visit, context, error);
    }
    return status;
}

static enum status sqlite_load_changes(struct registry_store *store, int64_t since_revision,
                                       registry_store_document_fn visit, void *context,
                                       int64_t *ret_revision, struct error *error) {
    struct sqlite_store *sqlite = sqlite_store_of(store);
    int64_t revision = 0;
    int64_t known_since = 0;
    enum status status = read_state(sqlite, &revision, &known_since, error);
    if (status == STATUS_OK && (since_revision < known_since || since_revision > revision)) {
        return error_set(error, STATUS_NOT_FOUND,
                         "what changed since revision %" PRId64 " is not known", since_revision);
    }
    if (status == STATUS_OK) {
        status = visit_since(sqlite,
                             "SELECT kind, space, id, document FROM documents WHERE revision > ?",
                             since_revision, visit, context, error);
    }
    if (status == STATUS_OK) {
        *ret_revision = revision;
    }
    return status;
}

static void bind_text(sqlite3_stmt *statement, int position, struct bytes bytes) {
    sqlite3_bind_text64(statement, position, bytes.size > 0 ? bytes.data : "", bytes.size,
                        SQLITE_STATIC, SQLITE_UTF8);
}

static enum status write_edits(const struct sqlite_store *store, const struct registry_edit *edits,
                               size_t edit_count, int64_t revision, struct error *error) {
    sqlite3_stmt *statement = NULL;
    enum status status = prepare(store, "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)",
                                 &statement, error);
    for (size_t i = 0; status == STATUS_OK && i < edit_count; i++) {
        bind_text(statement, 1, bytes_of_text(resource_kind_name(edits[i].kind)));
        bind_text(statement, 2, edits[i].space);
        bind_text(statement, 3, edits[i].id);
        if (edits[i].document.size > 0) {
            bind_text(statement, 4, edits[i].document);
        } else {
            sqlite3_bind_null(statement, 4);
        }
        sqlite3_bind_int64(statement, 5, revision);
        if (sqlite3_step(statement) != SQLITE_DONE) {
            status = sqlite_error(store, error);
        }
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    return status;
}

static enum status execute_with(const struct sqlite_store *store, const char *sql, int64_t value,
                                struct error *error) {
    sqlite3_stmt *statement = NULL;
    enum status status = prepare(store, sql, &statement, error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(statement, 1, value);
        if (sqlite3_step(statement) != SQLITE_DONE) {
            status = sqlite_error(store, error);
        }
    }
    sqlite3_finalize(statement);
    return status;
}

static enum status forget_marks(const struct sqlite_store *store, int64_t revision,
                                struct error *error) {
    int64_t known_since = revision - MARKS_KEPT_REVISIONS;
    if (known_since <= 0) {
        return STATUS_OK;
    }
    enum status status =
        execute_with(store, "DELETE FROM documents WHERE document IS NULL AND revision <= ?",
                     known_since, error);
    if (status == STATUS_OK) {
        status = execute_with(store, "UPDATE state SET value = ? WHERE name = 'known_since'",
                              known_since, error);
    }
    return status;
}

static enum status write_change(const struct sqlite_store *store, const struct registry_edit *edits,
                                size_t edit_count, int64_t expected_revision, struct error *error) {
    int64_t revision = 0;
    enum status status = read_state(store, &revision, NULL, error);
    if (status == STATUS_OK && revision != expected_revision) {
        return error_set(error, STATUS_CONFLICT,
                         "the configuration is at revision %" PRId64 ", not %" PRId64, revision,
                         expected_revision);
    }
    revision++;
    if (status == STATUS_OK) {
        status = write_edits(store, edits, edit_count, revision, error);
    }
    if (status == STATUS_OK) {
        status = execute_with(store, "UPDATE state SET value = ? WHERE name = 'revision'", revision,
                              error);
    }
    return status == STATUS_OK ? forget_marks(store, revision, error) : status;
}

static enum status sqlite_apply(struct registry_store *store, const struct registry_edit *edits,
                                size_t edit_count, int64_t expected_revision, int64_t *ret_revision,
                                struct error *error) {
    struct sqlite_store *sqlite = sqlite_store_of(store);
    enum status status = execute(sqlite, "BEGIN IMMEDIATE", error);
    if (status != STATUS_OK) {
        return status;
    }
    status = write_change(sqlite, edits, edit_count, expected_revision, error);
    if (status == STATUS_OK) {
        status = execute(sqlite, "COMMIT", error);
    }
    if (status != STATUS_OK) {
        (void)execute(sqlite, "ROLLBACK", NULL);
        return status;
    }
    *ret_revision = expected_revision + 1;
    if (sqlite->notify) {
        sqlite->notify(sqlite->notify_context);
    }
    return STATUS_OK;
}

static void sqlite_watch(struct registry_store *store, void (*notify)(void *context),
                         void *context) {
    sqlite_store_of(store)->notify = notify;
    sqlite_store_of(store)->notify_context = context;
}

static enum status sqlite_health(struct registry_store *store, struct error *error) {
    int64_t revision;
    return read_state(sqlite_store_of(store), &revision, NULL, error);
}

static enum status sqlite_announce(struct registry_store *store, struct bytes id,
                                   struct bytes document, struct error *error) {
    (void)error;
    own_member_set(&sqlite_store_of(store)->member, id, document);
    return STATUS_OK;
}

static enum status sqlite_members(struct registry_store *store, registry_store_member_fn visit,
                                  void *context, struct error *error) {
    (void)error;
    own_member_visit(&sqlite_store_of(store)->member, visit, context);
    return STATUS_OK;
}

static void sqlite_destroy(struct registry_store *store) {
    struct sqlite_store *sqlite = sqlite_store_of(store);
    sqlite3_close(sqlite->database);
    own_member_clear(&sqlite->member);
    free(sqlite->path);
    free(sqlite);
}

// SQLite would make the file readable for everybody; its log file gets the same mode.
static enum status make_file(const struct sqlite_store *store, struct error *error) {
    int file = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return error_set(error, STATUS_UNAVAILABLE, "cannot open %s: %s", store->path,
                         strerror(errno));
    }
    close(file);
    return STATUS_OK;
}

static enum status prepare_schema(const struct sqlite_store *store, struct error *error) {
    int64_t version = 0;
    enum status status = read_integer(store, "PRAGMA user_version", &version, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (version > SCHEMA_VERSION) {
        return error_set(error, STATUS_INVALID,
                         "%s has format %" PRId64 " of a newer program; this one knows %d",
                         store->path, version, SCHEMA_VERSION);
    }
    if (version == SCHEMA_VERSION) {
        return STATUS_OK;
    }
    status = execute(store, "BEGIN IMMEDIATE", error);
    if (status == STATUS_OK) {
        status = execute(store, schema, error);
    }
    return status == STATUS_OK ? execute(store, "COMMIT", error) : status;
}

static enum status open_database(struct sqlite_store *store, struct error *error) {
    enum status status = make_file(store, error);
    if (status != STATUS_OK) {
        return status;
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(store->path, &store->database, flags, NULL) != SQLITE_OK) {
        return sqlite_error(store, error);
    }
    // Exclusive: the lock is taken by the first write and kept until the file is closed.
    status = execute(store,
                     "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                     " PRAGMA synchronous = FULL; BEGIN IMMEDIATE; COMMIT;",
                     error);
    return status == STATUS_OK ? prepare_schema(store, error) : status;
}

enum status registry_store_sqlite_create(const char *path, struct registry_store **ret_store,
                                         struct error *error) {
    static const struct registry_store_ops ops = {
        .name = "sqlite",
        .load = sqlite_load,
        .load_changes = sqlite_load_changes,
        .apply = sqlite_apply,
        .watch = sqlite_watch,
        .health = sqlite_health,
        .announce = sqlite_announce,
        .members = sqlite_members,
        .destroy = sqlite_destroy,
    };
    struct sqlite_store *store = memory_allocate(sizeof *store);
    store->store.ops = &ops;
    store->path = memory_copy_text(path);
    enum status status = open_database(store, error);
    if (status != STATUS_OK) {
        sqlite_destroy(&store->store);
        return status;
    }
    *ret_store = &store->store;
    return STATUS_OK;
}
