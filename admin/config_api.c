// /v1/spaces/{space}/{functions|eventtypes|subscriptions|cors}[/{id}]
// /v1/spaces/{space}/subscriptions/{id}/{pause|resume}

#include "admin/admin_private.h"
#include "admin/config_call.h"
#include "admin/config_resource.h"
#include "core/base/memory.h"

#define SPACES_PATH BYTES("/v1/spaces/")

static const struct config_resource *const resources[] = {
    &config_functions,
    &config_event_types,
    &config_subscriptions,
    &config_cors,
};

static const struct config_resource *resource_of(struct bytes collection) {
    for (size_t i = 0; i < ARRAY_LENGTH(resources); i++) {
        if (bytes_equal_text(collection, resource_kind_name(resources[i]->kind))) {
            return resources[i];
        }
    }
    return NULL;
}

// What follows a subscription's id: the target is then the subscription, changed by a POST.
static void read_action(struct config_target *target) {
    static const struct {
        struct bytes end;
        config_patch_fn patch;
    } actions[] = {{{"/pause", sizeof "/pause" - 1}, config_subscription_pause},
                   {{"/resume", sizeof "/resume" - 1}, config_subscription_resume}};
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        size_t size = actions[i].end.size;
        if (target->resource == &config_subscriptions && target->raw_id.size > size &&
            bytes_end_with(target->raw_id, actions[i].end)) {
            target->raw_id.size -= size;
            target->patch = actions[i].patch;
            target->item_methods = "POST";
        }
    }
}

bool config_api_handle(struct admin *admin, struct http_request *request) {
    struct bytes path = http_request_path(request);
    if (!bytes_start_with(path, SPACES_PATH)) {
        return false;
    }
    struct bytes rest = bytes_slice(path, SPACES_PATH.size, path.size);
    size_t space_end = bytes_find(rest, '/');
    struct bytes space = bytes_slice(rest, 0, space_end);
    rest = bytes_slice(rest, space_end + 1, rest.size);
    size_t collection_end = bytes_find(rest, '/');
    const struct config_resource *resource = resource_of(bytes_slice(rest, 0, collection_end));
    if (space.size == 0 || !resource) {
        return false;
    }
    struct config_target target = {
        .resource = resource,
        .dialect = CONFIG_SPACES,
        .raw_space = space,
        // All of the rest: an id may hold slashes that a client did not encode.
        .raw_id = bytes_slice(rest, collection_end + 1, rest.size),
        .collection_methods = "GET, HEAD, POST",
        .item_methods = "GET, HEAD, PUT, DELETE",
    };
    read_action(&target);
    config_call_run(admin, request, &target);
    return true;
}
