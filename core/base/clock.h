// The clocks and the randomness that are passed in, so that tests can hold them still. Any thread.
#ifndef EVENT_GATEWAY_BASE_CLOCK_H
#define EVENT_GATEWAY_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

// Never goes back; not related to the calendar. Microseconds.
int64_t clock_monotonic_us(void);
// Since 1970 UTC; can jump when somebody sets the clock. Microseconds.
int64_t clock_wall_us(void);
// From the kernel's generator; cannot fail.
void random_bytes(void *ret_bytes, size_t size);
// A fast generator, not for secrets: seeded per thread. Uniform in [0, bound).
uint64_t random_below(uint64_t bound);

#endif
