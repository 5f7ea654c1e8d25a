#include "admin/event_store.h"

#include <stdatomic.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "admin/event_follower.h"
#include "admin/redrives.h"
#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"

#define CALLS_MAX 256
#define REOPEN_US 5000000
#define NICENESS 15

struct event_store {
    struct event_log *log;
    struct registry *registry;
    char *path;
    char *identity;
    const char *node_id;
    struct event_loop *loop;
    struct event_loop_thread *thread;
    atomic_size_t inside;

    // The thread's.
    struct event_index *index; // NULL while the file cannot be opened
    struct error reason;
    struct event_follower *follower;
    struct redrives *redrives;
    struct event_loop_timer reopen;
    bool has_warned;
    struct event_loop_task start;
    struct event_loop_task hand_over;
    struct event_loop_task stop;
    bool hands_over, is_handed_over; // the redrives
    bool is_stopping;
    sem_t handed_over;
};

static void open_index(struct event_store *store) {
    if (event_index_open(store->path, store->identity, &store->index, &store->reason) !=
        STATUS_OK) {
        if (!store->has_warned) {
            log_line(LOG_WARNING, "events cannot be looked up", LOG_TEXT("path", store->path),
                     LOG_TEXT("reason", store->reason.text));
            store->has_warned = true;
        }
        event_loop_timer_start(store->loop, &store->reopen, REOPEN_US);
        return;
    }
    store->follower = event_follower_create(store->log, store->loop, store->index);
    store->redrives = redrives_create(&(struct redrives_options){.log = store->log,
                                                                 .registry = store->registry,
                                                                 .loop = store->loop,
                                                                 .index = store->index,
                                                                 .node_id = store->node_id});
}

static void reopen_expired(struct event_loop_timer *timer) {
    open_index(CONTAINER_OF(timer, struct event_store, reopen));
}

// What this thread does can wait; what the others of the node do, mostly not.
static void lower_priority(void) {
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
}

static void start(struct event_loop_task *task) {
    lower_priority();
    open_index(CONTAINER_OF(task, struct event_store, start));
}

static void follower_stopped(void *context) {
    struct event_store *store = context;
    event_follower_destroy(store->follower);
    store->follower = NULL;
    event_index_close(store->index);
    store->index = NULL;
    event_loop_stop(store->loop);
}

static void end(struct event_store *store) {
    redrives_destroy(store->redrives);
    store->redrives = NULL;
    event_follower_stop(store->follower, follower_stopped, store);
}

static void redrives_stopped(void *context) {
    struct event_store *store = context;
    store->is_handed_over = true;
    sem_post(&store->handed_over);
    if (store->is_stopping) {
        end(store);
    }
}

static void hand_over(struct event_loop_task *task) {
    struct event_store *store = CONTAINER_OF(task, struct event_store, hand_over);
    event_loop_timer_stop(store->loop, &store->reopen);
    if (store->redrives) {
        store->hands_over = true;
        redrives_stop(store->redrives, redrives_stopped, store);
    } else {
        sem_post(&store->handed_over);
    }
}

static void stop(struct event_loop_task *task) {
    struct event_store *store = CONTAINER_OF(task, struct event_store, stop);
    event_loop_timer_stop(store->loop, &store->reopen);
    (void)error_set(&store->reason, STATUS_CLOSED, "shutting down");
    store->is_stopping = true;
    if (!store->redrives) {
        event_loop_stop(store->loop);
    } else if (store->is_handed_over) {
        end(store);
    } else if (!store->hands_over) {
        redrives_stop(store->redrives, redrives_stopped, store);
    }
}

enum status event_store_create(const struct event_store_options *options,
                               struct event_store **ret_store, struct error *error) {
    struct event_store *store = memory_allocate(sizeof *store);
    enum status status = event_loop_create("index", &store->loop, error);
    if (status != STATUS_OK) {
        free(store);
        return status;
    }
    store->log = options->log;
    store->registry = options->registry;
    store->node_id = options->node_id;
    store->path = memory_copy_text(options->path);
    store->identity = memory_copy_text(options->identity);
    (void)error_set(&store->reason, STATUS_UNAVAILABLE, "the index is being opened");
    store->reopen.expired = reopen_expired;
    store->start.run = start;
    store->hand_over.run = hand_over;
    store->stop.run = stop;
    sem_init(&store->handed_over, 0, 0);
    store->thread = event_loop_thread_start(store->loop);
    event_loop_post(store->loop, &store->start);
    *ret_store = store;
    return STATUS_OK;
}

void event_store_hand_over(struct event_store *store, int64_t deadline_ms) {
    int64_t until_us = clock_monotonic_us() + deadline_ms * 1000;
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    event_loop_post(store->loop, &store->hand_over);
    while (sem_clockwait(&store->handed_over, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {
    }
}

void event_store_destroy(struct event_store *store) {
    if (!store) {
        return;
    }
    event_loop_post(store->loop, &store->stop);
    event_loop_thread_join(store->thread);
    event_loop_destroy(store->loop);
    sem_destroy(&store->handed_over);
    free(store->path);
    free(store->identity);
    free(store);
}

static void tell_done(struct event_loop_task *task) {
    struct event_store_call *call = CONTAINER_OF(task, struct event_store_call, task);
    call->done(call);
}

static void run_call(struct event_loop_task *task) {
    struct event_store_call *call = CONTAINER_OF(task, struct event_store_call, task);
    struct event_store *store = call->store;
    if (!store->index) {
        call->status = STATUS_UNAVAILABLE;
        call->error = store->reason;
    }
    call->run(call, store->index);
    call->task = (struct event_loop_task){.run = tell_done};
    atomic_fetch_sub(&store->inside, 1);
    event_loop_post(call->loop, &call->task);
}

enum status event_store_run(struct event_store *store, struct event_store_call *call) {
    if (atomic_fetch_add(&store->inside, 1) >= CALLS_MAX) {
        atomic_fetch_sub(&store->inside, 1);
        return STATUS_FULL;
    }
    call->store = store;
    call->task = (struct event_loop_task){.run = run_call};
    event_loop_post(store->loop, &call->task);
    return STATUS_OK;
}

int64_t event_store_behind(struct event_store *store) {
    return store->follower ? event_follower_behind(store->follower) : -1;
}
