// Which subscriptions have an open circuit on this node, and on how many lanes: each lane finds out
// by itself, and operators are told of the first that opens and of the last that closes. One for
// all lanes; any thread.
#ifndef EVENT_GATEWAY_DISPATCHER_OPEN_CIRCUITS_H
#define EVENT_GATEWAY_DISPATCHER_OPEN_CIRCUITS_H

#include <stdbool.h>

#include "core/base/bytes.h"

struct open_circuits;

struct open_circuits *open_circuits_create(void);
// All are closed. NULL is fine.
void open_circuits_destroy(struct open_circuits *circuits);
// One more lane's has opened. True: it is the first of the subscription.
bool open_circuits_opened(struct open_circuits *circuits, struct bytes space, struct bytes id);
// One that was opened has closed, or its lane is done with it. True: it was the last.
bool open_circuits_closed(struct open_circuits *circuits, struct bytes space, struct bytes id);

#endif
