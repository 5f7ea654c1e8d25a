// What became of a dead letter <-> a record of eg.deadletter beside it, so that every node knows:
// it was redriven, or deleted. Pure, any thread. schemas/log-record.md describes the format.
#ifndef EVENT_GATEWAY_EVENTS_LETTER_MARK_H
#define EVENT_GATEWAY_EVENTS_LETTER_MARK_H

#include <stdint.h>

#include "core/base/status.h"
#include "core/events/record.h"

enum letter_mark_kind {
    LETTER_MARK_REDRIVEN,
    LETTER_MARK_DELETED,
    LETTER_MARK_KIND_COUNT,
};

struct letter_mark {
    enum letter_mark_kind kind;
    int32_t partition; // where the letter lies in eg.deadletter
    int64_t offset;
    struct bytes redrive_id; // of the redrive that it comes from; may be empty
};

// Holds the bytes of its record, which therefore stays where it is; the id stays the
// caller's.
struct letter_mark_record {
    struct record record;
    struct http_header headers[4];
    char partition[16];
    char offset[24];
};
void letter_mark_encode(const struct letter_mark *mark, struct letter_mark_record *ret_record);
// The id is borrowed from the record. NOT_FOUND: not a mark, but perhaps a letter. INVALID: a mark
// that makes no sense.
enum status must_check letter_mark_decode(const struct record *record,
                                          struct letter_mark *ret_mark);

#endif
