// The first generation: /v1/functions[/{id}] and /v1/subscriptions[/{id}], always in the space
// "default", on the same registry. What it stores is what the other generation would store; only
// shapes, ids and statuses differ (classic_shapes.h).

#include "admin/admin_private.h"
#include "admin/config_call.h"
#include "admin/config_resource.h"
#include "core/base/memory.h"

static const struct config_target collections[] = {
    {.resource = &config_functions,
     .collection_methods = "GET, HEAD, POST",
     .item_methods = "GET, HEAD, PUT, DELETE"},
    {.resource = &config_subscriptions,
     .collection_methods = "GET, HEAD, POST",
     .item_methods = "GET, HEAD, DELETE"},
};

bool classic_api_handle(struct admin *admin, struct http_request *request) {
    struct bytes path = http_request_path(request);
    if (!bytes_start_with(path, BYTES("/v1/"))) {
        return false;
    }
    struct bytes rest = bytes_slice(path, BYTES("/v1/").size, path.size);
    size_t end = bytes_find(rest, '/');
    for (size_t i = 0; i < ARRAY_LENGTH(collections); i++) {
        const char *name = resource_kind_name(collections[i].resource->kind);
        if (bytes_equal_text(bytes_slice(rest, 0, end), name)) {
            struct config_target target = collections[i];
            target.dialect = CONFIG_CLASSIC;
            target.raw_space = BYTES("default");
            target.raw_id = bytes_slice(rest, end + 1, rest.size);
            config_call_run(admin, request, &target);
            return true;
        }
    }
    return false;
}
