#include "admin/event_index.h"

#include <strings.h>

#include <jansson.h>

#include "admin/event_index_private.h"

// A page looks at so many rows at the most; then it ends with what it found, and a cursor.
#define LOOKED_AT_MAX 50000

static enum status first_place(const struct event_query *query, struct letter_place *ret_place,
                               struct error *error) {
    *ret_place = (struct letter_place){query->until_us > 0 ? query->until_us : INT64_MAX, {0, 0}};
    return query->cursor.size > 0 ? index_read_cursor(query->cursor, ret_place, error) : STATUS_OK;
}

// --- Lists.

static bool contains_ignoring_case(struct bytes text, struct bytes part) {
    for (size_t i = 0; i + part.size <= text.size; i++) {
        if (strncasecmp(text.data + i, part.data, part.size) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_wanted_text(sqlite3_stmt *row, int column, struct bytes wanted) {
    return wanted.size == 0 || bytes_equal(index_column_bytes(row, column), wanted);
}

static bool event_is_wanted(sqlite3_stmt *row, const struct event_query *query, int state) {
    bool is_wanted = is_wanted_text(row, 3, query->type) && is_wanted_text(row, 4, query->source) &&
                     is_wanted_text(row, 5, query->subject) &&
                     (state < 0 || sqlite3_column_int(row, 7) == state);
    for (int column = 3; is_wanted && query->text.size > 0 && column <= 6; column++) {
        if (contains_ignoring_case(index_column_bytes(row, column), query->text)) {
            return true;
        }
    }
    return is_wanted && query->text.size == 0;
}

static void bind_range(sqlite3_stmt *statement, const struct letter_place *before,
                       const struct event_query *query) {
    sqlite3_bind_int64(statement, 1, before->time_us);
    sqlite3_bind_int64(statement, 2, before->place.partition);
    sqlite3_bind_int64(statement, 3, before->place.offset);
    sqlite3_bind_int64(statement, 4, query->since_us);
    index_bind_bytes(statement, 5, query->space);
}

typedef bool (*row_is_wanted_fn)(sqlite3_stmt *row, const struct event_query *query, int state);

struct page {
    const char *name; // of the list in the answer
    row_is_wanted_fn is_wanted;
    json_t *(*describe)(sqlite3_stmt *row);
    int state; // -1 = any
};

static enum status collect_page(struct event_index *index, sqlite3_stmt *statement,
                                const struct event_query *query, const struct page *page,
                                json_t **ret_answer, struct error *error) {
    json_t *list = json_array();
    struct letter_place last = {0};
    size_t looked_at = 0;
    int result = SQLITE_ROW;
    while (json_array_size(list) < query->limit && looked_at < LOOKED_AT_MAX &&
           (result = sqlite3_step(statement)) == SQLITE_ROW) {
        looked_at++;
        last = (struct letter_place){
            sqlite3_column_int64(statement, 2),
            {sqlite3_column_int(statement, 0), sqlite3_column_int64(statement, 1)}};
        if (page->is_wanted(statement, query, page->state)) {
            json_array_append_new(list, page->describe(statement));
        }
    }
    enum status status =
        result == SQLITE_ROW || result == SQLITE_DONE ? STATUS_OK : index_failed(index, error);
    sqlite3_reset(statement);
    if (status != STATUS_OK) {
        json_decref(list);
        return status;
    }
    *ret_answer = json_object();
    json_object_set_new(*ret_answer, page->name, list);
    if (result == SQLITE_ROW) {
        struct buffer cursor = {0};
        index_write_cursor(&last, &cursor);
        index_set_text(*ret_answer, "cursor", buffer_bytes(&cursor));
        buffer_clear(&cursor);
    }
    return STATUS_OK;
}

enum status event_index_list_events(struct event_index *index, const struct event_query *query,
                                    struct json_t **ret_answer, struct error *error) {
    struct letter_place before;
    struct page page = {
        .name = "events", .is_wanted = event_is_wanted, .describe = index_describe_event};
    enum status status = index_parse_state(query->status, &page.state, error);
    if (status == STATUS_OK) {
        status = first_place(query, &before, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    bool has_type = query->type.size > 0;
    sqlite3_stmt *statement =
        index->statements[has_type ? INDEX_LIST_EVENTS_OF_TYPE : INDEX_LIST_EVENTS];
    bind_range(statement, &before, query);
    if (has_type) {
        index_bind_bytes(statement, 6, query->type);
    }
    return collect_page(index, statement, query, &page, ret_answer, error);
}

static bool letter_is_wanted(sqlite3_stmt *row, const struct event_query *query, int state) {
    (void)state;
    return is_wanted_text(row, 7, query->type) && is_wanted_text(row, 6, query->source) &&
           is_wanted_text(row, 8, query->subject);
}

enum status event_index_list_letters(struct event_index *index, const struct event_query *query,
                                     struct json_t **ret_answer, struct error *error) {
    struct letter_place before;
    const struct page page = {
        .name = "deadLetters", .is_wanted = letter_is_wanted, .describe = index_describe_letter};
    enum status status = first_place(query, &before, error);
    if (status != STATUS_OK) {
        return status;
    }
    bool has_subscription = query->subscription_id.size > 0;
    sqlite3_stmt *statement =
        index->statements[has_subscription ? INDEX_LIST_LETTERS_OF_SUBSCRIPTION
                                           : INDEX_LIST_LETTERS];
    bind_range(statement, &before, query);
    if (has_subscription) {
        index_bind_bytes(statement, 6, query->subscription_id);
    }
    return collect_page(index, statement, query, &page, ret_answer, error);
}

// --- One of them.

static enum status list_deliveries(struct event_index *index, const struct log_place *place,
                                   json_t *list, struct error *error) {
    sqlite3_stmt *statement = index->statements[INDEX_LIST_DELIVERIES];
    sqlite3_bind_int64(statement, 1, place->partition);
    sqlite3_bind_int64(statement, 2, place->offset);
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        json_array_append_new(list, index_describe_delivery(statement));
    }
    enum status status = result == SQLITE_DONE ? STATUS_OK : index_failed(index, error);
    sqlite3_reset(statement);
    return status;
}

// The first row of a bound statement.
static enum status find_row(struct event_index *index, sqlite3_stmt *statement,
                            json_t *(*describe)(sqlite3_stmt *row), json_t **ret_found,
                            struct log_place *ret_place, struct error *error) {
    int result = sqlite3_step(statement);
    enum status status = STATUS_OK;
    if (result == SQLITE_ROW) {
        *ret_found = describe(statement);
        *ret_place = (struct log_place){sqlite3_column_int(statement, 0),
                                        sqlite3_column_int64(statement, 1)};
    } else if (result == SQLITE_DONE) {
        status = STATUS_NOT_FOUND;
    } else {
        status = index_failed(index, error);
    }
    sqlite3_reset(statement);
    return status;
}

enum status event_index_find_event(struct event_index *index, struct bytes space, struct bytes id,
                                   struct bytes source, struct json_t **ret_answer,
                                   struct log_place *ret_place, struct error *error) {
    sqlite3_stmt *statement = index->statements[INDEX_FIND_EVENT];
    index_bind_bytes(statement, 1, bytes_slice(id, 0, INDEX_TEXT_MAX));
    index_bind_bytes(statement, 2, space);
    index_bind_bytes(statement, 3, bytes_slice(source, 0, INDEX_TEXT_MAX));
    json_t *found = NULL;
    enum status status = find_row(index, statement, index_describe_event, &found, ret_place, error);
    if (status == STATUS_NOT_FOUND) {
        return error_set(error, STATUS_NOT_FOUND, "Event \"%.*s\" not found.",
                         (int)(id.size > 200 ? 200 : id.size), id.data);
    }
    json_t *deliveries = json_array();
    if (status == STATUS_OK) {
        status = list_deliveries(index, ret_place, deliveries, error);
    }
    if (status != STATUS_OK) {
        json_decref(found);
        json_decref(deliveries);
        return status;
    }
    json_object_set_new(found, "deliveries", deliveries);
    *ret_answer = found;
    return STATUS_OK;
}

enum status event_index_find_letter(struct event_index *index, struct bytes space, struct bytes id,
                                    struct json_t **ret_answer, struct log_place *ret_place,
                                    struct error *error) {
    enum status status = letter_id_parse(id, ret_place);
    if (status == STATUS_OK) {
        sqlite3_stmt *statement = index->statements[INDEX_FIND_LETTER];
        sqlite3_bind_int64(statement, 1, ret_place->partition);
        sqlite3_bind_int64(statement, 2, ret_place->offset);
        index_bind_bytes(statement, 3, space);
        status = find_row(index, statement, index_describe_letter, ret_answer, ret_place, error);
    }
    return status == STATUS_OK || status == STATUS_UNAVAILABLE
               ? status
               : error_set(error, STATUS_NOT_FOUND, "Dead letter \"%.*s\" not found.",
                           (int)(id.size > 200 ? 200 : id.size), id.data);
}

// --- For redriving.

static int64_t until_of(const struct event_query *query) {
    return query->until_us > 0 ? query->until_us : INT64_MAX;
}

enum status event_index_next_letters(struct event_index *index, const struct event_query *query,
                                     const struct letter_place *after, struct letter_place *letters,
                                     size_t max, size_t *ret_count, struct error *error) {
    bool has_subscription = query->subscription_id.size > 0;
    sqlite3_stmt *statement =
        index->statements[has_subscription ? INDEX_NEXT_LETTERS_OF_SUBSCRIPTION
                                           : INDEX_NEXT_LETTERS];
    sqlite3_bind_int64(statement, 1, after->time_us);
    sqlite3_bind_int64(statement, 2, after->place.partition);
    sqlite3_bind_int64(statement, 3, after->place.offset);
    sqlite3_bind_int64(statement, 4, query->since_us);
    sqlite3_bind_int64(statement, 5, until_of(query));
    sqlite3_bind_int64(statement, 6, (int64_t)max);
    index_bind_bytes(statement, 7, query->space);
    if (has_subscription) {
        index_bind_bytes(statement, 8, query->subscription_id);
    }
    size_t count = 0;
    int result = SQLITE_DONE;
    while (count < max && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        letters[count++] = (struct letter_place){
            sqlite3_column_int64(statement, 0),
            {sqlite3_column_int(statement, 1), sqlite3_column_int64(statement, 2)}};
    }
    enum status status =
        result == SQLITE_ROW || result == SQLITE_DONE ? STATUS_OK : index_failed(index, error);
    sqlite3_reset(statement);
    *ret_count = count;
    return status;
}

static enum status read_count(struct event_index *index, sqlite3_stmt *statement,
                              int64_t *ret_count, struct error *error) {
    int result = sqlite3_step(statement);
    *ret_count = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    enum status status = result == SQLITE_ROW ? STATUS_OK : index_failed(index, error);
    sqlite3_reset(statement);
    return status;
}

enum status event_index_count_letters(struct event_index *index, const struct event_query *query,
                                      int64_t *ret_count, struct error *error) {
    sqlite3_stmt *statement = index->statements[INDEX_COUNT_LETTERS];
    index_bind_bytes(statement, 1, query->space);
    index_bind_bytes(statement, 2, query->subscription_id);
    sqlite3_bind_int64(statement, 3, query->since_us);
    sqlite3_bind_int64(statement, 4, until_of(query));
    return read_count(index, statement, ret_count, error);
}

enum status event_index_count_marks(struct event_index *index, struct bytes redrive_id,
                                    int64_t *ret_count, struct error *error) {
    sqlite3_stmt *statement = index->statements[INDEX_COUNT_MARKS];
    index_bind_bytes(statement, 1, redrive_id);
    return read_count(index, statement, ret_count, error);
}
