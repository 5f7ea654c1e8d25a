#include "core/base/http_server_state.h"

#include "core/base/http_listener.h"
#include "core/base/http_refusal.h"
#include "core/base/metrics.h"

#include <microhttpd.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct metric_family requests_refused = {
    .name = "eventgateway_http_requests_refused_total",
    .help = "Requests that were refused or given up before any handler saw them.",
    .kind = METRIC_COUNTER,
    .label_names = {"server", "code"},
};

static void tell_refused(const struct http_connection *connection, unsigned status) {
    const struct http_server_options *options = &connection->server->options;
    const struct http_request *request = connection->request;
    char peer[64] = "unknown";
    if (!options->refused) {
        return;
    }
    if (request) {
        http_request_peer(request, peer, sizeof peer);
    }
    struct http_refused_request refused = {
        .status = status,
        .method = request ? request->method : (struct bytes){0},
        .path = request ? request->path : (struct bytes){0},
        .peer = peer,
    };
    options->refused(options->context, &refused);
}

void http_server_refuse(struct http_connection *connection, unsigned status, const char *message) {
    struct http_server *server = connection->server;
    struct http_request *request = connection->request;
    struct http_refusal refusal = {
        .status = status,
        .message = message,
        .retry_after_s = status == 503 ? 1 : 0,
        .is_head =
            request && request->method.size == 4 && memcmp(request->method.data, "HEAD", 4) == 0,
    };
    http_refusal_send(connection->fd, &refusal);
    connection->lingers = true;
    char code[16];
    snprintf(code, sizeof code, "%u", status);
    metric_add(metric_of(&requests_refused, (const char *const[]){server->name, code, NULL}), 1);
    tell_refused(connection, status);
}

struct http_request *http_server_begin_request(struct http_server *server, const char *target,
                                               struct MHD_Connection *mhd) {
    struct http_request *request = http_request_create(target);
    request->server = server;
    request->mhd = mhd;
    request->connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    request->connection->request = request;
    request->begun_us = event_loop_now_us(server->loop);
    return request;
}

static enum MHD_Result visit_framing(void *context, enum MHD_ValueKind kind, const char *name,
                                     size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    http_framing_visit(context, (struct bytes){name, name_size},
                       (struct bytes){value, value ? value_size : 0});
    return MHD_YES;
}

// What of a head keeps it from being received; NULL = nothing. libmicrohttpd 0.9.75 would check
// Host as well, but then writes the head of its answer twice.
static const char *find_fault(const struct http_request *request,
                              const struct http_request_line *line,
                              const struct http_framing *framing, size_t head_size,
                              unsigned *ret_status) {
    const struct http_server *server = request->server;
    *ret_status = 400;
    if (head_size > server->options.header_max_bytes) {
        *ret_status = 431;
        return "the headers are too large";
    }
    if (framing->hosts > 1 || (framing->hosts == 0 && strcmp(line->version, "HTTP/1.0") != 0)) {
        return "there must be one Host header";
    }
    if (bytes_find(request->path, ' ') < request->path.size) {
        return "the target holds a space";
    }
    if (framing->is_broken) {
        return "Content-Length or Transfer-Encoding is malformed";
    }
    if (framing->is_unknown_encoding) {
        *ret_status = 501;
        return "the only Transfer-Encoding is chunked";
    }
    if (framing->has_length && framing->length > server->bodies.one_max) {
        *ret_status = 413;
        return "the body is too large";
    }
    // Clients that ask and do not read would otherwise fill the memory with answers.
    if (server->bodies.total >= server->bodies.total_max) {
        *ret_status = 503;
        return "too many requests and answers are on their way";
    }
    return NULL;
}

static bool take_head(struct http_request *request, const struct http_request_line *line) {
    request->stage = HTTP_REQUEST_BODY;
    request->received_us = event_loop_now_us(request->server->loop);
    request->method = bytes_of_text(line->method);
    request->path = http_path_of_target(line->path);
    struct http_framing framing = {0};
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, visit_framing, &framing);
    size_t head_size =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
    unsigned status;
    const char *fault = find_fault(request, line, &framing, head_size, &status);
    if (fault) {
        http_server_refuse(request->connection, status, fault);
        return false;
    }
    if (framing.has_length) {
        request->body_expected = (size_t)framing.length;
    }
    return true;
}

static bool take_body(struct http_request *request, const char *data, size_t *size) {
    enum status status = http_request_body_append(request, &request->server->bodies, data, *size);
    if (status == STATUS_TOO_LARGE) {
        http_server_refuse(request->connection, 413, "the body is too large");
        return false;
    }
    if (status != STATUS_OK) {
        http_server_refuse(request->connection, 503, "too many requests are being received");
        return false;
    }
    *size = 0;
    return true;
}

static bool hand_over(struct http_request *request) {
    struct http_server *server = request->server;
    request->stage = HTTP_REQUEST_INSIDE;
    server->requests_inside++;
    server->requests_handed++;
    server->options.handler(server->options.context, request);
    if (request->stage == HTTP_REQUEST_INSIDE) {
        request->is_suspended = true;
        MHD_suspend_connection(request->mhd);
    }
    return true;
}

bool http_server_take_request(struct http_request *request, const struct http_request_line *line,
                              const char *data, size_t *data_size) {
    if (request->stage == HTTP_REQUEST_HEAD) {
        return take_head(request, line);
    }
    if (*data_size > 0) {
        return take_body(request, data, data_size);
    }
    if (request->stage != HTTP_REQUEST_BODY) {
        // Its answer could not be queued.
        return false;
    }
    return hand_over(request);
}

void http_server_end_request(struct http_request *request) {
    struct http_server *server = request->server;
    // The handler's requests are suspended, and libmicrohttpd leaves those alone.
    assert(request->stage != HTTP_REQUEST_INSIDE);
    if (request->stage == HTTP_REQUEST_ANSWERED) {
        server->answers_unsent--;
    }
    http_stream_destroy(request->stream);
    request->connection->request = NULL;
    request->connection->idle_since_us = event_loop_now_us(server->loop);
    http_request_destroy(request, &server->bodies);
}

bool http_request_header(const struct http_request *request, const char *name,
                         struct bytes *ret_value) {
    const char *value;
    size_t size;
    if (MHD_lookup_connection_value_n(request->mhd, MHD_HEADER_KIND, name, strlen(name), &value,
                                      &size) != MHD_YES) {
        return false;
    }
    *ret_value = (struct bytes){value, value ? size : 0};
    return true;
}

struct header_visit {
    http_header_fn visit;
    void *context;
};

static enum MHD_Result visit_header(void *context, enum MHD_ValueKind kind, const char *name,
                                    size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    const struct header_visit *visit = context;
    struct http_header header = {{name, name_size}, {value, value ? value_size : 0}};
    return visit->visit(visit->context, &header) ? MHD_YES : MHD_NO;
}

void http_request_each_header(const struct http_request *request, http_header_fn visit,
                              void *context) {
    struct header_visit header_visit = {visit, context};
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, visit_header, &header_visit);
}

void http_request_on_client_left(struct http_request *request, http_client_left_fn left,
                                 void *context) {
    request->client_left = left;
    request->client_left_context = context;
}

void http_request_peer(const struct http_request *request, char *ret_text, size_t size) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    http_address_text(info ? info->client_addr : NULL, ret_text, size);
}
