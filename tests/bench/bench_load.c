// A load generator: POSTs events over kept-alive connections, in a closed loop or at a fixed rate,
// and accounts for every request. One thread, one epoll.
//
//   bench_load --port N --connections C --seconds S [--rate R] [--batch B] [--path P] [--type T]
//              [--plain 1] [--space SPACE]
//
// A line of JSON: sent, answered, accepted (2xx), events, per_second (events accepted), p50_us,
// p99_us. With --rate the requests start on a fixed plan, and latency counts from the planned time.
// --plain sends requests that are no CloudEvents. The body is 512 bytes and begins with "sent_us",
// which bench_sink reads. Sent and answered are equal when nothing was lost.

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
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

#define DATA_SIZE 512
#define LATENCIES_MAX 8000000
#define DRAIN_US 10000000
// tv_nsec must stay below a second.
#define WAIT_MAX_US 100000

struct options {
    uint16_t port;
    size_t connections;
    double seconds;
    double rate;
    size_t batch;
    bool is_plain;
    const char *path, *type;
    const char *space; // NULL = none is named
};

struct connection {
    int fd;
    bool is_busy;
    int64_t started_us;
    size_t filled;
    char in[65536];
};

struct load {
    struct options options;
    struct connection *connections;
    uint64_t sent, answered, accepted;
    uint32_t *latencies_us;
    size_t latency_count;
    uint64_t next_id;
    struct buffer request;
};

// Cheap, so that the generator takes little from what it measures.
static void append_data(struct buffer *body, int64_t now_us) {
    char data[DATA_SIZE + 1];
    memset(data, 'x', DATA_SIZE);
    int size = snprintf(data, sizeof data, "{\"sent_us\":%lld,\"filler\":\"", (long long)now_us);
    data[size] = 'x';
    memcpy(data + DATA_SIZE - 2, "\"}", 2);
    buffer_append(body, (struct bytes){data, DATA_SIZE});
}

static void build_batch(struct load *load, struct buffer *body, int64_t now_us) {
    buffer_append_byte(body, '[');
    for (size_t i = 0; i < load->options.batch; i++) {
        buffer_append_format(
            body,
            "%s{\"specversion\":\"1.0\",\"id\":\"%llu\",\"source\":\"/bench\",\"type\":\"%s\","
            "\"data\":",
            i > 0 ? "," : "", (unsigned long long)load->next_id++, load->options.type);
        append_data(body, now_us);
        buffer_append_byte(body, '}');
    }
    buffer_append_byte(body, ']');
}

static void build_request(struct load *load, int64_t now_us) {
    struct buffer body = {0};
    bool is_batch = load->options.batch > 0;
    if (is_batch) {
        build_batch(load, &body, now_us);
    } else {
        append_data(&body, now_us);
    }
    buffer_reset(&load->request);
    buffer_append_format(&load->request,
                         "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n",
                         load->options.path, body.size);
    if (load->options.space) {
        buffer_append_format(&load->request, "Space: %s\r\n", load->options.space);
    }
    if (is_batch) {
        buffer_append_text(&load->request,
                           "Content-Type: application/cloudevents-batch+json\r\n\r\n");
    } else if (load->options.is_plain) {
        buffer_append_text(&load->request, "Content-Type: application/json\r\n\r\n");
    } else {
        buffer_append_format(
            &load->request,
            "Content-Type: application/json\r\nce-specversion: 1.0\r\nce-type: %s\r\n"
            "ce-source: /bench\r\nce-id: %llu\r\n\r\n",
            load->options.type, (unsigned long long)load->next_id++);
    }
    buffer_append(&load->request, buffer_bytes(&body));
    buffer_clear(&body);
}

static void send_request(struct load *load, struct connection *connection, int64_t planned_us) {
    build_request(load, clock_monotonic_us());
    const char *data = load->request.data;
    size_t size = load->request.size;
    while (size > 0) {
        ssize_t count = send(connection->fd, data, size, MSG_NOSIGNAL);
        if (count <= 0) {
            perror("bench_load: send");
            exit(1);
        }
        data += count;
        size -= (size_t)count;
    }
    connection->is_busy = true;
    connection->started_us = planned_us;
    load->sent++;
}

static void connect_one(const struct options *options, struct connection *connection, int poll) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(options->port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("bench_load: connect");
        exit(1);
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = connection}};
    epoll_ctl(poll, EPOLL_CTL_ADD, connection->fd, &event);
}

// True when a whole answer is there, which is then taken out.
static bool take_answer(struct connection *connection, unsigned *ret_status) {
    connection->in[connection->filled] = '\0';
    char *end = strstr(connection->in, "\r\n\r\n");
    if (!end) {
        return false;
    }
    *end = '\0';
    const char *length = strcasestr(connection->in, "\ncontent-length:");
    size_t whole =
        (size_t)(end + 4 - connection->in) + (length ? strtoul(length + 16, NULL, 10) : 0);
    *end = '\r';
    if (whole > connection->filled) {
        return false;
    }
    *ret_status = (unsigned)strtoul(connection->in + 9, NULL, 10);
    connection->filled -= whole;
    memmove(connection->in, connection->in + whole, connection->filled);
    return true;
}

static void note_answer(struct load *load, struct connection *connection, unsigned status) {
    int64_t latency_us = clock_monotonic_us() - connection->started_us;
    connection->is_busy = false;
    load->answered++;
    load->accepted += status >= 200 && status < 300;
    if (load->latency_count < LATENCIES_MAX) {
        load->latencies_us[load->latency_count++] = (uint32_t)latency_us;
    }
}

static void read_connection(struct load *load, struct connection *connection) {
    unsigned status = 0;
    ssize_t count = recv(connection->fd, connection->in + connection->filled,
                         sizeof connection->in - 1 - connection->filled, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN)) {
        fprintf(stderr, "bench_load: the server closed a connection\n");
        exit(1);
    }
    connection->filled += count > 0 ? (size_t)count : 0;
    while (connection->is_busy && take_answer(connection, &status)) {
        note_answer(load, connection, status);
    }
}

static struct connection *idle_connection(struct load *load) {
    for (size_t i = 0; i < load->options.connections; i++) {
        if (!load->connections[i].is_busy) {
            return &load->connections[i];
        }
    }
    return NULL;
}

// Starts what the plan wants to have started by now; returns after how many microseconds the next
// is due.
static int64_t start_planned(struct load *load, int64_t start_us, int64_t until_us) {
    int64_t now_us = clock_monotonic_us();
    for (;;) {
        int64_t due_us = start_us + (int64_t)((double)load->sent * 1e6 / load->options.rate);
        if (due_us > now_us || due_us >= until_us) {
            return due_us >= until_us ? WAIT_MAX_US : due_us - now_us;
        }
        struct connection *connection = idle_connection(load);
        if (!connection) {
            return 1000;
        }
        send_request(load, connection, due_us);
    }
}

static void run(struct load *load, int poll) {
    int64_t start_us = clock_monotonic_us();
    int64_t until_us = start_us + (int64_t)(load->options.seconds * 1e6);
    bool is_closed_loop = load->options.rate <= 0;
    for (size_t i = 0; is_closed_loop && i < load->options.connections; i++) {
        send_request(load, &load->connections[i], clock_monotonic_us());
    }
    while (clock_monotonic_us() < until_us || load->answered < load->sent) {
        int64_t wait_us = is_closed_loop ? WAIT_MAX_US : start_planned(load, start_us, until_us);
        if (clock_monotonic_us() > until_us + DRAIN_US) {
            break;
        }
        // In microseconds: one that asks again and again until its next request is due takes a core
        // from what it measures.
        wait_us = wait_us > WAIT_MAX_US ? WAIT_MAX_US : wait_us;
        struct timespec wait = {.tv_nsec = wait_us * 1000};
        struct epoll_event ready[256];
        int count = epoll_pwait2(poll, ready, 256, &wait, NULL);
        for (int i = 0; i < count; i++) {
            struct connection *connection = ready[i].data.ptr;
            read_connection(load, connection);
            if (is_closed_loop && !connection->is_busy && clock_monotonic_us() < until_us) {
                send_request(load, connection, clock_monotonic_us());
            }
        }
    }
}

static int compare_latencies(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void print_result(struct load *load) {
    size_t count = load->latency_count;
    uint64_t events = load->accepted * (load->options.batch > 0 ? load->options.batch : 1);
    qsort(load->latencies_us, count, sizeof *load->latencies_us, compare_latencies);
    printf("{\"sent\":%llu,\"answered\":%llu,\"accepted\":%llu,\"events\":%llu,\"per_second\":%.0f,"
           "\"p50_us\":%u,\"p99_us\":%u}\n",
           (unsigned long long)load->sent, (unsigned long long)load->answered,
           (unsigned long long)load->accepted, (unsigned long long)events,
           (double)events / load->options.seconds, count > 0 ? load->latencies_us[count / 2] : 0,
           count > 0 ? load->latencies_us[count * 99 / 100] : 0);
}

static void read_options(int count, char **arguments, struct options *ret_options) {
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},    {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'}, {"rate", required_argument, NULL, 'r'},
        {"batch", required_argument, NULL, 'b'},   {"path", required_argument, NULL, 'a'},
        {"type", required_argument, NULL, 't'},    {"plain", required_argument, NULL, 'l'},
        {"space", required_argument, NULL, 'e'},   {NULL, 0, NULL, 0}};
    int flag;
    *ret_options =
        (struct options){.connections = 16, .seconds = 5, .path = "/", .type = "bench.event"};
    while ((flag = getopt_long(count, arguments, "", known, NULL)) != -1) {
        switch (flag) {
        case 'p':
            ret_options->port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            ret_options->connections = strtoul(optarg, NULL, 10);
            break;
        case 's':
            ret_options->seconds = strtod(optarg, NULL);
            break;
        case 'r':
            ret_options->rate = strtod(optarg, NULL);
            break;
        case 'b':
            ret_options->batch = strtoul(optarg, NULL, 10);
            break;
        case 'a':
            ret_options->path = optarg;
            break;
        case 't':
            ret_options->type = optarg;
            break;
        case 'e':
            ret_options->space = optarg;
            break;
        case 'l':
            ret_options->is_plain = strtoul(optarg, NULL, 10) > 0;
            break;
        default:
            exit(2);
        }
    }
}

int main(int count, char **arguments) {
    struct load load = {0};
    read_options(count, arguments, &load.options);
    load.connections = memory_allocate(load.options.connections * sizeof *load.connections);
    load.latencies_us = memory_allocate(LATENCIES_MAX * sizeof *load.latencies_us);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < load.options.connections; i++) {
        connect_one(&load.options, &load.connections[i], poll);
    }
    run(&load, poll);
    print_result(&load);
    return load.sent == load.answered ? 0 : 1;
}
