// The texts of a call: the header lines that are sent, and the answer as it comes in. Private to
// http_client; both keep their memory from one call to the next.
#ifndef EVENT_GATEWAY_BASE_HTTP_CALL_H
#define EVENT_GATEWAY_BASE_HTTP_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/http_client.h"

struct http_call_head {
    struct buffer text; // lines in curl's notation, each with its NUL
    size_t count;
};
// Leaves out what curl writes itself (Host, Content-Length, ...), and keeps curl from adding
// Accept, Expect and Content-Type. STATUS_INVALID for a name or value that would break out of its
// line.
enum status must_check http_call_head_build(struct http_call_head *head,
                                            const struct http_call_options *options,
                                            struct error *error);
void http_call_head_clear(struct http_call_head *head);

struct http_answer_text {
    struct buffer head; // the lines of the last head, with their ends
    bool head_has_ended;
    struct buffer body;
    struct http_header *headers;
    size_t header_capacity;
};
// A status line starts anew, since it ends an interim answer. False when the head would be beyond
// max.
bool http_answer_text_add_line(struct http_answer_text *answer, struct bytes line, size_t max);
// They point into the head and are valid until the next line or reset.
const struct http_header *http_answer_text_headers(struct http_answer_text *answer,
                                                   size_t *ret_count);
// Empties it, and gives memory back that one large answer has taken.
void http_answer_text_reset(struct http_answer_text *answer);
void http_answer_text_clear(struct http_answer_text *answer);

// The host of a well-formed URL, without user, port and brackets.
struct bytes http_url_host(const char *url);

#endif
