// Work on another thread's loop that is waited for.
#ifndef EVENT_GATEWAY_BASE_EVENT_LOOP_CALL_H
#define EVENT_GATEWAY_BASE_EVENT_LOOP_CALL_H

#include "core/base/event_loop.h"

// Runs work on the loop's thread and returns when it has. The loop runs, on another thread than the
// caller's.
void event_loop_call(struct event_loop *loop, void (*work)(void *context), void *context);

#endif
