#include "core/node/start_guard.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/log_line.h"
#include "core/base/memory.h"

struct start_guard {
    int signals;
    int stop;
    pthread_t thread;
};

// Neither library can be told to give up what it waits for. What a store has on disk survives an
// end at any time.
static void end_process(const struct start_guard *guard) {
    struct signalfd_siginfo received;
    if (read(guard->signals, &received, sizeof received) == (ssize_t)sizeof received) {
        log_line(LOG_INFO, "stopped while it waited for its stores",
                 LOG_TEXT("signal", strsignal((int)received.ssi_signo)));
        _exit(EXIT_SUCCESS);
    }
}

static void *run(void *argument) {
    struct start_guard *guard = argument;
    struct pollfd fds[] = {{.fd = guard->signals, .events = POLLIN},
                           {.fd = guard->stop, .events = POLLIN}};
    while (fds[1].revents == 0) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return NULL;
        }
        if (fds[0].revents != 0 && fds[1].revents == 0) {
            end_process(guard);
        }
    }
    return NULL;
}

struct start_guard *start_guard_create(const sigset_t *signals) {
    struct start_guard *guard = memory_allocate(sizeof *guard);
    guard->signals = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
    guard->stop = eventfd(0, EFD_CLOEXEC);
    if (guard->signals < 0 || guard->stop < 0 ||
        pthread_create(&guard->thread, NULL, run, guard) != 0) {
        abort(); // No memory or threads left at start: as for small allocations.
    }
    pthread_setname_np(guard->thread, "start");
    return guard;
}

void start_guard_destroy(struct start_guard *guard) {
    uint64_t one = 1;
    ssize_t written = write(guard->stop, &one, sizeof one);
    (void)written; // A new eventfd has room.
    pthread_join(guard->thread, NULL);
    close(guard->signals);
    close(guard->stop);
    free(guard);
}
