#include "core/events/causation_depth.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/events/event_attribute.h"

// A whole number that fits into a CloudEvents integer.
static bool read_depth(struct bytes text, uint32_t *ret_depth) {
    uint32_t depth = 0;
    if (!event_value_is_integer(text) || text.data[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        depth = depth * 10 + (uint32_t)(text.data[i] - '0');
    }
    *ret_depth = depth;
    return true;
}

uint32_t causation_depth_of(const struct event *event) {
    const struct event_extension *extension = event_extension(event, CAUSATION_DEPTH_EXTENSION);
    uint32_t depth = 0;
    return extension && read_depth(extension->value, &depth) ? depth : 0;
}

void causation_depth_write_next(const struct event *event,
                                char ret_text[CAUSATION_DEPTH_TEXT_SIZE]) {
    uint32_t depth = causation_depth_of(event);
    uint32_t next = depth < INT32_MAX ? depth + 1 : depth;
    snprintf(ret_text, CAUSATION_DEPTH_TEXT_SIZE, "%" PRIu32, next);
}

enum status causation_depth_take(const struct event **event, struct bytes header,
                                 struct error *error) {
    uint32_t depth;
    if (!read_depth(bytes_trim(header), &depth)) {
        return error_set(error, STATUS_INVALID,
                         "header " CAUSATION_DEPTH_HEADER " is not a whole number: \"%.*s\"",
                         SHOWN(header));
    }
    if (depth <= causation_depth_of(*event)) {
        return STATUS_OK;
    }
    const struct event *deeper = NULL;
    struct event_builder *builder = event_builder_of(*event);
    event_builder_set(builder, BYTES(CAUSATION_DEPTH_EXTENSION), bytes_trim(header),
                      EVENT_VALUE_INTEGER);
    enum status status = event_builder_finish_take(builder, &deeper, error);
    if (status == STATUS_OK) {
        event_unref(*event);
        *event = deeper;
    }
    return status;
}
