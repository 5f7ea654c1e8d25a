#include "core/base/json.h"
#include "core/events/event_attribute.h"
#include "core/events/event_legacy.h"
#include "core/events/event_writer.h"

struct legacy_writing {
    const struct event *event;
    struct buffer *buffer;
    size_t start;     // of the object that is written now
    bool has_version; // among the members that were noted
    bool has_gateway; // an extension "eventgateway" was noted
    bool is_nested;   // inside that extension
};

static void append_raw_member(struct legacy_writing *legacy, const struct json_member *member) {
    buffer_append_byte(legacy->buffer, legacy->buffer->size == legacy->start ? '{' : ',');
    buffer_append(legacy->buffer, member->name_json);
    buffer_append_byte(legacy->buffer, ':');
    buffer_append(legacy->buffer, member->value);
}

static bool write_noted_member(void *context, const struct json_member *member) {
    struct legacy_writing *legacy = context;
    if (bytes_equal(member->name_json, BYTES("\"cloudEventsVersion\""))) {
        legacy->has_version = true;
    }
    append_raw_member(legacy, member);
    return true;
}

// An authorizer may let somebody in without a name.
static bool is_authorized(const struct event *event) {
    return event_extension(event, "authid") || event_extension(event, "authtype");
}

// {"principalId":"...","context":{...}}: what an authorizer said of the sender.
static void write_authorization(struct legacy_writing *legacy) {
    const struct event_extension *claims = event_extension(legacy->event, "authclaims");
    const struct event_extension *id = event_extension(legacy->event, "authid");
    size_t start = legacy->buffer->size;
    event_writer_member(legacy->buffer, start, "principalId", id ? id->value : BYTES(""));
    if (claims && json_is_valid(claims->value)) {
        event_writer_name(legacy->buffer, start, "context");
        buffer_append(legacy->buffer, claims->value);
    }
    buffer_append_byte(legacy->buffer, '}');
}

static bool write_gateway_member(void *context, const struct json_member *member) {
    struct legacy_writing *legacy = context;
    if (!bytes_equal(member->name_json, BYTES("\"authorization\""))) {
        append_raw_member(legacy, member);
    }
    return true;
}

// The sender's own members of the extension, if it sent some, and the authorization.
static void write_gateway_extension(struct legacy_writing *legacy, struct bytes noted) {
    event_writer_name(legacy->buffer, legacy->start, "eventgateway");
    struct legacy_writing inner = *legacy;
    inner.start = legacy->buffer->size;
    if (json_each_member(noted, write_gateway_member, &inner, NULL) != STATUS_OK) {
        legacy->buffer->size = inner.start;
    }
    event_writer_name(legacy->buffer, inner.start, "authorization");
    write_authorization(&inner);
    buffer_append_byte(legacy->buffer, '}');
}

static bool write_noted_extension(void *context, const struct json_member *member) {
    struct legacy_writing *legacy = context;
    if (bytes_equal(member->name_json, BYTES("\"eventgateway\"")) && is_authorized(legacy->event)) {
        legacy->has_gateway = true;
        write_gateway_extension(legacy, member->value);
    } else {
        append_raw_member(legacy, member);
    }
    return true;
}

// The names in the noted extensions, collected once: looking through the notes for each attribute
// would let a large event cost seconds.
struct noted_names {
    struct bytes names[EVENT_ATTRIBUTES_MAX];
    size_t count;
    struct buffer decoded; // names that had escapes; roomy enough never to move
};

static bool collect_name(void *context, const struct json_member *member) {
    struct noted_names *noted = context;
    size_t start = noted->decoded.size;
    if (bytes_find(member->name_json, '\\') < member->name_json.size &&
        json_string_decode(member->name_json, &noted->decoded) == STATUS_OK) {
        noted->names[noted->count++] =
            bytes_slice(buffer_bytes(&noted->decoded), start, noted->decoded.size);
        return noted->count < EVENT_ATTRIBUTES_MAX;
    }
    noted->names[noted->count++] = bytes_slice(member->name_json, 1, member->name_json.size - 2);
    return noted->count < EVENT_ATTRIBUTES_MAX;
}

static bool is_noted(const struct noted_names *noted, struct bytes name) {
    for (size_t i = 0; i < noted->count; i++) {
        if (bytes_equal_ignoring_case(noted->names[i], name)) {
            return true;
        }
    }
    return false;
}

static void collect_names(struct noted_names *noted, struct bytes extensions) {
    buffer_reserve(&noted->decoded, extensions.size);
    if (json_each_member(extensions, collect_name, noted, NULL) != STATUS_OK) {
        noted->count = 0;
    }
}

static void write_attributes(struct legacy_writing *legacy, const struct noted_names *noted) {
    const struct event *event = legacy->event;
    if (event->subject.size > 0 && !is_noted(noted, BYTES("subject"))) {
        event_writer_member(legacy->buffer, legacy->start, "subject", event->subject);
    }
    for (size_t i = 0; i < event->extension_count; i++) {
        const struct event_extension *extension = &event->extensions[i];
        if (!event_name_is_reserved(extension->name) &&
            !bytes_equal(extension->name, BYTES("eventtypeversion")) &&
            !is_noted(noted, extension->name)) {
            event_writer_extension(legacy->buffer, legacy->start, extension);
        }
    }
    if (is_authorized(event) && !legacy->has_gateway) {
        write_gateway_extension(legacy, BYTES("{}"));
    }
}

static void write_extensions(struct legacy_writing *legacy,
                             const struct event_legacy_notes *notes) {
    struct buffer *buffer = legacy->buffer;
    size_t before = buffer->size;
    event_writer_name(buffer, legacy->start, "extensions");
    struct legacy_writing inner = {.event = legacy->event, .buffer = buffer, .start = buffer->size};
    struct noted_names noted;
    noted.count = 0;
    noted.decoded = (struct buffer){0};
    if (notes->extensions.size > 0) {
        collect_names(&noted, notes->extensions);
        if (json_each_member(notes->extensions, write_noted_extension, &inner, NULL)) {
            buffer->size = inner.start;
        }
    }
    write_attributes(&inner, &noted);
    buffer_clear(&noted.decoded);
    if (buffer->size > inner.start) {
        buffer_append_byte(buffer, '}');
    } else if (notes->extensions.size > 0) {
        buffer_append_text(buffer, "{}");
    } else {
        buffer->size = before;
    }
}

static void write_data(const struct event_writing *writing, const struct event_legacy_notes *notes,
                       size_t start, struct buffer *buffer) {
    const struct event *event = writing->event;
    if (event->data_kind == EVENT_DATA_NONE) {
        return;
    }
    event_writer_name(buffer, start, "data");
    if (event->data_kind == EVENT_DATA_JSON) {
        event_writer_json_data(buffer, writing, EVENT_FORMAT_CLOUDEVENTS_0_1);
    } else if (notes->data_is_json && json_is_valid(event->data)) {
        buffer_append(buffer, event->data);
    } else if (event->data_kind == EVENT_DATA_TEXT || notes->data_is_string) {
        json_append_string(event->data, buffer);
    } else {
        event_writer_base64(buffer, event->data);
    }
}

static void write_members(struct legacy_writing *legacy, const struct event_writing *writing,
                          const struct event_legacy_notes *notes) {
    const struct event *event = legacy->event;
    struct buffer *buffer = legacy->buffer;
    event_writer_member(buffer, legacy->start, "eventType", writing->type);
    event_writer_member(buffer, legacy->start, "source", event->source);
    event_writer_member(buffer, legacy->start, "eventID", event->id);
    const struct event_extension *version = event_extension(event, "eventtypeversion");
    if (version) {
        event_writer_member(buffer, legacy->start, "eventTypeVersion", version->value);
    }
    if (event->time.size > 0) {
        event_writer_member(buffer, legacy->start, "eventTime", event->time);
    }
    if (event->dataschema.size > 0) {
        event_writer_member(buffer, legacy->start, "schemaURL", event->dataschema);
    }
    bool is_implied = notes->has_no_content_type &&
                      bytes_equal(event->datacontenttype, BYTES("application/json"));
    if (event->datacontenttype.size > 0 && !is_implied) {
        event_writer_member(buffer, legacy->start, "contentType", event->datacontenttype);
    }
}

void event_write_legacy(const struct event_writing *writing, struct buffer *ret_buffer) {
    struct event_legacy_notes notes;
    event_legacy_read_notes(writing->event, &notes);
    struct legacy_writing legacy = {
        .event = writing->event, .buffer = ret_buffer, .start = ret_buffer->size};
    if (notes.members.size > 0 &&
        json_each_member(notes.members, write_noted_member, &legacy, NULL) != STATUS_OK) {
        ret_buffer->size = legacy.start;
    }
    if (!legacy.has_version) {
        event_writer_member(ret_buffer, legacy.start, "cloudEventsVersion", BYTES("0.1"));
    }
    write_members(&legacy, writing, &notes);
    write_extensions(&legacy, &notes);
    write_data(writing, &notes, legacy.start, ret_buffer);
    buffer_append_byte(ret_buffer, '}');
}
