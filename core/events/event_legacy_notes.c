#include "core/base/json.h"
#include "core/events/event_attribute.h"
#include "core/events/event_json.h"
#include "core/events/event_legacy.h"

static void append_note(struct buffer *buffer, const char *name, struct bytes json) {
    buffer_append_byte(buffer, buffer->size == 0 ? '{' : ',');
    buffer_append_format(buffer, "\"%s\":", name);
    event_json_append_ascii(json, buffer);
}

void event_legacy_write_notes(struct event_builder *builder,
                              const struct event_legacy_notes *notes) {
    struct buffer buffer = {0};
    if (notes->extensions.size > 0) {
        append_note(&buffer, "extensions", notes->extensions);
    }
    if (notes->members.size > 0) {
        append_note(&buffer, "members", notes->members);
    }
    if (notes->has_no_content_type) {
        append_note(&buffer, "contentType", BYTES("false"));
    }
    if (notes->data_is_json || notes->data_is_string) {
        append_note(&buffer, "data", notes->data_is_json ? BYTES("\"json\"") : BYTES("\"string\""));
    }
    if (buffer.size > 0) {
        buffer_append_byte(&buffer, '}');
        event_builder_add_extension(builder, BYTES(EVENT_NAME_LEGACY),
                                    event_builder_copy(builder, buffer_bytes(&buffer)),
                                    EVENT_VALUE_STRING);
    }
    buffer_clear(&buffer);
}

static bool is_object(struct bytes json) {
    return json.size > 0 && json.data[0] == '{';
}

static bool read_note(void *context, const struct json_member *note) {
    struct event_legacy_notes *notes = context;
    if (bytes_equal(note->name_json, BYTES("\"extensions\"")) && is_object(note->value)) {
        notes->extensions = note->value;
    } else if (bytes_equal(note->name_json, BYTES("\"members\"")) && is_object(note->value)) {
        notes->members = note->value;
    } else if (bytes_equal(note->name_json, BYTES("\"contentType\""))) {
        notes->has_no_content_type = bytes_equal(note->value, BYTES("false"));
    } else if (bytes_equal(note->name_json, BYTES("\"data\""))) {
        notes->data_is_json = bytes_equal(note->value, BYTES("\"json\""));
        notes->data_is_string = bytes_equal(note->value, BYTES("\"string\""));
    }
    return true;
}

void event_legacy_read_notes(const struct event *event, struct event_legacy_notes *ret_notes) {
    const struct event_extension *extension = event_extension(event, EVENT_NAME_LEGACY);
    *ret_notes = (struct event_legacy_notes){0};
    // Anybody can write records, so what is not well-formed counts as absent.
    if (extension && json_each_member(extension->value, read_note, ret_notes, NULL) != STATUS_OK) {
        *ret_notes = (struct event_legacy_notes){0};
    }
}
