// Counts what is read from the log, whoever reads: eventgateway_log_records_read_total. Any thread.
#ifndef EVENT_GATEWAY_EVENT_LOG_READ_COUNT_H
#define EVENT_GATEWAY_EVENT_LOG_READ_COUNT_H

#include <stddef.h>

#include "core/event_log/event_log.h"

void read_count_add(enum event_log_stream stream, size_t records);

#endif
