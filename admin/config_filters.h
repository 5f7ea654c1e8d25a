// The filters of a collection: ?metadata.key=value, all of which must hold.
#ifndef EVENT_GATEWAY_ADMIN_CONFIG_FILTERS_H
#define EVENT_GATEWAY_ADMIN_CONFIG_FILTERS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"

struct json_t;

struct config_filter {
    struct buffer key;
    struct buffer value;
};
struct config_filters {
    struct config_filter *items;
    size_t count;
};

// Other parameters of the query are ignored. The filters were empty before.
void config_filters_read(struct bytes query, struct config_filters *ret_filters);
bool config_filters_match(const struct config_filters *filters, const struct json_t *document);
void config_filters_clear(struct config_filters *filters);

#endif
