// What the parts of the scheduler share. schedule.c begins calls, schedule_attempted.c decides what
// follows them by the rest: schedule_delay.c, schedule_give_up.c, schedule_finish.c. Belongs to the
// partition's loop.
#ifndef EVENT_GATEWAY_DISPATCHER_SCHEDULE_PRIVATE_H
#define EVENT_GATEWAY_DISPATCHER_SCHEDULE_PRIVATE_H

#include <stdint.h>

#include "dispatcher/delivery.h"
#include "dispatcher/dispatcher_metrics.h"
#include "dispatcher/partition.h"
#include "dispatcher/retry_policy.h"
#include "dispatcher/subscription_queue.h"

struct delivery_note;
struct invocation_result;

// schedule.c

// Begins what waits, as far as there is room.
void schedule_pump(struct subscription_queue *queue);

// schedule_delay.c. Each of the started list may be gone afterwards.

// No attempt before due_us (wall clock): it waits in memory or is parked, and is forgotten when its
// partition hands over and the wait is not for the log. The note tells of it; its kind and next
// attempt are filled in.
void schedule_delay(struct delivery *delivery, int64_t due_us, struct delivery_note *note);
// The event asked for later delivery.
void schedule_delay_early(struct delivery *delivery);
// Parked already: is looked at again then.
void schedule_look_again(struct delivery *delivery, int64_t look_us);
// Parks again, without an attempt, what is due in a partition of eg.retry.* and has not begun.
void schedule_postpone_waiting(struct subscription_queue *queue);
// RETRY_WAIT is left for another state.
void schedule_stop_waiting(struct delivery *delivery);

// schedule_give_up.c

// Why a delivery is given up, and what is known of its last attempt.
struct give_up {
    enum give_up_reason reason;
    const struct invocation_result *result; // of the last attempt; NULL: none led to it
};
// Of the started list; it stays there until its dead letter is stored, if it has one.
void schedule_give_up(struct delivery *delivery, const struct give_up *why);

// schedule_finish.c. Each of the started list is gone afterwards.

void schedule_finish_started(struct delivery *delivery, enum delivery_end end);
// Its subscription is gone; result is of the call that it still had, or NULL.
void schedule_unsubscribe_started(struct delivery *delivery,
                                  const struct invocation_result *result);
// Its place in the partition is free, without a word about an end.
void schedule_leave_started(struct delivery *delivery);
// A call or an append of the partition's has ended: one that hands over may have waited for it.
void schedule_call_ended(struct partition *partition);
void schedule_drop_if_empty(struct subscription_queue *queue);

#endif
