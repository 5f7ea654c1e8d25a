// Dead letters that are delivered once more, to the one subscription that each was given up for: it
// is appended to eg.retry.10s as due now, and a mark to eg.deadletter says so. One redrive after
// the other. They live in this node's memory: one that a stop cuts short is started again, and
// finds what is left. Everything belongs to the event store's thread.
#ifndef EVENT_GATEWAY_ADMIN_REDRIVES_H
#define EVENT_GATEWAY_ADMIN_REDRIVES_H

#include "admin/event_index.h"
#include "core/base/event_loop.h"
#include "core/registry/registry.h"

struct json_t;
struct redrives;

struct redrives *redrives_create(struct event_log *log, struct registry *registry,
                                 struct event_loop *loop, struct event_index *index);
// Begins nothing more. stopped is called when nothing is inside any more, perhaps at once.
void redrives_stop(struct redrives *redrives, void (*stopped)(void *context), void *context);
void redrives_destroy(struct redrives *redrives);

struct redrive_request {
    // Space, subscription, since, until; the rest is not looked at.
    struct event_query query;
    const struct log_place *letters; // when letter_count > 0: these, whatever the query says
    size_t letter_count;
    int64_t rate; // letters a second; 0 = as fast as it goes
};
// Gives the description of what has begun. FULL: too many wait.
enum status must_check redrives_begin(struct redrives *redrives,
                                      const struct redrive_request *request,
                                      struct json_t **ret_redrive, struct error *error);
// {"redrives":[...]}, newest first.
struct json_t *redrives_list(const struct redrives *redrives, struct bytes space);
// NOT_FOUND
enum status must_check redrives_get(const struct redrives *redrives, struct bytes space,
                                    struct bytes id, struct json_t **ret_redrive,
                                    struct error *error);
// Letters that are on their way still go. NOT_FOUND; one that is over stays as it is.
enum status must_check redrives_cancel(struct redrives *redrives, struct bytes space,
                                       struct bytes id, struct error *error);

#endif
