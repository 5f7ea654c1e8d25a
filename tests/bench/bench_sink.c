// A function for benchmarks: answers every POST at once with a 200 and the given body, or none, and
// measures how old the events are. One thread, one epoll, so that it costs as little as may be
// beside what is measured.
//
//   bench_sink [PORT [BODY [DELAY_MS]]]   prints "listening on PORT"; GET /stats, GET /reset
//
// An event's age is the time since "sent_us":N in its body (microseconds of the monotonic clock).
// With a delay each POST is answered so much later, any number at once: a slow function.
// POST /refuse/PERCENT answers 500 for that share of the events, always for the same ones, by a
// hash of the id in their body.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/base/memory.h"

#define IN_MAX (256 * 1024)
#define AGES_MAX 4000000

struct connection {
    int fd;
    size_t filled;
    char in[IN_MAX];
};

// Answers that are due later, in their order since all wait equally long. A connection has one at
// most: its client waits for it.
struct due {
    int64_t at_us;
    struct connection *connection;
};
struct dues {
    int64_t delay_us;
    struct due *ring;
    size_t first, count;
};
#define DUES_MAX 65536

struct statistics {
    struct dues dues;
    uint64_t count; // answered with 200
    uint64_t refused;
    int64_t first_us, last_us;
    uint32_t *ages_us;
    size_t age_count;
    char answer[4096]; // the whole response
};

// 0 when the body does not say it.
static int64_t sent_us_of(const char *body, size_t size) {
    static const char mark[] = "\"sent_us\":";
    const char *found = memmem(body, size, mark, sizeof mark - 1);
    return found ? strtoll(found + sizeof mark - 1, NULL, 10) : 0;
}

// Of many events about percent, scattered.
static bool is_refused(const char *body, size_t size, uint64_t percent) {
    static const char mark[] = "\"id\":\"";
    const char *id = memmem(body, size, mark, sizeof mark - 1);
    struct bytes rest = id ? (struct bytes){id, (size_t)(body + size - id)} : (struct bytes){0};
    const char *end = id ? memchr(id + sizeof mark - 1, '"', rest.size - sizeof mark + 1) : NULL;
    rest.size = end ? (size_t)(end - id) : rest.size;
    return (bytes_hash(rest) >> 32) % 100 < percent;
}

static void note(struct statistics *statistics, int64_t sent_us) {
    int64_t now_us = clock_monotonic_us();
    if (statistics->count++ == 0) {
        statistics->first_us = now_us;
    }
    statistics->last_us = now_us;
    if (sent_us > 0 && statistics->age_count < AGES_MAX) {
        int64_t age_us = now_us - sent_us;
        statistics->ages_us[statistics->age_count++] = age_us > 0 ? (uint32_t)age_us : 0;
    }
}

static int compare_ages(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t percentile(const struct statistics *statistics, double part) {
    size_t index = (size_t)((double)statistics->age_count * part);
    return statistics->age_count == 0
               ? 0
               : statistics
                     ->ages_us[index < statistics->age_count ? index : statistics->age_count - 1];
}

static void send_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t count = send(fd, data, size, MSG_NOSIGNAL);
        if (count <= 0) {
            return;
        }
        data += count;
        size -= (size_t)count;
    }
}

static void send_statistics(int fd, struct statistics *statistics) {
    char body[256];
    char head[128];
    qsort(statistics->ages_us, statistics->age_count, sizeof *statistics->ages_us, compare_ages);
    int size = snprintf(
        body, sizeof body,
        "{\"count\":%llu,\"refused\":%llu,\"first_us\":%lld,\"last_us\":%lld,\"p50_us\":%u,"
        "\"p99_us\":%u}",
        (unsigned long long)statistics->count, (unsigned long long)statistics->refused,
        (long long)statistics->first_us, (long long)statistics->last_us,
        percentile(statistics, 0.5), percentile(statistics, 0.99));
    int head_size =
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size);
    send_all(fd, head, (size_t)head_size);
    send_all(fd, body, (size_t)size);
}

static void answer(struct connection *connection, struct statistics *statistics,
                   const char *request, const char *body, size_t size) {
    struct dues *dues = &statistics->dues;
    int fd = connection->fd;
    static const char refused[] = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    static const char refuse[] = "POST /refuse/";
    int64_t sent_us = sent_us_of(body, size);
    if (strncmp(request, "GET /stats", 10) == 0) {
        send_statistics(fd, statistics);
        return;
    }
    if (strncmp(request, "GET /reset", 10) == 0) {
        statistics->count = 0;
        statistics->refused = 0;
        statistics->age_count = 0;
    } else if (strncmp(request, refuse, sizeof refuse - 1) == 0 &&
               is_refused(body, size, strtoul(request + sizeof refuse - 1, NULL, 10))) {
        statistics->refused++;
        send_all(fd, refused, sizeof refused - 1);
        return;
    } else {
        note(statistics, sent_us);
        if (dues->delay_us > 0 && dues->count < DUES_MAX) {
            dues->ring[(dues->first + dues->count++) % DUES_MAX] =
                (struct due){clock_monotonic_us() + dues->delay_us, connection};
            return;
        }
    }
    send_all(fd, statistics->answer, strlen(statistics->answer));
}

// How long to wait for the next one, for epoll: -1 = there is none.
static int answer_dues(struct statistics *statistics) {
    struct dues *dues = &statistics->dues;
    while (dues->count > 0) {
        struct due due = dues->ring[dues->first % DUES_MAX];
        int64_t left_us = due.at_us - clock_monotonic_us();
        if (left_us > 0) {
            return (int)(left_us / 1000) + 1;
        }
        dues->first++;
        dues->count--;
        if (due.connection) {
            send_all(due.connection->fd, statistics->answer, strlen(statistics->answer));
        }
    }
    return -1;
}

static void forget_dues(struct dues *dues, const struct connection *connection) {
    for (size_t i = 0; i < dues->count; i++) {
        struct due *due = &dues->ring[(dues->first + i) % DUES_MAX];
        if (due->connection == connection) {
            due->connection = NULL;
        }
    }
}

// The length in a head that ends in a NUL here.
static size_t content_length(const char *head) {
    const char *found = strcasestr(head, "\ncontent-length:");
    return found ? strtoul(found + 16, NULL, 10) : 0;
}

// Answers all whole requests that are there; false: the peer sent more than fits.
static bool take_requests(struct connection *connection, struct statistics *statistics) {
    size_t start = 0;
    for (;;) {
        connection->in[connection->filled] = '\0';
        char *request = connection->in + start;
        char *end = strstr(request, "\r\n\r\n");
        if (!end) {
            break;
        }
        *end = '\0';
        size_t length = content_length(request);
        size_t whole = (size_t)(end + 4 - request) + length;
        if (start + whole > connection->filled) {
            *end = '\r';
            break;
        }
        answer(connection, statistics, request, end + 4, length);
        start += whole;
    }
    connection->filled -= start;
    memmove(connection->in, connection->in + start, connection->filled);
    return connection->filled < IN_MAX - 1;
}

static bool read_connection(struct connection *connection, struct statistics *statistics) {
    ssize_t count = recv(connection->fd, connection->in + connection->filled,
                         IN_MAX - 1 - connection->filled, MSG_DONTWAIT);
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    connection->filled += (size_t)count;
    return count > 0 && take_requests(connection, statistics);
}

static int listen_on(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1024) != 0) {
        perror("bench_sink");
        exit(1);
    }
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("listening on %u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void accept_one(int poll, int listener) {
    struct connection *connection = memory_allocate(sizeof *connection);
    int on = 1;
    connection->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = connection}};
    epoll_ctl(poll, EPOLL_CTL_ADD, connection->fd, &event);
}

int main(int count, char **arguments) {
    struct statistics statistics = {.ages_us = memory_allocate(AGES_MAX * sizeof(uint32_t))};
    const char *body = count > 2 ? arguments[2] : "";
    snprintf(statistics.answer, sizeof statistics.answer,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    statistics.dues.delay_us = count > 3 ? strtoll(arguments[3], NULL, 10) * 1000 : 0;
    statistics.dues.ring = memory_allocate(DUES_MAX * sizeof(struct due));
    int listener = listen_on(count > 1 ? (uint16_t)strtoul(arguments[1], NULL, 10) : 0);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event ready[256];
        int ready_count = epoll_wait(poll, ready, 256, answer_dues(&statistics));
        for (int i = 0; i < ready_count; i++) {
            struct connection *connection = ready[i].data.ptr;
            if (!connection) {
                accept_one(poll, listener);
            } else if (!read_connection(connection, &statistics)) {
                forget_dues(&statistics.dues, connection);
                close(connection->fd);
                free(connection);
            }
        }
    }
}
