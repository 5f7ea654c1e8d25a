// What comes back: the head and the body of an answer within their limits, or what went wrong.
#include "core/base/http_client_state.h"

#include <curl/curl.h>

#include <stdio.h>
#include <string.h>

enum {
    ANSWER_HEAD_MAX_BYTES = 64 * 1024,
};

size_t http_call_take_head(char *data, size_t item, size_t count, void *context) {
    struct http_call *call = context;
    size_t size = item * count;
    if (!http_answer_text_add_line(&call->answer, (struct bytes){data, size},
                                   ANSWER_HEAD_MAX_BYTES)) {
        call->is_too_large = true;
        return 0;
    }
    return size;
}

size_t http_call_take_body(char *data, size_t item, size_t count, void *context) {
    struct http_call *call = context;
    size_t size = item * count;
    struct http_client *client = call->client;
    if (size > call->answer_max_bytes - call->answer.body.size ||
        size > client->options.answers_max_bytes - client->answer_bytes) {
        call->is_too_large = true;
        return 0;
    }
    client->answer_bytes += size;
    call->answer_counted += size;
    buffer_append(&call->answer.body, (struct bytes){data, size});
    return size;
}

enum http_call_result http_call_result_of(const struct http_call *call, int code) {
    if (code == CURLE_OK) {
        // curl takes a connection that ends within the head for an answer without a body.
        return call->answer.head_has_ended ? HTTP_CALL_ANSWERED : HTTP_CALL_CUT_OFF;
    }
    if (call->is_too_large) {
        return HTTP_CALL_ANSWER_TOO_LARGE;
    }
    switch (code) {
    case CURLE_FILESIZE_EXCEEDED:
        return HTTP_CALL_ANSWER_TOO_LARGE;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_CALL_TIMED_OUT;
    case CURLE_COULDNT_CONNECT:
        return call->forbidden[0] != '\0' ? HTTP_CALL_FORBIDDEN : HTTP_CALL_UNREACHABLE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_USE_SSL_FAILED:
    case CURLE_NO_CONNECTION_AVAILABLE:
        return HTTP_CALL_UNREACHABLE;
    default:
        return HTTP_CALL_CUT_OFF;
    }
}

const char *http_call_error_text(struct http_call *call, enum http_call_result result, int code) {
    switch (result) {
    case HTTP_CALL_ANSWERED:
        return "";
    case HTTP_CALL_CANCELLED:
        return "cancelled";
    case HTTP_CALL_ANSWER_TOO_LARGE:
        snprintf(
            call->forbidden, sizeof call->forbidden,
            "the answer is larger than %zu bytes, its headers than %d, or all answers that are "
            "coming in than %zu",
            call->answer_max_bytes, ANSWER_HEAD_MAX_BYTES, call->client->options.answers_max_bytes);
        return call->forbidden;
    case HTTP_CALL_FORBIDDEN: {
        char address[64];
        memcpy(address, call->forbidden, sizeof address - 1);
        address[sizeof address - 1] = '\0';
        struct bytes host = http_url_host(call->url);
        snprintf(call->forbidden, sizeof call->forbidden,
                 address[0] != '\0' ? "%.*s is at %s, which is not an allowed target"
                                    : "%.*s: only http and https URLs can be called%s",
                 host.size < 300 ? (int)host.size : 300, host.data, address);
        return call->forbidden;
    }
    default:
        if (code == CURLE_OK) {
            return "the connection ended within the answer's head";
        }
        return call->curl_text[0] != '\0' ? call->curl_text : curl_easy_strerror((CURLcode)code);
    }
}
