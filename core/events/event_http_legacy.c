#include <string.h>

#include "core/base/json.h"
#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_http_decode.h"
#include "core/events/event_legacy.h"

struct decoding {
    struct event_builder *builder;
    struct buffer extensions; // the object, without its closing bracket
    struct buffer members;    // the same, of the notes
    bool has_version;
};

struct header_rule {
    struct bytes name; // without "ce-"
    enum event_attribute attribute;
};

static const struct header_rule *find_rule(struct bytes name) {
    static const struct header_rule rules[] = {
        {{"eventtype", 9}, EVENT_ATTRIBUTE_TYPE},       {{"source", 6}, EVENT_ATTRIBUTE_SOURCE},
        {{"eventid", 7}, EVENT_ATTRIBUTE_ID},           {{"eventtime", 9}, EVENT_ATTRIBUTE_TIME},
        {{"schemaurl", 9}, EVENT_ATTRIBUTE_DATASCHEMA},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (bytes_equal_ignoring_case(name, rules[i].name)) {
            return &rules[i];
        }
    }
    return NULL;
}

static void append_text_member(struct buffer *object, struct bytes name, struct bytes value) {
    buffer_append_byte(object, object->size == 0 ? '{' : ',');
    json_append_string(name, object);
    buffer_append_byte(object, ':');
    json_append_string(value, object);
}

static enum status given_twice(struct bytes name, struct error *error) {
    return error_set(error, STATUS_INVALID, "header CE-%.*s is given twice", SHOWN(name));
}

static enum status take_standard(struct decoding *decoding, const struct header_rule *rule,
                                 struct bytes value, struct error *error) {
    struct bytes *attribute = &decoding->builder->core[rule->attribute];
    if (attribute->data) {
        return given_twice(rule->name, error);
    }
    if (rule->attribute == EVENT_ATTRIBUTE_DATASCHEMA && !event_uri_is_absolute(value)) {
        append_text_member(&decoding->members, BYTES("schemaURL"), value);
    } else if (value.size > 0) {
        *attribute = value;
    }
    return STATUS_OK;
}

static enum status take_version(struct decoding *decoding, struct bytes value,
                                struct error *error) {
    if (decoding->has_version) {
        return given_twice(BYTES("CloudEventsVersion"), error);
    }
    decoding->has_version = true;
    if (!bytes_equal(value, BYTES("0.1"))) {
        append_text_member(&decoding->members, BYTES("cloudEventsVersion"), value);
    }
    return STATUS_OK;
}

static enum status take_type_version(struct decoding *decoding, struct bytes value,
                                     struct error *error) {
    if (event_builder_has(decoding->builder, BYTES("eventtypeversion"))) {
        return given_twice(BYTES("EventTypeVersion"), error);
    }
    event_builder_add_extension(decoding->builder, BYTES("eventtypeversion"), value,
                                EVENT_VALUE_STRING);
    return STATUS_OK;
}

static enum status take_header(struct decoding *decoding, const struct http_header *header,
                               struct error *error) {
    if (!bytes_start_with_ignoring_case(header->name, BYTES("ce-"))) {
        return STATUS_OK;
    }
    struct bytes name = bytes_slice(header->name, 3, header->name.size);
    struct bytes value = event_http_decode_value(decoding->builder, header->value);
    if (!utf8_is_valid(value)) {
        return error_set(error, STATUS_INVALID, "header CE-%.*s is not valid UTF-8", SHOWN(name));
    }
    const struct header_rule *rule = find_rule(name);
    if (rule) {
        return take_standard(decoding, rule, value, error);
    }
    if (bytes_equal_ignoring_case(name, BYTES("cloudeventsversion"))) {
        return take_version(decoding, value, error);
    }
    if (bytes_equal_ignoring_case(name, BYTES("eventtypeversion")) && value.size > 0) {
        return take_type_version(decoding, value, error);
    }
    if (bytes_start_with_ignoring_case(name, BYTES("x-")) && name.size > 2) {
        // Clients of this dialect see the extension "X-My-Thing" as "my-Thing".
        append_text_member(
            &decoding->extensions,
            event_http_word_case(decoding->builder, bytes_slice(name, 2, name.size), false), value);
    }
    return STATUS_OK;
}

static enum status finish(struct decoding *decoding, struct error *error) {
    struct event_builder *builder = decoding->builder;
    struct event_legacy_notes notes = {0};
    if (decoding->members.size > 0) {
        buffer_append_byte(&decoding->members, '}');
        notes.members = buffer_bytes(&decoding->members);
    }
    if (decoding->extensions.size > 0) {
        buffer_append_byte(&decoding->extensions, '}');
        // Attributes may lend parts of the text, so it moves to where the builder keeps it.
        struct bytes object = event_builder_copy(builder, buffer_bytes(&decoding->extensions));
        enum status status = event_legacy_take_extensions(object, builder, &notes, error);
        if (status) {
            error_prefix(error, "headers CE-X-");
            return status;
        }
    }
    event_legacy_write_notes(builder, &notes);
    return STATUS_OK;
}

enum status event_http_decode_legacy(const struct event_http_request *request,
                                     struct event_builder *builder, struct error *error) {
    struct decoding decoding = {.builder = builder};
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < request->header_count; i++) {
        status = take_header(&decoding, &request->headers[i], error);
    }
    if (!status) {
        status = finish(&decoding, error);
    }
    buffer_clear(&decoding.extensions);
    buffer_clear(&decoding.members);
    return status ? status : event_http_take_body(request, builder, error);
}
