// The positions of this node's partitions, from which the backlog is told when metrics are asked
// for. Any thread.
#ifndef EVENT_GATEWAY_DISPATCHER_BACKLOG_H
#define EVENT_GATEWAY_DISPATCHER_BACKLOG_H

#include <stdint.h>

#include "core/event_log/event_log.h"

struct backlog;

struct backlog *backlog_create(void);
void backlog_destroy(struct backlog *backlog);
// owner tells an assignment from an earlier one of the same partition that still hands over.
void backlog_set(struct backlog *backlog, int32_t partition, const void *owner, int64_t position);
void backlog_remove(struct backlog *backlog, int32_t partition, const void *owner);
// The sum over the partitions whose end the reader knows.
int64_t backlog_count(struct backlog *backlog, struct event_log_reader *reader);
// Visits the numbers of the partitions that have an owner now, in order.
void backlog_each_partition(struct backlog *backlog,
                            void (*visit)(void *context, int32_t partition), void *context);

#endif
