// The rate limits of many, by space and id, over all threads of a node: of its subscriptions
// (delivery.ratePerSecond), and of the spaces that send events. Who is not limited now is
// forgotten. A rate can be that of the whole cluster: a node takes the part of it that it has of
// the partitions. Any thread.
#ifndef EVENT_GATEWAY_BASE_RATES_H
#define EVENT_GATEWAY_BASE_RATES_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

struct rates;

// partition_count: of the whole log. While the node has none of them, rates are its own.
struct rates *rates_create(size_t partition_count);
void rates_destroy(struct rates *rates);
// A partition has become this node's, or is not any more.
void rates_add_partitions(struct rates *rates, int count);
// Of the whole log, when some were added.
void rates_set_partitions(struct rates *rates, size_t partition_count);
// Who asks. What is live goes before what is replayed, on whichever lane either is.
enum rate_turn {
    RATE_FIRST, // lines up when it has to wait
    RATE_AGAIN, // is in the line, and leaves it when it may go
    RATE_LAST,  // goes only when nobody is in the line
};

// 0: so many events of that subscription or space may go now. Else how long to wait before asking
// again.
int64_t rates_take(struct rates *rates, struct bytes space, struct bytes id, double per_second,
                   uint32_t count, int64_t now_us, enum rate_turn turn);
// One in the line does not ask again.
void rates_leave_line(struct rates *rates, struct bytes space, struct bytes id);
// Who is remembered.
size_t rates_count(struct rates *rates);

#endif
