#include "core/base/http_server_state.h"

#include "core/base/json.h"
#include "core/base/memory.h"

#include <microhttpd.h>

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Fits into the connection's memory beside the largest head of a request (POOL_EXTRA_BYTES).
enum {
    ANSWER_HEADERS_MAX_BYTES = 64 * 1024
};

// Framing is the server's business, whatever a function may have sent along.
static bool is_servers_header(struct bytes name) {
    static const char *const names[] = {"Connection", "Content-Length", "Transfer-Encoding",
                                        "Keep-Alive", "Upgrade",        "Trailer"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strlen(names[i]) == name.size && strncasecmp(names[i], name.data, name.size) == 0) {
            return true;
        }
    }
    return false;
}

static size_t headers_size(const struct http_response *answer) {
    size_t size = 0;
    for (size_t i = 0; i < answer->header_count; i++) {
        size += answer->headers[i].name.size + answer->headers[i].value.size + 4;
    }
    return size;
}

// libmicrohttpd refuses what would break the head apart (CR, LF): such a header is left out.
static void add_header(struct MHD_Response *response, const struct http_header *header) {
    char small[512];
    size_t size = header->name.size + header->value.size + 2;
    char *text = size <= sizeof small ? small : memory_allocate(size);
    char *value = text + header->name.size + 1;
    memcpy(text, header->name.data, header->name.size);
    text[header->name.size] = '\0';
    if (header->value.size > 0) {
        memcpy(value, header->value.data, header->value.size);
    }
    value[header->value.size] = '\0';
    MHD_add_response_header(response, text, value);
    if (text != small) {
        free(text);
    }
}

void http_server_add_headers(const struct http_server *server, struct MHD_Response *response,
                             const struct http_header *headers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!is_servers_header(headers[i].name)) {
            add_header(response, &headers[i]);
        }
    }
    if (server->listen_fd < 0) {
        MHD_add_response_header(response, "Connection", "close");
    }
}

static struct MHD_Response *create_response(const struct http_server *server,
                                            const struct http_response *answer) {
    struct MHD_Response *response;
    if (answer->body_owned) {
        assert(answer->body.data == answer->body_owned || answer->body.size == 0);
        response = MHD_create_response_from_buffer(answer->body.size, answer->body_owned,
                                                   MHD_RESPMEM_MUST_FREE);
    } else {
        response = MHD_create_response_from_buffer(
            answer->body.size, answer->body.size > 0 ? (void *)answer->body.data : (void *)"",
            answer->body.size > 0 ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT);
    }
    if (!response) {
        abort();
    }
    if (answer->content_type) {
        MHD_add_response_header(response, "Content-Type", answer->content_type);
    }
    http_server_add_headers(server, response, answer->headers, answer->header_count);
    return response;
}

void http_server_send(struct http_request *request, unsigned status,
                      struct MHD_Response *response) {
    struct http_server *server = request->server;
    request->stage = HTTP_REQUEST_ANSWERED;
    server->requests_inside--;
    server->answers_unsent++;
    http_request_body_free(request, &server->bodies);
    request->answered_us = event_loop_now_us(server->loop);
    bool is_suspended = request->is_suspended;
    struct MHD_Connection *mhd = request->mhd;
    request->is_suspended = false;
    // From here on the request may be gone.
    MHD_queue_response(mhd, status, response);
    MHD_destroy_response(response);
    if (is_suspended) {
        MHD_resume_connection(mhd);
        server->needs_run = true;
    }
}

void http_respond(struct http_request *request, const struct http_response *answer) {
    struct http_server *server = request->server;
    assert(request->stage == HTTP_REQUEST_INSIDE);
    assert(event_loop_is_current(server->loop));
    if (headers_size(answer) > ANSWER_HEADERS_MAX_BYTES) {
        // libmicrohttpd would close the connection without a word.
        free(answer->body_owned);
        http_respond_error(request, 500, 0, "the headers of the answer are too large");
        return;
    }
    struct MHD_Response *response = create_response(server, answer);
    // What lies outside comes from a function; it is not a status that HTTP has.
    unsigned status = answer->status >= 200 && answer->status <= 999 ? answer->status : 500;
    request->answer_size = answer->body.size;
    server->bodies.total += answer->body.size;
    http_server_send(request, status, response);
}

void http_respond_error(struct http_request *request, unsigned status, unsigned retry_after_s,
                        const char *format, ...) {
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    struct buffer body = {0};
    buffer_append_text(&body, "{\"errors\":[{\"message\":");
    json_append_string(bytes_of_text(message), &body);
    buffer_append_text(&body, "}]}");
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", retry_after_s);
    struct http_header retry_after = {BYTES("Retry-After"), bytes_of_text(seconds)};
    struct bytes text = buffer_bytes(&body);
    struct http_response answer = {
        .status = status,
        .content_type = "application/json",
        .headers = &retry_after,
        .header_count = retry_after_s > 0 ? 1 : 0,
        .body = text,
        .body_owned = buffer_take(&body),
    };
    http_respond(request, &answer);
}
