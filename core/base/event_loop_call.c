#include "core/base/event_loop_call.h"

#include <errno.h>
#include <semaphore.h>

#include "core/base/memory.h"

struct loop_call {
    struct event_loop_task task;
    void (*work)(void *context);
    void *context;
    sem_t done;
};

static void run_call(struct event_loop_task *task) {
    struct loop_call *call = CONTAINER_OF(task, struct loop_call, task);
    call->work(call->context);
    sem_post(&call->done);
}

void event_loop_call(struct event_loop *loop, void (*work)(void *context), void *context) {
    struct loop_call call = {.task = {.run = run_call}, .work = work, .context = context};
    sem_init(&call.done, 0, 0);
    event_loop_post(loop, &call.task);
    while (sem_wait(&call.done) != 0 && errno == EINTR) {
    }
    sem_destroy(&call.done);
}
