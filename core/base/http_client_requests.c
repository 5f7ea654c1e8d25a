// What is sent: the method, the URL, the headers, and over which version of HTTP.
#include "core/base/http_client_state.h"

#include "core/base/memory.h"

#include <curl/curl.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    ANSWER_DEFAULT_BYTES = 6 * 1024 * 1024,
};

static void set_method(struct http_call *call, const struct http_call_options *options) {
    CURL *easy = call->easy;
    const char *method = options->method;
    bool is_post = strcmp(method, "POST") == 0;
    bool sends_body = options->body.size > 0 || is_post || strcmp(method, "PUT") == 0 ||
                      strcmp(method, "PATCH") == 0;
    // Each of these changes the method, so all are set anew, the name last.
    if (sends_body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                         options->body.size > 0 ? options->body.data : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->body.size);
    } else if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, is_post ? NULL : method);
}

static enum status check_url(struct http_call *call, const char *url, bool *ret_is_http,
                             struct error *error) {
    struct bytes text = bytes_of_text(url);
    *ret_is_http = bytes_start_with_ignoring_case(text, BYTES("http://")) ||
                   bytes_start_with_ignoring_case(text, BYTES("https://"));
    if (call->url && strcmp(call->url, url) == 0) {
        return STATUS_OK;
    }
    CURLUcode code = curl_url_set(call->client->url, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK) {
        return error_set(error, STATUS_INVALID, "URL \"%.200s\": %s", url, curl_url_strerror(code));
    }
    free(call->url);
    call->url = memory_copy_text(url);
    curl_easy_setopt(call->easy, CURLOPT_URL, url);
    return STATUS_OK;
}

static void set_version(struct http_call *call, const struct http_call_options *options) {
    bool has_tls = strncasecmp(options->url, "https:", 6) == 0;
    call->clear_http2 =
        options->wants_http2 && !has_tls ? CLEAR_HTTP2_OPENS : CLEAR_HTTP2_NOT; // see begin_call
    call->found_no_connection = false;
    curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, 0L);
    curl_easy_setopt(call->easy, CURLOPT_PIPEWAIT, options->wants_http2 ? 1L : 0L);
    curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION,
                     options->wants_http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
}

// curl reads this list and never frees it, so it needs no allocation for each line.
static void link_lines(struct http_call *call) {
    size_t count = call->head.count;
    if (count > call->line_capacity) {
        call->lines = memory_resize(call->lines, count, sizeof *call->lines);
        call->line_capacity = count;
    }
    char *text = call->head.text.data;
    for (size_t i = 0; i < count; i++) {
        call->lines[i] = (struct curl_slist){text, i + 1 < count ? &call->lines[i + 1] : NULL};
        text += strlen(text) + 1;
    }
}

enum status http_call_prepare(struct http_call *call, const struct http_call_options *options,
                              bool *ret_is_http, struct error *error) {
    enum status status = check_url(call, options->url, ret_is_http, error);
    if (status == STATUS_OK) {
        status = http_call_head_build(&call->head, options, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    call->answer_max_bytes =
        options->answer_max_bytes > 0 ? options->answer_max_bytes : ANSWER_DEFAULT_BYTES;
    call->is_too_large = false;
    call->forbidden[0] = '\0';
    call->curl_text[0] = '\0';
    call->started_us = event_loop_now_us(call->client->loop);
    CURL *easy = call->easy;
    set_method(call, options);
    link_lines(call);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->lines);
    set_version(call, options);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->answer_max_bytes);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     options->timeout_ms > 0 ? (long)options->timeout_ms
                                             : HTTP_CALL_TIMEOUT_DEFAULT_MS);
    return STATUS_OK;
}

void http_call_choose_http2(struct http_call *call, enum clear_http2 choice) {
    bool opens = choice == CLEAR_HTTP2_OPENS;
    call->clear_http2 = choice;
    call->found_no_connection = false;
    // What finds an HTTP/2 connection need not, and must not, ask for one by prior knowledge.
    curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION,
                     opens ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, opens ? 1L : 0L);
}
