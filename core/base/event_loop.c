#include "core/base/event_loop.h"

#include "core/base/clock.h"
#include "core/base/memory.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    EVENTS_PER_TURN = 256,
    FIRST_HEAP_CAPACITY = 64
};

struct heap_slot {
    int64_t due_us; // the timer's, so that comparing needs no look at the timer
    struct event_loop_timer *timer;
};

struct event_loop {
    char name[16];
    int epoll_fd;
    int wake_fd;
    bool has_coarse_timers; // the kernel, or what guards it, has no epoll_pwait2
    int64_t now_us;

    // What epoll reported in this turn. A watch that is removed while they are handled is blanked
    // here.
    struct epoll_event ready[EVENTS_PER_TURN];
    int ready_count;
    int ready_next;

    // Binary min-heap by due_us; heap[0] is unused so that index 0 can mean "not running".
    struct heap_slot *heap;
    size_t timer_count;
    size_t heap_capacity;

    struct event_loop_hook *hooks;
    struct event_loop_hook *next_hook; // the one that runs next, while they run

    // Any thread. Invariant 1: whoever makes posted non-empty while is_waiting is set writes
    // wake_fd; the loop sets is_waiting first and looks at posted again before it sleeps. Both
    // orders are sequentially consistent, so one of the two sees the other.
    _Atomic(struct event_loop_task *) posted; // newest first
    atomic_bool is_waiting;
    atomic_bool stop_wanted;
    atomic_bool is_running;
    pthread_t thread; // set before is_running
};

struct event_loop_thread {
    pthread_t thread;
    struct event_loop *loop;
};

static void heap_place(struct event_loop *loop, size_t index, struct event_loop_timer *timer) {
    loop->heap[index] = (struct heap_slot){timer->due_us, timer};
    timer->heap_index = index;
}

static void heap_move_up(struct event_loop *loop, size_t index, struct event_loop_timer *timer) {
    while (index > 1 && timer->due_us < loop->heap[index / 2].due_us) {
        heap_place(loop, index, loop->heap[index / 2].timer);
        index /= 2;
    }
    heap_place(loop, index, timer);
}

static void heap_move_down(struct event_loop *loop, size_t index, struct event_loop_timer *timer) {
    for (;;) {
        size_t child = index * 2;
        if (child > loop->timer_count) {
            break;
        }
        if (child < loop->timer_count && loop->heap[child + 1].due_us < loop->heap[child].due_us) {
            child++;
        }
        if (loop->heap[child].due_us >= timer->due_us) {
            break;
        }
        heap_place(loop, index, loop->heap[child].timer);
        index = child;
    }
    heap_place(loop, index, timer);
}

static void heap_settle(struct event_loop *loop, size_t index, struct event_loop_timer *timer) {
    if (index > 1 && timer->due_us < loop->heap[index / 2].due_us) {
        heap_move_up(loop, index, timer);
    } else {
        heap_move_down(loop, index, timer);
    }
}

static void heap_insert(struct event_loop *loop, struct event_loop_timer *timer) {
    if (loop->timer_count + 2 > loop->heap_capacity) {
        loop->heap_capacity =
            loop->heap_capacity > 0 ? loop->heap_capacity * 2 : FIRST_HEAP_CAPACITY;
        loop->heap = memory_resize(loop->heap, loop->heap_capacity, sizeof *loop->heap);
    }
    loop->timer_count++;
    heap_move_up(loop, loop->timer_count, timer);
}

static void heap_remove(struct event_loop *loop, struct event_loop_timer *timer) {
    size_t index = timer->heap_index;
    struct event_loop_timer *last = loop->heap[loop->timer_count].timer;
    loop->timer_count--;
    timer->heap_index = 0;
    if (last != timer) {
        heap_settle(loop, index, last);
    }
}

static void wake(struct event_loop *loop) {
    uint64_t one = 1;
    // The only failure is a counter at its maximum, and then the loop is awake already.
    ssize_t written = write(loop->wake_fd, &one, sizeof one);
    (void)written;
}

static void handle_ready(struct event_loop *loop) {
    for (loop->ready_next = 0; loop->ready_next < loop->ready_count;) {
        struct epoll_event *event = &loop->ready[loop->ready_next];
        loop->ready_next++;
        // The loop itself stands for wake_fd, which has done its work by waking; NULL was removed.
        if (event->data.ptr && event->data.ptr != loop) {
            struct event_loop_watch *watch = event->data.ptr;
            watch->ready(watch, event->events);
        }
    }
    loop->ready_count = 0;
}

// A timer that is started while they expire is due after now_us, so this ends.
static void expire_timers(struct event_loop *loop) {
    while (loop->timer_count > 0 && loop->heap[1].due_us <= loop->now_us) {
        struct event_loop_timer *timer = loop->heap[1].timer;
        heap_remove(loop, timer);
        timer->expired(timer);
    }
}

static struct event_loop_task *reverse_tasks(struct event_loop_task *newest) {
    struct event_loop_task *oldest = NULL;
    while (newest) {
        struct event_loop_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

// Runs what was posted up to here; what these tasks post themselves waits for the next turn.
static void run_posted(struct event_loop *loop) {
    struct event_loop_task *task = reverse_tasks(atomic_exchange(&loop->posted, NULL));
    while (task) {
        // The task may be freed or posted again while it runs.
        struct event_loop_task *next = task->next;
        task->next = NULL;
        task->run(task);
        task = next;
    }
}

static bool run_hooks(struct event_loop *loop) {
    bool wants_turn = false;
    struct event_loop_hook *hook = loop->hooks;
    while (hook) {
        loop->next_hook = hook->next;
        wants_turn |= hook->before_wait(hook);
        hook = loop->next_hook;
    }
    return wants_turn;
}

// -1 = no timer is running.
static int64_t wait_of_next_timer_us(struct event_loop *loop) {
    if (loop->timer_count == 0) {
        return -1;
    }
    int64_t wait_us = loop->heap[1].due_us - clock_monotonic_us();
    return wait_us > 0 ? wait_us : 0;
}

static int epoll_wait_milliseconds(struct event_loop *loop, int64_t wait_us) {
    int64_t wait_ms = wait_us < 0 ? -1 : (wait_us + 999) / 1000;
    return epoll_wait(loop->epoll_fd, loop->ready, EVENTS_PER_TURN,
                      wait_ms < INT_MAX ? (int)wait_ms : INT_MAX);
}

// To the microsecond where the kernel can do it (5.11), else to the millisecond.
static int epoll_wait_us(struct event_loop *loop, int64_t wait_us) {
    if (wait_us <= 0 || wait_us % 1000 == 0 || loop->has_coarse_timers) {
        return epoll_wait_milliseconds(loop, wait_us);
    }
    struct timespec wait = {wait_us / 1000000, wait_us % 1000000 * 1000};
    int count = epoll_pwait2(loop->epoll_fd, loop->ready, EVENTS_PER_TURN, &wait, NULL);
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) {
        loop->has_coarse_timers = true;
        return epoll_wait_milliseconds(loop, wait_us);
    }
    return count;
}

static void wait_for_events(struct event_loop *loop, bool may_sleep) {
    int64_t wait_us = may_sleep ? wait_of_next_timer_us(loop) : 0;
    if (wait_us != 0) {
        atomic_store(&loop->is_waiting, true);
        if (atomic_load(&loop->posted) || atomic_load(&loop->stop_wanted)) {
            wait_us = 0;
        }
    }
    int count = epoll_wait_us(loop, wait_us);
    atomic_store_explicit(&loop->is_waiting, false, memory_order_relaxed);
    assert(count >= 0 || errno == EINTR);
    loop->ready_count = count > 0 ? count : 0;
    loop->now_us = clock_monotonic_us();
}

static void enter_thread(struct event_loop *loop) {
    // A peer that closes must not end the program; OpenSSL writes without MSG_NOSIGNAL.
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    pthread_setname_np(pthread_self(), loop->name);
    loop->thread = pthread_self();
    bool was_running = atomic_exchange(&loop->is_running, true);
    assert(!was_running);
    loop->now_us = clock_monotonic_us();
}

enum status event_loop_create(const char *name, struct event_loop **ret_loop, struct error *error) {
    struct event_loop *loop = memory_allocate(sizeof *loop);
    snprintf(loop->name, sizeof loop->name, "%s", name);
    loop->now_us = clock_monotonic_us();
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    // Edge-triggered: each write wakes the loop, and nobody has to read the counter back.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = loop};
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0) {
        enum status status =
            error_set(error, STATUS_UNAVAILABLE, "event loop %s: %s", name, strerror(errno));
        event_loop_destroy(loop);
        return status;
    }
    *ret_loop = loop;
    return STATUS_OK;
}

void event_loop_run(struct event_loop *loop) {
    enter_thread(loop);
    bool wants_turn = false;
    while (!atomic_load(&loop->stop_wanted)) {
        wait_for_events(loop, !wants_turn);
        handle_ready(loop);
        expire_timers(loop);
        run_posted(loop);
        wants_turn = run_hooks(loop);
    }
    run_posted(loop);
    run_hooks(loop);
    atomic_store(&loop->stop_wanted, false);
    atomic_store(&loop->is_running, false);
}

void event_loop_stop(struct event_loop *loop) {
    atomic_store(&loop->stop_wanted, true);
    wake(loop);
}

void event_loop_destroy(struct event_loop *loop) {
    if (!loop) {
        return;
    }
    assert(!atomic_load(&loop->is_running));
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    free(loop->heap);
    free(loop);
}

bool event_loop_is_current(const struct event_loop *loop) {
    return !atomic_load(&loop->is_running) || pthread_equal(loop->thread, pthread_self());
}

int64_t event_loop_now_us(const struct event_loop *loop) {
    return loop->now_us;
}

enum status event_loop_watch_add(struct event_loop *loop, struct event_loop_watch *watch,
                                 struct error *error) {
    assert(!watch->is_added);
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0) {
        return error_set(error, STATUS_UNAVAILABLE, "event loop %s: descriptor %d: %s", loop->name,
                         watch->fd, strerror(errno));
    }
    watch->is_added = true;
    return STATUS_OK;
}

void event_loop_watch_change(struct event_loop *loop, struct event_loop_watch *watch,
                             uint32_t events) {
    assert(watch->is_added);
    watch->events = events;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void event_loop_watch_remove(struct event_loop *loop, struct event_loop_watch *watch) {
    if (!watch->is_added) {
        return;
    }
    watch->is_added = false;
    // Fails only when the descriptor was closed before, which has removed it already.
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->ready_next; i < loop->ready_count; i++) {
        if (loop->ready[i].data.ptr == watch) {
            loop->ready[i].data.ptr = NULL;
        }
    }
}

void event_loop_timer_start(struct event_loop *loop, struct event_loop_timer *timer,
                            int64_t delay_us) {
    int64_t delay = delay_us > 0 ? delay_us : 1;
    if (__builtin_add_overflow(loop->now_us, delay, &timer->due_us)) {
        timer->due_us = INT64_MAX;
    }
    if (timer->heap_index > 0) {
        heap_settle(loop, timer->heap_index, timer);
    } else {
        heap_insert(loop, timer);
    }
}

void event_loop_timer_stop(struct event_loop *loop, struct event_loop_timer *timer) {
    if (timer->heap_index > 0) {
        heap_remove(loop, timer);
    }
}

static void push_tasks(struct event_loop *loop, struct event_loop_task *newest,
                       struct event_loop_task *oldest) {
    struct event_loop_task *before = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        oldest->next = before;
    } while (!atomic_compare_exchange_weak(&loop->posted, &before, newest));
    if (!before && atomic_load(&loop->is_waiting)) {
        wake(loop);
    }
}

void event_loop_post(struct event_loop *loop, struct event_loop_task *task) {
    push_tasks(loop, task, task);
}

void event_loop_post_chain(struct event_loop *loop, struct event_loop_task *first,
                           struct event_loop_task *last) {
    last->next = NULL;
    push_tasks(loop, reverse_tasks(first), first);
}

void event_loop_hook_add(struct event_loop *loop, struct event_loop_hook *hook) {
    hook->next = loop->hooks;
    loop->hooks = hook;
}

void event_loop_hook_remove(struct event_loop *loop, struct event_loop_hook *hook) {
    if (loop->next_hook == hook) {
        loop->next_hook = hook->next;
    }
    for (struct event_loop_hook **link = &loop->hooks; *link; link = &(*link)->next) {
        if (*link == hook) {
            *link = hook->next;
            hook->next = NULL;
            return;
        }
    }
}

static void *run_thread(void *context) {
    struct event_loop_thread *thread = context;
    event_loop_run(thread->loop);
    return NULL;
}

struct event_loop_thread *event_loop_thread_start(struct event_loop *loop) {
    struct event_loop_thread *thread = memory_allocate(sizeof *thread);
    thread->loop = loop;
    // Signals are the main thread's.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failure = pthread_create(&thread->thread, NULL, run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        abort();
    }
    return thread;
}

void event_loop_thread_join(struct event_loop_thread *thread) {
    if (thread) {
        pthread_join(thread->thread, NULL);
        free(thread);
    }
}
