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
    INDEX_NOTE_SUCCESS,
    INDEX_NOTE_ERROR,
    INDEX_GET_RESULTS,
    INDEX_COUNT_WAITING,
    INDEX_TRIM_RESULTS,
    INDEX_SET_IN_FLIGHT,
    INDEX_REMOVE_IN_FLIGHT,
    INDEX_FORGET_IN_FLIGHT,
    INDEX_GET_IN_FLIGHT,
    INDEX_COUNT_MARKS,
    INDEX_STATEMENT_COUNT,
};

// event_index_statements.c. What lies in the file; what runs now and is nothing to be kept.
extern const char index_schema[];
extern const char index_passing_schema[];
extern const char *const index_statement_texts[INDEX_STATEMENT_COUNT];

struct event_index {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statements[INDEX_STATEMENT_COUNT];
    int64_t results_trimmed_us; // monotonic
    bool has_failed;            // since begin
    int64_t believed_until_us;  // a time that lies beyond is of a clock that was ahead
    char reason[256];
};

void index_bind_bytes(sqlite3_stmt *statement, int column, struct bytes bytes);
struct bytes index_column_bytes(sqlite3_stmt *statement, int column);
// Runs a statement that gives no rows, and resets it.
bool index_run(struct event_index *index, enum index_statement statement);
// UNAVAILABLE with SQLite's reason.
enum status index_failed(struct event_index *index, struct error *error);
// Text that may be empty where a column must not be null; text that is cut as all in the index.
void index_bind_required(sqlite3_stmt *statement, int column, struct bytes bytes);
struct bytes index_cut(struct bytes text);
// The last success and error of an outcome's subscription (event_index_subscription.c).
void index_note_result(struct event_index *index, const struct log_place *place,
                       const struct outcome *outcome);
void index_trim_results(struct event_index *index, int32_t partition, int64_t first_offset);
// event_index_rows.c. Members of answers; what is empty is left out.
void index_set_text(struct json_t *object, const char *name, struct bytes text);
void index_set_time(struct json_t *object, const char *name, int64_t time_us);
void index_set_answer(struct json_t *object, struct bytes answer);
// A row of a statement that lists or finds them; the caller owns the answer.
struct json_t *index_describe_event(sqlite3_stmt *row);
struct json_t *index_describe_letter(sqlite3_stmt *row);
struct json_t *index_describe_delivery(sqlite3_stmt *row);
// The number of an event's status in its row; empty = -1, any. INVALID: none that there is.
enum status must_check index_parse_state(struct bytes name, int *ret_state, struct error *error);
// event_index_places.c. Cursors name the last row that was looked at. INVALID: none that we give.
void index_write_cursor(const struct letter_place *last, struct buffer *ret_cursor);
enum status must_check index_read_cursor(struct bytes cursor, struct letter_place *ret_place,
                                         struct error *error);

#endif
