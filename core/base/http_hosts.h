// Which calls of a client run and which wait, for each host: at most so many run at once, the
// others wait in order. Private to http_client. curl has such a limit too, but what waits there
// costs time with every other call's end, and its time-out runs meanwhile.
#ifndef EVENT_GATEWAY_BASE_HTTP_HOSTS_H
#define EVENT_GATEWAY_BASE_HTTP_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"

struct http_hosts;
struct http_host;

// Lies in the caller's call.
struct http_host_place {
    struct http_host *host; // NULL = neither runs nor waits
    bool is_waiting;
    struct http_host_place *next, *previous; // among those that wait
};

struct http_hosts *http_hosts_create(size_t running_max);
// Nothing has a place any more.
void http_hosts_destroy(struct http_hosts *hosts);
// True: the call runs from now on. False: it waits.
bool http_hosts_enter(struct http_hosts *hosts, const char *url, struct http_host_place *place);
// The call has ended, or waits no longer. Returns the place whose call runs instead, from now on,
// or NULL.
struct http_host_place *http_hosts_leave(struct http_hosts *hosts, struct http_host_place *place);

// "http://name:80" of a URL: what calls to one host share.
struct bytes http_url_origin(const char *url);

#endif
