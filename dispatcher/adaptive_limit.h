// How many calls at once a function takes that says 429 or 503 when there are too many: halved when
// it says so, raised by one when as many as the limit allows went well for a while. Pure; the time
// is passed in.
//
//          429 or 503: halved, at least 1, once for all calls that ran together
//   limit ─────────────────────────────────────────────────────────────────────▶ lower
//         ◀───────────────────────────────────────────────────────────────────── + 1
//          limit * patience successes while the limit was reached
//
// patience doubles whenever what was raised is refused again, and halves when it held: a function
// that takes one call at a time soon gets a second one only rarely.
#ifndef EVENT_GATEWAY_DISPATCHER_ADAPTIVE_LIMIT_H
#define EVENT_GATEWAY_DISPATCHER_ADAPTIVE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

// Zero is a valid one without a limit.
struct adaptive_limit {
    uint32_t limit; // 0 = none
    uint32_t successes;
    uint32_t patience;
    bool is_raised; // and not yet known to hold
    int64_t lowered_us;
};

bool adaptive_limit_allows(const struct adaptive_limit *limit, uint32_t in_flight);
// A call that began at started_us was refused; in_flight counts it too. Calls that began before the
// limit was lowered say nothing about the lower one.
void adaptive_limit_refused(struct adaptive_limit *limit, uint32_t in_flight, int64_t started_us,
                            int64_t now_us);
void adaptive_limit_succeeded(struct adaptive_limit *limit, uint32_t in_flight, int64_t started_us);

#endif
