// Lets a process be ended while it waits for its stores, which may take as long as their time-outs.
// Nothing has been promised then, so it ends at once. For main.
#ifndef EVENT_GATEWAY_NODE_START_GUARD_H
#define EVENT_GATEWAY_NODE_START_GUARD_H

#include <signal.h>

struct start_guard;

// From now on one of the signals ends the process with code 0 and a line that says so. They are
// blocked in every thread.
struct start_guard *start_guard_create(const sigset_t *signals);
// From now on a signal stays pending for whoever waits for it.
void start_guard_destroy(struct start_guard *guard);

#endif
