// Pauses a subscription in the configuration because its function has said that it is gone (410).
// Goes on until the registry has it, or somebody else has changed or deleted the subscription.
// Belongs to the lane's loop.
#ifndef EVENT_GATEWAY_DISPATCHER_SUSPENSION_H
#define EVENT_GATEWAY_DISPATCHER_SUSPENSION_H

#include "core/subscriptions/subscription.h"

struct lane;
struct suspension;

// done follows exactly once, later, unless it is forgotten before.
struct suspension *suspension_start(struct lane *lane, const struct subscription *subscription,
                                    void (*done)(void *context), void *context);
void suspension_forget(struct suspension *suspension);

#endif
