#include "dispatcher/adaptive_limit.h"

#define PATIENCE_MAX 64
// Raised as far as this nothing is limited any more.
#define FORGOTTEN_FROM 1024

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

bool adaptive_limit_allows(const struct adaptive_limit *limit, uint32_t in_flight) {
    return limit->limit == 0 || in_flight < limit->limit;
}

static bool is_of_before(const struct adaptive_limit *limit, int64_t started_us) {
    return limit->limit > 0 && started_us < limit->lowered_us;
}

void adaptive_limit_refused(struct adaptive_limit *limit, uint32_t in_flight, int64_t started_us,
                            int64_t now_us) {
    if (is_of_before(limit, started_us)) {
        return;
    }
    uint32_t reached = limit->limit > 0 ? smaller(limit->limit, in_flight) : in_flight;
    if (limit->patience == 0) {
        limit->patience = 1;
    } else if (limit->is_raised) {
        limit->patience = smaller(limit->patience * 2, PATIENCE_MAX);
    }
    limit->limit = reached > 1 ? reached / 2 : 1;
    limit->successes = 0;
    limit->is_raised = false;
    limit->lowered_us = now_us;
}

static void raise_limit(struct adaptive_limit *limit) {
    if (limit->is_raised && limit->patience > 1) {
        limit->patience /= 2;
    }
    limit->limit++;
    limit->successes = 0;
    limit->is_raised = true;
    if (limit->limit >= FORGOTTEN_FROM) {
        *limit = (struct adaptive_limit){0};
    }
}

void adaptive_limit_succeeded(struct adaptive_limit *limit, uint32_t in_flight,
                              int64_t started_us) {
    if (limit->limit == 0 || in_flight < limit->limit || is_of_before(limit, started_us)) {
        return;
    }
    limit->successes++;
    if (limit->successes >= limit->limit * limit->patience) {
        raise_limit(limit);
    }
}
