#include "core/events/event_legacy.h"

#include <string.h>

#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_json.h"

struct extensions_walk {
    struct event_builder *builder;
    bool is_lossless; // all of it can be told from the attributes alone
    bool is_empty;
};

static struct bytes lower_case(struct event_builder *builder, struct bytes name) {
    char *lower = event_builder_reserve(builder, name.size);
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return (struct bytes){lower, name.size};
}

// Names that mean something in an event of 1.0 which the sender of a 0.1 event did not say. The
// auth* attributes come from authorizers alone.
static bool is_taken(const struct event_builder *builder, struct bytes name) {
    static const char *const taken[] = {"data",     "specversion", "eventtypeversion",
                                        "authtype", "authid",      "authclaims"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (bytes_equal_text(name, taken[i])) {
            return true;
        }
    }
    enum event_attribute attribute = event_attribute_of(name);
    return (attribute != EVENT_ATTRIBUTE_COUNT && attribute != EVENT_ATTRIBUTE_SUBJECT) ||
           event_name_is_reserved(name) || event_builder_has(builder, name);
}

static bool is_number(struct bytes value) {
    return value.size > 0 &&
           (value.data[0] == '-' || (value.data[0] >= '0' && value.data[0] <= '9'));
}

// True when the attribute says all that the member said.
static bool take_value(struct event_builder *builder, struct bytes name, struct bytes value) {
    struct bytes text;
    if (event_json_is_string(value)) {
        bool is_clean =
            event_json_string(builder, value, &text) == STATUS_OK && event_text_is_clean(text);
        if (is_clean && bytes_equal(name, BYTES("subject")) && text.size > 0) {
            builder->core[EVENT_ATTRIBUTE_SUBJECT] = text;
            return true;
        }
        if (is_clean && !bytes_equal(name, BYTES("subject"))) {
            event_builder_add_extension(builder, name, text, EVENT_VALUE_STRING);
            return true;
        }
        return false;
    }
    if (bytes_equal(name, BYTES("subject"))) {
        return false;
    }
    if (event_value_is_boolean(value) || event_value_is_integer(value)) {
        event_builder_add_extension(builder, name, value,
                                    event_value_is_boolean(value) ? EVENT_VALUE_BOOLEAN
                                                                  : EVENT_VALUE_INTEGER);
        return true;
    }
    if (is_number(value)) {
        event_builder_add_extension(builder, name, value, EVENT_VALUE_STRING);
    }
    return false;
}

static enum status visit_extension(void *context, const struct event_json_member *member,
                                   struct error *error) {
    (void)error;
    struct extensions_walk *walk = context;
    walk->is_empty = false;
    struct bytes name = lower_case(walk->builder, member->name);
    if (!event_name_is_valid(name) || is_taken(walk->builder, name) ||
        !take_value(walk->builder, name, member->value) || !bytes_equal(name, member->name)) {
        walk->is_lossless = false;
    }
    return STATUS_OK;
}

enum status event_legacy_take_extensions(struct bytes object, struct event_builder *builder,
                                         struct event_legacy_notes *notes, struct error *error) {
    struct extensions_walk walk = {.builder = builder, .is_lossless = true, .is_empty = true};
    enum status status = event_json_each_member(object, builder, visit_extension, &walk, error);
    if (!status && (!walk.is_lossless || walk.is_empty)) {
        notes->extensions = object;
    }
    return status;
}

struct decoding {
    struct event_builder *builder;
    struct bytes data;       // the member's value as it came; data NULL = absent
    struct bytes extensions; // the same
    struct buffer members;   // of the notes, without the closing bracket
    bool has_version;
};

static void keep_member(struct decoding *decoding, const struct event_json_member *member) {
    buffer_append_byte(&decoding->members, decoding->members.size == 0 ? '{' : ',');
    buffer_append(&decoding->members, member->name_json);
    buffer_append_byte(&decoding->members, ':');
    buffer_append(&decoding->members, member->value);
}

// Decodes a string member; null and "" give an empty text.
static enum status read_text(struct decoding *decoding, const struct event_json_member *member,
                             struct bytes *ret_text, struct error *error) {
    *ret_text = BYTES("");
    if (event_json_is_null(member->value)) {
        return STATUS_OK;
    }
    if (!event_json_is_string(member->value)) {
        return error_set(error, STATUS_INVALID, "%.*s is not a string", SHOWN(member->name));
    }
    if (event_json_string(decoding->builder, member->value, ret_text)) {
        return error_set(error, STATUS_INVALID, "%.*s is not valid Unicode", SHOWN(member->name));
    }
    return STATUS_OK;
}

struct member_rule {
    const char *name;
    enum event_attribute attribute;
};

static const struct member_rule member_rules[] = {
    {"eventType", EVENT_ATTRIBUTE_TYPE},
    {"source", EVENT_ATTRIBUTE_SOURCE},
    {"eventID", EVENT_ATTRIBUTE_ID},
    {"eventTime", EVENT_ATTRIBUTE_TIME},
    {"schemaURL", EVENT_ATTRIBUTE_DATASCHEMA},
    {"contentType", EVENT_ATTRIBUTE_DATACONTENTTYPE},
    {"eventTypeVersion", EVENT_ATTRIBUTE_COUNT},
};

static const struct member_rule *find_rule(struct bytes name) {
    for (size_t i = 0; i < sizeof member_rules / sizeof member_rules[0]; i++) {
        if (bytes_equal_text(name, member_rules[i].name)) {
            return &member_rules[i];
        }
    }
    return NULL;
}

static enum status take_text(struct decoding *decoding, const struct member_rule *rule,
                             const struct event_json_member *member, struct error *error) {
    struct bytes text;
    enum status status = read_text(decoding, member, &text, error);
    if (status) {
        return status;
    }
    // 0.1 allows a relative schemaURL, 1.0 needs an absolute dataschema.
    bool is_usable = text.size > 0 &&
                     (rule->attribute != EVENT_ATTRIBUTE_DATASCHEMA || event_uri_is_absolute(text));
    if (!is_usable) {
        keep_member(decoding, member);
    } else if (rule->attribute == EVENT_ATTRIBUTE_COUNT) {
        event_builder_add_extension(decoding->builder, BYTES("eventtypeversion"), text,
                                    EVENT_VALUE_STRING);
    } else {
        decoding->builder->core[rule->attribute] = text;
    }
    return STATUS_OK;
}

static enum status take_version(struct decoding *decoding, const struct event_json_member *member,
                                struct error *error) {
    struct bytes version;
    enum status status = read_text(decoding, member, &version, error);
    if (status) {
        return status;
    }
    decoding->has_version = version.size > 0;
    if (!bytes_equal(version, BYTES("0.1"))) {
        keep_member(decoding, member);
    }
    return STATUS_OK;
}

static enum status take_extensions(struct decoding *decoding,
                                   const struct event_json_member *member, struct error *error) {
    if (event_json_is_null(member->value)) {
        keep_member(decoding, member);
        return STATUS_OK;
    }
    if (member->value.data[0] != '{') {
        return error_set(error, STATUS_INVALID, "extensions is not an object");
    }
    decoding->extensions = member->value;
    return STATUS_OK;
}

static enum status visit_member(void *context, const struct event_json_member *member,
                                struct error *error) {
    struct decoding *decoding = context;
    const struct member_rule *rule = find_rule(member->name);
    if (rule) {
        return take_text(decoding, rule, member, error);
    }
    if (bytes_equal(member->name, BYTES("cloudEventsVersion"))) {
        return take_version(decoding, member, error);
    }
    if (bytes_equal(member->name, BYTES("extensions"))) {
        return take_extensions(decoding, member, error);
    }
    if (bytes_equal(member->name, BYTES("data"))) {
        decoding->data = member->value;
    } else {
        keep_member(decoding, member);
    }
    return STATUS_OK;
}

static enum status check_required(const struct decoding *decoding, struct error *error) {
    const struct bytes *core = decoding->builder->core;
    const char *missing = !core[EVENT_ATTRIBUTE_TYPE].data     ? "eventType"
                          : !core[EVENT_ATTRIBUTE_SOURCE].data ? "source"
                          : !core[EVENT_ATTRIBUTE_ID].data     ? "eventID"
                          : !decoding->has_version             ? "cloudEventsVersion"
                                                               : NULL;
    return missing ? error_set(error, STATUS_INVALID, "%s is missing or empty", missing)
                   : STATUS_OK;
}

// True when the text is what the bytes in the data buffer would be encoded to again.
static bool decode_base64_exactly(struct event_builder *builder, struct bytes text) {
    struct buffer bytes = {0};
    buffer_reset(&builder->scratch);
    bool is_exact = false;
    if (base64_decode(text, &bytes) == STATUS_OK) {
        base64_encode(buffer_bytes(&bytes), &builder->scratch);
        is_exact = bytes_equal(buffer_bytes(&builder->scratch), text);
    }
    if (!is_exact) {
        buffer_clear(&bytes);
        return false;
    }
    buffer_clear(&builder->data_buffer);
    builder->data_buffer = bytes;
    return true;
}

static enum status take_string_data(struct decoding *decoding, struct bytes media_type,
                                    struct event_legacy_notes *notes, struct error *error) {
    struct event_builder *builder = decoding->builder;
    struct bytes text;
    if (event_json_data_string(builder, decoding->data, &text)) {
        return error_set(error, STATUS_INVALID, "data is not valid Unicode");
    }
    if (!media_type_is_text(media_type)) {
        // 0.1 writes bytes as base64 and does not say so. What can be base64 is taken for it.
        if (decode_base64_exactly(builder, text)) {
            text = buffer_bytes(&builder->data_buffer);
        } else {
            notes->data_is_string = true;
        }
    }
    event_builder_lend_data(builder, text, event_data_kind_of(media_type, text));
    return STATUS_OK;
}

static enum status take_data(struct decoding *decoding, struct event_legacy_notes *notes,
                             struct error *error) {
    struct event_builder *builder = decoding->builder;
    struct bytes *media_type = &builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE];
    if (!media_type->data) {
        *media_type = BYTES("application/json");
        notes->has_no_content_type = true;
    }
    if (!media_type_is_json(*media_type) && event_json_is_string(decoding->data)) {
        return take_string_data(decoding, *media_type, notes, error);
    }
    notes->data_is_json = !media_type_is_json(*media_type);
    event_builder_lend_data(builder, decoding->data,
                            event_data_kind_of(*media_type, decoding->data));
    return STATUS_OK;
}

static enum status finish(struct decoding *decoding, struct error *error) {
    struct event_legacy_notes notes = {0};
    enum status status = check_required(decoding, error);
    if (!status && decoding->extensions.data) {
        status =
            event_legacy_take_extensions(decoding->extensions, decoding->builder, &notes, error);
        if (status) {
            error_prefix(error, "extensions");
        }
    }
    if (!status && decoding->data.data) {
        status = take_data(decoding, &notes, error);
    }
    if (status) {
        return status;
    }
    if (decoding->members.size > 0) {
        buffer_append_byte(&decoding->members, '}');
        notes.members = buffer_bytes(&decoding->members);
    }
    event_legacy_write_notes(decoding->builder, &notes);
    return STATUS_OK;
}

enum status event_legacy_decode_json(struct bytes text, struct event_builder *builder,
                                     struct error *error) {
    struct decoding decoding = {.builder = builder};
    enum status status = event_json_each_member(text, builder, visit_member, &decoding, error);
    if (!status) {
        status = finish(&decoding, error);
    }
    buffer_clear(&decoding.members);
    return status;
}
