#include "core/base/http_client.h"

#include "core/base/client_sockets.h"
#include "core/base/event_loop.h"
#include "core/base/http2_sockets.h"
#include "core/base/http_call.h"
#include "core/base/http_hosts.h"
#include "core/base/http_listener.h"
#include "core/base/memory.h"

#include <curl/curl.h>

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PER_HOST_DEFAULT = 256,
    CONNECTIONS_DEFAULT = 4096,
    ANSWER_DEFAULT_BYTES = 6 * 1024 * 1024,
    ANSWERS_DEFAULT_BYTES = 256 * 1024 * 1024,
    ANSWER_HEAD_MAX_BYTES = 64 * 1024,
    TIMEOUT_DEFAULT_MS = 30 * 1000,
    CALLS_KEPT_MAX = 1024,
};

// How a call comes to speak HTTP/2 without TLS. One that should find a connection and does not is
// begun again as one that opens it: nothing was sent.
enum clear_http2 {
    CLEAR_HTTP2_NOT,
    CLEAR_HTTP2_FINDS, // a connection that another call has opened, or is opening
    CLEAR_HTTP2_OPENS, // by prior knowledge
};

struct http_call {
    struct http_client *client;
    CURL *easy;
    http_call_done_fn done;
    void *context;
    int64_t started_us;
    size_t answer_max_bytes;
    size_t answer_counted;      // of its body, in the client's answer_bytes
    struct http_call_head head; // what is sent
    struct curl_slist *lines;   // one array over head
    size_t line_capacity;
    struct http_answer_text answer;
    bool is_inside; // it runs or waits for a place at its host
    struct http_host_place place;
    struct event_loop_timer wait_timer; // of a place: as long as the call itself may take
    bool is_too_large;
    enum clear_http2 clear_http2;
    bool found_no_connection; // with FINDS
    char *url;                // the last one that was found to be well-formed
    char forbidden[512];      // why the last address was not connected to; "" = none was refused
    char curl_text[CURL_ERROR_SIZE];
    enum http_call_result early_result; // of a call that ended without curl
    struct http_call *next;
    struct http_call *previous;
};

struct http_client {
    struct event_loop *loop;
    struct http_client_options options;
    CURLM *multi;
    CURLU *url;                        // scratch, to check URLs
    struct event_loop_timer timer;     // curl's
    struct event_loop_timer end_timer; // calls the done of what is in ended
    struct http_hosts *hosts;
    struct http2_sockets http2_sockets;
    struct client_sockets sockets;
    struct http_call *calls; // that run or wait for a place
    struct http_call *ended; // cancelled or never begun, oldest first
    struct http_call **ended_last;
    struct http_call *kept; // for reuse, with their easy handles
    size_t kept_count;
    size_t calls_inside;
    size_t answer_bytes; // of all answers that are there or coming in
    bool is_closing;
};

static void initialize_curl(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void initialize_curl_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize_curl);
}

// --- Calls

static void link_call(struct http_client *client, struct http_call *call) {
    call->previous = NULL;
    call->next = client->calls;
    if (call->next) {
        call->next->previous = call;
    }
    client->calls = call;
}

static void unlink_call(struct http_client *client, struct http_call *call) {
    if (call->previous) {
        call->previous->next = call->next;
    } else {
        client->calls = call->next;
    }
    if (call->next) {
        call->next->previous = call->previous;
    }
    call->next = NULL;
    call->previous = NULL;
}

static void free_call(struct http_call *call) {
    curl_easy_cleanup(call->easy);
    http_call_head_clear(&call->head);
    free(call->lines);
    http_answer_text_clear(&call->answer);
    free(call->url);
    free(call);
}

static void keep_call(struct http_client *client, struct http_call *call) {
    client->answer_bytes -= call->answer_counted;
    call->answer_counted = 0;
    if (client->kept_count >= CALLS_KEPT_MAX) {
        free_call(call);
        return;
    }
    http_answer_text_reset(&call->answer);
    call->next = client->kept;
    client->kept = call;
    client->kept_count++;
}

static size_t take_answer_head(char *data, size_t item, size_t count, void *context) {
    struct http_call *call = context;
    size_t size = item * count;
    if (!http_answer_text_add_line(&call->answer, (struct bytes){data, size},
                                   ANSWER_HEAD_MAX_BYTES)) {
        call->is_too_large = true;
        return 0;
    }
    return size;
}

static size_t take_answer_body(char *data, size_t item, size_t count, void *context) {
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
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_answer_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer_body);
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

static struct http_call *take_call(struct http_client *client) {
    struct http_call *call = client->kept;
    if (!call) {
        return create_call(client);
    }
    client->kept = call->next;
    client->kept_count--;
    call->next = NULL;
    return call;
}

// --- The end of a call

static enum http_call_result result_of(const struct http_call *call, CURLcode code) {
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

// Puts the reason into call->forbidden for the results that curl has no words for.
static const char *text_of(struct http_call *call, enum http_call_result result, CURLcode code) {
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
        return call->curl_text[0] != '\0' ? call->curl_text : curl_easy_strerror(code);
    }
}

// The call is gone afterwards.
static void finish_call(struct http_call *call, enum http_call_result result, CURLcode code) {
    struct http_client *client = call->client;
    struct http_answer answer = {
        .result = result,
        .error_text = text_of(call, result, code),
        .duration_us = event_loop_now_us(client->loop) - call->started_us,
    };
    if (result == HTTP_CALL_ANSWERED) {
        long status = 0;
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        answer.status = (unsigned)status;
        answer.headers = http_answer_text_headers(&call->answer, &answer.header_count);
        answer.body = buffer_bytes(&call->answer.body);
    }
    client->calls_inside--;
    call->done(call->context, &answer);
    keep_call(client, call);
}

static void choose_clear_http2(struct http_call *call, enum clear_http2 choice) {
    bool opens = choice == CLEAR_HTTP2_OPENS;
    call->clear_http2 = choice;
    call->found_no_connection = false;
    // What finds an HTTP/2 connection need not, and must not, ask for one by prior knowledge.
    curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION,
                     opens ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, opens ? 1L : 0L);
}

static void begin_call(struct http_call *call) {
    event_loop_timer_stop(call->client->loop, &call->wait_timer);
    if (call->clear_http2 != CLEAR_HTTP2_NOT) {
        bool is_there = http2_sockets_has(&call->client->http2_sockets, http_url_origin(call->url));
        choose_clear_http2(call, is_there ? CLEAR_HTTP2_FINDS : CLEAR_HTTP2_OPENS);
    }
    call->started_us = event_loop_now_us(call->client->loop);
    curl_multi_add_handle(call->client->multi, call->easy);
}

// Takes a call out of what is inside, and begins the one that waited for its place.
static void leave(struct http_call *call) {
    struct http_client *client = call->client;
    if (call->place.is_waiting) {
        event_loop_timer_stop(client->loop, &call->wait_timer);
    } else {
        curl_multi_remove_handle(client->multi, call->easy);
    }
    call->is_inside = false;
    unlink_call(client, call);
    struct http_host_place *next = http_hosts_leave(client->hosts, &call->place);
    if (next) {
        begin_call(CONTAINER_OF(next, struct http_call, place));
    }
}

static void finish_answered(struct http_client *client) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        struct http_call *call;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
        if (call->found_no_connection) {
            curl_multi_remove_handle(client->multi, easy);
            choose_clear_http2(call, CLEAR_HTTP2_OPENS);
            curl_multi_add_handle(client->multi, easy);
            continue;
        }
        leave(call);
        finish_call(call, result_of(call, code), code);
    }
}

// What ends without curl ends in the next turn of the loop.
static void end_call(struct http_call *call, enum http_call_result result) {
    struct http_client *client = call->client;
    call->early_result = result;
    call->next = NULL;
    *client->ended_last = call;
    client->ended_last = &call->next;
    event_loop_timer_start(client->loop, &client->end_timer, 0);
}

static void finish_ended(struct http_client *client) {
    struct http_call *call = client->ended;
    client->ended = NULL;
    client->ended_last = &client->ended;
    while (call) {
        struct http_call *next = call->next;
        finish_call(call, call->early_result, CURLE_OK);
        call = next;
    }
}

// No place came free in time.
static void wait_timer_expired(struct event_loop_timer *timer) {
    struct http_call *call = CONTAINER_OF(timer, struct http_call, wait_timer);
    leave(call);
    snprintf(call->curl_text, sizeof call->curl_text, "too many calls to this host are running");
    finish_call(call, HTTP_CALL_TIMED_OUT, CURLE_OPERATION_TIMEDOUT);
}

static void end_timer_expired(struct event_loop_timer *timer) {
    finish_ended(CONTAINER_OF(timer, struct http_client, end_timer));
}

// --- curl on the loop

static void act_on_socket(struct http_client *client, curl_socket_t fd, int events) {
    int running;
    curl_multi_socket_action(client->multi, fd, events, &running);
    finish_answered(client);
}

static void socket_ready(void *context, int fd, uint32_t events) {
    int flags = 0;
    flags |= events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP) ? CURL_CSELECT_IN : 0;
    flags |= events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
    flags |= events & EPOLLERR ? CURL_CSELECT_ERR : 0;
    act_on_socket(context, fd, flags);
}

static void timer_expired(struct event_loop_timer *timer) {
    act_on_socket(CONTAINER_OF(timer, struct http_client, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *context) {
    (void)multi;
    struct http_client *client = context;
    if (timeout_ms < 0) {
        event_loop_timer_stop(client->loop, &client->timer);
    } else {
        event_loop_timer_start(client->loop, &client->timer, (int64_t)timeout_ms * 1000);
    }
    return 0;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context) {
    (void)easy;
    (void)socket_context;
    struct http_client *client = context;
    if (what == CURL_POLL_REMOVE) {
        client_sockets_stop_waiting(&client->sockets, fd);
        return 0;
    }
    uint32_t events = 0;
    events |= what & CURL_POLL_IN ? EPOLLIN : 0;
    events |= what & CURL_POLL_OUT ? EPOLLOUT : 0;
    return client_sockets_wait(&client->sockets, fd, events) ? 0 : -1;
}

enum status http_client_create(struct event_loop *loop, const struct http_client_options *options,
                               struct http_client **ret_client, struct error *error) {
    initialize_curl_once();
    struct http_client *client = memory_allocate(sizeof *client);
    client->loop = loop;
    client->options = *options;
    if (client->options.answers_max_bytes == 0) {
        client->options.answers_max_bytes = ANSWERS_DEFAULT_BYTES;
    }
    client->sockets =
        (struct client_sockets){.loop = loop, .ready = socket_ready, .context = client};
    client->ended_last = &client->ended;
    client->timer.expired = timer_expired;
    client->end_timer.expired = end_timer_expired;
    client->url = curl_url();
    client->multi = curl_multi_init();
    if (!client->multi || !client->url) {
        http_client_destroy(client);
        return error_set(error, STATUS_FAILED, "http client: curl does not start");
    }
    size_t per_host = options->connections_per_host_max;
    size_t total = options->connections_max;
    CURLM *multi = client->multi;
    client->hosts = http_hosts_create(per_host > 0 ? per_host : PER_HOST_DEFAULT);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      per_host > 0 ? (long)per_host : PER_HOST_DEFAULT);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      total > 0 ? (long)total : CONNECTIONS_DEFAULT);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, total > 0 ? (long)total : CONNECTIONS_DEFAULT);
    *ret_client = client;
    return STATUS_OK;
}

void http_client_destroy(struct http_client *client) {
    if (!client) {
        return;
    }
    client->is_closing = true;
    while (client->calls) {
        http_call_cancel(client->calls);
    }
    finish_ended(client);
    while (client->kept) {
        free_call(take_call(client));
    }
    if (client->multi) {
        curl_multi_cleanup(client->multi);
    }
    http2_sockets_clear(&client->http2_sockets);
    client_sockets_clear(&client->sockets);
    curl_url_cleanup(client->url);
    http_hosts_destroy(client->hosts);
    event_loop_timer_stop(client->loop, &client->timer);
    event_loop_timer_stop(client->loop, &client->end_timer);
    free(client);
}

size_t http_client_calls_inside(const struct http_client *client) {
    return client->calls_inside;
}

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

static enum status prepare_call(struct http_call *call, const struct http_call_options *options,
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
                     options->timeout_ms > 0 ? (long)options->timeout_ms : TIMEOUT_DEFAULT_MS);
    return STATUS_OK;
}

static void enter(struct http_call *call, const struct http_call_options *options) {
    struct http_client *client = call->client;
    call->is_inside = true;
    link_call(client, call);
    if (http_hosts_enter(client->hosts, options->url, &call->place)) {
        begin_call(call);
        return;
    }
    int64_t wait_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    call->wait_timer.expired = wait_timer_expired;
    event_loop_timer_start(client->loop, &call->wait_timer, wait_ms * 1000);
}

enum status http_client_send(struct http_client *client, const struct http_call_options *options,
                             http_call_done_fn done, void *context, struct http_call **ret_call,
                             struct error *error) {
    assert(event_loop_is_current(client->loop));
    if (client->is_closing) {
        return error_set(error, STATUS_CLOSED, "http client: shutting down");
    }
    struct http_call *call = take_call(client);
    bool is_http;
    enum status status = prepare_call(call, options, &is_http, error);
    if (status != STATUS_OK) {
        keep_call(client, call);
        return status;
    }
    call->done = done;
    call->context = context;
    client->calls_inside++;
    if (!is_http) {
        end_call(call, HTTP_CALL_FORBIDDEN);
    } else {
        enter(call, options);
    }
    if (ret_call) {
        *ret_call = call;
    }
    return STATUS_OK;
}

void http_call_cancel(struct http_call *call) {
    if (!call->is_inside) {
        return;
    }
    leave(call);
    end_call(call, HTTP_CALL_CANCELLED);
}

bool http_answer_header(const struct http_answer *answer, const char *name,
                        struct bytes *ret_value) {
    struct bytes wanted = bytes_of_text(name);
    for (size_t i = 0; i < answer->header_count; i++) {
        if (bytes_equal_ignoring_case(answer->headers[i].name, wanted)) {
            *ret_value = answer->headers[i].value;
            return true;
        }
    }
    return false;
}
