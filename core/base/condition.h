// Conditions whose timed waits go by clock_monotonic_us, so that nobody who sets the clock ends one
// early or late. Any thread.
#ifndef EVENT_GATEWAY_BASE_CONDITION_H
#define EVENT_GATEWAY_BASE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void condition_init(pthread_cond_t *condition);
// Needs the lock, which it lets go of meanwhile. Returns false when until_us has come, INT64_MAX:
// never; true when it was signalled, or for no reason: look again at what is waited for.
bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_us);

#endif
