// The body of POST deadletters/redrive.

#include <jansson.h>

#include "admin/operations_api.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/registry/redrive.h"

static const char *const fields[] = {"subscriptionId", "ids", "since", "until", "ratePerSecond"};

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
    if (!json_is_array(ids) || count == 0 || count > REDRIVE_LETTERS_MAX) {
        return error_set(error, STATUS_INVALID, "'ids' is a list of 1 to %d ids of dead letters",
                         REDRIVE_LETTERS_MAX);
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

static enum status read_rate(const json_t *body, int64_t *ret_rate, struct error *error) {
    const json_t *rate = json_object_get(body, "ratePerSecond");
    json_int_t number = json_integer_value(rate);
    if (rate && (!json_is_integer(rate) || number < 1 || number > REDRIVE_RATE_MAX)) {
        return error_set(error, STATUS_INVALID, "'ratePerSecond' is a number from 1 to %d",
                         REDRIVE_RATE_MAX);
    }
    *ret_rate = number;
    return STATUS_OK;
}

static enum status read_redrive(struct operations_call *call, const json_t *body,
                                struct error *error) {
    struct event_query *query = &call->params.query;
    const json_t *ids = json_object_get(body, "ids");
    buffer_reset(&call->params.subscription_id);
    enum status status = json_refuse_others(body, fields, ARRAY_LENGTH(fields), error);
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

enum status operations_read_redrive(struct operations_call *call, struct error *error) {
    json_t *body = NULL;
    enum status status = json_parse(http_request_body(call->request), &body, error);
    if (status == STATUS_OK && !json_is_object(body)) {
        status = error_set(error, STATUS_INVALID, "the body is not a JSON object");
    }
    if (status == STATUS_OK) {
        status = read_redrive(call, body, error);
    }
    json_decref(body);
    return status;
}
