// How many calls of a function run at once on this node, over all lanes, and who waits because the
// function takes no more (adaptive_limit). A function is known while calls of it run or as long as
// it has a limit. Any thread, unless a call says otherwise; each lane waits with a list of its own.
//
// Invariants:
//   1. No call begins at or above its function's limit.
//   2. A lane with waiters is woken after each change that lets one of them go: none waits for
//   ever.
//   3. After throttles_close no lane is woken any more: wake is called with the lock held, which is
//      why it may only post.
#ifndef EVENT_GATEWAY_DISPATCHER_THROTTLES_H
#define EVENT_GATEWAY_DISPATCHER_THROTTLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

struct throttles;
struct throttle; // a function's

// What waits for a function, on one lane. Lies in the caller's object.
struct throttle_waiter {
    struct throttle *throttle; // NULL: does not wait
    struct throttle_waiter *previous, *next;
};

enum throttle_end {
    THROTTLE_SUCCEEDED,
    THROTTLE_REFUSED, // 429 or 503
    THROTTLE_OTHER,   // says nothing about how many calls it takes
};

// wake is called on any thread when throttles_next has something for that lane; once for many.
struct throttles *throttles_create(size_t lane_count, void (*wake)(void *context, size_t lane),
                                   void *context);
// From now on wake is not called any more. Any thread.
void throttles_close(struct throttles *throttles);
// Nothing runs and nobody waits.
void throttles_destroy(struct throttles *throttles);

// True: a call may run, and *ret_throttle is what it leaves. False: the waiter stands in the lane's
// list, on whose thread this is called. waiter NULL: nobody waits.
bool throttles_enter(struct throttles *throttles, size_t lane, struct bytes space,
                     struct bytes function_id, struct throttle_waiter *waiter,
                     struct throttle **ret_throttle);
// Returns whether other calls of the function ran beside it.
bool throttles_leave(struct throttles *throttles, struct throttle *throttle, enum throttle_end end,
                     int64_t started_us, int64_t now_us);
// The lane's thread. Takes it out of the list.
void throttles_wait_no_longer(struct throttles *throttles, size_t lane,
                              struct throttle_waiter *waiter);
// The lane's thread, after a wake, until it is NULL: one that may try again, out of the list.
struct throttle_waiter *throttles_next(struct throttles *throttles, size_t lane);
// Whether the function has a limit now.
bool throttles_limits(struct throttles *throttles, struct bytes space, struct bytes function_id);
// Functions with a limit, for metrics.
size_t throttles_count(struct throttles *throttles);

#endif
