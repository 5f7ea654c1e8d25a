#include "dispatcher/retry_policy.h"

#include "core/base/memory.h"

#include <math.h>

const char *give_up_reason_name(enum give_up_reason reason) {
    static const char *const names[] = {
        [GIVE_UP_FINAL_STATUS] = "final status", [GIVE_UP_GONE] = "gone",
        [GIVE_UP_ATTEMPTS] = "attempts used up", [GIVE_UP_EXPIRED] = "expired",
        [GIVE_UP_TOO_DEEP] = "too many causes",
    };
    return (size_t)reason < ARRAY_LENGTH(names) ? names[reason] : "unknown";
}

static bool is_final_status(const struct retry_policy *policy, unsigned status) {
    for (size_t i = 0; i < policy->final_status_count; i++) {
        if (policy->final_statuses[i] == status) {
            return true;
        }
    }
    return false;
}

int64_t retry_policy_longest_wait_ms(const struct retry_policy *policy, uint32_t attempt) {
    double grown = (double)policy->initial_ms * pow(policy->factor, (double)attempt - 1);
    // Also true for infinity, which a large factor reaches soon.
    return grown >= (double)policy->max_ms ? policy->max_ms : (int64_t)grown;
}

// Uniform in [0, longest_ms]. The remainder's bias is below 2^-30 for waits of days.
static int64_t draw(int64_t longest_ms, uint64_t random) {
    return longest_ms > 0 ? (int64_t)(random % ((uint64_t)longest_ms + 1)) : 0;
}

static int64_t remaining_ms(const struct retry_policy *policy,
                            const struct attempt_situation *situation) {
    int64_t age_ms = situation->age_ms > 0 ? situation->age_ms : 0;
    int64_t by_age_ms = policy->max_age_ms - age_ms;
    return by_age_ms < situation->expires_in_ms ? by_age_ms : situation->expires_in_ms;
}

static struct retry_verdict give_up(enum give_up_reason reason) {
    return (struct retry_verdict){.step = RETRY_GIVE_UP, .reason = reason};
}

struct retry_verdict retry_policy_decide(const struct retry_policy *policy,
                                         const struct attempt_outcome *outcome,
                                         const struct attempt_situation *situation) {
    if (outcome->outcome == INVOCATION_SUCCEEDED) {
        return (struct retry_verdict){.step = RETRY_DELIVERED};
    }
    if (is_final_status(policy, outcome->status)) {
        return give_up(GIVE_UP_FINAL_STATUS);
    }
    if (outcome->status == 410) {
        return give_up(GIVE_UP_GONE);
    }
    if (situation->attempt >= policy->max_attempts) {
        return give_up(GIVE_UP_ATTEMPTS);
    }
    int64_t asked_ms =
        outcome->is_throttled && outcome->retry_after_ms > 0 ? outcome->retry_after_ms : 0;
    int64_t remaining = remaining_ms(policy, situation);
    if (remaining <= 0 || asked_ms >= remaining) {
        return give_up(GIVE_UP_EXPIRED);
    }
    int64_t jitter_ms =
        draw(retry_policy_longest_wait_ms(policy, situation->attempt), situation->random);
    if (jitter_ms > remaining - asked_ms) {
        return give_up(GIVE_UP_EXPIRED);
    }
    return (struct retry_verdict){.step = RETRY_WAIT, .wait_ms = asked_ms + jitter_ms};
}
