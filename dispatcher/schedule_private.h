// What the parts of the scheduler share: schedule.c, and schedule_delay.c for what waits. Belongs
// to the partition's loop.
#ifndef EVENT_GATEWAY_DISPATCHER_SCHEDULE_PRIVATE_H
#define EVENT_GATEWAY_DISPATCHER_SCHEDULE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "dispatcher/delivery.h"
#include "dispatcher/partition.h"
#include "dispatcher/subscription_queue.h"

// schedule.c

void schedule_drop_if_empty(struct subscription_queue *queue);
// Begins what waits, as far as there is room.
void schedule_pump(struct subscription_queue *queue);
// Of those in the started list: its place in the partition is free, without a word about an end.
void schedule_leave_started(struct delivery *delivery);
// A call or an append of the partition's has ended: one that hands over may have waited for it.
void schedule_call_ended(struct partition *partition);

// schedule_delay.c

// Whether a delivery with that due time (wall clock) would be parked.
bool schedule_delays_in_log(const struct delivery *delivery, int64_t due_us);
// In the started list: no attempt before due_us. Waits in memory or is parked; is forgotten when
// its partition hands over and the wait is not for the log.
void schedule_delay(struct delivery *delivery, int64_t due_us);
// In the started list, parked already: is looked at again then.
void schedule_look_again(struct delivery *delivery, int64_t look_us);
// Parks again, without an attempt, what is due in a partition of eg.retry.* and has not begun.
void schedule_postpone_waiting(struct subscription_queue *queue);
// RETRY_WAIT is left for another state.
void schedule_stop_waiting(struct delivery *delivery);

#endif
