// A redrive as the registry keeps it and as the API shows it. Pure, any thread.
#ifndef EVENT_GATEWAY_ADMIN_REDRIVE_DOCUMENT_H
#define EVENT_GATEWAY_ADMIN_REDRIVE_DOCUMENT_H

#include "admin/event_index.h"
#include "core/registry/redrive.h"

struct json_t;

struct redrive_request {
    // Space, subscription, since, until; the rest is not looked at.
    struct event_query query;
    const struct log_place *letters; // when letter_count > 0: these, whatever the query says
    size_t letter_count;
    int64_t rate; // letters a second; 0 = as fast as it goes
};
// Of one that is to begin, with a new id. The caller owns what it gets, also below.
struct json_t *redrive_document_create(const struct redrive_request *request, int64_t total,
                                       struct bytes owner, int64_t now_us);

// How far a redrive is (core/registry/redrive.h).
struct redrive_progress {
    enum redrive_state state;
    int64_t letter_at;
    struct letter_place after;
    int64_t total, redriven, failed, missing;
    const char *reason; // of the last letter that failed; empty = none
};
// The same redrive, so far. now_us is when it ended, if the state says that it has.
struct json_t *redrive_document_at(const struct redrive *redrive,
                                   const struct redrive_progress *progress, int64_t now_us);
struct json_t *redrive_document_owned(const struct redrive *redrive, struct bytes owner);
// by: who wanted it, as the API saw them.
struct json_t *redrive_document_stopped(const struct redrive *redrive, struct bytes by,
                                        int64_t now_us);

// For the API. marks: letters that the index knows to be redriven by it, which may be more than
// were written down.
struct json_t *redrive_describe(const struct redrive *redrive, int64_t marks, int64_t now_us);

#endif
