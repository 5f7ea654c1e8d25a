// A delivery that waits in eg.retry.* <-> its record: the event's own with what is known of the
// delivery in headers beside it (schemas/log-record.md: egrtsubscription, egrtdue, ...). Pure, any
// thread.
#ifndef EVENT_GATEWAY_EVENTS_PARKED_RECORD_H
#define EVENT_GATEWAY_EVENTS_PARKED_RECORD_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/events/event.h"
#include "core/events/event_record.h"
#include "core/events/record.h"

struct parked_delivery {
    struct bytes subscription_id, space, function_id;
    int64_t due_us;            // since 1970; no attempt before
    uint32_t attempts;         // that were begun; 0: the event itself asked for later delivery
    int64_t first_us, last_us; // since 1970, of the first and the last attempt; 0 without one
    unsigned last_status;      // 0 = no HTTP answer
    struct bytes reason;       // why it waits, for people; at most 256 bytes of it
    struct bytes replay_id;    // empty = of the live events
    struct bytes traceparent;  // of its trace; empty = none
    int32_t partition;         // where the event lies in eg.events
    int64_t offset;
};
void parked_delivery_encode(const struct parked_delivery *parked, const struct event *event,
                            struct encoded_record *ret_encoded);
// The event, and the delivery, whose bytes are appended to ret_storage and live as long as that is
// not changed. STATUS_INVALID: not an event, or without a subscription or a due time.
enum status must_check parked_delivery_decode(const struct stored_record *stored,
                                              struct parked_delivery *ret_parked,
                                              struct buffer *ret_storage,
                                              const struct event **ret_event, struct error *error);

#endif
