// The limit for receiving: a bare libmicrohttpd server on one thread that answers every POST with
// 202.
//
//   bench_echo [PORT]      prints "listening on PORT"; ends on SIGTERM

#include <microhttpd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **request) {
    static int seen;
    (void)context, (void)url, (void)method, (void)version, (void)data;
    if (!*request) {
        *request = &seen;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, 202, response);
    MHD_destroy_response(response);
    return result;
}

int main(int count, char **arguments) {
    uint16_t port = count > 1 ? (uint16_t)strtoul(arguments[1], NULL, 10) : 0;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL, port, NULL, NULL, answer, NULL, MHD_OPTION_CONNECTION_LIMIT,
                         20000U, MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "bench_echo: cannot listen on %u\n", port);
        return 1;
    }
    printf("listening on %u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    int fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    for (;;) {
        MHD_UNSIGNED_LONG_LONG wait_ms = 1000;
        MHD_get_timeout(daemon, &wait_ms);
        epoll_wait(poll, &event, 1, (int)(wait_ms > 1000 ? 1000 : wait_ms));
        MHD_run(daemon);
    }
}
