#include "dispatcher/retry_tiers.h"

#include <assert.h>

struct retry_tiers retry_tiers_divided(int64_t divisor) {
    assert(divisor > 0);
    return (struct retry_tiers){
        .park_after_ms = 5000 / divisor,
        .wait_ms = {10000 / divisor, 60000 / divisor, 600000 / divisor, 3600000 / divisor},
    };
}

enum event_log_stream retry_tier_stream(size_t tier) {
    static const enum event_log_stream streams[RETRY_TIER_COUNT] = {
        EVENT_LOG_RETRY_10S, EVENT_LOG_RETRY_1M, EVENT_LOG_RETRY_10M, EVENT_LOG_RETRY_1H};
    assert(tier < RETRY_TIER_COUNT);
    return streams[tier];
}

const char *retry_tier_name(size_t tier) {
    static const char *const names[RETRY_TIER_COUNT] = {"10s", "1m", "10m", "1h"};
    assert(tier < RETRY_TIER_COUNT);
    return names[tier];
}

size_t retry_tiers_choose(const struct retry_tiers *tiers, int64_t wait_ms) {
    size_t tier = RETRY_TIER_COUNT - 1;
    while (tier > 0 && tiers->wait_ms[tier] > wait_ms) {
        tier--;
    }
    return tier;
}

int64_t retry_tiers_look_us(const struct retry_tiers *tiers, size_t tier, int64_t stored_ms,
                            int64_t due_us) {
    int64_t look_us;
    if (__builtin_add_overflow(stored_ms, tiers->wait_ms[tier], &look_us) ||
        __builtin_mul_overflow(look_us, 1000, &look_us)) {
        return due_us;
    }
    return look_us < due_us ? look_us : due_us;
}
