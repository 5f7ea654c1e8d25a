#include "admin/admin.h"

#include <stdlib.h>
#include <string.h>

#include "admin/admin_private.h"
#include "admin/config_metrics.h"
#include "admin/cursor_view.h"
#include "admin/event_store.h"
#include "admin/replays_api.h"
#include "admin/subscription_status.h"
#include "admin/event_streams.h"
#include "core/base/memory.h"

// Takes the same time wherever the two differ; that their lengths differ may be seen.
static bool equal_in_constant_time(struct bytes a, struct bytes b) {
    unsigned char difference = a.size == b.size ? 0 : 1;
    for (size_t i = 0; i < a.size && i < b.size; i++) {
        difference |= (unsigned char)a.data[i] ^ (unsigned char)b.data[i];
    }
    return difference == 0;
}

static bool is_authorized(const struct admin *admin, const struct http_request *request) {
    struct bytes value;
    if (!admin->options.token) {
        return true;
    }
    if (!http_request_header(request, "Authorization", &value)) {
        return false;
    }
    value = bytes_trim(value);
    if (!bytes_start_with_ignoring_case(value, BYTES("bearer "))) {
        return false;
    }
    struct bytes token = bytes_trim(bytes_slice(value, strlen("bearer "), value.size));
    return equal_in_constant_time(token, bytes_of_text(admin->options.token));
}

// Which generation's shape an error has that is found before the path is taken apart.
static enum config_dialect dialect_of(const struct http_request *request) {
    struct bytes path = http_request_path(request);
    bool is_classic = bytes_start_with(path, BYTES("/v1/functions")) ||
                      bytes_start_with(path, BYTES("/v1/subscriptions"));
    return is_classic ? CONFIG_CLASSIC : CONFIG_SPACES;
}

void admin_handle(void *context, struct http_request *request) {
    struct admin *admin = context;
    if (admin->is_closed) {
        admin_answer_error(request, dialect_of(request), 503, 1,
                           BYTES("this gateway is shutting down"));
        return;
    }
    if (status_api_handle_open(admin, request)) {
        return;
    }
    enum config_dialect dialect = dialect_of(request);
    if (!is_authorized(admin, request)) {
        admin_answer_error(request, dialect, 401, 0,
                           BYTES("this needs the admin token: Authorization: bearer TOKEN"));
        return;
    }
    if (status_api_handle(admin, request) || cluster_api_handle(admin, request)) {
        return;
    }
    if (admin->options.is_status_only) {
        admin_answer_error(request, dialect, 404, 0,
                           BYTES("this node serves only status, health, metrics and cluster; the "
                                 "Configuration API is on nodes with the admin role"));
        return;
    }
    if (!subscription_status_handle(admin, request) && !replays_api_handle(admin, request) &&
        !operations_api_handle(admin, request) && !config_api_handle(admin, request) &&
        !classic_api_handle(admin, request)) {
        admin_answer_no_such_path(request, dialect);
    }
}

static enum status create_event_store(struct admin *admin, struct error *error) {
    const struct event_store_options options = {
        .log = admin->options.log,
        .registry = admin->options.registry,
        .path = admin->options.index_path,
        .identity = admin->options.log_identity ? admin->options.log_identity : "",
        .node_id = admin->options.node_id ? admin->options.node_id : "",
    };
    if (!options.path) {
        return STATUS_OK;
    }
    admin->streams = event_streams_create(options.log, admin->options.loop);
    return event_store_create(&options, &admin->events, error);
}

enum status admin_create(const struct admin_options *options, struct admin **ret_admin,
                         struct error *error) {
    struct admin *admin = memory_allocate(sizeof *admin);
    admin->options = *options;
    admin->options.token = memory_copy_text(options->token);
    admin->gauges = config_gauges_create(options->registry);
    admin->emitter = (struct system_emitter){
        .log = options->log,
        .loop = options->loop,
        .source = bytes_of_text(options->source ? options->source : "/event-gateway"),
        .is_hosted = options->is_hosted,
    };
    if (!options->is_status_only) {
        admin->cursors = cursor_view_create(options->log, options->loop);
    }
    enum status status = options->is_status_only ? STATUS_OK : create_event_store(admin, error);
    if (status != STATUS_OK) {
        admin_destroy(admin);
        return status;
    }
    *ret_admin = admin;
    return STATUS_OK;
}

void admin_drain(struct admin *admin) {
    admin->is_draining = true;
}

void admin_hand_over(struct admin *admin, int64_t deadline_ms) {
    if (admin->events) {
        event_store_hand_over(admin->events, deadline_ms);
    }
}

void admin_close_door(struct admin *admin) {
    admin->is_closed = true;
}

void admin_destroy(struct admin *admin) {
    if (!admin) {
        return;
    }
    cursor_view_destroy(admin->cursors);
    event_streams_destroy(admin->streams);
    event_store_destroy(admin->events);
    config_gauges_destroy(admin->gauges);
    if (admin->options.token) {
        explicit_bzero((char *)admin->options.token, strlen(admin->options.token));
        free((char *)admin->options.token);
    }
    free(admin);
}
