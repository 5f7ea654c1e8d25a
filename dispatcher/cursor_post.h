// Writes one record, or one removal, to the stream of cursors, again and again until the log has
// confirmed. Belongs to its loop.
#ifndef EVENT_GATEWAY_DISPATCHER_CURSOR_POST_H
#define EVENT_GATEWAY_DISPATCHER_CURSOR_POST_H

#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/cursors/cursor_record.h"
#include "core/event_log/event_log.h"

struct cursor_post;

// stored follows exactly once, later, with the record's place in the stream, unless the post is
// forgotten before.
struct cursor_post_options {
    struct event_log *log;
    struct event_loop *loop;
    void (*stored)(void *context, int64_t offset);
    void *context;
};
struct cursor_post *cursor_post_record(const struct cursor_post_options *options,
                                       const struct cursor_record *record);
struct cursor_post *cursor_post_removal(const struct cursor_post_options *options,
                                        const struct cursor_key *key);
// The record may still be stored.
void cursor_post_forget(struct cursor_post *post);

#endif
