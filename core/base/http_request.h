// A request while it is received and answered: its parts, its body and the limits on it. Private to
// http_server*.c; knows nothing of libmicrohttpd.
#ifndef EVENT_GATEWAY_BASE_HTTP_REQUEST_H
#define EVENT_GATEWAY_BASE_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/http_server.h"

struct MHD_Connection;
struct http_connection;

// HEAD -> BODY -> INSIDE -> ANSWERED; a refusal or a broken connection ends it from HEAD or BODY.
enum http_request_stage {
    HTTP_REQUEST_HEAD,     // the request line is there
    HTTP_REQUEST_BODY,     // the head is complete
    HTTP_REQUEST_INSIDE,   // the handler has it
    HTTP_REQUEST_ANSWERED, // the answer is on its way
};

// What all bodies of a server may hold together, and answers that their clients have not taken yet.
struct http_body_budget {
    size_t one_max;
    size_t total_max;
    size_t total;
};

struct http_request {
    struct http_server *server;
    struct http_connection *connection;
    struct MHD_Connection *mhd;
    enum http_request_stage stage;
    bool is_suspended;
    int64_t begun_us;
    int64_t received_us;
    int64_t answered_us;
    struct http_stream *stream;      // the answer, when it is one
    http_client_left_fn client_left; // NULL = nobody wants to know
    void *client_left_context;
    struct bytes method; // in libmicrohttpd's memory, valid until the answer
    struct bytes path;   // likewise
    char *body;
    size_t body_size;
    size_t body_capacity; // counted in the budget
    size_t answer_size;   // likewise, until it is sent
    size_t body_expected; // Content-Length; SIZE_MAX = not known
    size_t query_size;
    char query[];
};

// target: the request line's, before any decoding; what follows its '?' is copied.
struct http_request *http_request_create(const char *target);
void http_request_destroy(struct http_request *request, struct http_body_budget *budget);
// STATUS_TOO_LARGE beyond one_max, STATUS_FULL beyond total_max; the body is then as before.
enum status must_check http_request_body_append(struct http_request *request,
                                                struct http_body_budget *budget, const char *data,
                                                size_t size);
// Frees the body and gives its share of the budget back.
void http_request_body_free(struct http_request *request, struct http_body_budget *budget);

// "/a" of "/a", and of the absolute form "http://host/a".
struct bytes http_path_of_target(const char *target);

// The headers that say where a body ends, and whom a request is for.
struct http_framing {
    size_t hosts;
    bool has_length;
    bool has_encoding;
    bool is_broken; // two lengths, a length and an encoding, or a length that is no number
    bool is_unknown_encoding;
    uint64_t length; // UINT64_MAX when it is beyond that
};
void http_framing_visit(struct http_framing *framing, struct bytes name, struct bytes value);

#endif
