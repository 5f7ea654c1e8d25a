// One epoll loop on one thread: file descriptors, timers, and tasks posted from other threads. Each
// worker thread of the program runs one; libmicrohttpd, curl and everything that answers requests
// live on it. Functions are for the loop's own thread unless they say "any thread". The loop owns
// none of the intrusive structs (timer, task, watch): they lie in the caller's objects and must
// outlive their use.
#ifndef EVENT_GATEWAY_BASE_EVENT_LOOP_H
#define EVENT_GATEWAY_BASE_EVENT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

struct event_loop;

// name: shown in log lines and as the thread's name (15 characters).
enum status must_check event_loop_create(const char *name, struct event_loop **ret_loop,
                                         struct error *error);
// Runs on the calling thread until event_loop_stop. Tasks posted before the stop are still run.
void event_loop_run(struct event_loop *loop);
// Any thread; also before run, which then returns at once.
void event_loop_stop(struct event_loop *loop);
// The loop must not be running; watches, timers and tasks still there are forgotten, not called.
void event_loop_destroy(struct event_loop *loop);
// True on the thread that runs the loop (or, before run, on any).
bool event_loop_is_current(const struct event_loop *loop);
// Monotonic microseconds, read once per turn of the loop: the "now" of everything on it.
int64_t event_loop_now_us(const struct event_loop *loop);

// File descriptors. events: EPOLLIN, EPOLLOUT, ... (level-triggered).
struct event_loop_watch {
    int fd;
    uint32_t events;
    void (*ready)(struct event_loop_watch *watch, uint32_t events);
    bool is_added; // the loop's
};
enum status must_check event_loop_watch_add(struct event_loop *loop, struct event_loop_watch *watch,
                                            struct error *error);
void event_loop_watch_change(struct event_loop *loop, struct event_loop_watch *watch,
                             uint32_t events);
// Safe inside any callback; ready is not called again, not even for what epoll has reported
// already.
void event_loop_watch_remove(struct event_loop *loop, struct event_loop_watch *watch);

// One-shot timers.
struct event_loop_timer {
    void (*expired)(struct event_loop_timer *timer);
    int64_t due_us;    // the loop's
    size_t heap_index; // the loop's; 0 = not running
};
// Starts, or moves a running timer. Never calls back at once, not even for delay 0.
void event_loop_timer_start(struct event_loop *loop, struct event_loop_timer *timer,
                            int64_t delay_us);
void event_loop_timer_stop(struct event_loop *loop, struct event_loop_timer *timer);

// Tasks: any thread posts; run on the loop in the order posted, exactly once each. A task may be
// posted again only after it ran. Many tasks posted while the loop is busy cost one wake-up.
struct event_loop_task {
    void (*run)(struct event_loop_task *task);
    struct event_loop_task *next; // the loop's
};
void event_loop_post(struct event_loop *loop, struct event_loop_task *task);
// As many tasks as are linked by next, with one wake-up at the most.
void event_loop_post_chain(struct event_loop *loop, struct event_loop_task *first,
                           struct event_loop_task *last);

// Called after each turn's callbacks, before the loop waits again: for work that is cheaper done
// once for all that a turn brought. Returns true when it wants another turn at once, without
// waiting.
struct event_loop_hook {
    bool (*before_wait)(struct event_loop_hook *hook);
    struct event_loop_hook *next; // the loop's
};
void event_loop_hook_add(struct event_loop *loop, struct event_loop_hook *hook);
void event_loop_hook_remove(struct event_loop *loop, struct event_loop_hook *hook);

// A thread that runs a loop; stop is event_loop_stop, join waits for the thread's end.
struct event_loop_thread;
struct event_loop_thread *event_loop_thread_start(struct event_loop *loop);
void event_loop_thread_join(struct event_loop_thread *thread);

#endif
