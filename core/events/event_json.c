#include "core/events/event_json.h"

#include <string.h>

#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_legacy.h"

bool event_json_is_string(struct bytes value) {
    return value.size >= 2 && value.data[0] == '"';
}

bool event_json_is_null(struct bytes value) {
    return bytes_equal(value, BYTES("null"));
}

static bool has_escapes(struct bytes literal) {
    return literal.size > 0 && memchr(literal.data, '\\', literal.size) != NULL;
}

static struct bytes without_quotes(struct bytes literal) {
    return bytes_slice(literal, 1, literal.size - 2);
}

enum status event_json_string(struct event_builder *builder, struct bytes literal,
                              struct bytes *ret_text) {
    if (!has_escapes(literal)) {
        *ret_text = without_quotes(literal);
        return STATUS_OK;
    }
    buffer_reset(&builder->scratch);
    enum status status = json_string_decode(literal, &builder->scratch);
    if (!status) {
        *ret_text = event_builder_copy(builder, buffer_bytes(&builder->scratch));
    }
    return status;
}

enum status event_json_data_string(struct event_builder *builder, struct bytes literal,
                                   struct bytes *ret_text) {
    if (!has_escapes(literal)) {
        *ret_text = without_quotes(literal);
        return STATUS_OK;
    }
    buffer_reset(&builder->data_buffer);
    enum status status = json_string_decode(literal, &builder->data_buffer);
    if (!status) {
        *ret_text = buffer_bytes(&builder->data_buffer);
    }
    return status;
}

struct member_walk {
    struct event_builder *builder;
    event_json_member_fn visit;
    void *context;
    enum status status;
    struct error *error;
    struct event_name_table table; // of the names seen
    size_t count;
    struct bytes seen[EVENT_ATTRIBUTES_MAX];
};

static struct event_names names_seen(const struct member_walk *walk) {
    return (struct event_names){
        .first = walk->seen, .stride = sizeof walk->seen[0], .count = walk->count};
}

static enum status take_member(struct member_walk *walk, const struct json_member *member) {
    struct event_json_member named = {.name_json = member->name_json, .value = member->value};
    if (event_json_string(walk->builder, member->name_json, &named.name)) {
        return error_set(walk->error, STATUS_INVALID, "a member's name is not valid Unicode");
    }
    if (walk->count == EVENT_ATTRIBUTES_MAX) {
        return error_set(walk->error, STATUS_INVALID, "more than %d members", EVENT_ATTRIBUTES_MAX);
    }
    if (event_name_table_find(&walk->table, names_seen(walk), named.name) < walk->count) {
        return error_set(walk->error, STATUS_INVALID, "member \"%.*s\" is given twice",
                         SHOWN(named.name));
    }
    walk->seen[walk->count++] = named.name;
    event_name_table_added(&walk->table, names_seen(walk));
    return walk->visit(walk->context, &named, walk->error);
}

static bool walk_member(void *context, const struct json_member *member) {
    struct member_walk *walk = context;
    walk->status = take_member(walk, member);
    return walk->status == STATUS_OK;
}

enum status event_json_each_member(struct bytes text, struct event_builder *builder,
                                   event_json_member_fn visit, void *context, struct error *error) {
    if (text.size == 0) {
        return error_set(error, STATUS_INVALID, "empty, a JSON object expected");
    }
    // The names seen are left as they are on the stack: only the first count are ever read.
    struct member_walk walk;
    walk.builder = builder;
    walk.visit = visit;
    walk.context = context;
    walk.status = STATUS_OK;
    walk.error = error;
    walk.table = (struct event_name_table){0};
    walk.count = 0;
    enum status status = json_each_member(text, walk_member, &walk, error);
    event_name_table_clear(&walk.table);
    return walk.status ? walk.status : status;
}

struct decoding {
    struct event_builder *builder;
    struct bytes data;        // the member's value as it came; data NULL = absent
    struct bytes data_base64; // the same
    bool has_version;
};

static enum status take_version(struct decoding *decoding, const struct event_json_member *member,
                                struct error *error) {
    if (!bytes_equal(member->value, BYTES("\"1.0\""))) {
        return error_set(error, STATUS_INVALID, "specversion %.*s is not supported, only \"1.0\"",
                         SHOWN(member->value));
    }
    decoding->has_version = true;
    return STATUS_OK;
}

static enum status take_string(struct decoding *decoding, const struct event_json_member *member,
                               struct error *error) {
    struct bytes text;
    if (event_json_string(decoding->builder, member->value, &text)) {
        return error_set(error, STATUS_INVALID, "attribute \"%.*s\" is not valid Unicode",
                         SHOWN(member->name));
    }
    return event_builder_add(decoding->builder, member->name, text, EVENT_VALUE_STRING, error);
}

static enum status take_attribute(struct decoding *decoding, const struct event_json_member *member,
                                  struct error *error) {
    struct bytes value = member->value;
    if (event_json_is_null(value)) {
        return STATUS_OK;
    }
    if (event_json_is_string(value)) {
        return take_string(decoding, member, error);
    }
    if (event_attribute_of(member->name) != EVENT_ATTRIBUTE_COUNT) {
        return error_set(error, STATUS_INVALID, "attribute \"%.*s\" is not a string",
                         SHOWN(member->name));
    }
    if (event_value_is_boolean(value)) {
        return event_builder_add(decoding->builder, member->name, value, EVENT_VALUE_BOOLEAN,
                                 error);
    }
    if (bytes_equal(value, BYTES("-0"))) {
        value = BYTES("0");
    }
    if (event_value_is_integer(value)) {
        return event_builder_add(decoding->builder, member->name, value, EVENT_VALUE_INTEGER,
                                 error);
    }
    return error_set(error, STATUS_INVALID,
                     "attribute \"%.*s\" is neither a string, nor a boolean, nor an integer of "
                     "32 bits",
                     SHOWN(member->name));
}

static enum status visit_member(void *context, const struct event_json_member *member,
                                struct error *error) {
    struct decoding *decoding = context;
    if (bytes_equal(member->name, BYTES("specversion"))) {
        return take_version(decoding, member, error);
    }
    if (bytes_equal(member->name, BYTES("data"))) {
        decoding->data = member->value;
        return STATUS_OK;
    }
    if (bytes_equal(member->name, BYTES("data_base64"))) {
        if (!event_json_is_null(member->value)) {
            decoding->data_base64 = member->value;
        }
        return STATUS_OK;
    }
    return take_attribute(decoding, member, error);
}

static enum status finish_base64(struct decoding *decoding, struct error *error) {
    struct event_builder *builder = decoding->builder;
    struct bytes text;
    if (!event_json_is_string(decoding->data_base64) ||
        event_json_string(builder, decoding->data_base64, &text)) {
        return error_set(error, STATUS_INVALID, "data_base64 is not a string");
    }
    buffer_reset(&builder->data_buffer);
    if (base64_decode(text, &builder->data_buffer)) {
        return error_set(error, STATUS_INVALID, "data_base64 is not valid base64");
    }
    struct bytes data = buffer_bytes(&builder->data_buffer);
    event_builder_lend_data(
        builder, data, event_data_kind_of(builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE], data));
    return STATUS_OK;
}

static enum status finish_data(struct decoding *decoding, struct error *error) {
    struct event_builder *builder = decoding->builder;
    struct bytes *media_type = &builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE];
    if (!media_type->data) {
        // Said aloud, because in other encodings nothing would tell that the data is JSON.
        *media_type = BYTES("application/json");
    }
    if (media_type_is_json(*media_type)) {
        event_builder_lend_data(builder, decoding->data, EVENT_DATA_JSON);
        return STATUS_OK;
    }
    if (!event_json_is_string(decoding->data)) {
        return error_set(error, STATUS_INVALID,
                         "data is not a string although datacontenttype \"%.*s\" is not JSON",
                         SHOWN(*media_type));
    }
    struct bytes text;
    if (event_json_data_string(builder, decoding->data, &text)) {
        return error_set(error, STATUS_INVALID, "data is not valid Unicode");
    }
    event_builder_lend_data(builder, text, event_data_kind_of(*media_type, text));
    return STATUS_OK;
}

enum status event_json_decode_1_0(struct bytes text, struct event_builder *builder,
                                  struct error *error) {
    struct decoding decoding = {.builder = builder};
    enum status status = event_json_each_member(text, builder, visit_member, &decoding, error);
    if (status) {
        return status;
    }
    if (!decoding.has_version) {
        return error_set(error, STATUS_INVALID, "attribute \"specversion\" is missing");
    }
    if (decoding.data.data && decoding.data_base64.data) {
        return error_set(error, STATUS_INVALID, "data and data_base64 exclude each other");
    }
    if (decoding.data_base64.data) {
        return finish_base64(&decoding, error);
    }
    return decoding.data.data ? finish_data(&decoding, error) : STATUS_OK;
}

enum version {
    VERSION_UNKNOWN,
    VERSION_1_0,
    VERSION_0_1,
};

static bool find_version(void *context, const struct json_member *member) {
    enum version *version = context;
    if (bytes_equal(member->name_json, BYTES("\"specversion\""))) {
        *version = VERSION_1_0;
        return false;
    }
    if (bytes_equal(member->name_json, BYTES("\"cloudEventsVersion\""))) {
        *version = VERSION_0_1;
    }
    return true;
}

enum status event_json_decode(struct bytes text, struct event_builder *builder,
                              struct error *error) {
    static const char word[] = "\"cloudEventsVersion\"";
    enum version version = VERSION_UNKNOWN;
    // Most events are not of 0.1, and are walked only once.
    if (text.size > 0 && memmem(text.data, text.size, word, sizeof word - 1)) {
        enum status status = json_each_member(text, find_version, &version, error);
        if (status) {
            return status;
        }
    }
    if (version == VERSION_0_1) {
        return event_legacy_decode_json(text, builder, error);
    }
    return event_json_decode_1_0(text, builder, error);
}
