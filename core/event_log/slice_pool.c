#include "core/event_log/slice_pool.h"

#include "core/base/clock.h"
#include "core/base/condition.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/event_log/event_log_kind.h"
#include "core/event_log/read_count.h"
#include "core/event_log/record_slice.h"
#include "core/event_log/slice_queue.h"
#include "core/event_log/slice_waiting.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 3
#define INSIDE_MAX 4096
#define DEFAULT_MAX_RECORDS 500
#define DEFAULT_MAX_BYTES (1u << 20)
#define LOOK_INTERVAL_US 100000
#define REST_AFTER_US 2000000

struct worker {
    struct slice_pool *pool;
    pthread_t thread;
    void *reader; // of the store; the thread's

    // Under the pool's lock.
    pthread_cond_t woken;
    bool is_idle;
    bool has_rested;
    struct slice_stops stops;
};

struct slice_pool {
    const struct slice_store_ops *ops;
    void *store;
    _Atomic int32_t partition_counts[EVENT_LOG_STREAM_COUNT]; // grow, under the lock

    pthread_mutex_t lock; // for what follows; never held while calling the store
    struct slice_queue ready;
    struct slice_waiting waiting;
    size_t inside;
    int64_t look_due_us;
    bool is_looking;
    atomic_bool is_closed;
    pthread_cond_t emptied; // inside became 0
    bool is_stopping;
    struct worker workers[WORKERS]; // threads are started when there is work for them
    size_t worker_count;
};

struct slice_pool *slice_pool_create(const struct slice_store_ops *ops, void *store,
                                     const int32_t partition_counts[EVENT_LOG_STREAM_COUNT]) {
    struct slice_pool *pool = memory_allocate(sizeof *pool);
    pool->ops = ops;
    pool->store = store;
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        atomic_init(&pool->partition_counts[stream], partition_counts[stream]);
        slice_waiting_grow(&pool->waiting, (enum event_log_stream)stream, partition_counts[stream]);
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->emptied, NULL);
    return pool;
}

void slice_pool_grow(struct slice_pool *pool, enum event_log_stream stream,
                     int32_t partition_count) {
    pthread_mutex_lock(&pool->lock);
    if (partition_count > atomic_load(&pool->partition_counts[stream])) {
        slice_waiting_grow(&pool->waiting, stream, partition_count);
        atomic_store(&pool->partition_counts[stream], partition_count);
    }
    pthread_mutex_unlock(&pool->lock);
}

static struct event_log_slice *slice_of(struct event_log_job *job) {
    return CONTAINER_OF(job, struct event_log_slice, job);
}

static struct event_log_time_query *query_of(struct event_log_job *job) {
    return CONTAINER_OF(job, struct event_log_time_query, job);
}

static void tell_slice(struct event_loop_task *task) {
    struct event_log_slice *slice = CONTAINER_OF(task, struct event_log_slice, job.task);
    slice->done(slice);
}

static void tell_query(struct event_loop_task *task) {
    struct event_log_time_query *query = CONTAINER_OF(task, struct event_log_time_query, job.task);
    query->done(query);
}

// --- Under the lock.

static void post_answer(struct event_log_job *job, enum status status) {
    job->task.next = NULL;
    if (job->is_query) {
        query_of(job)->status = status;
        job->task.run = tell_query;
        event_loop_post(query_of(job)->loop, &job->task);
    } else {
        slice_of(job)->status = status;
        job->task.run = tell_slice;
        event_loop_post(slice_of(job)->loop, &job->task);
    }
}

static void answer(struct slice_pool *pool, struct event_log_job *job, enum status status) {
    post_answer(job, status);
    pool->inside--;
    if (pool->inside == 0) {
        pthread_cond_broadcast(&pool->emptied);
    }
}

static void *run(void *argument);

static void start_worker(struct slice_pool *pool) {
    struct worker *worker = &pool->workers[pool->worker_count++];
    worker->pool = pool;
    condition_init(&worker->woken);
    if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
        abort(); // No memory or threads left: as for small allocations.
    }
    pthread_setname_np(worker->thread, "slices");
}

static void wake(struct worker *worker) {
    worker->is_idle = false;
    pthread_cond_signal(&worker->woken);
}

// The worker that stopped where the job goes on. When that is busy, or there is none, an idle one
// or a new one.
static void wake_worker(struct slice_pool *pool, struct event_log_job *job) {
    struct worker *idle = NULL;
    job->worker = 0;
    for (size_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        bool is_better = job->worker == 0 || worker->is_idle;
        if (is_better && pool->ops->keeps_places && slice_stops_have(&worker->stops, job)) {
            job->worker = i + 1;
        }
        idle = worker->is_idle ? worker : idle;
    }
    struct worker *wanted = job->worker > 0 ? &pool->workers[job->worker - 1] : NULL;
    if (wanted && wanted->is_idle) {
        wake(wanted);
    } else if (idle) {
        wake(idle);
    } else if (!wanted && pool->worker_count < WORKERS) {
        start_worker(pool);
    }
}

static void make_ready(struct slice_pool *pool, struct event_log_job *job) {
    slice_queue_add(&pool->ready, job, clock_monotonic_us());
    wake_worker(pool, job);
}

// The watch over those that wait goes to an idle worker, which may sleep without knowing of them.
static void hand_over_watch(struct slice_pool *pool) {
    for (size_t i = 0; pool->waiting.first && i < pool->worker_count; i++) {
        if (pool->workers[i].is_idle) {
            wake(&pool->workers[i]);
            return;
        }
    }
}

// What a slice that was read without a failure does next.
static void finish_slice(struct worker *worker, struct event_log_slice *slice) {
    struct slice_pool *pool = worker->pool;
    struct event_log_job *job = &slice->job;
    int64_t started_at = job->position;
    job->position = slice->next_offset;
    slice_stops_keep(&worker->stops, slice, started_at);
    if (slice->count > 0 || job->wait_until_us <= clock_monotonic_us()) {
        answer(pool, job, STATUS_OK);
    } else if (pool->is_closed || job->is_cancelled) {
        answer(pool, job, STATUS_CLOSED);
    } else if (slice_waiting_is_woken(&pool->waiting, job)) {
        make_ready(pool, job); // it came while the worker looked
    } else {
        slice_waiting_add(&pool->waiting, job);
    }
}

// Those whose waiting is over are answered, or made ready again.
static void sort_waiting(struct slice_pool *pool, int64_t now_us) {
    struct event_log_job *job = slice_waiting_take(&pool->waiting, pool->is_closed, now_us);
    while (job) {
        struct event_log_job *next = job->next;
        if (pool->is_closed || job->is_cancelled) {
            answer(pool, job, STATUS_CLOSED);
        } else if (slice_waiting_is_woken(&pool->waiting, job)) {
            make_ready(pool, job);
        } else {
            answer(pool, job, STATUS_OK);
        }
        job = next;
    }
}

// --- A worker's thread.

// A store learns the end before it reads, and finds records that came since. To a follower with
// less than nothing left, where it is would stay unknown until its next record comes.
static void tell_end(struct event_log_slice *slice) {
    bool began_inside = slice->job.position <= slice->end_offset;
    if (began_inside && slice->next_offset > slice->end_offset) {
        slice->end_offset = slice->next_offset;
    }
}

static enum status read_slice(struct worker *worker, struct event_log_slice *slice) {
    struct slice_pool *pool = worker->pool;
    if (slice->partition < 0 ||
        slice->partition >= atomic_load(&pool->partition_counts[slice->stream])) {
        return STATUS_NOT_FOUND;
    }
    if (!slice->bytes) {
        slice->bytes = memory_allocate(sizeof *slice->bytes);
    }
    record_slice_reset(slice->bytes);
    slice->bytes->max_records = slice->max_records > 0 ? slice->max_records : DEFAULT_MAX_RECORDS;
    slice->bytes->max_bytes = slice->max_bytes > 0 ? slice->max_bytes : DEFAULT_MAX_BYTES;
    enum status status = pool->ops->read(pool->store, worker->reader, slice);
    tell_end(slice);
    slice->records = slice->bytes->records;
    slice->count = status == STATUS_OK ? slice->bytes->count : 0;
    read_count_add(slice->stream, slice->count);
    return status;
}

static enum status find_time(struct worker *worker, struct event_log_time_query *query) {
    struct slice_pool *pool = worker->pool;
    free(query->offsets);
    query->count = (size_t)atomic_load(&pool->partition_counts[query->stream]);
    query->offsets = memory_allocate(query->count * sizeof *query->offsets);
    return pool->ops->find_time(pool->store, worker->reader, query);
}

static enum status open_reader(struct worker *worker) {
    struct error error = {0};
    if (worker->reader || !worker->pool->ops->open) {
        return STATUS_OK;
    }
    enum status status = worker->pool->ops->open(worker->pool->store, &worker->reader, &error);
    if (status != STATUS_OK) {
        log_line(LOG_ERROR, "the event log cannot be read", LOG_TEXT("reason", error.text));
        return STATUS_UNAVAILABLE;
    }
    return STATUS_OK;
}

// Called with the lock held, which it lets go of while it reads.
static void serve(struct worker *worker, struct event_log_job *job) {
    if (!job->is_query) {
        job->known_end = slice_waiting_end(&worker->pool->waiting, slice_of(job));
    }
    pthread_mutex_unlock(&worker->pool->lock);
    enum status status = open_reader(worker);
    if (status == STATUS_OK) {
        status =
            job->is_query ? find_time(worker, query_of(job)) : read_slice(worker, slice_of(job));
    }
    pthread_mutex_lock(&worker->pool->lock);
    worker->has_rested = false;
    if (status == STATUS_OK && !job->is_query) {
        finish_slice(worker, slice_of(job));
    } else {
        answer(worker->pool, job, status);
    }
}

// Called with the lock held, which it lets go of while it looks.
static void look(struct worker *worker) {
    struct slice_pool *pool = worker->pool;
    size_t count;
    struct slice_place *places = slice_waiting_places(&pool->waiting, &count);
    pool->is_looking = true;
    pthread_mutex_unlock(&pool->lock);
    if (open_reader(worker) == STATUS_OK) {
        pool->ops->look(pool->store, worker->reader, places, count);
    }
    pthread_mutex_lock(&pool->lock);
    pool->is_looking = false;
    pool->look_due_us = clock_monotonic_us() + LOOK_INTERVAL_US;
    for (size_t i = 0; i < count; i++) {
        (void)slice_waiting_raise_end(&pool->waiting, &places[i]);
    }
    free(places);
    sort_waiting(pool, clock_monotonic_us());
}

static int64_t next_due_us(const struct slice_pool *pool) {
    bool must_look = pool->ops->look && pool->waiting.first && !pool->is_looking;
    int64_t look_us = must_look ? pool->look_due_us : INT64_MAX;
    int64_t over_us = slice_waiting_due_us(&pool->waiting);
    return over_us < look_us ? over_us : look_us;
}

// Called with the lock held. Returns when there may be something to do.
static void wait_for_work(struct worker *worker, int64_t now_us) {
    struct slice_pool *pool = worker->pool;
    int64_t until_us = next_due_us(pool);
    // Left to another worker, for now.
    int64_t left_until_us = slice_queue_left_until_us(&pool->ready);
    until_us = left_until_us < until_us ? left_until_us : until_us;
    bool may_rest = pool->ops->rest && worker->reader && !worker->has_rested;
    int64_t rest_us = may_rest ? now_us + REST_AFTER_US : INT64_MAX;
    until_us = rest_us < until_us ? rest_us : until_us;
    worker->is_idle = true;
    (void)condition_wait_until(&worker->woken, &pool->lock, until_us);
    bool was_woken = !worker->is_idle;
    worker->is_idle = false;
    if (!was_woken && may_rest && clock_monotonic_us() >= rest_us) {
        worker->has_rested = true;
        slice_stops_forget(&worker->stops);
        pthread_mutex_unlock(&pool->lock);
        pool->ops->rest(worker->reader);
        pthread_mutex_lock(&pool->lock);
    }
}

static void *run(void *argument) {
    struct worker *worker = argument;
    struct slice_pool *pool = worker->pool;
    size_t number = (size_t)(worker - pool->workers) + 1;
    pthread_mutex_lock(&pool->lock);
    while (!pool->is_stopping) {
        int64_t now_us = clock_monotonic_us();
        struct event_log_job *job = slice_queue_take(&pool->ready, number, &worker->stops, now_us);
        if (job) {
            hand_over_watch(pool);
            serve(worker, job);
        } else if (now_us < next_due_us(pool)) {
            wait_for_work(worker, now_us);
        } else {
            sort_waiting(pool, now_us);
            if (pool->ops->look && pool->waiting.first && !pool->is_looking &&
                now_us >= pool->look_due_us) {
                look(worker);
            }
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

// --- Any thread.

static enum status add_job(struct slice_pool *pool, struct event_log_job *job) {
    pthread_mutex_lock(&pool->lock);
    enum status status = pool->is_closed              ? STATUS_CLOSED
                         : pool->inside >= INSIDE_MAX ? STATUS_FULL
                                                      : STATUS_OK;
    if (status == STATUS_OK) {
        pool->inside++;
        make_ready(pool, job);
    }
    pthread_mutex_unlock(&pool->lock);
    return status;
}

enum status slice_pool_read(struct slice_pool *pool, struct event_log_slice *slice) {
    slice->job = (struct event_log_job){
        .position = slice->from_offset,
        .wait_until_us = slice->wait_ms > 0 ? clock_monotonic_us() + slice->wait_ms * 1000 : 0,
    };
    slice->records = NULL;
    slice->count = 0;
    return add_job(pool, &slice->job);
}

enum status slice_pool_find_time(struct slice_pool *pool, struct event_log_time_query *query) {
    query->job = (struct event_log_job){.is_query = true};
    return add_job(pool, &query->job);
}

void slice_pool_cancel(struct slice_pool *pool, struct event_log_slice *slice) {
    pthread_mutex_lock(&pool->lock);
    slice->job.is_cancelled = true;
    if (slice->job.is_waiting) {
        sort_waiting(pool, clock_monotonic_us());
    }
    pthread_mutex_unlock(&pool->lock);
}

void slice_pool_wake(struct slice_pool *pool, enum event_log_stream stream, int32_t partition,
                     int64_t end_offset) {
    struct slice_place place = {stream, partition, end_offset};
    pthread_mutex_lock(&pool->lock);
    if (partition < atomic_load(&pool->partition_counts[stream]) &&
        slice_waiting_raise_end(&pool->waiting, &place) && pool->waiting.first) {
        sort_waiting(pool, clock_monotonic_us());
    }
    pthread_mutex_unlock(&pool->lock);
}

void slice_pool_close(struct slice_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->is_closed = true;
    sort_waiting(pool, clock_monotonic_us());
    struct event_log_job *job;
    while ((job = slice_queue_take_first(&pool->ready)) != NULL) {
        answer(pool, job, STATUS_CLOSED);
    }
    while (pool->inside > 0) {
        pthread_cond_wait(&pool->emptied, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

bool slice_pool_is_closed(const struct slice_pool *pool) {
    return atomic_load(&pool->is_closed);
}

void slice_pool_destroy(struct slice_pool *pool) {
    if (!pool) {
        return;
    }
    slice_pool_close(pool);
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    for (size_t i = 0; i < pool->worker_count; i++) {
        pthread_cond_signal(&pool->workers[i].woken);
    }
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->worker_count; i++) {
        pthread_join(pool->workers[i].thread, NULL);
        if (pool->workers[i].reader) {
            pool->ops->close(pool->workers[i].reader);
        }
        pthread_cond_destroy(&pool->workers[i].woken);
    }
    slice_waiting_clear(&pool->waiting);
    pthread_cond_destroy(&pool->emptied);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
