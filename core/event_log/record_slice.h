// A slice of the log in memory: copies of records with all their bytes, filled and emptied again
// and again by one reader thread. Zero is a valid empty slice. Inside core/event_log only.
#ifndef EVENT_GATEWAY_EVENT_LOG_RECORD_SLICE_H
#define EVENT_GATEWAY_EVENT_LOG_RECORD_SLICE_H

#include "core/base/status.h"
#include "core/events/record.h"

struct record_slice {
    struct stored_record *records;
    size_t count;
    size_t capacity;
    size_t byte_count;  // of all records
    size_t max_records; // the owner's; they stay when it is reset
    size_t max_bytes;
    struct record_slice_block *blocks;
};

// Bytes of the slice, valid until it is reset.
void *record_slice_allocate(struct record_slice *slice, size_t size);
// A place for one more record, zeroed.
struct stored_record *record_slice_add(struct record_slice *slice);
// True when it has a record and has reached one of its limits.
bool record_slice_is_full(const struct record_slice *slice);
// A deep copy of the record's bytes into the slice.
void record_slice_copy(struct record_slice *slice, const struct record *record,
                       struct record *ret_copy);
void record_slice_reset(struct record_slice *slice);
void record_slice_clear(struct record_slice *slice);

// The headers of a record as bytes on disk, version 1: u32 count, then for each u32 size and name,
// u32 size and value; all little-endian. A new version needs a new column or a new user_version of
// the file.
void record_headers_encode(const struct record *record, struct buffer *ret_buffer);
// The names and values point into encoded. STATUS_INVALID when it is cut or has bytes left over.
enum status must_check record_headers_decode(struct bytes encoded, struct record_slice *slice,
                                             struct record *ret_record);

#endif
