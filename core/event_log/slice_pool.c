#include "core/event_log/slice_pool.h"

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/memory.h"
#include "core/event_log/event_log_kind.h"
#include "core/event_log/read_count.h"
#include "core/event_log/record_slice.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 3
#define INSIDE_MAX 4096
#define DEFAULT_MAX_RECORDS 500
#define DEFAULT_MAX_BYTES (1u << 20)
#define LOOK_INTERVAL_US 100000
#define REST_AFTER_US 2000000
// A worker goes on where it stopped, rather than with what waits longest, so often in a row.
#define OUT_OF_TURN_MAX 8
#define SEARCH_MAX 64
// What waits so long for the worker that stopped there is taken by another one.
#define LEFT_TO_OTHERS_US 50000
#define PLACES_KEPT 4

struct worker {
    struct slice_pool *pool;
    pthread_t thread;
    void *reader; // of the store; the thread's

    // Under the pool's lock.
    pthread_cond_t woken;
    bool is_idle;
    bool has_rested;
    unsigned out_of_turn;
    struct slice_place kept[PLACES_KEPT]; // where it stopped; end_offset is the next one to read
    size_t next_kept;
};

struct slice_pool {
    const struct slice_store_ops *ops;
    void *store;
    _Atomic int32_t partition_counts[EVENT_LOG_STREAM_COUNT]; // grow, under the lock

    pthread_mutex_t lock; // for what follows; never held while calling the store
    struct event_log_job *first_ready;
    struct event_log_job *last_ready;
    struct event_log_job *waiting;
    int64_t *ends[EVENT_LOG_STREAM_COUNT]; // the highest that anybody told of
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
        pool->ends[stream] =
            memory_allocate((size_t)partition_counts[stream] * sizeof *pool->ends[stream]);
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->emptied, NULL);
    return pool;
}

void slice_pool_grow(struct slice_pool *pool, enum event_log_stream stream,
                     int32_t partition_count) {
    pthread_mutex_lock(&pool->lock);
    int32_t before = atomic_load(&pool->partition_counts[stream]);
    if (partition_count > before) {
        size_t count = (size_t)partition_count;
        int64_t *ends = memory_resize(pool->ends[stream], count, sizeof *ends);
        memset(ends + before, 0, (count - (size_t)before) * sizeof *ends);
        pool->ends[stream] = ends;
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

static bool goes_on(const struct worker *worker, struct event_log_job *job) {
    for (size_t i = 0; !job->is_query && i < PLACES_KEPT; i++) {
        const struct slice_place *kept = &worker->kept[i];
        const struct event_log_slice *slice = slice_of(job);
        if (kept->end_offset > 0 && kept->end_offset == job->position &&
            kept->stream == slice->stream && kept->partition == slice->partition) {
            return true;
        }
    }
    return false;
}

static void *run(void *argument);

static void start_worker(struct slice_pool *pool) {
    struct worker *worker = &pool->workers[pool->worker_count++];
    worker->pool = pool;
    event_log_condition_init(&worker->woken);
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
        if (is_better && pool->ops->keeps_places && goes_on(worker, job)) {
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
    job->next = NULL;
    job->ready_us = clock_monotonic_us();
    if (pool->last_ready) {
        pool->last_ready->next = job;
    } else {
        pool->first_ready = job;
    }
    pool->last_ready = job;
    wake_worker(pool, job);
}

// Takes the job at *place, which follows previous, out of the ready ones.
static struct event_log_job *take_out(struct slice_pool *pool, struct event_log_job *previous,
                                      struct event_log_job *job) {
    if (previous) {
        previous->next = job->next;
    } else {
        pool->first_ready = job->next;
    }
    if (pool->last_ready == job) {
        pool->last_ready = previous;
    }
    return job;
}

// The watch over those that wait goes to an idle worker, which may sleep without knowing of them.
static void hand_over_watch(struct slice_pool *pool) {
    for (size_t i = 0; pool->waiting && i < pool->worker_count; i++) {
        if (pool->workers[i].is_idle) {
            wake(&pool->workers[i]);
            return;
        }
    }
}

// Its own first, but not for ever; those of others only when they have waited for long.
static struct event_log_job *take_job(struct worker *worker, int64_t now_us) {
    struct slice_pool *pool = worker->pool;
    size_t number = (size_t)(worker - pool->workers) + 1;
    bool is_own_first = worker->out_of_turn < OUT_OF_TURN_MAX;
    struct event_log_job *previous = NULL, *found = NULL, *before_found = NULL;
    size_t looked_at = 0;
    for (struct event_log_job *job = pool->first_ready; job && looked_at < SEARCH_MAX;
         looked_at++) {
        bool is_own = job->worker == number;
        bool may_take = is_own || job->worker == 0 || now_us - job->ready_us >= LEFT_TO_OTHERS_US;
        if (may_take && (!found || (is_own && is_own_first))) {
            worker->out_of_turn = found ? worker->out_of_turn + 1 : 0;
            found = job;
            before_found = previous;
            if (is_own || !is_own_first) {
                break;
            }
        }
        previous = job;
        job = job->next;
    }
    return found ? take_out(pool, before_found, found) : NULL;
}

static void keep_place(struct worker *worker, const struct event_log_slice *slice,
                       int64_t started_at) {
    size_t place = worker->next_kept;
    for (size_t i = 0; i < PLACES_KEPT; i++) {
        const struct slice_place *kept = &worker->kept[i];
        if (kept->stream == slice->stream && kept->partition == slice->partition &&
            kept->end_offset == started_at) {
            place = i;
        }
    }
    if (place == worker->next_kept) {
        worker->next_kept = (worker->next_kept + 1) % PLACES_KEPT;
    }
    worker->kept[place] = (struct slice_place){slice->stream, slice->partition, slice->next_offset};
}

static int64_t known_end(const struct slice_pool *pool, const struct event_log_slice *slice) {
    return pool->ends[slice->stream][slice->partition];
}

// What a slice that was read without a failure does next.
static void finish_slice(struct worker *worker, struct event_log_slice *slice) {
    struct slice_pool *pool = worker->pool;
    struct event_log_job *job = &slice->job;
    int64_t started_at = job->position;
    job->position = slice->next_offset;
    keep_place(worker, slice, started_at);
    if (slice->count > 0 || job->wait_until_us <= clock_monotonic_us()) {
        answer(pool, job, STATUS_OK);
    } else if (pool->is_closed || job->is_cancelled) {
        answer(pool, job, STATUS_CLOSED);
    } else if (known_end(pool, slice) > job->position) {
        make_ready(pool, job); // it came while the worker looked
    } else {
        job->is_waiting = true;
        job->next = pool->waiting;
        pool->waiting = job;
    }
}

// Those whose waiting is over are answered, or made ready again.
static void sort_waiting(struct slice_pool *pool, int64_t now_us) {
    struct event_log_job *job = pool->waiting;
    pool->waiting = NULL;
    while (job) {
        struct event_log_job *next = job->next;
        bool is_woken = known_end(pool, slice_of(job)) > job->position;
        bool is_over = pool->is_closed || job->is_cancelled;
        job->is_waiting = !is_over && !is_woken && now_us < job->wait_until_us;
        if (job->is_waiting) {
            job->next = pool->waiting;
            pool->waiting = job;
        } else if (is_woken && !is_over) {
            make_ready(pool, job);
        } else {
            answer(pool, job, is_over ? STATUS_CLOSED : STATUS_OK);
        }
        job = next;
    }
}

static bool raise_end(struct slice_pool *pool, const struct slice_place *place) {
    int64_t *end = &pool->ends[place->stream][place->partition];
    bool has_moved = place->end_offset > *end;
    *end = has_moved ? place->end_offset : *end;
    return has_moved;
}

// --- A worker's thread.

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

static struct slice_place *list_places(const struct slice_pool *pool, size_t *ret_count) {
    size_t count = 0;
    for (const struct event_log_job *job = pool->waiting; job; job = job->next) {
        count++;
    }
    struct slice_place *places = memory_allocate(count * sizeof *places);
    *ret_count = 0;
    for (struct event_log_job *job = pool->waiting; job; job = job->next) {
        const struct event_log_slice *slice = slice_of(job);
        size_t i = 0;
        while (i < *ret_count &&
               (places[i].stream != slice->stream || places[i].partition != slice->partition)) {
            i++;
        }
        if (i == *ret_count) {
            places[(*ret_count)++] = (struct slice_place){slice->stream, slice->partition, -1};
        }
    }
    return places;
}

// Called with the lock held, which it lets go of while it looks.
static void look(struct worker *worker) {
    struct slice_pool *pool = worker->pool;
    size_t count;
    struct slice_place *places = list_places(pool, &count);
    pool->is_looking = true;
    pthread_mutex_unlock(&pool->lock);
    if (open_reader(worker) == STATUS_OK) {
        pool->ops->look(pool->store, worker->reader, places, count);
    }
    pthread_mutex_lock(&pool->lock);
    pool->is_looking = false;
    pool->look_due_us = clock_monotonic_us() + LOOK_INTERVAL_US;
    for (size_t i = 0; i < count; i++) {
        (void)raise_end(pool, &places[i]);
    }
    free(places);
    sort_waiting(pool, clock_monotonic_us());
}

static int64_t next_due_us(const struct slice_pool *pool) {
    bool must_look = pool->ops->look && pool->waiting && !pool->is_looking;
    int64_t due_us = must_look ? pool->look_due_us : INT64_MAX;
    for (const struct event_log_job *job = pool->waiting; job; job = job->next) {
        due_us = job->wait_until_us < due_us ? job->wait_until_us : due_us;
    }
    return due_us;
}

// Called with the lock held. Returns when there may be something to do.
static void wait_for_work(struct worker *worker, int64_t now_us) {
    struct slice_pool *pool = worker->pool;
    int64_t until_us = next_due_us(pool);
    // Left to another worker, for now.
    if (pool->first_ready && pool->first_ready->ready_us + LEFT_TO_OTHERS_US < until_us) {
        until_us = pool->first_ready->ready_us + LEFT_TO_OTHERS_US;
    }
    bool may_rest = pool->ops->rest && worker->reader && !worker->has_rested;
    int64_t rest_us = may_rest ? now_us + REST_AFTER_US : INT64_MAX;
    until_us = rest_us < until_us ? rest_us : until_us;
    worker->is_idle = true;
    if (until_us == INT64_MAX) {
        pthread_cond_wait(&worker->woken, &pool->lock);
    } else {
        struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
        pthread_cond_timedwait(&worker->woken, &pool->lock, &until);
    }
    bool was_woken = !worker->is_idle;
    worker->is_idle = false;
    if (!was_woken && may_rest && clock_monotonic_us() >= rest_us) {
        worker->has_rested = true;
        memset(worker->kept, 0, sizeof worker->kept);
        pthread_mutex_unlock(&pool->lock);
        pool->ops->rest(worker->reader);
        pthread_mutex_lock(&pool->lock);
    }
}

static void *run(void *argument) {
    struct worker *worker = argument;
    struct slice_pool *pool = worker->pool;
    pthread_mutex_lock(&pool->lock);
    while (!pool->is_stopping) {
        int64_t now_us = clock_monotonic_us();
        struct event_log_job *job = take_job(worker, now_us);
        if (job) {
            hand_over_watch(pool);
            serve(worker, job);
        } else if (now_us < next_due_us(pool)) {
            wait_for_work(worker, now_us);
        } else {
            sort_waiting(pool, now_us);
            if (pool->ops->look && pool->waiting && !pool->is_looking &&
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
    if (partition < atomic_load(&pool->partition_counts[stream]) && raise_end(pool, &place) &&
        pool->waiting) {
        sort_waiting(pool, clock_monotonic_us());
    }
    pthread_mutex_unlock(&pool->lock);
}

void slice_pool_close(struct slice_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->is_closed = true;
    sort_waiting(pool, clock_monotonic_us());
    while (pool->first_ready) {
        answer(pool, take_out(pool, NULL, pool->first_ready), STATUS_CLOSED);
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
    for (size_t stream = 0; stream < EVENT_LOG_STREAM_COUNT; stream++) {
        free(pool->ends[stream]);
    }
    pthread_cond_destroy(&pool->emptied);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
