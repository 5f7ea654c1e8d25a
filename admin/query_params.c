#include "admin/query_params.h"

#include "core/base/memory.h"
#include "core/base/text.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

bool query_param(struct bytes query, const char *name, struct buffer *ret_value) {
    while (query.size > 0) {
        size_t end = bytes_find(query, '&');
        struct bytes parameter = bytes_slice(query, 0, end);
        size_t equals = bytes_find(parameter, '=');
        query = bytes_slice(query, end + 1, query.size);
        if (bytes_equal_text(bytes_slice(parameter, 0, equals), name)) {
            percent_decode(bytes_slice(parameter, equals + 1, parameter.size), true, ret_value);
            return true;
        }
    }
    return false;
}

static enum status read_limit(struct bytes query, size_t *ret_limit, struct error *error) {
    struct buffer text = {0};
    size_t limit = 0;
    bool is_good = true;
    *ret_limit = LIMIT_DEFAULT;
    if (query_param(query, "limit", &text)) {
        is_good = text.size > 0 && text.size <= 4;
        for (size_t i = 0; is_good && i < text.size; i++) {
            is_good = text.data[i] >= '0' && text.data[i] <= '9';
            limit = limit * 10 + (size_t)(text.data[i] - '0');
        }
        is_good = is_good && limit >= 1 && limit <= LIMIT_MAX;
        *ret_limit = limit;
    }
    buffer_clear(&text);
    return is_good
               ? STATUS_OK
               : error_set(error, STATUS_INVALID, "'limit' is a number from 1 to %d", LIMIT_MAX);
}

static enum status read_time(struct bytes query, const char *name, int64_t *ret_us,
                             struct error *error) {
    struct buffer text = {0};
    enum status status = STATUS_OK;
    *ret_us = 0;
    if (query_param(query, name, &text) && text.size > 0 &&
        timestamp_parse(buffer_bytes(&text), ret_us) != STATUS_OK) {
        status =
            error_set(error, STATUS_INVALID, "'%s' is a time such as 2026-11-24T01:02:03Z", name);
    }
    buffer_clear(&text);
    return status;
}

enum status list_params_read(struct bytes query, struct list_params *ret_params,
                             struct error *error) {
    struct event_query *wanted = &ret_params->query;
    const struct {
        const char *name;
        struct buffer *value;
        struct bytes *place;
    } texts[] = {
        {"type", &ret_params->type, &wanted->type},
        {"source", &ret_params->source, &wanted->source},
        {"subject", &ret_params->subject, &wanted->subject},
        {"status", &ret_params->status, &wanted->status},
        {"q", &ret_params->text, &wanted->text},
        {"subscriptionId", &ret_params->subscription_id, &wanted->subscription_id},
        {"cursor", &ret_params->cursor, &wanted->cursor},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (query_param(query, texts[i].name, texts[i].value)) {
            *texts[i].place = buffer_bytes(texts[i].value);
        }
    }
    enum status status = read_limit(query, &wanted->limit, error);
    if (status == STATUS_OK) {
        status = read_time(query, "since", &wanted->since_us, error);
    }
    return status == STATUS_OK ? read_time(query, "until", &wanted->until_us, error) : status;
}

void list_params_clear(struct list_params *params) {
    struct buffer *buffers[] = {
        &params->type, &params->source,          &params->subject, &params->status,
        &params->text, &params->subscription_id, &params->cursor,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(buffers); i++) {
        buffer_clear(buffers[i]);
    }
}
