#include "core/base/http_server_state.h"

#include "core/base/memory.h"

#include <microhttpd.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// libmicrohttpd takes so much at once.
#define BLOCK_BYTES 16384

// A connection whose stream has nothing to send is suspended: libmicrohttpd would ask again and
// again.
struct http_stream {
    struct http_server *server;
    struct http_request *request;
    struct http_stream_options options;
    struct buffer waiting; // counted in the server's budget; sent bytes of it have gone
    size_t sent;
    bool is_suspended;
    bool is_over;  // ends when what waits is sent
    bool has_left; // ends at once
};

static void wake(struct http_stream *stream) {
    if (stream->is_suspended) {
        stream->is_suspended = false;
        MHD_resume_connection(stream->request->mhd);
        stream->server->needs_run = true;
    }
}

// Also tells that the client has taken what was given before.
static ssize_t read_stream(void *context, uint64_t position, char *target, size_t size) {
    (void)position;
    struct http_stream *stream = context;
    struct http_server *server = stream->server;
    struct bytes left = bytes_slice(buffer_bytes(&stream->waiting), stream->sent,
                                    size < BLOCK_BYTES ? size : BLOCK_BYTES);
    if (stream->has_left || (left.size == 0 && stream->is_over)) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    stream->request->answered_us = event_loop_now_us(server->loop);
    if (left.size == 0) {
        stream->is_suspended = true;
        MHD_suspend_connection(stream->request->mhd);
        return 0;
    }
    memcpy(target, left.data, left.size);
    stream->sent += left.size;
    server->bodies.total -= left.size;
    if (stream->sent == stream->waiting.size) {
        buffer_reset(&stream->waiting);
        stream->sent = 0;
    }
    return (ssize_t)left.size;
}

struct http_stream *http_respond_stream(struct http_request *request,
                                        const struct http_stream_options *options) {
    struct http_server *server = request->server;
    assert(request->stage == HTTP_REQUEST_INSIDE);
    assert(event_loop_is_current(server->loop));
    struct http_stream *stream = memory_allocate(sizeof *stream);
    stream->server = server;
    stream->request = request;
    stream->options = *options;
    stream->is_over = server->listen_fd < 0;
    request->stream = stream;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, stream, NULL);
    if (!response) {
        abort();
    }
    MHD_add_response_header(response, "Content-Type", options->content_type);
    http_server_add_headers(server, response, options->headers, options->header_count);
    http_server_send(request, 200, response);
    return stream;
}

bool http_stream_write(struct http_stream *stream, struct bytes bytes) {
    size_t waiting = stream->waiting.size - stream->sent;
    if (waiting > 0 && bytes.size > stream->options.buffer_max_bytes - waiting) {
        return false;
    }
    // What has gone makes room, now and then: moving it each time would cost more.
    if (stream->sent > stream->options.buffer_max_bytes) {
        memmove(stream->waiting.data, stream->waiting.data + stream->sent, waiting);
        stream->waiting.size = waiting;
        stream->sent = 0;
    }
    buffer_append(&stream->waiting, bytes);
    stream->server->bodies.total += bytes.size;
    wake(stream);
    return true;
}

void http_stream_end(struct http_stream *stream) {
    stream->options.ended = NULL;
    stream->is_over = true;
    wake(stream);
}

void http_stream_close(struct http_stream *stream) {
    stream->is_over = true;
    stream->has_left = true;
    wake(stream);
}

void http_stream_destroy(struct http_stream *stream) {
    if (!stream) {
        return;
    }
    stream->server->bodies.total -= stream->waiting.size - stream->sent;
    if (stream->options.ended) {
        stream->options.ended(stream->options.context);
    }
    buffer_clear(&stream->waiting);
    free(stream);
}
