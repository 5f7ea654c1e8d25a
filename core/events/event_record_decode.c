#include <string.h>

#include "core/base/json.h"
#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_json.h"
#include "core/events/event_record.h"

static bool take_context_attribute(struct event_builder *builder,
                                   const struct event_extension *extension) {
    struct event_context *context = &builder->context;
    const struct {
        const char *name;
        struct bytes *value;
    } attributes[] = {{EVENT_NAME_SPACE, &context->space},
                      {EVENT_NAME_METHOD, &context->method},
                      {EVENT_NAME_PATH, &context->path},
                      {EVENT_NAME_SYNC, &context->sync},
                      {EVENT_NAME_TRACEPARENT, &context->traceparent},
                      {EVENT_NAME_TRACESTATE, &context->tracestate}};
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (bytes_equal_text(extension->name, attributes[i].name)) {
            if (extension->value.size > 0) {
                *attributes[i].value = extension->value;
            }
            return true;
        }
    }
    return false;
}

static void set_type(struct event_extension *extension, struct bytes type) {
    if (bytes_equal(type, BYTES("boolean")) && event_value_is_boolean(extension->value)) {
        extension->kind = EVENT_VALUE_BOOLEAN;
    } else if (bytes_equal(type, BYTES("integer")) && event_value_is_integer(extension->value)) {
        extension->kind = EVENT_VALUE_INTEGER;
    }
}

// The gateway writes the types in the order of the extensions, so that one pass over both is
// enough.
static void set_types(struct event_builder *builder, struct bytes types) {
    for (size_t i = 0; i < builder->extension_count && types.size > 0; i++) {
        struct event_extension *extension = &builder->extensions[i];
        struct bytes item = bytes_slice(types, 0, bytes_find(types, ','));
        size_t equals = bytes_find(item, '=');
        if (bytes_equal(bytes_slice(item, 0, equals), extension->name)) {
            set_type(extension, bytes_slice(item, equals + 1, item.size));
            types = bytes_slice(types, item.size + 1, types.size);
        }
    }
}

// True when the attribute is the gateway's and does not stay among the extensions.
static bool take_reserved(struct event_builder *builder, const struct event_extension *extension,
                          struct bytes *types) {
    if (!event_name_is_reserved(extension->name)) {
        return false;
    }
    if (bytes_equal_text(extension->name, EVENT_NAME_TYPES)) {
        *types = extension->value;
    } else if (bytes_equal_text(extension->name, EVENT_NAME_RECEIVED_TIME)) {
        int64_t received_us;
        if (timestamp_parse(extension->value, &received_us) == STATUS_OK) {
            builder->context.received_us = received_us;
        }
    } else if (bytes_equal_text(extension->name, EVENT_NAME_HEADERS) ||
               bytes_equal_text(extension->name, EVENT_NAME_LEGACY)) {
        return !json_is_valid(extension->value);
    } else {
        take_context_attribute(builder, extension);
    }
    return true;
}

// Takes the gateway's own attributes out of the extensions.
static void take_context(struct event_builder *builder, int64_t timestamp_ms) {
    builder->context = (struct event_context){
        .method = BYTES("POST"), .path = BYTES("/"), .received_us = timestamp_ms * 1000};
    struct bytes types = BYTES("");
    size_t kept = 0;
    for (size_t i = 0; i < builder->extension_count; i++) {
        struct event_extension extension = builder->extensions[i];
        if (!take_reserved(builder, &extension, &types)) {
            builder->extensions[kept++] = extension;
        }
    }
    builder->extension_count = kept;
    event_name_table_clear(&builder->names);
    set_types(builder, types);
}

static enum status take_header(struct event_builder *builder, const struct http_header *header,
                               bool *has_version, struct error *error) {
    if (bytes_equal(header->name, BYTES("content-type"))) {
        if (header->value.size > 0) {
            builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE] = header->value;
        }
        return STATUS_OK;
    }
    if (!bytes_start_with(header->name, BYTES("ce_"))) {
        return STATUS_OK;
    }
    struct bytes name = bytes_slice(header->name, strlen("ce_"), header->name.size);
    if (bytes_equal(name, BYTES("specversion"))) {
        *has_version = bytes_equal(header->value, BYTES("1.0"));
        return STATUS_OK;
    }
    // The content type says it; an empty optional attribute is as good as none. A stored event is
    // not lost because of either.
    enum event_attribute attribute = event_attribute_of(name);
    if (attribute == EVENT_ATTRIBUTE_DATACONTENTTYPE ||
        (attribute != EVENT_ATTRIBUTE_COUNT && header->value.size == 0)) {
        return STATUS_OK;
    }
    return event_builder_add(builder, name, header->value, EVENT_VALUE_STRING, error);
}

static enum status decode_binary(const struct record *record, struct event_builder *builder,
                                 struct error *error) {
    bool has_version = false;
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < record->header_count; i++) {
        status = take_header(builder, &record->headers[i], &has_version, error);
    }
    if (!status && !has_version) {
        status = error_set(error, STATUS_INVALID, "header ce_specversion is not 1.0");
    }
    if (!status && record->has_value) {
        event_builder_lend_data(
            builder, record->value,
            event_data_kind_of(builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE], record->value));
    }
    return status;
}

static enum status decode_into(const struct record *record, struct event_builder *builder,
                               struct error *error) {
    for (size_t i = 0; i < record->header_count; i++) {
        const struct http_header *header = &record->headers[i];
        if (bytes_equal(header->name, BYTES("content-type")) &&
            bytes_start_with_ignoring_case(header->value, BYTES("application/cloudevents"))) {
            return event_json_decode(record->value, builder, error);
        }
    }
    return decode_binary(record, builder, error);
}

enum status event_record_decode(const struct stored_record *stored, const struct event **ret_event,
                                struct error *error) {
    struct event_builder builder;
    event_builder_init(&builder);
    builder.takes_reserved = true;
    enum status status = decode_into(&stored->record, &builder, error);
    if (!status) {
        take_context(&builder, stored->timestamp_ms);
        status = event_builder_build(&builder, ret_event, error);
    }
    event_builder_clear(&builder);
    return status;
}

enum status event_record_decode_json(struct bytes json, const struct event **ret_event,
                                     struct error *error) {
    const struct http_header structured = {BYTES("content-type"),
                                           BYTES("application/cloudevents+json")};
    struct stored_record stored = {
        .record = {.headers = &structured, .header_count = 1, .value = json, .has_value = true}};
    return event_record_decode(&stored, ret_event, error);
}
