#include "core/base/http_refusal.h"

#include "core/base/event_loop.h"
#include "core/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    LINGER_MAX = 256,
    LINGER_US = 5 * 1000 * 1000,
    READS_PER_TURN = 16
};

struct lingering_socket {
    struct http_lingering *set;
    struct event_loop_watch watch;
    struct event_loop_timer timer;
    struct lingering_socket *next;
    struct lingering_socket **link; // what points to this one
};

struct http_lingering {
    struct event_loop *loop;
    struct lingering_socket *first;
    size_t count;
};

static const char *reason_phrase(unsigned status) {
    switch (status) {
    case 400:
        return "Bad Request";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    default:
        return "Refused";
    }
}

void http_refusal_send(int fd, const struct http_refusal *refusal) {
    char body[256];
    int body_size =
        snprintf(body, sizeof body, "{\"errors\":[{\"message\":\"%s\"}]}", refusal->message);
    time_t now = time(NULL);
    struct tm calendar;
    char date[64];
    gmtime_r(&now, &calendar);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &calendar);
    char retry_after[48] = "";
    if (refusal->retry_after_s > 0) {
        snprintf(retry_after, sizeof retry_after, "Retry-After: %u\r\n", refusal->retry_after_s);
    }
    char text[1024];
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\n%s"
                        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                        refusal->status, reason_phrase(refusal->status), date, retry_after,
                        body_size, refusal->is_head ? "" : body);
    // A peer that does not even take this much gets nothing.
    ssize_t sent = send(fd, text, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
}

static void linger_end(struct lingering_socket *linger) {
    struct http_lingering *set = linger->set;
    event_loop_watch_remove(set->loop, &linger->watch);
    event_loop_timer_stop(set->loop, &linger->timer);
    close(linger->watch.fd);
    *linger->link = linger->next;
    if (linger->next) {
        linger->next->link = linger->link;
    }
    set->count--;
    free(linger);
}

static void linger_expired(struct event_loop_timer *timer) {
    linger_end(CONTAINER_OF(timer, struct lingering_socket, timer));
}

static void linger_ready(struct event_loop_watch *watch, uint32_t events) {
    (void)events;
    char thrown_away[16 * 1024];
    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t size = recv(watch->fd, thrown_away, sizeof thrown_away, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
            linger_end(CONTAINER_OF(watch, struct lingering_socket, watch));
            return;
        }
        if (size < 0) {
            return;
        }
    }
}

struct http_lingering *http_lingering_create(struct event_loop *loop) {
    struct http_lingering *lingering = memory_allocate(sizeof *lingering);
    lingering->loop = loop;
    return lingering;
}

void http_lingering_destroy(struct http_lingering *lingering) {
    if (!lingering) {
        return;
    }
    for (struct lingering_socket *linger = lingering->first; linger;) {
        struct lingering_socket *next = linger->next;
        linger_end(linger);
        linger = next;
    }
    free(lingering);
}

void http_lingering_add(struct http_lingering *lingering, int fd) {
    // Beyond the limit the peer may see a reset instead of its answer: better than running out of
    // descriptors.
    int kept = lingering->count < LINGER_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (kept < 0) {
        return;
    }
    shutdown(kept, SHUT_WR);
    struct lingering_socket *linger = memory_allocate(sizeof *linger);
    linger->set = lingering;
    linger->watch = (struct event_loop_watch){kept, EPOLLIN | EPOLLRDHUP, linger_ready, false};
    linger->timer.expired = linger_expired;
    linger->next = lingering->first;
    if (linger->next) {
        linger->next->link = &linger->next;
    }
    linger->link = &lingering->first;
    lingering->first = linger;
    lingering->count++;
    if (event_loop_watch_add(lingering->loop, &linger->watch, NULL) != STATUS_OK) {
        linger_end(linger);
        return;
    }
    event_loop_timer_start(lingering->loop, &linger->timer, LINGER_US);
}
