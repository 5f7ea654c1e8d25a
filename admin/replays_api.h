// POST subscriptions/{id}/replays, GET replays, GET and DELETE replays/{id} below
// /v1/spaces/{space}. A replay is a document in the registry: the owner of each partition sees it
// there and does its part; how far they are is told from their records in eg.cursor. Belongs to
// the admin's loop.
#ifndef EVENT_GATEWAY_ADMIN_REPLAYS_API_H
#define EVENT_GATEWAY_ADMIN_REPLAYS_API_H

#include "admin/admin_private.h"
#include "core/registry/replay.h"

struct cursor_fold;

// False: not such a path, and not answered.
bool replays_api_handle(struct admin *admin, struct http_request *request);

// replay_request.c: the body of a POST, checked; from_ms and to_ms since 1970.
struct replay_request {
    struct json_t *document; // what of the stored document comes from the body; the caller's
    int64_t from_ms, to_ms;
    // By offset: {"0": 17, "3": 0}, in the document; NULL = by time. Without a from of its own
    // nothing of a partition belongs to it, without a to all up to its end does.
    const struct json_t *from_offsets, *to_offsets;
};
// STATUS_INVALID names the member.
enum status must_check replay_request_read(struct bytes body, struct replay_request *ret_request,
                                           struct error *error);

// What of a partition belongs to it, of what lies between the two offsets by time.
void replay_request_apply(const struct replay_request *request, size_t partition, int64_t *from,
                          int64_t *until);

// replay_status.c: how far a replay is, of all its partitions. scanned and total are offsets, the
// rest is events.
struct replay_progress {
    int64_t total, scanned, matched, delivered, failed, lost;
    int64_t written_us; // the last record of it
    bool is_done;
};
void replay_progress_of(const struct cursor_fold *fold, const struct replay *replay,
                        struct replay_progress *ret_progress);
// When it was done or stopped; 0 = neither.
int64_t replay_ended_us(const struct replay_progress *progress, const struct replay *replay);

// replay_status.c: answers with one replay of the space, or with id empty with all of them.
void replay_status_answer(struct admin *admin, struct http_request *request, struct bytes space,
                          struct bytes id);

#endif
