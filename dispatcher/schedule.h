// Decides what follows for a delivery: the only place where one changes its state. It keeps
// maxInFlight, waits before retries, gives up, and drops what belongs to deleted subscriptions.
// Everything belongs to the partition's loop.
//
// Invariant: what waits for a retry takes no place in maxInFlight; when its wait is over it goes
// behind what waits already, so a share that always fails does not stop the rest.
#ifndef EVENT_GATEWAY_DISPATCHER_SCHEDULE_H
#define EVENT_GATEWAY_DISPATCHER_SCHEDULE_H

#include "core/functions/invoker.h"
#include "dispatcher/delivery.h"
#include "dispatcher/flow.h"
#include "dispatcher/subscription_queue.h"

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
// The partition goes: forgets what waits, or everything. The queue is gone afterwards when nothing
// of it runs.
void schedule_forget_waiting(struct subscription_queue *queue);
void schedule_forget_all(struct subscription_queue *queue);

#endif
