#include "core/cursors/cursor_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/cursors/cursor_parts.h"

static const char *const kind_names[CURSOR_KIND_COUNT] = {
    [CURSOR_OWNER] = "owner",     [CURSOR_LIVE] = "live",     [CURSOR_CATCH_UP] = "catch-up",
    [CURSOR_STARTED] = "started", [CURSOR_REPLAY] = "replay", [CURSOR_LOST] = "lost",
};

static const char *const stream_names[CURSOR_STREAM_COUNT] = {
    [CURSOR_OF_EVENTS] = "events",     [CURSOR_OF_RETRY_10S] = "retry.10s",
    [CURSOR_OF_RETRY_1M] = "retry.1m", [CURSOR_OF_RETRY_10M] = "retry.10m",
    [CURSOR_OF_RETRY_1H] = "retry.1h",
};

// No id of a subscription has a colon.
static const char *const name_prefixes[CURSOR_KIND_COUNT] = {
    [CURSOR_STARTED] = "start:",
    [CURSOR_REPLAY] = "replay:",
    [CURSOR_LOST] = "lost:",
};

const char *cursor_kind_name(enum cursor_kind kind) {
    return kind_names[kind];
}

const char *cursor_stream_name(enum cursor_stream stream) {
    return stream_names[stream];
}

static bool is_of_partition(enum cursor_kind kind) {
    return kind == CURSOR_OWNER || kind == CURSOR_LIVE;
}

void cursor_key_write(const struct cursor_key *key, struct buffer *ret_key) {
    if (key->stream != CURSOR_OF_EVENTS) {
        buffer_append_format(ret_key, "%s/", stream_names[key->stream]);
    }
    buffer_append_format(ret_key, "%" PRId32 "/", key->partition);
    if (is_of_partition(key->kind)) {
        buffer_append_text(ret_key, kind_names[key->kind]);
    } else {
        buffer_append(ret_key, key->space);
        buffer_append_byte(ret_key, '/');
        if (name_prefixes[key->kind]) {
            buffer_append_text(ret_key, name_prefixes[key->kind]);
        }
        buffer_append(ret_key, key->name);
    }
    buffer_append_format(ret_key, "/%" PRId64, key->epoch);
}

// Decimal digits only, no sign, no leading zero.
static bool parse_number(struct bytes text, int64_t maximum, int64_t *ret_number) {
    int64_t number = 0;
    if (text.size == 0 || text.size > 19 || (text.size > 1 && text.data[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, text.data[i] - '0', &number)) {
            return false;
        }
    }
    *ret_number = number;
    return number <= maximum;
}

static struct bytes take_segment(struct bytes *rest) {
    size_t end = bytes_find(*rest, '/');
    struct bytes segment = bytes_slice(*rest, 0, end);
    *rest = bytes_slice(*rest, end + 1, rest->size);
    return segment;
}

// What comes before the partition: of the events nothing.
static enum cursor_stream take_stream(struct bytes *rest) {
    struct bytes after = *rest;
    struct bytes name = take_segment(&after);
    for (int stream = CURSOR_OF_EVENTS + 1; stream < CURSOR_STREAM_COUNT; stream++) {
        if (bytes_equal_text(name, stream_names[stream])) {
            *rest = after;
            return (enum cursor_stream)stream;
        }
    }
    return CURSOR_OF_EVENTS;
}

// What lies between the partition and the epoch.
static bool parse_middle(struct bytes middle, struct cursor_key *key) {
    key->space = key->name = BYTES("");
    for (int kind = 0; kind < CURSOR_KIND_COUNT; kind++) {
        if (is_of_partition((enum cursor_kind)kind) && bytes_equal_text(middle, kind_names[kind])) {
            key->kind = (enum cursor_kind)kind;
            return true;
        }
    }
    if (bytes_find(middle, '/') == middle.size) {
        return false;
    }
    key->space = take_segment(&middle);
    key->kind = CURSOR_CATCH_UP;
    for (int kind = 0; kind < CURSOR_KIND_COUNT; kind++) {
        struct bytes prefix = bytes_of_text(name_prefixes[kind]);
        if (prefix.size > 0 && bytes_start_with(middle, prefix)) {
            key->kind = (enum cursor_kind)kind;
            middle = bytes_slice(middle, prefix.size, middle.size);
            break;
        }
    }
    key->name = middle;
    return key->space.size > 0 && key->name.size > 0;
}

enum status cursor_key_parse(struct bytes text, struct cursor_key *ret_key, struct error *error) {
    struct cursor_key key = {0};
    struct bytes rest = text;
    int64_t partition = 0;
    key.stream = take_stream(&rest);
    size_t last = text.size;
    while (last > 0 && text.data[last - 1] != '/') {
        last--;
    }
    bool is_ours = text.size <= CURSOR_NAME_MAX_BYTES &&
                   parse_number(take_segment(&rest), INT32_MAX, &partition) && last > 0 &&
                   parse_number(bytes_slice(text, last, text.size), INT64_MAX, &key.epoch) &&
                   key.epoch > 0;
    size_t start = text.size - rest.size;
    if (!is_ours || last < start + 2 ||
        !parse_middle(bytes_slice(text, start, last - 1 - start), &key) ||
        (key.stream != CURSOR_OF_EVENTS && !is_of_partition(key.kind))) {
        return error_set(error, STATUS_INVALID, "not a key of a cursor");
    }
    key.partition = (int32_t)partition;
    *ret_key = key;
    return STATUS_OK;
}

bool cursor_key_same_place(const struct cursor_key *a, const struct cursor_key *b) {
    return a->kind == b->kind && a->stream == b->stream && a->partition == b->partition &&
           bytes_equal(a->name, b->name) && bytes_equal(a->space, b->space);
}

void cursor_record_key(const struct cursor_record *record, struct cursor_key *ret_key) {
    *ret_key = (struct cursor_key){
        .kind = record->kind,
        .partition = record->partition,
        .space = record->space,
        .name = record->kind == CURSOR_REPLAY ? record->replay_id : record->subscription_id,
        .epoch = record->epoch,
        .stream = record->stream,
    };
}

static void write_text(struct buffer *value, const char *name, struct bytes text) {
    if (text.size > 0) {
        buffer_append_format(value, ",\"%s\":", name);
        json_append_string(text, value);
    }
}

static void write_number(struct buffer *value, const char *name, int64_t number) {
    if (number != 0) {
        buffer_append_format(value, ",\"%s\":%" PRId64, name, number);
    }
}

void cursor_record_write(const struct cursor_record *record, struct buffer *ret_value) {
    buffer_append_format(
        ret_value,
        "{\"kind\":\"%s\",\"partition\":%" PRId32 ",\"epoch\":%" PRId64 ",\"position\":%" PRId64,
        kind_names[record->kind], record->partition, record->epoch, record->position);
    if (record->stream != CURSOR_OF_EVENTS) {
        write_text(ret_value, "stream", bytes_of_text(stream_names[record->stream]));
    }
    if (record->until != CURSOR_NO_END) {
        buffer_append_format(ret_value, ",\"until\":%" PRId64, record->until);
    }
    write_text(ret_value, "space", record->space);
    write_text(ret_value, "subscriptionId", record->subscription_id);
    write_text(ret_value, "replayId", record->replay_id);
    write_text(ret_value, "owner", record->owner);
    write_text(ret_value, "created", record->created);
    write_text(ret_value, "reason", record->reason);
    write_number(ret_value, "lost", record->lost);
    write_number(ret_value, "delivered", record->delivered);
    write_number(ret_value, "failed", record->failed);
    write_number(ret_value, "matched", record->matched);
    write_number(ret_value, "writtenUs", record->written_us);
    cursor_parts_write_ranges(ret_value, &record->finished);
    cursor_parts_write_tried(ret_value, &record->tried);
    cursor_parts_write_shares(ret_value, record->shares, record->share_count);
    buffer_append_byte(ret_value, '}');
}

static enum status read_text(const json_t *json, const char *name, struct bytes *ret_text,
                             struct error *error) {
    const json_t *value = json_object_get(json, name);
    if (value && !json_is_string(value)) {
        return error_set(error, STATUS_INVALID, "%s: must be a string", name);
    }
    *ret_text = (struct bytes){json_string_value(value), json_string_length(value)};
    return STATUS_OK;
}

static enum status read_number(const json_t *json, const char *name, int64_t absent,
                               int64_t minimum, int64_t *ret_number, struct error *error) {
    const json_t *value = json_object_get(json, name);
    if (!value) {
        *ret_number = absent;
        return STATUS_OK;
    }
    if (!json_is_integer(value) || json_integer_value(value) < minimum) {
        return error_set(error, STATUS_INVALID, "%s: must be a whole number from %" PRId64, name,
                         minimum);
    }
    *ret_number = json_integer_value(value);
    return STATUS_OK;
}

static enum status read_kind(const json_t *json, struct cursor_record *record,
                             struct error *error) {
    const char *name = json_string_value(json_object_get(json, "kind"));
    for (int kind = 0; name && kind < CURSOR_KIND_COUNT; kind++) {
        if (strcmp(name, kind_names[kind]) == 0) {
            record->kind = (enum cursor_kind)kind;
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_INVALID, "kind: not one that is known");
}

// Absent: of the events.
static enum status read_stream(const json_t *json, struct cursor_record *record,
                               struct error *error) {
    const json_t *value = json_object_get(json, "stream");
    const char *name = json_string_value(value);
    for (int stream = CURSOR_OF_EVENTS + 1; name && stream < CURSOR_STREAM_COUNT; stream++) {
        if (strcmp(name, stream_names[stream]) == 0) {
            record->stream = (enum cursor_stream)stream;
            return STATUS_OK;
        }
    }
    return value ? error_set(error, STATUS_INVALID, "stream: not one that is known") : STATUS_OK;
}

static enum status read_texts(const json_t *json, struct cursor_record *record,
                              struct error *error) {
    const struct {
        const char *name;
        struct bytes *ret_text;
    } members[] = {
        {"space", &record->space},        {"subscriptionId", &record->subscription_id},
        {"replayId", &record->replay_id}, {"owner", &record->owner},
        {"created", &record->created},    {"reason", &record->reason},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(members); i++) {
        status = read_text(json, members[i].name, members[i].ret_text, error);
    }
    return status;
}

static enum status read_numbers(const json_t *json, struct cursor_record *record,
                                struct error *error) {
    int64_t partition = 0;
    const struct {
        const char *name;
        int64_t absent, minimum;
        int64_t *ret_number;
    } members[] = {
        {"partition", -1, 0, &partition},         {"epoch", -1, 1, &record->epoch},
        {"position", -1, 0, &record->position},   {"until", CURSOR_NO_END, 0, &record->until},
        {"matched", 0, 0, &record->matched},      {"lost", 0, 0, &record->lost},
        {"delivered", 0, 0, &record->delivered},  {"failed", 0, 0, &record->failed},
        {"writtenUs", 0, 0, &record->written_us},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < ARRAY_LENGTH(members); i++) {
        status = read_number(json, members[i].name, members[i].absent, members[i].minimum,
                             members[i].ret_number, error);
    }
    if (status == STATUS_OK &&
        (partition < 0 || partition > INT32_MAX || record->epoch < 1 || record->position < 0)) {
        return error_set(error, STATUS_INVALID, "partition, epoch and position must be there");
    }
    record->partition = (int32_t)partition;
    return status;
}

static enum status read_lists(const json_t *json, struct cursor_record *record,
                              struct error *error) {
    int64_t position = record->position;
    enum status status = cursor_parts_read_ranges(json, position, &record->finished, error);
    if (status == STATUS_OK) {
        status = cursor_parts_read_tried(json, position, &record->tried, error);
    }
    if (status == STATUS_OK) {
        status =
            cursor_parts_read_shares(json, position, &record->shares, &record->share_count, error);
    }
    return status;
}

static enum status check_names(const struct cursor_record *record, struct error *error) {
    bool needs_subscription = !is_of_partition(record->kind);
    bool is_complete =
        (!needs_subscription || (record->space.size > 0 && record->subscription_id.size > 0)) &&
        (record->kind != CURSOR_REPLAY || record->replay_id.size > 0) &&
        (record->kind != CURSOR_OWNER || record->owner.size > 0);
    return is_complete
               ? STATUS_OK
               : error_set(error, STATUS_INVALID, "a member that the kind needs is missing");
}

enum status cursor_record_parse(struct bytes value, struct cursor_record *ret_record,
                                struct error *error) {
    struct cursor_record record = {0};
    enum status status = json_parse(value, &record.json, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (!json_is_object(record.json)) {
        status = error_set(error, STATUS_INVALID, "a cursor must be a JSON object");
    }
    if (status == STATUS_OK) {
        status = read_kind(record.json, &record, error);
    }
    if (status == STATUS_OK) {
        status = read_stream(record.json, &record, error);
    }
    if (status == STATUS_OK) {
        status = read_texts(record.json, &record, error);
    }
    if (status == STATUS_OK) {
        status = read_numbers(record.json, &record, error);
    }
    if (status == STATUS_OK) {
        status = read_lists(record.json, &record, error);
    }
    if (status == STATUS_OK) {
        status = check_names(&record, error);
    }
    if (status != STATUS_OK) {
        cursor_record_clear(&record);
        return status;
    }
    *ret_record = record;
    return STATUS_OK;
}

void cursor_record_clear(struct cursor_record *record) {
    offset_ranges_clear(&record->finished);
    tried_list_clear(&record->tried);
    for (size_t i = 0; i < record->share_count; i++) {
        offset_ranges_clear(&record->shares[i].finished);
        tried_list_clear(&record->shares[i].tried);
    }
    free(record->shares);
    record->shares = NULL;
    record->share_count = 0;
    json_decref(record->json);
    record->json = NULL;
}
