#include "core/events/event.h"

#include <string.h>

#include "core/base/json.h"
#include "core/base/text.h"

const struct event_extension *event_extension(const struct event *event, const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i < event->extension_count; i++) {
        const struct event_extension *extension = &event->extensions[i];
        if (extension->name.size == size && memcmp(extension->name.data, name, size) == 0) {
            return extension;
        }
    }
    return NULL;
}

struct bytes event_key(const struct event *event) {
    const struct event_extension *key = event_extension(event, "partitionkey");
    return key && key->value.size > 0 ? key->value : event->subject;
}

bool event_type_is_system(struct bytes type) {
    return bytes_start_with(type, BYTES("gateway.")) ||
           bytes_start_with(type, BYTES("eventgateway."));
}

// The type and subtype without parameters.
static struct bytes media_type_essence(struct bytes media_type) {
    return bytes_trim(bytes_slice(media_type, 0, bytes_find(media_type, ';')));
}

static bool ends_with_ignoring_case(struct bytes bytes, struct bytes suffix) {
    return bytes.size > suffix.size &&
           bytes_equal_ignoring_case(bytes_slice(bytes, bytes.size - suffix.size, suffix.size),
                                     suffix);
}

bool media_type_is_json(struct bytes media_type) {
    struct bytes essence = media_type_essence(media_type);
    if (bytes_find(essence, '/') == essence.size) {
        return false;
    }
    return ends_with_ignoring_case(essence, BYTES("/json")) ||
           ends_with_ignoring_case(essence, BYTES("+json"));
}

bool media_type_is_text(struct bytes media_type) {
    struct bytes essence = media_type_essence(media_type);
    if (bytes_start_with_ignoring_case(essence, BYTES("text/"))) {
        return true;
    }
    if (bytes_find(essence, '/') == essence.size) {
        return false;
    }
    return ends_with_ignoring_case(essence, BYTES("/xml")) ||
           ends_with_ignoring_case(essence, BYTES("+xml")) ||
           bytes_equal_ignoring_case(essence, BYTES("application/x-www-form-urlencoded")) ||
           bytes_equal_ignoring_case(essence, BYTES("multipart/form-data"));
}

enum event_data_kind event_data_kind_of(struct bytes datacontenttype, struct bytes data) {
    if (media_type_is_json(datacontenttype)) {
        return json_is_valid(data) ? EVENT_DATA_JSON : EVENT_DATA_BINARY;
    }
    if (media_type_is_text(datacontenttype) && utf8_is_valid(data)) {
        return EVENT_DATA_TEXT;
    }
    return EVENT_DATA_BINARY;
}
