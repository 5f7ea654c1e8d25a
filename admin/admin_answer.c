#include <stdio.h>

#include <jansson.h>

#include "admin/admin_private.h"
#include "core/base/json.h"

static void answer_text(struct http_request *request, unsigned status, struct buffer *body_take,
                        const struct http_header *headers, size_t header_count) {
    struct bytes text = buffer_bytes(body_take);
    struct http_response response = {
        .status = status,
        .content_type = "application/json",
        .headers = headers,
        .header_count = header_count,
        .body = text,
        .body_owned = buffer_take(body_take),
    };
    http_respond(request, &response);
}

void admin_answer_json(struct http_request *request, unsigned status, const struct json_t *value) {
    struct buffer body = {0};
    json_append(value, &body);
    answer_text(request, status, &body, NULL, 0);
}

void admin_answer_empty(struct http_request *request, unsigned status) {
    struct http_response response = {.status = status};
    http_respond(request, &response);
}

static void write_error(enum config_dialect dialect, struct bytes message, struct buffer *body) {
    bool is_classic = dialect == CONFIG_CLASSIC;
    buffer_append_text(body, is_classic ? "{\"error\":" : "{\"errors\":[{\"message\":");
    json_append_string(message, body);
    buffer_append_text(body, is_classic ? "}" : "}]}");
}

void admin_answer_error(struct http_request *request, enum config_dialect dialect, unsigned status,
                        unsigned retry_after_s, struct bytes message) {
    struct buffer body = {0};
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", retry_after_s);
    struct http_header headers[] = {
        {BYTES("Retry-After"), bytes_of_text(seconds)},
    };
    struct http_header challenge = {BYTES("WWW-Authenticate"), BYTES("Bearer")};
    write_error(dialect, message, &body);
    if (status == 401) {
        answer_text(request, status, &body, &challenge, 1);
    } else {
        answer_text(request, status, &body, headers, retry_after_s > 0 ? 1 : 0);
    }
}

void admin_answer_wrong_method(struct http_request *request, enum config_dialect dialect,
                               const char *allowed) {
    struct buffer body = {0};
    struct buffer message = {0};
    struct bytes method = http_request_method(request);
    struct http_header allow = {BYTES("Allow"), bytes_of_text(allowed)};
    buffer_append_format(&message, "method %.*s is not allowed here, only %s",
                         (int)(method.size > 32 ? 32 : method.size), method.data, allowed);
    write_error(dialect, buffer_bytes(&message), &body);
    buffer_clear(&message);
    answer_text(request, 405, &body, &allow, 1);
}

void admin_answer_no_such_path(struct http_request *request, enum config_dialect dialect) {
    struct buffer message = {0};
    struct bytes path = http_request_path(request);
    buffer_append_format(&message, "no such path: %.*s", (int)(path.size > 200 ? 200 : path.size),
                         path.data);
    admin_answer_error(request, dialect, 404, 0, buffer_bytes(&message));
    buffer_clear(&message);
}

bool admin_method_is(const struct http_request *request, const char *method) {
    return bytes_equal_text(http_request_method(request), method);
}

bool admin_method_reads(const struct http_request *request) {
    return admin_method_is(request, "GET") || admin_method_is(request, "HEAD");
}
