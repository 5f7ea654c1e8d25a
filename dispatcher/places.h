// How many calls of a lane may run at once, and who gets the next place. Spaces take turns, and
// within a space its subscriptions do, so that a flood to one waits behind itself. Pure; belongs to
// the lane's loop. Waiters lie in the caller's objects.
//
// Invariants:
//   1. Never more than max run.
//   2. A space takes no more places than it leaves free, and a subscription no more than its space
//      leaves of these: a space that hangs holds half of all places, a subscription a third, more
//      of them less each, and what comes next still finds some.
//   3. As long as places are free, a space of which nothing runs gets one.
//   4. Of those that wait and may go, each space goes once before one goes again, and in a space
//      each subscription.
//   5. No more begin in a turn of the loop than turn_max: what comes with the next turn does not
//      wait behind all that came before it.
#ifndef EVENT_GATEWAY_DISPATCHER_PLACES_H
#define EVENT_GATEWAY_DISPATCHER_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "dispatcher/retry_budget.h"

struct places;
struct share; // what one subscription has of them

// Somebody who waits for a place.
struct places_waiter {
    bool is_waiting;
    struct places_waiter *previous, *next;
};

struct places *places_create(uint32_t max, uint32_t turn_max);
// Nobody has a share any more.
void places_destroy(struct places *places);

// The share of a subscription, made when it is not there; counted.
struct share *places_join(struct places *places, struct bytes space, struct bytes id);
void places_part(struct places *places, struct share *share);

// Whose it is, as long as it is there.
struct bytes places_space_of(const struct share *share);
struct bytes places_id_of(const struct share *share);

// What its retries may take of its calls, on all its partitions.
struct retry_budget *places_retry_budget(struct share *share);

// False: none now.
bool places_take(struct places *places, struct share *share);
void places_give(struct places *places, struct share *share);

// Lines up behind the others of the share.
void places_wait(struct places *places, struct share *share, struct places_waiter *waiter);
void places_wait_no_longer(struct places *places, struct share *share,
                           struct places_waiter *waiter);
// The one whose turn it is and who would get a place now, out of the line; NULL: nobody. The caller
// lets it take one, or several, and line up again.
struct places_waiter *places_next(struct places *places);
// A new turn of the loop.
void places_new_turn(struct places *places);
// Whether somebody waits for the next turn only.
bool places_wants_turn(const struct places *places);
uint32_t places_taken(const struct places *places);

#endif
