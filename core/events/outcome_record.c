#include "core/events/outcome_record.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"

static const char *const kind_names[] = {
    [OUTCOME_DELIVERED] = "delivered", [OUTCOME_RETRY] = "retry",
    [OUTCOME_PARKED] = "parked",       [OUTCOME_DEAD_LETTERED] = "dead-lettered",
    [OUTCOME_DROPPED] = "dropped",     [OUTCOME_UNSUBSCRIBED] = "unsubscribed",
};

const char *outcome_kind_name(enum outcome_kind kind) {
    return (size_t)kind < ARRAY_LENGTH(kind_names) ? kind_names[kind] : "unknown";
}

static void add_name(struct buffer *json, const char *name) {
    buffer_append_format(json, ",\"%s\":", name);
}

static void add_text(struct buffer *json, const char *name, struct bytes value) {
    if (value.size > 0) {
        add_name(json, name);
        json_append_string(value, json);
    }
}

static void add_number(struct buffer *json, const char *name, int64_t number) {
    buffer_append_format(json, ",\"%s\":%" PRId64, name, number);
}

static void add_time(struct buffer *json, const char *name, int64_t time_us) {
    char text[TIMESTAMP_TEXT_SIZE];
    timestamp_format(time_us, text);
    buffer_append_format(json, ",\"%s\":\"%s\"", name, text);
}

static void add_base64(struct buffer *json, const char *name, struct bytes bytes) {
    if (bytes.size > 0) {
        add_name(json, name);
        buffer_append_byte(json, '"');
        base64_encode(bytes, json);
        buffer_append_byte(json, '"');
    }
}

void outcome_batch_add(struct outcome_batch *batch, const struct outcome *outcome) {
    struct buffer *json = &batch->json;
    buffer_append_text(json, batch->count == 0 ? "[{\"outcome\":\"" : ",{\"outcome\":\"");
    buffer_append_text(json, outcome_kind_name(outcome->kind));
    buffer_append_byte(json, '"');
    add_text(json, "id", outcome->event_id);
    add_text(json, "source", outcome->event_source);
    add_number(json, "partition", outcome->partition);
    add_number(json, "offset", outcome->offset);
    add_text(json, "space", outcome->space);
    add_text(json, "subscriptionId", outcome->subscription_id);
    add_number(json, "attempt", outcome->attempt);
    if (outcome->status > 0) {
        add_number(json, "status", outcome->status);
    }
    add_number(json, "durationUs", outcome->duration_us);
    add_text(json, "reason", outcome->reason);
    add_base64(json, "answer", bytes_slice(outcome->answer, 0, OUTCOME_ANSWER_MAX));
    if (outcome->next_attempt_us != 0) {
        add_time(json, "nextAttempt", outcome->next_attempt_us);
    }
    add_text(json, "node", outcome->node);
    add_time(json, "time", outcome->time_us);
    buffer_append_byte(json, '}');
    batch->count++;
    batch->outcome_count++;
}

void outcome_batch_add_in_flight(struct outcome_batch *batch, const struct in_flight_count *count) {
    struct buffer *json = &batch->json;
    buffer_append_format(json, "%s{\"inFlight\":%" PRIu32, batch->count == 0 ? "[" : ",",
                         count->count);
    add_text(json, "space", count->space);
    add_text(json, "subscriptionId", count->subscription_id);
    add_text(json, "node", count->node);
    add_number(json, "lane", count->lane);
    add_time(json, "time", count->time_us);
    buffer_append_byte(json, '}');
    batch->count++;
}

struct bytes outcome_batch_finish(struct outcome_batch *batch) {
    buffer_append_text(&batch->json, batch->count == 0 ? "[]" : "]");
    return buffer_bytes(&batch->json);
}

void outcome_batch_reset(struct outcome_batch *batch) {
    buffer_reset(&batch->json);
    batch->count = 0;
    batch->outcome_count = 0;
}

void outcome_batch_clear(struct outcome_batch *batch) {
    buffer_clear(&batch->json);
    batch->count = 0;
    batch->outcome_count = 0;
}

// Each reader leaves the field as it is when the member is absent, and is false when the member is
// not what it should be.
static bool read_text(const json_t *object, const char *name, struct bytes *ret_text) {
    const json_t *value = json_object_get(object, name);
    if (json_is_string(value)) {
        *ret_text = (struct bytes){json_string_value(value), json_string_length(value)};
    }
    return !value || json_is_string(value);
}

static bool read_number(const json_t *object, const char *name, int64_t most, int64_t *ret_number) {
    const json_t *value = json_object_get(object, name);
    if (!value) {
        return true;
    }
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < -1 || number > most) {
        return false;
    }
    *ret_number = number;
    return true;
}

static bool read_time(const json_t *object, const char *name, int64_t *ret_us) {
    struct bytes text = {0};
    return read_text(object, name, &text) &&
           (!text.data || timestamp_parse(text, ret_us) == STATUS_OK);
}

static bool read_answer(const json_t *object, struct buffer *storage, struct bytes *ret_answer) {
    struct bytes text = {0};
    buffer_reset(storage);
    if (!read_text(object, "answer", &text) || base64_decode(text, storage) != STATUS_OK) {
        return false;
    }
    *ret_answer = buffer_bytes(storage);
    return true;
}

static bool read_kind(const json_t *object, enum outcome_kind *ret_kind) {
    const char *name = json_string_value(json_object_get(object, "outcome"));
    for (size_t i = 0; name && i < ARRAY_LENGTH(kind_names); i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            *ret_kind = (enum outcome_kind)i;
            return true;
        }
    }
    return false;
}

static bool read_numbers(const json_t *object, struct outcome *outcome) {
    int64_t partition = -1, attempt = 0, status = 0;
    bool is_read = read_number(object, "partition", INT32_MAX, &partition) &&
                   read_number(object, "offset", INT64_MAX, &outcome->offset) &&
                   read_number(object, "attempt", UINT32_MAX, &attempt) && attempt >= 0 &&
                   read_number(object, "status", 999, &status) && status >= 0 &&
                   read_number(object, "durationUs", INT64_MAX, &outcome->duration_us);
    outcome->partition = (int32_t)partition;
    outcome->attempt = (uint32_t)attempt;
    outcome->status = (unsigned)status;
    return is_read;
}

static bool read_outcome(const json_t *object, struct buffer *storage,
                         struct outcome *ret_outcome) {
    *ret_outcome = (struct outcome){.offset = -1};
    return read_kind(object, &ret_outcome->kind) &&
           read_text(object, "id", &ret_outcome->event_id) &&
           read_text(object, "source", &ret_outcome->event_source) &&
           read_text(object, "space", &ret_outcome->space) &&
           read_text(object, "subscriptionId", &ret_outcome->subscription_id) &&
           read_numbers(object, ret_outcome) && read_text(object, "reason", &ret_outcome->reason) &&
           read_answer(object, storage, &ret_outcome->answer) &&
           read_time(object, "nextAttempt", &ret_outcome->next_attempt_us) &&
           read_text(object, "node", &ret_outcome->node) &&
           read_time(object, "time", &ret_outcome->time_us) && ret_outcome->event_id.size > 0 &&
           ret_outcome->subscription_id.size > 0;
}

static bool read_in_flight(const json_t *object, struct in_flight_count *ret_count) {
    int64_t count = -1, lane = 0;
    *ret_count = (struct in_flight_count){0};
    bool is_read = read_number(object, "inFlight", UINT32_MAX, &count) && count >= 0 &&
                   read_number(object, "lane", UINT32_MAX, &lane) && lane >= 0 &&
                   read_text(object, "space", &ret_count->space) &&
                   read_text(object, "subscriptionId", &ret_count->subscription_id) &&
                   read_text(object, "node", &ret_count->node) &&
                   read_time(object, "time", &ret_count->time_us) &&
                   ret_count->subscription_id.size > 0;
    ret_count->count = (uint32_t)count;
    ret_count->lane = (uint32_t)lane;
    return is_read;
}

// False: it is nothing that is known here.
static bool visit_element(const json_t *object, struct buffer *storage,
                          const struct outcome_visitor *visitor, void *context) {
    struct outcome outcome;
    struct in_flight_count count;
    if (read_outcome(object, storage, &outcome)) {
        visitor->outcome(context, &outcome);
    } else if (!read_in_flight(object, &count)) {
        return false;
    } else if (visitor->in_flight) {
        visitor->in_flight(context, &count);
    }
    return true;
}

enum status outcome_record_decode(struct bytes value, const struct outcome_visitor *visitor,
                                  void *context, size_t *ret_refused, struct error *error) {
    json_t *array = NULL;
    enum status status = json_parse(value, &array, error);
    if (status == STATUS_OK && !json_is_array(array)) {
        status = error_set(error, STATUS_INVALID, "outcomes are not a JSON array");
    }
    struct buffer storage = {0};
    size_t refused = 0;
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(array); i++) {
        refused += !visit_element(json_array_get(array, i), &storage, visitor, context);
    }
    if (status == STATUS_OK) {
        *ret_refused = refused;
    }
    buffer_clear(&storage);
    json_decref(array);
    return status;
}
