// Cross-origin requests of browsers (contract 2.5): what a CORS rule, or the absence of one, makes
// of a request's Origin. Pure; everything borrows from the request and the rule.
#ifndef EVENT_GATEWAY_INGEST_CORS_H
#define EVENT_GATEWAY_INGEST_CORS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/http_server.h"
#include "core/base/status.h"
#include "core/registry/resources.h"

// What a browser sends. Of a preflight, method and headers are those that it asks about.
struct cors_request {
    struct bytes origin; // empty: not a cross-origin request
    struct bytes method;
    struct bytes headers; // a list with commas between
};

#define CORS_HEADERS_MAX 5

// The headers that an answer gets.
struct cors_answer {
    bool is_there; // false: CORS does not apply, and the answer stays as it is
    struct http_header headers[CORS_HEADERS_MAX];
    size_t count;
};

// Of the request itself. rule NULL: every origin may read the answer, without credentials. An
// origin that is not allowed gets its answer all the same, but no browser shows it.
void cors_answer_request(const struct cors_rule *rule, const struct cors_request *request,
                         struct cors_answer *ret_answer);
// Of a preflight. STATUS_INVALID says what is not allowed; the answer then allows nothing.
enum status must_check cors_answer_preflight(const struct cors_rule *rule,
                                             const struct cors_request *request,
                                             struct cors_answer *ret_answer, struct error *error);
// The headers of a response with those of the answer. The rule's word counts: what a function says
// itself about origins and credentials is left out. Room for header_count + CORS_HEADERS_MAX.
size_t cors_answer_join(const struct cors_answer *answer, const struct http_response *response,
                        struct http_header *ret_headers);

// A pattern with any number of '*', each for any text, in any case.
bool cors_pattern_matches(struct bytes pattern, struct bytes text);

#endif
