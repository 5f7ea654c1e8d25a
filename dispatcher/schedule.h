// Decides what follows for a delivery: the only place where one changes its state. It keeps
// maxInFlight, waits before retries, gives up, and drops what belongs to deleted subscriptions.
// Everything belongs to the partition's loop.
//
// Invariant: what waits for a retry takes no place in maxInFlight; when its wait is over it goes
// behind what waits already, so a share that always fails does not stop the rest. While the circuit
// is not closed what has failed waits there at once: the pause is the circuit's.
#ifndef EVENT_GATEWAY_DISPATCHER_SCHEDULE_H
#define EVENT_GATEWAY_DISPATCHER_SCHEDULE_H

#include "core/functions/invoker.h"
#include "dispatcher/delivery.h"
#include "dispatcher/flow.h"
#include "dispatcher/subscription_queue.h"
#include "dispatcher/taken_event.h"

struct attempt;

// A new delivery of the queue; begun at once where there is room. The queue may be gone afterwards.
void schedule_add(struct delivery *delivery);
// One that was parked: it is looked at again at look_us, when it is due or goes on to another tier.
void schedule_add_parked(struct delivery *delivery, int64_t look_us);
// The call has ended; its places are given back. The queue may be gone afterwards.
void schedule_attempted(struct attempt *attempt, const struct invocation_result *result);
// The flow lets a queue go on (flow.h). The queue may be gone afterwards.
void schedule_resume(struct flow_member *member);
// The queue's subscription in a new snapshot; NULL: it was deleted. The queue may be gone
// afterwards.
void schedule_renew(struct subscription_queue *queue, const struct subscription *subscription);
// Begins what may begin now. The queue may be gone afterwards.
void schedule_go_on(struct subscription_queue *queue);
// Likewise for all queues that share its places, when one of its calls has ended: live goes first.
void schedule_go_on_beside(struct subscription_queue *queue);
// The subscription takes nothing for now: detached, or of eg.retry.* parked again.
void schedule_suspend(struct subscription_queue *queue, const char *reason);
// If it does, and is not detached already: while a subscription takes nothing its live deliveries
// are its cursor's.
void schedule_suspend_if_wanted(struct subscription_queue *queue);
// Forgets what does not run of the cursor's, or with NULL of the live position's, deliveries. Each
// is gone when forgotten is called with its event.
void schedule_forget_idle(struct subscription_queue *queue, const struct cursor *cursor,
                          void (*forgotten)(void *context, struct taken_event *taken),
                          void *context);
// The partition goes: forgets what waits, or everything. The queue is gone afterwards when nothing
// of it runs.
void schedule_forget_waiting(struct subscription_queue *queue);
void schedule_forget_all(struct subscription_queue *queue);

#endif
