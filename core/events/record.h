// A record of the event log: what one Kafka message is. Plain borrowed values.
#ifndef EVENT_GATEWAY_EVENTS_RECORD_H
#define EVENT_GATEWAY_EVENTS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/http_server.h"

struct record {
    struct bytes key;                  // empty = none
    const struct http_header *headers; // name, value: any bytes in the value
    size_t header_count;
    struct bytes value;
    bool has_value; // false = null value (an event without data, a tombstone)
};

// A record as it was read, with its place in the log.
struct stored_record {
    struct record record;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; // since 1970
};

#endif
