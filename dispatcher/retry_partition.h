// What is particular of a partition of eg.retry.*: its records are deliveries that wait. Belongs to
// the partition's loop.
#ifndef EVENT_GATEWAY_DISPATCHER_RETRY_PARTITION_H
#define EVENT_GATEWAY_DISPATCHER_RETRY_PARTITION_H

#include "dispatcher/partition.h"

// Takes one record, over whose references it takes over: a delivery that goes on where it was
// parked. One whose subscription is gone is finished.
void retry_partition_take(struct partition *partition, const struct taken_record *record);

#endif
