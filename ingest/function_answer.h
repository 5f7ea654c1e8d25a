// What a function said to a synchronous call -> the caller's HTTP response (contract 2.5). Pure.
#ifndef EVENT_GATEWAY_INGEST_FUNCTION_ANSWER_H
#define EVENT_GATEWAY_INGEST_FUNCTION_ANSWER_H

#include "core/base/http_server.h"
#include "core/functions/invoker.h"

struct function_answer {
    struct http_response response;
    struct buffer storage;   // content type and error texts
    struct json_t *document; // the function's JSON, which headers and body borrow from
    struct http_header *headers;
};

// Of an invoke: the body as it is, 200.
void function_answer_of_invoke(const struct invocation_result *result,
                               struct function_answer *ret_answer);
// Of a sync subscription: {"statusCode","headers","body","isBase64Encoded"}.
void function_answer_of_subscription(const struct invocation_result *result,
                                     struct function_answer *ret_answer);
void function_answer_clear(struct function_answer *answer);

#endif
