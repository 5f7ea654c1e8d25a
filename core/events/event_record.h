// Event <-> log record: the CloudEvents Kafka binding (written in binary mode, read in both). Pure,
// any thread. schemas/log-record.md describes the format for others.
#ifndef EVENT_GATEWAY_EVENTS_EVENT_RECORD_H
#define EVENT_GATEWAY_EVENTS_EVENT_RECORD_H

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/events/event.h"
#include "core/events/record.h"

// Headers borrow from the event where they can; storage holds the rest. Valid while the event is.
struct encoded_record {
    struct record record;
    void *storage;
};
void event_record_encode(const struct event *event, struct encoded_record *ret_encoded);
void event_record_clear(struct encoded_record *encoded);

// STATUS_INVALID: not an event (the required ce_ headers are missing, ...). A record that another
// Kafka client wrote has no eg* attributes: method POST, path "/", no space, received time = the
// record's timestamp.
enum status must_check event_record_decode(const struct stored_record *stored,
                                           const struct event **ret_event, struct error *error);
// The event that a system event tells of, in the JSON that lies in the log: structured mode.
enum status must_check event_record_decode_json(struct bytes json, const struct event **ret_event,
                                                struct error *error);

// What a delivery that was given up says of itself, in headers beside the event's own
// (schemas/log-record.md): egdlreason, egdlattempts, egdlfirsttime, egdllasttime, egdlstatus,
// egdlsubscription, egdlfunction. The last answer's bytes (bounded) are not a header: they go
// base64 in egdlanswer.
struct dead_letter {
    struct bytes subscription_id, function_id, space;
    struct bytes reason; // for people
    uint32_t attempts;
    int64_t first_us, last_us; // since 1970; of the first and the last attempt
    unsigned last_status;      // 0 = no HTTP answer
    struct bytes last_answer;  // at most 4 KiB of it
    int32_t partition;         // where the event lies in eg.events
    int64_t offset;
};
void dead_letter_encode(const struct dead_letter *letter, const struct event *event,
                        struct encoded_record *ret_encoded);
// The event, and the letter, whose bytes are appended to ret_storage and live as long as that is
// not changed. STATUS_INVALID: not an event, or without a letter.
enum status must_check dead_letter_decode(const struct stored_record *stored,
                                          struct dead_letter *ret_letter,
                                          struct buffer *ret_storage,
                                          const struct event **ret_event, struct error *error);

#endif
