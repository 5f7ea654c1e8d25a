// Watches whether a subscription fills the window of a partition and so holds up the others: it is
// detached then. Belongs to the partition's loop.
//
// Invariants:
//   1. While the window is not full nothing is looked at.
//   2. What all are slow at together, because the machine is, detaches nobody at once: only who
//      has much more to do than others that are served now; or who keeps the window full.
//   3. A window that stays full for LAGGARDS_FULL_US loses those who hold half of it or more, if
//      there is anybody else to be served.
#ifndef EVENT_GATEWAY_DISPATCHER_LAGGARDS_H
#define EVENT_GATEWAY_DISPATCHER_LAGGARDS_H

#include <stdint.h>

#define LAGGARDS_LOOK_US INT64_C(20000)
#define LAGGARDS_FULL_US INT64_C(2000000)

struct partition;

// When a turn of the loop is over.
void laggards_watch(struct partition *partition);

#endif
