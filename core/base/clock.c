#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void) {
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void) {
    return read_clock(CLOCK_REALTIME);
}

void random_bytes(void *ret_bytes, size_t size) {
    char *next = ret_bytes;
    while (size > 0) {
        ssize_t count = getrandom(next, size, 0);
        if (count < 0 && errno != EINTR) {
            abort();
        }
        if (count > 0) {
            next += count;
            size -= (size_t)count;
        }
    }
}

// splitmix64: each thread goes its own way from a random start.
static uint64_t random_next(void) {
    static _Thread_local uint64_t state;
    static _Thread_local int is_seeded;
    if (!is_seeded) {
        random_bytes(&state, sizeof state);
        is_seeded = 1;
    }
    state += 0x9e3779b97f4a7c15U;
    uint64_t mixed = state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31);
}

uint64_t random_below(uint64_t bound) {
    if (bound == 0) {
        return 0;
    }
    // Values from the incomplete last run of bound would favour the small ones.
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value = random_next();
    while (value >= limit) {
        value = random_next();
    }
    return value % bound;
}
