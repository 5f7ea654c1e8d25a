// What a replay is asked for.

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "admin/replays_api.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/registry/replay.h"

// Beyond every record: the end of the log as it is now.
#define END_MS INT64_C(253402300799000)

static const char *const fields[] = {"from", "to", "ratePerSecond", "filters"};

static enum status read_time(const json_t *body, const char *name, int64_t *ret_ms,
                             struct error *error) {
    const json_t *value = json_object_get(body, name);
    int64_t time_us = 0;
    struct bytes text = json_string_bytes(value);
    if (!json_is_string(value) || timestamp_parse(text, &time_us) != STATUS_OK || time_us < 0) {
        return error_set(error, STATUS_INVALID, "'%s' must be a time such as 2026-11-24T01:02:03Z",
                         name);
    }
    *ret_ms = time_us / 1000;
    return STATUS_OK;
}

static bool is_partition(const char *name) {
    size_t size = strspn(name, "0123456789");
    return size > 0 && size < 10 && name[size] == '\0' && (name[0] != '0' || size == 1);
}

static enum status read_offsets(const json_t *offsets, const char *name, struct error *error) {
    const char *partition;
    json_t *offset;
    bool is_good = json_object_size(offsets) > 0;
    json_object_foreach((json_t *)offsets, partition, offset) {
        is_good &=
            is_partition(partition) && json_is_integer(offset) && json_integer_value(offset) >= 0;
    }
    return is_good ? STATUS_OK
                   : error_set(error, STATUS_INVALID,
                               "'%s' must be a time, or offsets by partition: {\"0\": 17}", name);
}

static enum status read_bound(const json_t *body, const char *name, int64_t *ret_ms,
                              const json_t **ret_offsets, struct error *error) {
    const json_t *value = json_object_get(body, name);
    if (json_is_object(value)) {
        *ret_offsets = value;
        return read_offsets(value, name, error);
    }
    return read_time(body, name, ret_ms, error);
}

static enum status read_bounds(const json_t *body, struct replay_request *request,
                               struct error *error) {
    const json_t *from = json_object_get(body, "from");
    bool is_earliest = json_is_string(from) && strcmp(json_string_value(from), "earliest") == 0;
    *request = (struct replay_request){.to_ms = END_MS};
    enum status status =
        is_earliest ? STATUS_OK
                    : read_bound(body, "from", &request->from_ms, &request->from_offsets, error);
    if (status == STATUS_OK && json_object_get(body, "to")) {
        status = read_bound(body, "to", &request->to_ms, &request->to_offsets, error);
    }
    return status == STATUS_OK && request->to_ms < request->from_ms
               ? error_set(error, STATUS_INVALID, "'to' must not lie before 'from'")
               : status;
}

static const json_t *offset_of(const json_t *offsets, size_t partition) {
    char name[24];
    snprintf(name, sizeof name, "%zu", partition);
    return json_object_get(offsets, name);
}

void replay_request_apply(const struct replay_request *request, size_t partition, int64_t *from,
                          int64_t *until) {
    const json_t *first = offset_of(request->from_offsets, partition);
    const json_t *end = offset_of(request->to_offsets, partition);
    if (first && json_integer_value(first) > *from) {
        *from = json_integer_value(first);
    } else if (request->from_offsets && !first) {
        *from = *until;
    }
    if (end && json_integer_value(end) < *until) {
        *until = json_integer_value(end);
    }
    *from = *from < *until ? *from : *until;
}

// By the parser of what is stored, so that both have the same rules.
static enum status check(const json_t *body, struct error *error) {
    const struct replay *replay = NULL;
    json_t *document = json_copy((json_t *)body);
    json_object_set_new(document, "space", json_string("-"));
    json_object_set_new(document, "replayId", json_string("-"));
    json_object_set_new(document, "subscriptionId", json_string("-"));
    json_object_set_new(document, "created", json_string("1970-01-01T00:00:00Z"));
    json_object_set_new(document, "partitions", json_array());
    enum status status = replay_parse(document, &replay, error);
    replay_unref(replay);
    json_decref(document);
    return status;
}

enum status replay_request_read(struct bytes text, struct replay_request *ret_request,
                                struct error *error) {
    json_t *body = NULL;
    enum status status = json_parse(text, &body, error);
    if (status == STATUS_OK && !json_is_object(body)) {
        status = error_set(error, STATUS_INVALID, "the body is not a JSON object");
    }
    if (status == STATUS_OK) {
        status = json_refuse_others(body, fields, ARRAY_LENGTH(fields), error);
    }
    if (status == STATUS_OK) {
        status = read_bounds(body, ret_request, error);
    }
    if (status == STATUS_OK) {
        status = check(body, error);
    }
    if (status != STATUS_OK) {
        json_decref(body);
        return status;
    }
    ret_request->document = body;
    return STATUS_OK;
}
