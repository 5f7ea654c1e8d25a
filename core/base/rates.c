#include "core/base/rates.h"

#include "core/base/memory.h"
#include "core/base/rate_limit.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16
// Who has let others go first asks again so long after these were due.
#define BEHIND_LINE_US 1000

struct rate {
    struct rate *next; // in its bucket
    uint64_t hash;
    struct rate_limit limit;
    size_t in_line;
    struct bytes space, id; // behind it
};

struct rates {
    pthread_mutex_t lock;
    size_t partition_count;
    size_t own_partitions;
    struct rate **buckets;
    size_t bucket_count; // a power of two
    size_t count;
};

struct rates *rates_create(size_t partition_count) {
    struct rates *rates = memory_allocate(sizeof *rates);
    pthread_mutex_init(&rates->lock, NULL);
    rates->partition_count = partition_count;
    rates->bucket_count = FIRST_BUCKETS;
    rates->buckets = memory_allocate(FIRST_BUCKETS * sizeof(void *));
    return rates;
}

void rates_destroy(struct rates *rates) {
    for (size_t i = 0; rates && i < rates->bucket_count; i++) {
        struct rate *next;
        for (struct rate *rate = rates->buckets[i]; rate; rate = next) {
            next = rate->next;
            free(rate);
        }
    }
    if (rates) {
        pthread_mutex_destroy(&rates->lock);
        free(rates->buckets);
        free(rates);
    }
}

void rates_add_partitions(struct rates *rates, int count) {
    pthread_mutex_lock(&rates->lock);
    assert(count >= 0 || rates->own_partitions >= (size_t)-count);
    rates->own_partitions += (size_t)count;
    pthread_mutex_unlock(&rates->lock);
}

void rates_set_partitions(struct rates *rates, size_t partition_count) {
    pthread_mutex_lock(&rates->lock);
    rates->partition_count = partition_count;
    pthread_mutex_unlock(&rates->lock);
}

static struct rate *find(const struct rates *rates, uint64_t hash, struct bytes space,
                         struct bytes id) {
    struct rate *rate = rates->buckets[hash & (rates->bucket_count - 1)];
    while (rate &&
           !(rate->hash == hash && bytes_equal(rate->id, id) && bytes_equal(rate->space, space))) {
        rate = rate->next;
    }
    return rate;
}

// Makes room for one more: what is due limits nobody and is forgotten, and when that was not half
// of them there are twice as many buckets.
static void make_room(struct rates *rates, int64_t now_us) {
    struct rate **before = rates->buckets;
    size_t count_before = rates->bucket_count;
    struct rate *kept = NULL;
    rates->count = 0;
    for (size_t i = 0; i < count_before; i++) {
        struct rate *next;
        for (struct rate *rate = before[i]; rate; rate = next) {
            next = rate->next;
            if (rate->limit.next_ns <= now_us * 1000 && rate->in_line == 0) {
                free(rate);
            } else {
                rate->next = kept;
                kept = rate;
                rates->count++;
            }
        }
    }
    free(before);
    rates->bucket_count = rates->count > count_before / 2 ? count_before * 2 : count_before;
    rates->buckets = memory_allocate(rates->bucket_count * sizeof(void *));
    while (kept) {
        struct rate *rate = kept;
        kept = rate->next;
        struct rate **bucket = &rates->buckets[rate->hash & (rates->bucket_count - 1)];
        rate->next = *bucket;
        *bucket = rate;
    }
}

// Empty bytes may have no address, which memcpy does not take.
static struct bytes put(char *at, struct bytes text) {
    if (text.size > 0) {
        memcpy(at, text.data, text.size);
    }
    return (struct bytes){at, text.size};
}

static struct rate *add(struct rates *rates, uint64_t hash, struct bytes space, struct bytes id,
                        int64_t now_us) {
    if (rates->count >= rates->bucket_count) {
        make_room(rates, now_us);
    }
    struct rate *rate = memory_allocate(sizeof *rate + space.size + id.size);
    char *text = (char *)(rate + 1);
    rate->hash = hash;
    rate->space = put(text, space);
    rate->id = put(text + space.size, id);
    struct rate **bucket = &rates->buckets[hash & (rates->bucket_count - 1)];
    rate->next = *bucket;
    *bucket = rate;
    rates->count++;
    return rate;
}

static double own_part(const struct rates *rates, double per_second) {
    // Partitions can be added while we run, and the last call of one that goes can still be made.
    if (rates->own_partitions == 0 || rates->own_partitions >= rates->partition_count) {
        return per_second;
    }
    return per_second * (double)rates->own_partitions / (double)rates->partition_count;
}

static uint64_t hash_of(struct bytes space, struct bytes id) {
    return bytes_hash(id) ^ (bytes_hash(space) * 31);
}

static int64_t wait_behind_line_us(const struct rate *rate, int64_t now_us) {
    int64_t left_us = rate->limit.next_ns / 1000 - now_us;
    return (left_us > 0 ? left_us : 0) + BEHIND_LINE_US;
}

static void move_in_line(struct rate *rate, enum rate_turn turn, bool may_go) {
    if (turn == RATE_FIRST && !may_go) {
        rate->in_line++;
    } else if (turn == RATE_AGAIN && may_go) {
        assert(rate->in_line > 0);
        rate->in_line--;
    }
}

int64_t rates_take(struct rates *rates, struct bytes space, struct bytes id, double per_second,
                   uint32_t count, int64_t now_us, enum rate_turn turn) {
    uint64_t hash = hash_of(space, id);
    pthread_mutex_lock(&rates->lock);
    struct rate *rate = find(rates, hash, space, id);
    if (!rate) {
        rate = add(rates, hash, space, id, now_us);
    }
    int64_t wait_us =
        turn == RATE_LAST && rate->in_line > 0
            ? wait_behind_line_us(rate, now_us)
            : rate_limit_take(&rate->limit, own_part(rates, per_second), count, now_us);
    move_in_line(rate, turn, wait_us == 0);
    pthread_mutex_unlock(&rates->lock);
    return wait_us;
}

void rates_leave_line(struct rates *rates, struct bytes space, struct bytes id) {
    pthread_mutex_lock(&rates->lock);
    struct rate *rate = find(rates, hash_of(space, id), space, id);
    assert(rate && rate->in_line > 0); // It is remembered as long as somebody is in the line.
    rate->in_line--;
    pthread_mutex_unlock(&rates->lock);
}

size_t rates_count(struct rates *rates) {
    pthread_mutex_lock(&rates->lock);
    size_t count = rates->count;
    pthread_mutex_unlock(&rates->lock);
    return count;
}
