// Tells operators of dead letters (eventgateway.subscription.deadlettered): the first one at once,
// then at most one event in each interval for each subscription, with the number since the last.
// One for all lanes, each of which calls it on its own loop.
#ifndef EVENT_GATEWAY_DISPATCHER_DEAD_LETTER_NOTICES_H
#define EVENT_GATEWAY_DISPATCHER_DEAD_LETTER_NOTICES_H

#include <stdint.h>

#include "core/base/bytes.h"

struct dead_letter_notices;
struct lane;
struct subscription;

struct dead_letter_notices *dead_letter_notices_create(int64_t interval_us);
// All lanes have left. NULL is fine.
void dead_letter_notices_destroy(struct dead_letter_notices *notices);
// One more dead letter of that subscription was stored. Nothing is kept while nobody subscribes.
void dead_letter_notices_add(struct dead_letter_notices *notices, struct lane *lane,
                             const struct subscription *subscription, struct bytes reason);
// The lane ends: what it has counted and not told yet is told now.
void dead_letter_notices_leave(struct dead_letter_notices *notices, struct lane *lane);

#endif
