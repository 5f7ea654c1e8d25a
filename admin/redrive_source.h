// Which letters a redrive is about, one after the other: the oldest first, or as their ids were
// given; from where an earlier driver has come to. Lies in the run; the event store's thread.
#ifndef EVENT_GATEWAY_ADMIN_REDRIVE_SOURCE_H
#define EVENT_GATEWAY_ADMIN_REDRIVE_SOURCE_H

#include <stdbool.h>

#include "admin/event_index.h"
#include "core/registry/redrive.h"

#define REDRIVE_FETCHED_MAX 256 // letters that were looked up and wait for their turn

struct redrive_source {
    struct event_index *index;
    const struct redrive *redrive; // outlives it
    struct letter_place fetched[REDRIVE_FETCHED_MAX];
    size_t fetched_count, fetched_at;
    bool is_at_end;
    int64_t next_letter;      // of those by ids
    struct letter_place last; // of others: that was looked up
};

void redrive_source_init(struct redrive_source *source, struct event_index *index,
                         const struct redrive *redrive);
// Perhaps; next tells.
bool redrive_source_has_more(const struct redrive_source *source);
// NOT_FOUND: there are no more. UNAVAILABLE: the index cannot be read.
enum status must_check redrive_source_next(struct redrive_source *source,
                                           struct letter_place *ret_at, struct error *error);
// False: it was redriven or deleted already.
bool redrive_source_is_dead(const struct redrive_source *source, const struct letter_place *at);
// The letters that are there now. Not of one by ids.
enum status must_check redrive_source_count(const struct redrive_source *source, int64_t *ret_count,
                                            struct error *error);

#endif
