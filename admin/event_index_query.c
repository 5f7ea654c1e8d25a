#include "admin/event_index.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "admin/event_index_private.h"
#include "core/base/memory.h"
#include "core/base/text.h"

// A page looks at so many rows at the most; then it ends with what it found, and a cursor.
#define LOOKED_AT_MAX 50000

static const char *const state_names[] = {"none", "delivered", "waiting", "failed"};

// --- Small things.

void index_set_text(json_t *object, const char *name, struct bytes text) {
    if (text.size > 0) {
        json_object_set_new(object, name, json_stringn(text.data, text.size));
    }
}

void index_set_time(json_t *object, const char *name, int64_t time_us) {
    if (time_us > 0) {
        char text[TIMESTAMP_TEXT_SIZE];
        timestamp_format(time_us, text);
        json_object_set_new(object, name, json_string(text));
    }
}

// What a function said may be any bytes.
void index_set_answer(json_t *object, struct bytes answer) {
    if (answer.size == 0) {
        return;
    }
    if (utf8_is_valid(answer)) {
        index_set_text(object, "lastAnswer", answer);
        return;
    }
    struct buffer text = {0};
    base64_encode(answer, &text);
    index_set_text(object, "lastAnswerBase64", buffer_bytes(&text));
    buffer_clear(&text);
}

static void set_column(json_t *object, const char *name, sqlite3_stmt *row, int column) {
    index_set_text(object, name, index_column_bytes(row, column));
}

void letter_id_write(const struct log_place *place, struct buffer *ret_id) {
    buffer_append_format(ret_id, "%" PRId32 "-%" PRId64, place->partition, place->offset);
}

static bool read_number(struct bytes *rest, char end, int64_t *ret_number) {
    char text[24], *stop;
    size_t size = end ? bytes_find(*rest, end) : rest->size;
    if (size == 0 || size >= sizeof text || (end && size == rest->size) ||
        !isdigit((unsigned char)rest->data[0])) {
        return false;
    }
    memcpy(text, rest->data, size);
    text[size] = '\0';
    *ret_number = strtoll(text, &stop, 10);
    *rest = bytes_slice(*rest, size + 1, rest->size);
    return *stop == '\0';
}

enum status letter_id_parse(struct bytes id, struct log_place *ret_place) {
    int64_t partition, offset;
    if (!read_number(&id, '-', &partition) || !read_number(&id, '\0', &offset) ||
        partition > INT32_MAX) {
        return STATUS_INVALID;
    }
    *ret_place = (struct log_place){(int32_t)partition, offset};
    return STATUS_OK;
}

// --- Cursors: the place of the last row that was looked at.

static void write_cursor(const struct letter_place *last, struct buffer *ret_cursor) {
    struct buffer text = {0};
    buffer_append_format(&text, "%" PRId64 ",%" PRId32 ",%" PRId64, last->time_us,
                         last->place.partition, last->place.offset);
    base64url_encode(buffer_bytes(&text), ret_cursor);
    buffer_clear(&text);
}

static enum status read_cursor(struct bytes cursor, struct letter_place *ret_place,
                               struct error *error) {
    struct buffer text = {0};
    int64_t time_us = 0, partition = 0, offset = 0;
    bool is_good = base64url_decode(cursor, &text) == STATUS_OK;
    struct bytes rest = buffer_bytes(&text);
    is_good = is_good && read_number(&rest, ',', &time_us) && read_number(&rest, ',', &partition) &&
              read_number(&rest, '\0', &offset) && partition <= INT32_MAX;
    buffer_clear(&text);
    if (!is_good) {
        return error_set(error, STATUS_INVALID, "'cursor' is not one that a list gave");
    }
    *ret_place = (struct letter_place){time_us, {(int32_t)partition, offset}};
    return STATUS_OK;
}

static enum status first_place(const struct event_query *query, struct letter_place *ret_place,
                               struct error *error) {
    *ret_place = (struct letter_place){query->until_us > 0 ? query->until_us : INT64_MAX, {0, 0}};
    return query->cursor.size > 0 ? read_cursor(query->cursor, ret_place, error) : STATUS_OK;
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

static json_t *describe_event(sqlite3_stmt *row) {
    json_t *event = json_object();
    set_column(event, "id", row, 6);
    set_column(event, "source", row, 4);
    set_column(event, "type", row, 3);
    set_column(event, "subject", row, 5);
    index_set_time(event, "receivedTime", sqlite3_column_int64(row, 2));
    json_object_set_new(event, "status", json_string(state_names[sqlite3_column_int(row, 7) & 3]));
    json_object_set_new(event, "partition", json_integer(sqlite3_column_int(row, 0)));
    json_object_set_new(event, "offset", json_integer(sqlite3_column_int64(row, 1)));
    return event;
}

static json_t *describe_letter(sqlite3_stmt *row) {
    json_t *letter = json_object();
    struct log_place place = {sqlite3_column_int(row, 0), sqlite3_column_int64(row, 1)};
    struct buffer id = {0};
    letter_id_write(&place, &id);
    index_set_text(letter, "deadLetterId", buffer_bytes(&id));
    buffer_clear(&id);
    index_set_time(letter, "time", sqlite3_column_int64(row, 2));
    set_column(letter, "subscriptionId", row, 3);
    set_column(letter, "functionId", row, 4);
    set_column(letter, "eventId", row, 5);
    set_column(letter, "source", row, 6);
    set_column(letter, "type", row, 7);
    set_column(letter, "subject", row, 8);
    set_column(letter, "reason", row, 9);
    json_object_set_new(letter, "attempts", json_integer(sqlite3_column_int64(row, 10)));
    json_object_set_new(letter, "lastStatus", json_integer(sqlite3_column_int64(row, 11)));
    index_set_time(letter, "firstAttempt", sqlite3_column_int64(row, 12));
    index_set_time(letter, "lastAttempt", sqlite3_column_int64(row, 13));
    json_object_set_new(letter, "eventPartition", json_integer(sqlite3_column_int(row, 14)));
    json_object_set_new(letter, "eventOffset", json_integer(sqlite3_column_int64(row, 15)));
    index_set_answer(letter, index_column_bytes(row, 16));
    return letter;
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
        write_cursor(&last, &cursor);
        index_set_text(*ret_answer, "cursor", buffer_bytes(&cursor));
        buffer_clear(&cursor);
    }
    return STATUS_OK;
}

static enum status parse_state(struct bytes name, int *ret_state, struct error *error) {
    *ret_state = -1;
    for (size_t i = 0; i < ARRAY_LENGTH(state_names); i++) {
        if (bytes_equal_text(name, state_names[i])) {
            *ret_state = (int)i;
        }
    }
    return name.size == 0 || *ret_state >= 0
               ? STATUS_OK
               : error_set(error, STATUS_INVALID, "'status' is none, delivered, waiting or failed");
}

enum status event_index_list_events(struct event_index *index, const struct event_query *query,
                                    struct json_t **ret_answer, struct error *error) {
    struct letter_place before;
    struct page page = {.name = "events", .is_wanted = event_is_wanted, .describe = describe_event};
    enum status status = parse_state(query->status, &page.state, error);
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
        .name = "deadLetters", .is_wanted = letter_is_wanted, .describe = describe_letter};
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

static json_t *describe_delivery(sqlite3_stmt *row) {
    json_t *delivery = json_object();
    set_column(delivery, "subscriptionId", row, 0);
    set_column(delivery, "space", row, 1);
    enum outcome_kind kind = (enum outcome_kind)(sqlite3_column_int(row, 2) % OUTCOME_KIND_COUNT);
    json_object_set_new(delivery, "state", json_string(outcome_kind_name(kind)));
    json_object_set_new(delivery, "attempts", json_integer(sqlite3_column_int64(row, 3)));
    json_object_set_new(delivery, "lastStatus", json_integer(sqlite3_column_int64(row, 4)));
    json_object_set_new(delivery, "durationMs",
                        json_real((double)sqlite3_column_int64(row, 5) / 1000));
    set_column(delivery, "reason", row, 6);
    index_set_answer(delivery, index_column_bytes(row, 7));
    index_set_time(delivery, "nextAttempt", sqlite3_column_int64(row, 8));
    set_column(delivery, "node", row, 9);
    index_set_time(delivery, "time", sqlite3_column_int64(row, 10));
    return delivery;
}

static enum status list_deliveries(struct event_index *index, const struct log_place *place,
                                   json_t *list, struct error *error) {
    sqlite3_stmt *statement = index->statements[INDEX_LIST_DELIVERIES];
    sqlite3_bind_int64(statement, 1, place->partition);
    sqlite3_bind_int64(statement, 2, place->offset);
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        json_array_append_new(list, describe_delivery(statement));
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
    enum status status = find_row(index, statement, describe_event, &found, ret_place, error);
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
        status = find_row(index, statement, describe_letter, ret_answer, ret_place, error);
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
