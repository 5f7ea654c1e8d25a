// What the files of http_client share. Private to http_client*.c.
#ifndef EVENT_GATEWAY_BASE_HTTP_CLIENT_STATE_H
#define EVENT_GATEWAY_BASE_HTTP_CLIENT_STATE_H

#include "core/base/client_sockets.h"
#include "core/base/event_loop.h"
#include "core/base/http2_sockets.h"
#include "core/base/http_call.h"
#include "core/base/http_client.h"
#include "core/base/http_hosts.h"

#define HTTP_CALL_CURL_TEXT_SIZE 256 // CURL_ERROR_SIZE
#define HTTP_CALL_TIMEOUT_DEFAULT_MS 30000

struct curl_slist;
struct Curl_URL;

// How a call comes to speak HTTP/2 without TLS. One that should find a connection and does not is
// begun again as one that opens it: nothing was sent.
enum clear_http2 {
    CLEAR_HTTP2_NOT,
    CLEAR_HTTP2_FINDS, // a connection that another call has opened, or is opening
    CLEAR_HTTP2_OPENS, // by prior knowledge
};

struct http_call {
    struct http_client *client;
    void *easy; // CURL
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
    char curl_text[HTTP_CALL_CURL_TEXT_SIZE];
    enum http_call_result early_result; // of a call that ended without curl
    struct http_call *next;
    struct http_call *previous;
};

struct http_client {
    struct event_loop *loop;
    struct http_client_options options;
    void *multi;                       // CURLM
    struct Curl_URL *url;              // scratch, to check URLs
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

// http_client_calls.c

struct http_call *http_client_take_call(struct http_client *client);
// After its end, for the next one.
void http_client_keep_call(struct http_client *client, struct http_call *call);
void http_call_free(struct http_call *call);

// http_client_requests.c

enum status must_check http_call_prepare(struct http_call *call,
                                         const struct http_call_options *options, bool *ret_is_http,
                                         struct error *error);
void http_call_choose_http2(struct http_call *call, enum clear_http2 choice);

// http_client_answers.c

// curl's callbacks for what comes in; the context is the call.
size_t http_call_take_head(char *data, size_t item, size_t count, void *context);
size_t http_call_take_body(char *data, size_t item, size_t count, void *context);
// What the end of a call means; code is curl's.
enum http_call_result http_call_result_of(const struct http_call *call, int code);
// For people. Puts the reason into call->forbidden for the results that curl has no words for.
const char *http_call_error_text(struct http_call *call, enum http_call_result result, int code);

#endif
