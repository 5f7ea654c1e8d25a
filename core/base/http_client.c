#include "core/base/http_client.h"

#include "core/base/event_loop.h"
#include "core/base/http_client_state.h"
#include "core/base/memory.h"

#include <curl/curl.h>

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum {
    PER_HOST_DEFAULT = 256,
    CONNECTIONS_DEFAULT = 4096,
    ANSWERS_DEFAULT_BYTES = 256 * 1024 * 1024,
};

static void initialize_curl(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void initialize_curl_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize_curl);
}

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

// The call is gone afterwards.
static void finish_call(struct http_call *call, enum http_call_result result, CURLcode code) {
    struct http_client *client = call->client;
    struct http_answer answer = {
        .result = result,
        .error_text = http_call_error_text(call, result, code),
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
    http_client_keep_call(client, call);
}

static void begin_call(struct http_call *call) {
    event_loop_timer_stop(call->client->loop, &call->wait_timer);
    if (call->clear_http2 != CLEAR_HTTP2_NOT) {
        bool is_there = http2_sockets_has(&call->client->http2_sockets, http_url_origin(call->url));
        http_call_choose_http2(call, is_there ? CLEAR_HTTP2_FINDS : CLEAR_HTTP2_OPENS);
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
            http_call_choose_http2(call, CLEAR_HTTP2_OPENS);
            curl_multi_add_handle(client->multi, easy);
            continue;
        }
        leave(call);
        finish_call(call, http_call_result_of(call, code), code);
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
        http_call_free(http_client_take_call(client));
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

static void enter(struct http_call *call, const struct http_call_options *options) {
    struct http_client *client = call->client;
    call->is_inside = true;
    link_call(client, call);
    if (http_hosts_enter(client->hosts, options->url, &call->place)) {
        begin_call(call);
        return;
    }
    int64_t wait_ms = options->timeout_ms > 0 ? options->timeout_ms : HTTP_CALL_TIMEOUT_DEFAULT_MS;
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
    struct http_call *call = http_client_take_call(client);
    bool is_http;
    enum status status = http_call_prepare(call, options, &is_http, error);
    if (status != STATUS_OK) {
        http_client_keep_call(client, call);
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
