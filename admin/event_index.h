// What the operations API looks things up in: events, what came of their deliveries, and dead
// letters, by space and time, in an SQLite file of this node. Filled from the event log by
// event_follower.c; nothing in it is worth keeping: a file that is missing, damaged, of another
// version or of another log is made anew. One thread, which may wait for the disk.
#ifndef EVENT_GATEWAY_ADMIN_EVENT_INDEX_H
#define EVENT_GATEWAY_ADMIN_EVENT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/event_log/event_log.h"
#include "core/events/event_record.h"
#include "core/events/outcome_record.h"

struct event_index;
struct json_t;

// identity names the log that it is about: the file of another one is thrown away.
enum status must_check event_index_open(const char *path, const char *identity,
                                        struct event_index **ret_index, struct error *error);
void event_index_close(struct event_index *index);

// --- Filling. All between begin and commit is there together or not at all; a failure is told by
// commit: UNAVAILABLE, with the reason (a full disk), and nothing of it is there.

// Where to read on, or EVENT_LOG_BEGINNING.
int64_t event_index_position(struct event_index *index, enum event_log_stream stream,
                             int32_t partition);
void event_index_begin(struct event_index *index);
void event_index_add_event(struct event_index *index, const struct stored_record *stored,
                           const struct event *event);
// An outcome that is older than what is known of that delivery changes nothing. Older is an earlier
// attempt or time; clocks differ, and somebody's may have been wrong. place is where it lies in
// eg.outcome.
struct log_place {
    int32_t partition;
    int64_t offset;
};
void event_index_add_outcome(struct event_index *index, const struct log_place *place,
                             const struct outcome *outcome);
// How many calls run, as a node has told; what it told before is replaced, likewise. now_us: wall
// clock.
// What was told too long ago is passed over: its node has told otherwise since, or is gone.
void event_index_add_in_flight(struct event_index *index, const struct in_flight_count *count,
                               int64_t now_us);
void event_index_add_letter(struct event_index *index, const struct stored_record *stored,
                            const struct dead_letter *letter, const struct event *event);
// What became of a dead letter (core/events/letter_mark.h): it is in no list any more. The first
// mark of a letter counts; redrive_id empty = of none.
enum letter_state {
    LETTER_DEAD,
    LETTER_REDRIVEN,
    LETTER_DELETED,
};
void event_index_mark_letter(struct event_index *index, int32_t partition, int64_t offset,
                             enum letter_state state, struct bytes redrive_id);
void event_index_set_position(struct event_index *index, enum event_log_stream stream,
                              int32_t partition, int64_t next_offset);
// The log begins at first_offset now: some of what lies before goes. Call again as long as it
// returns true.
bool event_index_trim(struct event_index *index, enum event_log_stream stream, int32_t partition,
                      int64_t first_offset);
enum status must_check event_index_commit(struct event_index *index, struct error *error);
// Everything goes, positions too: the log is not the one that it was.
enum status must_check event_index_empty(struct event_index *index, struct error *error);

// --- Looking up (event_index_query.c). The answers are JSON for the API; the caller owns them.

struct event_query {
    struct bytes space;
    struct bytes type, source, subject; // empty = any
    struct bytes status;                // "none", "delivered", "waiting", "failed"; empty = any
    struct bytes text;                  // in id, type, source or subject, in any case; empty = any
    struct bytes subscription_id;       // of dead letters; empty = any
    int64_t since_us, until_us;         // since 1970; [since, until); until 0 = no limit
    size_t limit;
    struct bytes cursor; // of the answer before; empty = from the newest on
};
// {"events":[...],"cursor":"..."}, newest first; without a cursor nothing more is there. A page can
// hold fewer than limit, even none, and still have a cursor, when many had to be looked at.
// INVALID: the cursor or the status.
enum status must_check event_index_list_events(struct event_index *index,
                                               const struct event_query *query,
                                               struct json_t **ret_answer, struct error *error);
// {"deadLetters":[...],"cursor":"..."}
enum status must_check event_index_list_letters(struct event_index *index,
                                                const struct event_query *query,
                                                struct json_t **ret_answer, struct error *error);
// The newest event of that id (and source, unless empty), with its deliveries, and where it lies in
// the log. NOT_FOUND.
enum status must_check event_index_find_event(struct event_index *index, struct bytes space,
                                              struct bytes id, struct bytes source,
                                              struct json_t **ret_answer,
                                              struct log_place *ret_place, struct error *error);
// A dead letter by its id, as in the list. NOT_FOUND also when it was redriven or deleted.
enum status must_check event_index_find_letter(struct event_index *index, struct bytes space,
                                               struct bytes id, struct json_t **ret_answer,
                                               struct log_place *ret_place, struct error *error);
// The next ones that a query without type, source, subject, status, text and cursor finds, oldest
// first, after a place in time and log.
struct letter_place {
    int64_t time_us;
    struct log_place place;
};
enum status must_check event_index_next_letters(struct event_index *index,
                                                const struct event_query *query,
                                                const struct letter_place *after,
                                                struct letter_place *letters, size_t max,
                                                size_t *ret_count, struct error *error);
enum status must_check event_index_count_letters(struct event_index *index,
                                                 const struct event_query *query,
                                                 int64_t *ret_count, struct error *error);
// What is known of a subscription's deliveries (event_index_subscription.c): {"inFlight",
// "waitingForRetry", "lastSuccess", "lastError", "deadLetters"}. What happened before created_us
// was another one's that had its id. now_us: wall clock.
struct subscription_query {
    struct bytes space, id;
    int64_t created_us, now_us;
};
enum status must_check event_index_describe_subscription(struct event_index *index,
                                                         const struct subscription_query *query,
                                                         struct json_t **ret_answer,
                                                         struct error *error);
// Letters that the marks of a redrive are about.
enum status must_check event_index_count_marks(struct event_index *index, struct bytes redrive_id,
                                               int64_t *ret_count, struct error *error);
// "PARTITION-OFFSET" (event_index_places.c). INVALID: none that we give.
void letter_id_write(const struct log_place *place, struct buffer *ret_id);
enum status must_check letter_id_parse(struct bytes id, struct log_place *ret_place);

#endif
