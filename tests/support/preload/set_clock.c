// Loaded before a tested program (LD_PRELOAD): its wall clock is the real one plus the microseconds
// in the file that SET_CLOCK_FILE names, eight bytes in the machine's order, which a test changes
// at any time. The monotonic clock stays as it is. (libfaketime cannot be loaded beside jemalloc.)
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define LOOK_US 20000

static const atomic_llong *shift;

__attribute__((constructor)) static void open_shift(void) {
    const char *path = getenv("SET_CLOCK_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped =
        file < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        abort();
    }
    close(file);
    shift = mapped;
}

static int64_t real_us(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t wall_us(void) {
    return real_us() + (shift ? atomic_load(shift) : 0);
}

static struct timespec timespec_of(int64_t us) {
    return (struct timespec){us / 1000000, us % 1000000 * 1000};
}

int clock_gettime(clockid_t clock, struct timespec *ret_now) {
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        *ret_now = timespec_of(wall_us());
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, clock, ret_now);
}

int timespec_get(struct timespec *ret_now, int base) {
    *ret_now = timespec_of(wall_us());
    return base;
}

int gettimeofday(struct timeval *restrict ret_now, void *restrict zone) {
    int64_t now_us = wall_us();
    (void)zone;
    *ret_now = (struct timeval){now_us / 1000000, now_us % 1000000};
    return 0;
}

time_t time(time_t *ret_now) {
    time_t now = (time_t)(wall_us() / 1000000);
    if (ret_now) {
        *ret_now = now;
    }
    return now;
}

// As the kernel does it: the wait ends when the clock is there, so it lasts longer when somebody
// sets the clock back meanwhile.
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict lock,
                  const struct timespec *restrict until) {
    static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    if (!wait) {
        *(void **)&wait = dlsym(RTLD_NEXT, "cnd_timedwait");
    }
    int64_t until_us = (int64_t)until->tv_sec * 1000000 + until->tv_nsec / 1000;
    int result;
    int64_t left_us;
    do {
        left_us = until_us - wall_us();
        int64_t step_us = left_us > LOOK_US ? LOOK_US : left_us > 0 ? left_us : 0;
        struct timespec step = timespec_of(real_us() + step_us);
        result = wait(condition, lock, &step);
    } while (result == thrd_timedout && left_us > LOOK_US);
    return result;
}
