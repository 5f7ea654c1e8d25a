#include "core/cursors/cursor_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"

void cursor_parts_write_ranges(struct buffer *value, const struct offset_ranges *ranges) {
    if (ranges->count == 0) {
        return;
    }
    buffer_append_text(value, ",\"finished\":[");
    for (size_t i = 0; i < ranges->count && i < CURSOR_RANGES_MAX; i++) {
        buffer_append_format(value, "%s[%" PRId64 ",%" PRId64 "]", i > 0 ? "," : "",
                             ranges->items[i].first, ranges->items[i].end);
    }
    buffer_append_byte(value, ']');
}

static void write_one_tried(struct buffer *value, const struct tried *tried) {
    buffer_append_format(value, "[%" PRId64 ",%" PRIu32 ",%" PRId64 ",%" PRId64 ",%u,",
                         tried->offset, tried->attempts, tried->first_us, tried->last_us,
                         tried->status);
    json_append_string(bytes_of_text(tried->reason), value);
    buffer_append_byte(value, ']');
}

void cursor_parts_write_tried(struct buffer *value, const struct tried_list *tried) {
    if (tried->count == 0) {
        return;
    }
    buffer_append_text(value, ",\"tried\":[");
    for (size_t i = 0; i < tried->count; i++) {
        if (i > 0) {
            buffer_append_byte(value, ',');
        }
        write_one_tried(value, &tried->items[i]);
    }
    buffer_append_byte(value, ']');
}

void cursor_parts_write_shares(struct buffer *value, const struct cursor_share *shares,
                               size_t count) {
    if (count == 0) {
        return;
    }
    buffer_append_text(value, ",\"subscriptions\":[");
    for (size_t i = 0; i < count && i < CURSOR_SHARES_MAX; i++) {
        buffer_append_format(value, "%s{\"fingerprint\":\"%s\"", i > 0 ? "," : "",
                             shares[i].fingerprint);
        cursor_parts_write_ranges(value, &shares[i].finished);
        cursor_parts_write_tried(value, &shares[i].tried);
        buffer_append_byte(value, '}');
    }
    buffer_append_byte(value, ']');
}

static enum status read_array(const json_t *object, const char *name, size_t max,
                              const json_t **ret_array, struct error *error) {
    const json_t *array = json_object_get(object, name);
    if (array && (!json_is_array(array) || json_array_size(array) > max)) {
        return error_set(error, STATUS_INVALID, "%s: must be an array of at most %zu elements",
                         name, max);
    }
    *ret_array = array;
    return STATUS_OK;
}

static enum status read_range(const json_t *pair, int64_t not_before,
                              struct offset_range *ret_range, struct error *error) {
    const json_t *first = json_array_get(pair, 0);
    const json_t *end = json_array_get(pair, 1);
    *ret_range = (struct offset_range){json_integer_value(first), json_integer_value(end)};
    if (json_array_size(pair) != 2 || !json_is_integer(first) || !json_is_integer(end) ||
        ret_range->first < not_before || ret_range->end <= ret_range->first) {
        return error_set(error, STATUS_INVALID,
                         "finished: must be pairs of offsets, in order, from the position on");
    }
    return STATUS_OK;
}

enum status cursor_parts_read_ranges(const struct json_t *object, int64_t position,
                                     struct offset_ranges *ret_ranges, struct error *error) {
    const json_t *finished = NULL;
    enum status status = read_array(object, "finished", CURSOR_RANGES_MAX, &finished, error);
    int64_t not_before = position;
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(finished); i++) {
        struct offset_range range;
        status = read_range(json_array_get(finished, i), not_before, &range, error);
        if (status == STATUS_OK) {
            offset_ranges_add(ret_ranges, range.first, range.end);
            not_before = range.end;
        }
    }
    return status;
}

// It is sent in a header.
static bool read_reason(const json_t *value, char ret_reason[TRIED_REASON_SIZE]) {
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    if (!text || size >= TRIED_REASON_SIZE) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    memcpy(ret_reason, text, size + 1);
    return true;
}

static enum status read_one_tried(const json_t *array, int64_t not_before, struct tried *ret_tried,
                                  struct error *error) {
    // Offset, attempts, first and last time, status: whole numbers between these.
    const int64_t limits[][2] = {
        {not_before, INT64_MAX}, {1, UINT32_MAX}, {0, INT64_MAX}, {0, INT64_MAX}, {0, 999}};
    int64_t numbers[ARRAY_LENGTH(limits)];
    bool is_valid = json_array_size(array) == ARRAY_LENGTH(limits) + 1;
    for (size_t i = 0; is_valid && i < ARRAY_LENGTH(limits); i++) {
        const json_t *number = json_array_get(array, i);
        numbers[i] = json_integer_value(number);
        is_valid =
            json_is_integer(number) && numbers[i] >= limits[i][0] && numbers[i] <= limits[i][1];
    }
    struct tried tried = {0};
    if (!is_valid || !read_reason(json_array_get(array, ARRAY_LENGTH(limits)), tried.reason)) {
        return error_set(error, STATUS_INVALID,
                         "tried: must be arrays of an offset, in order, from the position on, "
                         "attempts, two times, a status and a short reason");
    }
    tried.offset = numbers[0];
    tried.attempts = (uint32_t)numbers[1];
    tried.first_us = numbers[2];
    tried.last_us = numbers[3];
    tried.status = (unsigned)numbers[4];
    *ret_tried = tried;
    return STATUS_OK;
}

enum status cursor_parts_read_tried(const struct json_t *object, int64_t position,
                                    struct tried_list *ret_tried, struct error *error) {
    const json_t *array = NULL;
    enum status status = read_array(object, "tried", TRIED_MAX, &array, error);
    int64_t not_before = position;
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(array); i++) {
        struct tried tried = {0};
        status = read_one_tried(json_array_get(array, i), not_before, &tried, error);
        if (status == STATUS_OK && tried.offset == INT64_MAX) {
            status = error_set(error, STATUS_INVALID, "tried: no offset is so high");
        }
        if (status == STATUS_OK) {
            tried_list_put(ret_tried, &tried);
            not_before = tried.offset + 1;
        }
    }
    return status;
}

static bool is_fingerprint(const json_t *value) {
    const char *text = json_string_value(value);
    if (json_string_length(value) != CURSOR_FINGERPRINT_SIZE - 1) {
        return false;
    }
    for (size_t i = 0; i < CURSOR_FINGERPRINT_SIZE - 1; i++) {
        bool is_letter = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z');
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (!is_letter && !is_digit && text[i] != '-' && text[i] != '_') {
            return false;
        }
    }
    return true;
}

static enum status read_share(const json_t *object, int64_t position, struct cursor_share *share,
                              struct error *error) {
    const json_t *fingerprint = json_object_get(object, "fingerprint");
    if (!is_fingerprint(fingerprint)) {
        return error_set(error, STATUS_INVALID,
                         "subscriptions: each must have a fingerprint of 16 characters");
    }
    memcpy(share->fingerprint, json_string_value(fingerprint), CURSOR_FINGERPRINT_SIZE);
    enum status status = cursor_parts_read_ranges(object, position, &share->finished, error);
    return status == STATUS_OK ? cursor_parts_read_tried(object, position, &share->tried, error)
                               : status;
}

enum status cursor_parts_read_shares(const struct json_t *object, int64_t position,
                                     struct cursor_share **ret_shares, size_t *ret_count,
                                     struct error *error) {
    const json_t *array = NULL;
    enum status status = read_array(object, "subscriptions", CURSOR_SHARES_MAX, &array, error);
    size_t count = json_array_size(array);
    if (status == STATUS_OK && count > 0) {
        *ret_shares = memory_allocate(count * sizeof **ret_shares);
        *ret_count = count;
    }
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = read_share(json_array_get(array, i), position, &(*ret_shares)[i], error);
    }
    return status;
}
