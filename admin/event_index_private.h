// What the files of event_index share; the only header of admin/ that includes sqlite3.h.
#ifndef EVENT_GATEWAY_ADMIN_EVENT_INDEX_PRIVATE_H
#define EVENT_GATEWAY_ADMIN_EVENT_INDEX_PRIVATE_H

#include "admin/event_index.h"

#include <sqlite3.h>

// Longer attributes are found by their beginning.
#define INDEX_TEXT_MAX 1024

enum index_statement {
    INDEX_BEGIN,
    INDEX_COMMIT,
    INDEX_ROLLBACK,
    INDEX_ADD_EVENT,
    INDEX_ADD_DELIVERY,
    INDEX_SET_EVENT_STATE,
    INDEX_ADD_LETTER,
    INDEX_ADD_MARK,
    INDEX_MARK_LETTER,
    INDEX_SET_POSITION,
    INDEX_GET_POSITION,
    INDEX_TRIM_EVENTS,
    INDEX_TRIM_DELIVERIES,
    INDEX_TRIM_LETTERS,
    INDEX_TRIM_MARKS,
    INDEX_LIST_EVENTS,
    INDEX_LIST_EVENTS_OF_TYPE,
    INDEX_FIND_EVENT,
    INDEX_LIST_DELIVERIES,
    INDEX_LIST_LETTERS,
    INDEX_LIST_LETTERS_OF_SUBSCRIPTION,
    INDEX_FIND_LETTER,
    INDEX_NEXT_LETTERS,
    INDEX_NEXT_LETTERS_OF_SUBSCRIPTION,
    INDEX_COUNT_LETTERS,
    INDEX_STATEMENT_COUNT,
};

struct event_index {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statements[INDEX_STATEMENT_COUNT];
    bool has_failed; // since begin
    char reason[256];
};

void index_bind_bytes(sqlite3_stmt *statement, int column, struct bytes bytes);
struct bytes index_column_bytes(sqlite3_stmt *statement, int column);
// Runs a statement that gives no rows, and resets it.
bool index_run(struct event_index *index, enum index_statement statement);
// UNAVAILABLE with SQLite's reason.
enum status index_failed(struct event_index *index, struct error *error);

#endif
