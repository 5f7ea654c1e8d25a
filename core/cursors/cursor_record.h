// What lies in the stream of cursors: for each partition of the events who owns it, how far the
// live position is, and the positions of subscriptions that are detached from it; the first two
// also for the partitions of what is parked. Written and read by dispatchers, read by the admin
// role. Pure, any thread. schemas/log-record.md describes the format for others.
//
//   key                                  value
//   PARTITION/owner/EPOCH                a claim: whoever wrote the epoch first owns it
//   PARTITION/live/EPOCH                 the live position
//   PARTITION/SPACE/SUBSCRIPTION/EPOCH   a detached subscription
//   PARTITION/SPACE/start:SUBSCRIPTION/EPOCH   its "start" was followed
//   PARTITION/SPACE/replay:REPLAY/EPOCH  a replay
//   PARTITION/SPACE/lost:SUBSCRIPTION/EPOCH   what it lost to the log's retention
//   STREAM/PARTITION/owner/EPOCH         as above, of a stream of what is parked
//   STREAM/PARTITION/live/EPOCH
#ifndef EVENT_GATEWAY_CURSORS_CURSOR_RECORD_H
#define EVENT_GATEWAY_CURSORS_CURSOR_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/cursors/offset_ranges.h"
#include "core/cursors/tried_list.h"

struct json_t;

enum cursor_kind {
    CURSOR_OWNER,
    CURSOR_LIVE,
    CURSOR_CATCH_UP, // a detached subscription, whatever the reason
    CURSOR_STARTED,
    CURSOR_REPLAY,
    CURSOR_LOST, // what a subscription lost to retention; position: all below was counted
    CURSOR_KIND_COUNT,
};
// "owner", "live", "catch-up", "started", "replay", "lost".
const char *cursor_kind_name(enum cursor_kind kind);

// What the partition is of. All but the events' begin their keys with their name, so that readers
// who know of the events alone pass them over.
enum cursor_stream {
    CURSOR_OF_EVENTS,
    CURSOR_OF_RETRY_10S, // in the order of the tiers
    CURSOR_OF_RETRY_1M,
    CURSOR_OF_RETRY_10M,
    CURSOR_OF_RETRY_1H,
    CURSOR_STREAM_COUNT,
};
// "events", "retry.10s", "retry.1m", "retry.10m", "retry.1h".
const char *cursor_stream_name(enum cursor_stream stream);

// Why it was detached.
#define CURSOR_REASON_SLOW "slow"
#define CURSOR_REASON_CIRCUIT "the function fails"
#define CURSOR_REASON_GONE "the function is gone"
#define CURSOR_REASON_PAUSED "paused"
#define CURSOR_REASON_START "start"
#define CURSOR_REASON_REPLAY "replay"

// No end is set: it goes on until it is attached.
#define CURSOR_NO_END INT64_MAX
#define CURSOR_RANGES_MAX 10000
#define CURSOR_NAME_MAX_BYTES 4096
// Subscriptions of the live position, and the characters of a fingerprint with a NUL.
#define CURSOR_SHARES_MAX 256
#define CURSOR_FINGERPRINT_SIZE 17

struct cursor_key {
    enum cursor_kind kind;
    int32_t partition;
    struct bytes space;
    struct bytes name;         // of the subscription or the replay; empty for owner and live
    int64_t epoch;             // of the owner that wrote it, from 1
    enum cursor_stream stream; // but for events there are only owner and live
};
void cursor_key_write(const struct cursor_key *key, struct buffer *ret_key);
// Borrows from text. STATUS_INVALID: no key of ours.
enum status must_check cursor_key_parse(struct bytes text, struct cursor_key *ret_key,
                                        struct error *error);
// Whether both are about the same thing, whatever their epochs.
bool cursor_key_same_place(const struct cursor_key *a, const struct cursor_key *b);

// What one subscription has finished, or tried, beyond the live position.
struct cursor_share {
    char fingerprint[CURSOR_FINGERPRINT_SIZE]; // subscription.h
    struct offset_ranges finished;
    struct tried_list tried;
};

struct cursor_record {
    enum cursor_kind kind;
    enum cursor_stream stream;
    int32_t partition;
    int64_t epoch;
    struct bytes space, subscription_id;
    struct bytes replay_id;
    struct bytes owner;   // a claim: the random id of who wrote it
    struct bytes created; // when the subscription was created: another one of that id is another
                          // subscription
    struct bytes reason;  // why it was detached
    int64_t position;     // everything below is finished
    int64_t until;        // live deliveries begin here
    struct offset_ranges finished; // beyond the position; live: of what is parked, whose records
                                   // are for one subscription each
    struct tried_list tried;       // at the position or beyond, and not finished
    struct cursor_share *shares;   // live: of each subscription, what no other one has finished
    size_t share_count;
    int64_t lost;              // offsets that retention took before they were delivered
    int64_t delivered, failed; // a replay's
    int64_t matched;           // a replay's: these two, and what has not ended yet
    int64_t written_us;        // wall clock
    struct json_t *json;       // decoded: what the bytes above point into
};
// The value; key and record are written from the same fields.
void cursor_record_write(const struct cursor_record *record, struct buffer *ret_value);
void cursor_record_key(const struct cursor_record *record, struct cursor_key *ret_key);
// STATUS_INVALID names the member. The record is cleared by cursor_record_clear.
enum status must_check cursor_record_parse(struct bytes value, struct cursor_record *ret_record,
                                           struct error *error);
void cursor_record_clear(struct cursor_record *record);

#endif
