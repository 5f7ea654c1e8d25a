// What rows of the index look like in answers. Their columns are those of event_index_statements.c.

#include <jansson.h>

#include "admin/event_index_private.h"
#include "core/base/memory.h"
#include "core/base/text.h"

static const char *const state_names[] = {"none", "delivered", "waiting", "failed"};

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

json_t *index_describe_event(sqlite3_stmt *row) {
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

json_t *index_describe_letter(sqlite3_stmt *row) {
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

json_t *index_describe_delivery(sqlite3_stmt *row) {
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

enum status index_parse_state(struct bytes name, int *ret_state, struct error *error) {
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
