// A change as it is on one snapshot: what it would store and answer, or why it is refused. No I/O;
// the engine (config_call.c) applies the plan, or tries again on a newer snapshot.
#ifndef EVENT_GATEWAY_ADMIN_CONFIG_ATTEMPT_H
#define EVENT_GATEWAY_ADMIN_CONFIG_ATTEMPT_H

#include "admin/config_resource.h"

// Makes call->plan anew. 0, or the status to refuse with and the message.
unsigned config_attempt_plan(struct config_call *call, const struct snapshot *snapshot,
                             struct error *error);

#endif
