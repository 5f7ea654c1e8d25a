// The handles that calls run on: made once, with what is the same for each call, and kept for the
// next one; and the sockets that curl opens for them.
#include "core/base/http_client_state.h"

#include "core/base/http_listener.h"
#include "core/base/memory.h"

#include <curl/curl.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static_assert(HTTP_CALL_CURL_TEXT_SIZE >= CURL_ERROR_SIZE, "curl writes that much");

enum {
    CALLS_KEPT_MAX = 1024,
};

void http_call_free(struct http_call *call) {
    curl_easy_cleanup(call->easy);
    http_call_head_clear(&call->head);
    free(call->lines);
    http_answer_text_clear(&call->answer);
    free(call->url);
    free(call);
}

void http_client_keep_call(struct http_client *client, struct http_call *call) {
    client->answer_bytes -= call->answer_counted;
    call->answer_counted = 0;
    if (client->kept_count >= CALLS_KEPT_MAX) {
        http_call_free(call);
        return;
    }
    http_answer_text_reset(&call->answer);
    call->next = client->kept;
    client->kept = call;
    client->kept_count++;
}

// The one place where a connection begins, with the address that the name has led to.
static curl_socket_t open_socket(void *context, curlsocktype purpose,
                                 struct curl_sockaddr *address) {
    (void)purpose;
    struct http_call *call = context;
    if (call->clear_http2 == CLEAR_HTTP2_FINDS) {
        call->found_no_connection = true;
        return CURL_SOCKET_BAD;
    }
    if (!target_rules_allow(call->client->options.targets, &address->addr)) {
        char text[64];
        http_address_text(&address->addr, text, sizeof text);
        snprintf(call->forbidden, sizeof call->forbidden, "%s", text);
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0) {
        client_sockets_opened(&call->client->sockets, fd);
    }
    if (fd >= 0 && call->clear_http2 == CLEAR_HTTP2_OPENS) {
        http2_sockets_opened(&call->client->http2_sockets, fd, http_url_origin(call->url));
    }
    return fd;
}

static int close_socket(void *context, curl_socket_t fd) {
    struct http_client *client = context;
    http2_sockets_closed(&client->http2_sockets, fd);
    client_sockets_closed(&client->sockets, fd);
    return close(fd);
}

static struct http_call *create_call(struct http_client *client) {
    struct http_call *call = memory_allocate(sizeof *call);
    call->client = client;
    call->easy = curl_easy_init();
    if (!call->easy) {
        abort();
    }
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_text);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_call_take_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_call_take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
    if (client->options.ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, client->options.ca_file);
    }
    return call;
}

struct http_call *http_client_take_call(struct http_client *client) {
    struct http_call *call = client->kept;
    if (!call) {
        return create_call(client);
    }
    client->kept = call->next;
    client->kept_count--;
    call->next = NULL;
    return call;
}
