// Decides what follows an attempt: the delivery is done, is tried again after a wait, or is given
// up with a reason. Pure; time and randomness are passed in.
//
// Invariants:
//   1. A success is always the end, whatever the policy says.
//   2. No attempt follows the last one that the policy allows, a final status, or the end of the
//      event's life (maxAgeMs, expirytime).
//   3. A wait lies within [0, min(maxMs, initialMs * factor^(attempt - 1))], drawn uniformly over
//      the whole range, so that what failed together does not come back together.
//   4. Where the function said Retry-After with 429 or 503, that time comes in front of the wait.
//   5. A wait never ends after the event's life does: where the one that is drawn would, the
//      delivery is given up. Drawn from what is left instead, waits would grow shorter and shorter
//      towards the end, and attempts crowd there.
#ifndef EVENT_GATEWAY_DISPATCHER_RETRY_POLICY_H
#define EVENT_GATEWAY_DISPATCHER_RETRY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/functions/invoker.h"
#include "core/subscriptions/subscription.h"

#define RETRY_NEVER_EXPIRES INT64_MAX

// What an attempt brought.
struct attempt_outcome {
    enum invocation_outcome outcome;
    unsigned status; // HTTP, 0 = none
    bool is_throttled;
    int64_t retry_after_ms; // -1 = not said
};

// Where the delivery stands after it.
struct attempt_situation {
    uint32_t attempt;      // 1 = the first
    int64_t age_ms;        // of the event since it was received; negative when a clock was set back
    int64_t expires_in_ms; // by the event's expirytime; RETRY_NEVER_EXPIRES
    uint64_t random;       // uniform over all 64 bits
};

enum retry_step {
    RETRY_DELIVERED,
    RETRY_WAIT,
    RETRY_GIVE_UP,
};

enum give_up_reason {
    GIVE_UP_FINAL_STATUS,
    GIVE_UP_GONE, // 410
    GIVE_UP_ATTEMPTS,
    GIVE_UP_EXPIRED,
    GIVE_UP_TOO_DEEP, // causation_depth.h
    GIVE_UP_REASON_COUNT,
};
// "final status", "gone", "attempts used up", "expired", "too many causes": for dead letters and
// logs.
const char *give_up_reason_name(enum give_up_reason reason);

struct retry_verdict {
    enum retry_step step;
    int64_t wait_ms;            // with RETRY_WAIT
    enum give_up_reason reason; // with RETRY_GIVE_UP
};

struct retry_verdict retry_policy_decide(const struct retry_policy *policy,
                                         const struct attempt_outcome *outcome,
                                         const struct attempt_situation *situation);

// The longest wait after that attempt, before jitter: min(max_ms, initial_ms * factor^(attempt-1)).
int64_t retry_policy_longest_wait_ms(const struct retry_policy *policy, uint32_t attempt);

#endif
