// /v1/status, /v1/health/live, /v1/health/ready and /v1/metrics: what monitoring asks for.

#include <jansson.h>

#include "admin/admin_private.h"
#include "core/base/metrics.h"

static bool path_is(const struct http_request *request, const char *path) {
    return bytes_equal_text(http_request_path(request), path);
}

static void set_store(json_t *answer, const char *name, enum status status,
                      const struct error *reason) {
    struct buffer text = {0};
    buffer_append_text(&text, status == STATUS_OK ? "ok" : "away");
    if (status != STATUS_OK && reason->text[0] != '\0') {
        buffer_append_format(&text, ": %s", reason->text);
    }
    json_object_set_new(answer, name, json_stringn(text.data, text.size));
    buffer_clear(&text);
}

// Without the event log nothing can be taken: 503. Without the registry this node serves on with
// the configuration that it knows and only changes are refused, so it stays in rotation, degraded;
// a restart of the registry must not take every node out at once.
static void answer_ready(const struct admin *admin, struct http_request *request) {
    struct error log_reason = {0};
    struct error registry_reason = {0};
    enum status log = event_log_health(admin->options.log, &log_reason);
    enum status registry = registry_health(admin->options.registry, &registry_reason);
    const char *word = admin->is_draining      ? "draining"
                       : log != STATUS_OK      ? "unavailable"
                       : registry != STATUS_OK ? "degraded"
                                               : "ready";
    json_t *answer = json_pack("{s:s}", "status", word);
    set_store(answer, "eventLog", log, &log_reason);
    set_store(answer, "registry", registry, &registry_reason);
    bool is_ready = !admin->is_draining && log == STATUS_OK;
    admin_answer_json(request, is_ready ? 200 : 503, answer);
    json_decref(answer);
}

static void answer_word(struct http_request *request, const char *word) {
    json_t *answer = json_pack("{s:s}", "status", word);
    admin_answer_json(request, 200, answer);
    json_decref(answer);
}

static void answer_metrics(struct http_request *request) {
    struct buffer body = {0};
    metrics_write(&body);
    struct bytes text = buffer_bytes(&body);
    struct http_response response = {
        .status = 200,
        .content_type = "text/plain; version=0.0.4; charset=utf-8",
        .body = text,
        .body_owned = buffer_take(&body),
    };
    http_respond(request, &response);
}

bool status_api_handle_open(struct admin *admin, struct http_request *request) {
    bool is_status = path_is(request, "/v1/status");
    bool is_live = path_is(request, "/v1/health/live");
    if (!is_status && !is_live && !path_is(request, "/v1/health/ready")) {
        return false;
    }
    if (!admin_method_reads(request)) {
        admin_answer_wrong_method(request, CONFIG_SPACES, "GET, HEAD");
    } else if (is_status || is_live) {
        answer_word(request, is_status ? "ok" : "live");
    } else {
        answer_ready(admin, request);
    }
    return true;
}

bool status_api_handle(struct admin *admin, struct http_request *request) {
    (void)admin;
    // The first generation had it at /metrics.
    if (!path_is(request, "/v1/metrics") && !path_is(request, "/metrics")) {
        return false;
    }
    if (!admin_method_reads(request)) {
        admin_answer_wrong_method(request, CONFIG_SPACES, "GET, HEAD");
    } else {
        answer_metrics(request);
    }
    return true;
}
