#include <string.h>

#include "core/base/text.h"
#include "core/events/event_attribute.h"
#include "core/events/event_http_decode.h"
#include "core/events/event_legacy.h"

// Senders of old wrap a value in quotes, with backslashes before quotes and backslashes inside.
static struct bytes undo_quotes(struct event_builder *builder, struct bytes value) {
    if (value.size < 2 || value.data[0] != '"' || value.data[value.size - 1] != '"') {
        return value;
    }
    struct bytes inner = bytes_slice(value, 1, value.size - 2);
    char *text = event_builder_reserve(builder, inner.size);
    size_t size = 0;
    for (size_t i = 0; i < inner.size; i++) {
        if (inner.data[i] == '\\' && i + 1 < inner.size) {
            i++;
        }
        text[size++] = inner.data[i];
    }
    return (struct bytes){text, size};
}

struct bytes event_http_decode_value(struct event_builder *builder, struct bytes value) {
    struct bytes text = undo_quotes(builder, bytes_trim(value));
    if (bytes_find(text, '%') == text.size) {
        return text;
    }
    buffer_reset(&builder->scratch);
    percent_decode(text, false, &builder->scratch);
    return event_builder_copy(builder, buffer_bytes(&builder->scratch));
}

enum status event_http_take_body(const struct event_http_request *request,
                                 struct event_builder *builder, struct error *error) {
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        struct bytes value = bytes_trim(header->value);
        if (value.size == 0 || !bytes_equal_ignoring_case(header->name, BYTES("content-type"))) {
            continue;
        }
        if (builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE].data) {
            return error_set(error, STATUS_INVALID, "header Content-Type is given twice");
        }
        builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE] = value;
    }
    if (request->body.size > 0) {
        event_builder_lend_data(
            builder, request->body,
            event_data_kind_of(builder->core[EVENT_ATTRIBUTE_DATACONTENTTYPE], request->body));
    }
    return STATUS_OK;
}

// What follows "ce-" in the header's name, in lower case; false for other headers.
static bool attribute_name(struct event_builder *builder, struct bytes header,
                           struct bytes *ret_name) {
    if (!bytes_start_with_ignoring_case(header, BYTES("ce-"))) {
        return false;
    }
    struct bytes name = bytes_slice(header, 3, header.size);
    char *lower = NULL;
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] >= 'A' && name.data[i] <= 'Z') {
            if (!lower) {
                lower = event_builder_reserve(builder, name.size);
                memcpy(lower, name.data, name.size);
            }
            lower[i] = (char)(name.data[i] - 'A' + 'a');
        }
    }
    *ret_name = lower ? (struct bytes){lower, name.size} : name;
    return true;
}

static enum status take_version(struct bytes value, bool *has_version, struct error *error) {
    if (*has_version) {
        return error_set(error, STATUS_INVALID, "attribute \"specversion\" is given twice");
    }
    if (!bytes_equal(value, BYTES("1.0"))) {
        return error_set(error, STATUS_INVALID,
                         "specversion \"%.*s\" is not supported, only \"1.0\"", SHOWN(value));
    }
    *has_version = true;
    return STATUS_OK;
}

static enum status take_attribute(struct event_builder *builder, struct bytes name,
                                  struct bytes value, struct error *error) {
    if (bytes_equal(name, BYTES("datacontenttype"))) {
        return error_set(error, STATUS_INVALID,
                         "header ce-datacontenttype must not be there: the datacontenttype is "
                         "the Content-Type");
    }
    if (bytes_equal(name, BYTES("data"))) {
        return error_set(error, STATUS_INVALID, "\"data\" cannot be an attribute's name");
    }
    return event_builder_add(builder, name, value, EVENT_VALUE_STRING, error);
}

enum status event_http_decode_binary(const struct event_http_request *request,
                                     struct event_builder *builder, struct error *error) {
    enum status status = STATUS_OK;
    bool has_version = false;
    for (size_t i = 0; !status && i < request->header_count; i++) {
        struct bytes name;
        if (!attribute_name(builder, request->headers[i].name, &name)) {
            continue;
        }
        struct bytes value = event_http_decode_value(builder, request->headers[i].value);
        status = bytes_equal(name, BYTES("specversion"))
                     ? take_version(value, &has_version, error)
                     : take_attribute(builder, name, value, error);
    }
    if (!status && !has_version) {
        status = error_set(error, STATUS_INVALID, "attribute \"specversion\" is missing");
    }
    return status ? status : event_http_take_body(request, builder, error);
}
