#include "core/base/rate_limit.h"

#define BURST_NS INT64_C(100000000)
// A pause beyond it makes no difference to who waits, and keeps the sums within their type.
#define LONGEST_NS 3.6e15

static int64_t cost_ns(double per_second, uint32_t count) {
    double cost = 1e9 / per_second * count;
    return cost < LONGEST_NS ? (int64_t)cost : (int64_t)LONGEST_NS;
}

int64_t rate_limit_take(struct rate_limit *limit, double per_second, uint32_t count,
                        int64_t now_us) {
    int64_t now_ns = now_us * 1000;
    int64_t cost = cost_ns(per_second, count);
    if (limit->next_ns > now_ns) {
        // Rounded up: whoever waits for so long comes at a time when it is due.
        return (limit->next_ns - now_ns + 999) / 1000;
    }
    if (limit->next_ns < now_ns - BURST_NS) {
        limit->next_ns = now_ns - BURST_NS;
    }
    limit->next_ns += cost;
    return 0;
}
