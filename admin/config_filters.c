#include "admin/config_filters.h"

#include <stdlib.h>

#include <jansson.h>

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/text.h"

static const struct bytes prefix = {"metadata.", sizeof "metadata." - 1};

static void add_filter(struct config_filters *filters, struct bytes key, struct bytes value) {
    // A query is a few KiB at the most, so this need not be clever.
    filters->items = memory_resize(filters->items, filters->count + 1, sizeof *filters->items);
    struct config_filter *filter = &filters->items[filters->count++];
    *filter = (struct config_filter){0};
    buffer_append(&filter->key, key);
    percent_decode(value, true, &filter->value);
}

void config_filters_read(struct bytes query, struct config_filters *ret_filters) {
    struct buffer name = {0};
    while (query.size > 0) {
        size_t end = bytes_find(query, '&');
        struct bytes parameter = bytes_slice(query, 0, end);
        query = bytes_slice(query, end + 1, query.size);
        size_t equals = bytes_find(parameter, '=');
        buffer_reset(&name);
        percent_decode(bytes_slice(parameter, 0, equals), true, &name);
        if (bytes_start_with(buffer_bytes(&name), prefix)) {
            add_filter(ret_filters, bytes_slice(buffer_bytes(&name), prefix.size, name.size),
                       bytes_slice(parameter, equals + 1, parameter.size));
        }
    }
    buffer_clear(&name);
}

bool config_filters_match(const struct config_filters *filters, const struct json_t *document) {
    const json_t *metadata = json_object_get(document, "metadata");
    for (size_t i = 0; i < filters->count; i++) {
        const struct buffer *wanted = &filters->items[i].value;
        const json_t *value =
            json_object_getn(metadata, filters->items[i].key.data, filters->items[i].key.size);
        struct bytes text = json_string_bytes(value);
        if (!json_is_string(value) || !bytes_equal(text, buffer_bytes(wanted))) {
            return false;
        }
    }
    return true;
}

void config_filters_clear(struct config_filters *filters) {
    for (size_t i = 0; i < filters->count; i++) {
        buffer_clear(&filters->items[i].key);
        buffer_clear(&filters->items[i].value);
    }
    free(filters->items);
    *filters = (struct config_filters){0};
}
