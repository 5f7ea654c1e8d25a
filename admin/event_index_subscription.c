// What the index knows of a subscription as a whole: what runs, what waits, and how it went lately.

#include <jansson.h>

#include "admin/event_index_private.h"
#include "core/base/clock.h"

// A node tells what runs again every ten seconds (dispatcher/running_calls.c); so much of what it
// told may be missing, or its clock be behind.
#define IN_FLIGHT_MAX_AGE_US INT64_C(30000000)
#define TRIM_INTERVAL_US INT64_C(60000000)

// --- Filling.

// Waiting without an attempt is what the event asked for.
static bool is_failure(const struct outcome *outcome) {
    switch (outcome->kind) {
    case OUTCOME_RETRY:
    case OUTCOME_PARKED:
        return outcome->attempt > 0;
    case OUTCOME_DEAD_LETTERED:
    case OUTCOME_DROPPED:
        return true;
    default:
        return false;
    }
}

static void bind_result(sqlite3_stmt *statement, const struct log_place *place,
                        const struct outcome *outcome) {
    index_bind_required(statement, 1, outcome->space);
    index_bind_required(statement, 2, outcome->subscription_id);
    sqlite3_bind_int64(statement, 3, place->partition);
    sqlite3_bind_int64(statement, 4, place->offset);
    sqlite3_bind_int64(statement, 5, outcome->time_us);
    index_bind_bytes(statement, 6, index_cut(outcome->event_id));
    index_bind_bytes(statement, 7, index_cut(outcome->event_source));
}

void index_note_result(struct event_index *index, const struct log_place *place,
                       const struct outcome *outcome) {
    if (outcome->kind == OUTCOME_DELIVERED) {
        sqlite3_stmt *statement = index->statements[INDEX_NOTE_SUCCESS];
        bind_result(statement, place, outcome);
        sqlite3_bind_int64(statement, 8, index->believed_until_us);
        (void)index_run(index, INDEX_NOTE_SUCCESS);
    } else if (is_failure(outcome)) {
        sqlite3_stmt *statement = index->statements[INDEX_NOTE_ERROR];
        bind_result(statement, place, outcome);
        sqlite3_bind_int64(statement, 8, outcome->status);
        sqlite3_bind_int64(statement, 9, outcome->attempt);
        index_bind_bytes(statement, 10, index_cut(outcome->reason));
        index_bind_bytes(statement, 11, index_cut(outcome->answer));
        sqlite3_bind_int64(statement, 12, index->believed_until_us);
        (void)index_run(index, INDEX_NOTE_ERROR);
    }
}

// Looks at all subscriptions, so not with each slice.
void index_trim_results(struct event_index *index, int32_t partition, int64_t first_offset) {
    int64_t now_us = clock_monotonic_us();
    if (index->results_trimmed_us == 0 || now_us - index->results_trimmed_us > TRIM_INTERVAL_US) {
        sqlite3_stmt *statement = index->statements[INDEX_TRIM_RESULTS];
        index->results_trimmed_us = now_us;
        sqlite3_bind_int64(statement, 1, partition);
        sqlite3_bind_int64(statement, 2, first_offset);
        (void)index_run(index, INDEX_TRIM_RESULTS);
    }
}

static void bind_in_flight(sqlite3_stmt *statement, const struct in_flight_count *count) {
    index_bind_required(statement, 1, count->space);
    index_bind_required(statement, 2, count->subscription_id);
    index_bind_required(statement, 3, index_cut(count->node));
    sqlite3_bind_int64(statement, 4, count->lane);
}

void event_index_add_in_flight(struct event_index *index, const struct in_flight_count *count,
                               int64_t now_us) {
    enum index_statement number = count->count > 0 ? INDEX_SET_IN_FLIGHT : INDEX_REMOVE_IN_FLIGHT;
    sqlite3_stmt *statement = index->statements[number];
    if (count->time_us < now_us - IN_FLIGHT_MAX_AGE_US) {
        return;
    }
    bind_in_flight(statement, count);
    if (number == INDEX_SET_IN_FLIGHT) {
        sqlite3_bind_int64(statement, 5, count->count);
        sqlite3_bind_int64(statement, 6, count->time_us);
        sqlite3_bind_int64(statement, 7, index->believed_until_us);
    } else {
        sqlite3_bind_int64(statement, 5, count->time_us);
        sqlite3_bind_int64(statement, 6, index->believed_until_us);
    }
    (void)index_run(index, number);
}

// --- Looking up.

static void forget_old_calls(struct event_index *index, int64_t now_us) {
    sqlite3_bind_int64(index->statements[INDEX_FORGET_IN_FLIGHT], 1, now_us - IN_FLIGHT_MAX_AGE_US);
    (void)sqlite3_step(index->statements[INDEX_FORGET_IN_FLIGHT]);
    sqlite3_reset(index->statements[INDEX_FORGET_IN_FLIGHT]);
}

// A number that a statement counts for the subscription from a time on.
static enum status count_since(struct event_index *index, enum index_statement number,
                               const struct subscription_query *query, int64_t since_us,
                               json_t *answer, const char *name, struct error *error) {
    sqlite3_stmt *statement = index->statements[number];
    index_bind_required(statement, 1, query->space);
    index_bind_required(statement, 2, query->id);
    sqlite3_bind_int64(statement, 3, since_us);
    bool has_row = sqlite3_step(statement) == SQLITE_ROW;
    enum status status = has_row ? STATUS_OK : index_failed(index, error);
    if (has_row) {
        json_object_set_new(answer, name, json_integer(sqlite3_column_int64(statement, 0)));
    }
    sqlite3_reset(statement);
    return status;
}

static json_t *describe_result(sqlite3_stmt *row, int column, int64_t created_us) {
    int64_t time_us = sqlite3_column_int64(row, column);
    if (time_us == 0 || time_us < created_us) {
        return json_null();
    }
    json_t *result = json_object();
    index_set_time(result, "time", time_us);
    index_set_text(result, "eventId", index_column_bytes(row, column + 1));
    index_set_text(result, "source", index_column_bytes(row, column + 2));
    return result;
}

static json_t *describe_error(sqlite3_stmt *row, int64_t created_us) {
    json_t *result = describe_result(row, 3, created_us);
    if (json_is_object(result)) {
        json_object_set_new(result, "status", json_integer(sqlite3_column_int64(row, 6)));
        json_object_set_new(result, "attempt", json_integer(sqlite3_column_int64(row, 7)));
        index_set_text(result, "reason", index_column_bytes(row, 8));
        index_set_answer(result, index_column_bytes(row, 9));
    }
    return result;
}

static enum status add_results(struct event_index *index, const struct subscription_query *query,
                               json_t *answer, struct error *error) {
    sqlite3_stmt *statement = index->statements[INDEX_GET_RESULTS];
    index_bind_required(statement, 1, query->space);
    index_bind_required(statement, 2, query->id);
    int result = sqlite3_step(statement);
    bool has_row = result == SQLITE_ROW;
    enum status status = has_row || result == SQLITE_DONE ? STATUS_OK : index_failed(index, error);
    json_object_set_new(answer, "lastSuccess",
                        has_row ? describe_result(statement, 0, query->created_us) : json_null());
    json_object_set_new(answer, "lastError",
                        has_row ? describe_error(statement, query->created_us) : json_null());
    sqlite3_reset(statement);
    return status;
}

static enum status add_letters(struct event_index *index, const struct subscription_query *query,
                               json_t *answer, struct error *error) {
    const struct event_query letters = {.space = query->space, .subscription_id = query->id};
    int64_t count = 0;
    enum status status = event_index_count_letters(index, &letters, &count, error);
    json_object_set_new(answer, "deadLetters", json_integer(count));
    return status;
}

enum status event_index_describe_subscription(struct event_index *index,
                                              const struct subscription_query *query,
                                              struct json_t **ret_answer, struct error *error) {
    json_t *answer = json_object();
    forget_old_calls(index, query->now_us);
    enum status status =
        count_since(index, INDEX_GET_IN_FLIGHT, query, query->now_us - IN_FLIGHT_MAX_AGE_US, answer,
                    "inFlight", error);
    if (status == STATUS_OK) {
        status = count_since(index, INDEX_COUNT_WAITING, query, query->created_us, answer,
                             "waitingForRetry", error);
    }
    if (status == STATUS_OK) {
        status = add_results(index, query, answer, error);
    }
    if (status == STATUS_OK) {
        status = add_letters(index, query, answer, error);
    }
    if (status != STATUS_OK) {
        json_decref(answer);
        return status;
    }
    *ret_answer = answer;
    return STATUS_OK;
}
