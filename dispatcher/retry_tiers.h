// Which waits are parked in the log, and in which of eg.retry.*: the tier of the longest wait that
// ends no later than the delivery is due. When that wait is over, what is still not due goes on to
// another tier, so that records of one tier are due in about the order in which they lie there.
// Pure; time is passed in.
#ifndef EVENT_GATEWAY_DISPATCHER_RETRY_TIERS_H
#define EVENT_GATEWAY_DISPATCHER_RETRY_TIERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event_log/event_log.h"

enum {
    RETRY_TIER_COUNT = 4
};

struct retry_tiers {
    int64_t park_after_ms;             // longer waits are parked
    int64_t wait_ms[RETRY_TIER_COUNT]; // ascending
};

// 5 s, and 10 s, 1 min, 10 min, 1 h, divided: tests have not that much time.
struct retry_tiers retry_tiers_divided(int64_t divisor);
enum event_log_stream retry_tier_stream(size_t tier);
// "10s", "1m", "10m", "1h": part of its stream's name.
const char *retry_tier_name(size_t tier);
size_t retry_tiers_choose(const struct retry_tiers *tiers, int64_t wait_ms);
// When a record that was stored then is looked at: it is due, or goes on to another tier.
int64_t retry_tiers_look_us(const struct retry_tiers *tiers, size_t tier, int64_t stored_ms,
                            int64_t due_us);

#endif
