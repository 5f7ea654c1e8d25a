#include "dispatcher/throttles.h"

#include "core/base/memory.h"
#include "dispatcher/adaptive_limit.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64
// Limits of functions that nobody calls any more are swept out when this many came since.
#define SWEEP_AFTER 1024
#define IDLE_US (INT64_C(600) * 1000000)

struct lane_list {
    struct throttle_waiter *first, *last; // the lane's thread alone
    // Under the lock:
    bool is_used;  // the list is not empty
    bool is_ready; // among the lane's ready ones
    struct throttle *next_ready;
};

struct throttle {
    struct throttle *next; // in its bucket
    uint64_t hash;
    struct bytes space, function_id; // behind the lists
    uint32_t in_flight;
    int64_t used_us;
    struct adaptive_limit limit;
    struct lane_list lists[];
};

struct ready_list {
    struct throttle *first;
    bool is_woken; // and has not seen an empty list since
};

struct throttles {
    pthread_mutex_t lock;
    size_t lane_count;
    bool is_closed;
    void (*wake)(void *context, size_t lane);
    void *context;
    struct throttle **buckets;
    size_t bucket_count; // a power of two
    size_t count;
    size_t added; // since the last sweep
    struct ready_list ready[];
};

struct throttles *throttles_create(size_t lane_count, void (*wake)(void *context, size_t lane),
                                   void *context) {
    struct throttles *throttles =
        memory_allocate(sizeof *throttles + lane_count * sizeof(struct ready_list));
    pthread_mutex_init(&throttles->lock, NULL);
    throttles->lane_count = lane_count;
    throttles->wake = wake;
    throttles->context = context;
    throttles->bucket_count = FIRST_BUCKETS;
    throttles->buckets = memory_allocate(FIRST_BUCKETS * sizeof(void *));
    return throttles;
}

void throttles_close(struct throttles *throttles) {
    pthread_mutex_lock(&throttles->lock);
    throttles->is_closed = true;
    pthread_mutex_unlock(&throttles->lock);
}

static bool is_waited_for(const struct throttles *throttles, const struct throttle *throttle) {
    for (size_t i = 0; i < throttles->lane_count; i++) {
        if (throttle->lists[i].is_used || throttle->lists[i].is_ready) {
            return true;
        }
    }
    return false;
}

static void drop(struct throttles *throttles, struct throttle *throttle) {
    struct throttle **link = &throttles->buckets[throttle->hash & (throttles->bucket_count - 1)];
    while (*link != throttle) {
        link = &(*link)->next;
    }
    *link = throttle->next;
    throttles->count--;
    free(throttle);
}

void throttles_destroy(struct throttles *throttles) {
    for (size_t i = 0; throttles && i < throttles->bucket_count; i++) {
        while (throttles->buckets[i]) {
            assert(throttles->buckets[i]->in_flight == 0);
            drop(throttles, throttles->buckets[i]);
        }
    }
    if (throttles) {
        pthread_mutex_destroy(&throttles->lock);
        free(throttles->buckets);
        free(throttles);
    }
}

static void drop_if_unused(struct throttles *throttles, struct throttle *throttle) {
    if (throttle->in_flight == 0 && throttle->limit.limit == 0 &&
        !is_waited_for(throttles, throttle)) {
        drop(throttles, throttle);
    }
}

static void sweep(struct throttles *throttles, int64_t now_us) {
    for (size_t i = 0; i < throttles->bucket_count; i++) {
        struct throttle *next;
        for (struct throttle *throttle = throttles->buckets[i]; throttle; throttle = next) {
            next = throttle->next;
            if (throttle->in_flight == 0 && throttle->used_us < now_us - IDLE_US &&
                !is_waited_for(throttles, throttle)) {
                drop(throttles, throttle);
            }
        }
    }
    throttles->added = 0;
}

static void grow(struct throttles *throttles) {
    size_t bucket_count = throttles->bucket_count * 2;
    struct throttle **buckets = memory_allocate(bucket_count * sizeof(void *));
    for (size_t i = 0; i < throttles->bucket_count; i++) {
        struct throttle *throttle = throttles->buckets[i];
        while (throttle) {
            struct throttle *next = throttle->next;
            struct throttle **bucket = &buckets[throttle->hash & (bucket_count - 1)];
            throttle->next = *bucket;
            *bucket = throttle;
            throttle = next;
        }
    }
    free(throttles->buckets);
    throttles->buckets = buckets;
    throttles->bucket_count = bucket_count;
}

static uint64_t hash_of(struct bytes space, struct bytes function_id) {
    return bytes_hash(function_id) ^ (bytes_hash(space) * 31);
}

static struct throttle *find(const struct throttles *throttles, uint64_t hash, struct bytes space,
                             struct bytes function_id) {
    struct throttle *throttle = throttles->buckets[hash & (throttles->bucket_count - 1)];
    while (throttle &&
           !(throttle->hash == hash && bytes_equal(throttle->function_id, function_id) &&
             bytes_equal(throttle->space, space))) {
        throttle = throttle->next;
    }
    return throttle;
}

static struct throttle *add(struct throttles *throttles, uint64_t hash, struct bytes space,
                            struct bytes function_id) {
    if (throttles->count >= throttles->bucket_count) {
        grow(throttles);
    }
    size_t size = sizeof(struct throttle) + throttles->lane_count * sizeof(struct lane_list);
    struct throttle *throttle = memory_allocate(size + space.size + function_id.size);
    char *text = (char *)throttle + size;
    memcpy(text, space.data, space.size);
    memcpy(text + space.size, function_id.data, function_id.size);
    throttle->hash = hash;
    throttle->space = (struct bytes){text, space.size};
    throttle->function_id = (struct bytes){text + space.size, function_id.size};
    struct throttle **bucket = &throttles->buckets[hash & (throttles->bucket_count - 1)];
    throttle->next = *bucket;
    *bucket = throttle;
    throttles->count++;
    return throttle;
}

static void append(struct lane_list *list, struct throttle *throttle,
                   struct throttle_waiter *waiter) {
    *waiter = (struct throttle_waiter){.throttle = throttle, .previous = list->last};
    if (list->last) {
        list->last->next = waiter;
    } else {
        list->first = waiter;
    }
    list->last = waiter;
    list->is_used = true;
}

static void take_out(struct lane_list *list, struct throttle_waiter *waiter) {
    if (waiter->previous) {
        waiter->previous->next = waiter->next;
    } else {
        list->first = waiter->next;
    }
    if (waiter->next) {
        waiter->next->previous = waiter->previous;
    } else {
        list->last = waiter->previous;
    }
    *waiter = (struct throttle_waiter){0};
    list->is_used = list->first != NULL;
}

bool throttles_enter(struct throttles *throttles, size_t lane, struct bytes space,
                     struct bytes function_id, struct throttle_waiter *waiter,
                     struct throttle **ret_throttle) {
    uint64_t hash = hash_of(space, function_id);
    pthread_mutex_lock(&throttles->lock);
    struct throttle *throttle = find(throttles, hash, space, function_id);
    if (!throttle) {
        throttle = add(throttles, hash, space, function_id);
    }
    bool may_run = adaptive_limit_allows(&throttle->limit, throttle->in_flight);
    if (may_run) {
        throttle->in_flight++;
        *ret_throttle = throttle;
    } else if (waiter) {
        append(&throttle->lists[lane], throttle, waiter);
    }
    pthread_mutex_unlock(&throttles->lock);
    return may_run;
}

// Puts the function among the ready ones of each lane that waits for it, and wakes those lanes.
static void make_ready(struct throttles *throttles, struct throttle *throttle) {
    for (size_t i = 0; i < throttles->lane_count; i++) {
        struct lane_list *list = &throttle->lists[i];
        if (!list->is_used || list->is_ready) {
            continue;
        }
        list->is_ready = true;
        list->next_ready = throttles->ready[i].first;
        throttles->ready[i].first = throttle;
        if (!throttles->ready[i].is_woken && !throttles->is_closed) {
            throttles->ready[i].is_woken = true;
            throttles->wake(throttles->context, i);
        }
    }
}

static void note_end(struct throttle *throttle, enum throttle_end end, int64_t started_us,
                     int64_t now_us) {
    assert(throttle->in_flight > 0);
    if (end == THROTTLE_REFUSED) {
        adaptive_limit_refused(&throttle->limit, throttle->in_flight, started_us, now_us);
    } else if (end == THROTTLE_SUCCEEDED) {
        adaptive_limit_succeeded(&throttle->limit, throttle->in_flight, started_us);
    }
    throttle->in_flight--;
    throttle->used_us = now_us;
}

bool throttles_leave(struct throttles *throttles, struct throttle *throttle, enum throttle_end end,
                     int64_t started_us, int64_t now_us) {
    pthread_mutex_lock(&throttles->lock);
    bool were_others = throttle->in_flight > 1;
    note_end(throttle, end, started_us, now_us);
    bool has_room = adaptive_limit_allows(&throttle->limit, throttle->in_flight);
    if (has_room && is_waited_for(throttles, throttle)) {
        make_ready(throttles, throttle);
    } else {
        drop_if_unused(throttles, throttle);
    }
    if (end == THROTTLE_REFUSED && ++throttles->added > SWEEP_AFTER) {
        sweep(throttles, now_us);
    }
    pthread_mutex_unlock(&throttles->lock);
    return were_others;
}

void throttles_wait_no_longer(struct throttles *throttles, size_t lane,
                              struct throttle_waiter *waiter) {
    struct throttle *throttle = waiter->throttle;
    pthread_mutex_lock(&throttles->lock);
    take_out(&throttle->lists[lane], waiter);
    drop_if_unused(throttles, throttle);
    pthread_mutex_unlock(&throttles->lock);
}

// Takes out the first ready function, unless somebody of this lane waits for it and it has room.
static struct throttle_waiter *next_of(struct throttles *throttles, size_t lane) {
    struct throttle *throttle;
    while ((throttle = throttles->ready[lane].first)) {
        struct lane_list *list = &throttle->lists[lane];
        if (list->first && adaptive_limit_allows(&throttle->limit, throttle->in_flight)) {
            struct throttle_waiter *waiter = list->first;
            take_out(list, waiter);
            return waiter;
        }
        throttles->ready[lane].first = list->next_ready;
        list->is_ready = false;
        list->next_ready = NULL;
        drop_if_unused(throttles, throttle);
    }
    throttles->ready[lane].is_woken = false;
    return NULL;
}

struct throttle_waiter *throttles_next(struct throttles *throttles, size_t lane) {
    pthread_mutex_lock(&throttles->lock);
    struct throttle_waiter *waiter = next_of(throttles, lane);
    pthread_mutex_unlock(&throttles->lock);
    return waiter;
}

bool throttles_limits(struct throttles *throttles, struct bytes space, struct bytes function_id) {
    pthread_mutex_lock(&throttles->lock);
    const struct throttle *throttle =
        find(throttles, hash_of(space, function_id), space, function_id);
    bool has_limit = throttle && throttle->limit.limit > 0;
    pthread_mutex_unlock(&throttles->lock);
    return has_limit;
}

size_t throttles_count(struct throttles *throttles) {
    size_t count = 0;
    pthread_mutex_lock(&throttles->lock);
    for (size_t i = 0; i < throttles->bucket_count; i++) {
        for (const struct throttle *throttle = throttles->buckets[i]; throttle;
             throttle = throttle->next) {
            count += throttle->limit.limit > 0;
        }
    }
    pthread_mutex_unlock(&throttles->lock);
    return count;
}
