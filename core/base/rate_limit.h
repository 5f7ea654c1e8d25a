// Lets so many pass in a second, evenly: one at a time, and after a pause those of the last tenth
// of a second at once. Pure; the time is passed in.
//
// Invariant: within any time t, no more pass than (t + 0.1 s) * per_second + what the last one
// counted.
#ifndef EVENT_GATEWAY_BASE_RATE_LIMIT_H
#define EVENT_GATEWAY_BASE_RATE_LIMIT_H

#include <stdint.h>

// Zero is a valid one that has let nothing pass yet.
struct rate_limit {
    int64_t next_ns; // when the next one is due if they pass evenly
};

// 0: count pass now. Else nothing has changed, and asking again makes sense after that time.
// per_second > 0 may be another one each time.
int64_t rate_limit_take(struct rate_limit *limit, double per_second, uint32_t count,
                        int64_t now_us);

#endif
