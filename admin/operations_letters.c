// DELETE deadletters/{id}, POST deadletters/redrive, redrives

#include <inttypes.h>

#include <jansson.h>

#include "admin/operations_api.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/events/letter_mark.h"

#define LETTERS_MAX 1000 // of one redrive by ids
#define RATE_MAX 1000000

// --- Deleting: a mark in the log, so that every node knows it, and in this node's index.

static void mark_letter(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        event_index_begin(index);
        event_index_mark_letter(index, call->place.partition, call->place.offset, LETTER_DELETED);
        store->status = event_index_commit(index, &store->error);
    }
}

// The log has the mark: that is what counts.
static void letter_marked(struct event_store_call *store) {
    struct operations_call *call = operations_call_of(store);
    json_decref(call->answer);
    call->answer = NULL;
    call->answer_status = 204;
    operations_call_answer(call);
}

static void mark_appended(struct event_log_append *append) {
    struct operations_call *call = CONTAINER_OF(append, struct operations_call, append);
    struct error error = {0};
    if (append->status == STATUS_OK) {
        operations_call_run(call, mark_letter, letter_marked);
        return;
    }
    (void)error_set(&error, append->status, "the event log cannot be written now, try again");
    operations_call_fail(call, STATUS_UNAVAILABLE, &error);
}

static void append_mark(struct event_store_call *store) {
    struct operations_call *call = operations_call_of(store);
    if (store->status != STATUS_OK) {
        operations_call_fail(call, store->status, &store->error);
        return;
    }
    const struct letter_mark mark = {LETTER_MARK_DELETED, call->place.partition,
                                     call->place.offset};
    call->mark = memory_allocate(sizeof *call->mark);
    letter_mark_encode(&mark, call->mark);
    call->append = (struct event_log_append){
        .stream = EVENT_LOG_DEAD_LETTERS,
        .record = call->mark->record,
        .loop = call->admin->options.loop,
        .done = mark_appended,
    };
    enum status status = event_log_append(call->admin->options.log, &call->append);
    if (status != STATUS_OK) {
        struct error error = {0};
        (void)error_set(&error, status, "the event log cannot be written now, try again");
        operations_call_fail(call, STATUS_UNAVAILABLE, &error);
    }
}

static void find_letter(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        store->status =
            event_index_find_letter(index, buffer_bytes(&call->space), buffer_bytes(&call->id),
                                    &call->answer, &call->place, &store->error);
    }
}

void operations_delete_letter(struct operations_call *call) {
    operations_call_run(call, find_letter, append_mark);
}

// --- Redriving.

static void answer_done(struct event_store_call *store) {
    struct operations_call *call = operations_call_of(store);
    if (store->status == STATUS_OK) {
        operations_call_answer(call);
    } else {
        operations_call_fail(call, store->status, &store->error);
    }
}

static enum status read_text(const json_t *body, const char *name, struct buffer *ret_text,
                             struct error *error) {
    const json_t *value = json_object_get(body, name);
    if (value && !json_is_string(value)) {
        return error_set(error, STATUS_INVALID, "'%s' is a string", name);
    }
    if (value) {
        buffer_append(ret_text,
                      (struct bytes){json_string_value(value), json_string_length(value)});
    }
    return STATUS_OK;
}

static enum status read_time(const json_t *body, const char *name, int64_t *ret_us,
                             struct error *error) {
    struct buffer text = {0};
    enum status status = read_text(body, name, &text, error);
    if (status == STATUS_OK && text.size > 0 &&
        timestamp_parse(buffer_bytes(&text), ret_us) != STATUS_OK) {
        status =
            error_set(error, STATUS_INVALID, "'%s' is a time such as 2026-11-24T01:02:03Z", name);
    }
    buffer_clear(&text);
    return status;
}

static enum status read_ids(const json_t *ids, struct operations_call *call, struct error *error) {
    size_t count = json_array_size(ids), index;
    json_t *id;
    if (!json_is_array(ids) || count == 0 || count > LETTERS_MAX) {
        return error_set(error, STATUS_INVALID, "'ids' is a list of 1 to %d ids of dead letters",
                         LETTERS_MAX);
    }
    call->letters = memory_allocate(count * sizeof *call->letters);
    call->letter_count = count;
    json_array_foreach(ids, index, id) {
        struct bytes text = {json_string_value(id), json_string_length(id)};
        if (!json_is_string(id) || letter_id_parse(text, &call->letters[index]) != STATUS_OK) {
            return error_set(error, STATUS_INVALID,
                             "'ids' holds one that is no dead letter's, at %zu", index);
        }
    }
    return STATUS_OK;
}

static enum status refuse_unknown(const json_t *body, struct error *error) {
    static const char *const known[] = {"subscriptionId", "ids", "since", "until", "ratePerSecond"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)body, name, value) {
        bool is_known = false;
        for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
            is_known |= bytes_equal_text(bytes_of_text(name), known[i]);
        }
        if (!is_known) {
            return error_set(error, STATUS_INVALID, "unknown field '%.100s'", name);
        }
    }
    return STATUS_OK;
}

static enum status read_rate(const json_t *body, int64_t *ret_rate, struct error *error) {
    const json_t *rate = json_object_get(body, "ratePerSecond");
    json_int_t number = json_integer_value(rate);
    if (rate && (!json_is_integer(rate) || number < 1 || number > RATE_MAX)) {
        return error_set(error, STATUS_INVALID, "'ratePerSecond' is a number from 1 to %d",
                         RATE_MAX);
    }
    *ret_rate = number;
    return STATUS_OK;
}

static enum status read_redrive(struct operations_call *call, const json_t *body,
                                struct error *error) {
    struct event_query *query = &call->params.query;
    const json_t *ids = json_object_get(body, "ids");
    buffer_reset(&call->params.subscription_id);
    enum status status = refuse_unknown(body, error);
    if (status == STATUS_OK) {
        status = read_text(body, "subscriptionId", &call->params.subscription_id, error);
    }
    if (status == STATUS_OK) {
        status = read_time(body, "since", &query->since_us, error);
    }
    if (status == STATUS_OK) {
        status = read_time(body, "until", &query->until_us, error);
    }
    if (status == STATUS_OK) {
        status = read_rate(body, &call->rate, error);
    }
    if (status == STATUS_OK && ids) {
        status = read_ids(ids, call, error);
    }
    query->subscription_id = buffer_bytes(&call->params.subscription_id);
    bool says_which =
        ids || query->subscription_id.size > 0 || query->since_us > 0 || query->until_us > 0;
    return status == STATUS_OK && !says_which
               ? error_set(error, STATUS_INVALID,
                           "say which: 'ids', 'subscriptionId', 'since' or 'until'")
               : status;
}

// Letters of other spaces are not this one's to redrive.
static enum status check_letters(struct operations_call *call, struct event_index *index,
                                 struct error *error) {
    for (size_t i = 0; i < call->letter_count; i++) {
        struct buffer id = {0};
        struct log_place place;
        json_t *letter = NULL;
        letter_id_write(&call->letters[i], &id);
        enum status status = event_index_find_letter(index, buffer_bytes(&call->space),
                                                     buffer_bytes(&id), &letter, &place, error);
        json_decref(letter);
        buffer_clear(&id);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static void begin_redrive(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (!index) {
        return;
    }
    const struct redrive_request request = {
        .query = call->params.query,
        .letters = call->letters,
        .letter_count = call->letter_count,
        .rate = call->rate,
    };
    store->status = check_letters(call, index, &store->error);
    if (store->status == STATUS_OK) {
        store->status = redrives_begin(event_store_redrives(store->store), &request, &call->answer,
                                       &store->error);
    }
}

void operations_begin_redrive(struct operations_call *call) {
    json_t *body = NULL;
    struct error error = {0};
    enum status status = json_parse(http_request_body(call->request), &body, &error);
    if (status == STATUS_OK && !json_is_object(body)) {
        status = error_set(&error, STATUS_INVALID, "the body is not a JSON object");
    }
    if (status == STATUS_OK) {
        status = read_redrive(call, body, &error);
    }
    json_decref(body);
    if (status != STATUS_OK) {
        operations_call_fail(call, status, &error);
        return;
    }
    call->answer_status = 201;
    operations_call_run(call, begin_redrive, answer_done);
}

static void list_redrives(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        call->answer =
            redrives_list(event_store_redrives(store->store), buffer_bytes(&call->space));
    }
}

void operations_list_redrives(struct operations_call *call) {
    operations_call_run(call, list_redrives, answer_done);
}

static void get_redrive(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        store->status = redrives_get(event_store_redrives(store->store), buffer_bytes(&call->space),
                                     buffer_bytes(&call->id), &call->answer, &store->error);
    }
}

void operations_get_redrive(struct operations_call *call) {
    operations_call_run(call, get_redrive, answer_done);
}

static void cancel_redrive(struct event_store_call *store, struct event_index *index) {
    struct operations_call *call = operations_call_of(store);
    if (index) {
        store->status =
            redrives_cancel(event_store_redrives(store->store), buffer_bytes(&call->space),
                            buffer_bytes(&call->id), &store->error);
    }
}

void operations_cancel_redrive(struct operations_call *call) {
    call->answer_status = 204;
    operations_call_run(call, cancel_redrive, answer_done);
}
