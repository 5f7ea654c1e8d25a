// What the stream of cursors adds up to, for requests that ask how far subscriptions and replays
// are: kept between requests, and brought up to the stream's end for each, so that a request reads
// only what came since the last one. Belongs to its loop.
//
// Invariants:
//   1. A request is answered from a fold that holds all that the log had confirmed when the request
//      came: one that comes while the stream is read waits for the next reading.
//   2. Nothing that was removed is shown: a view that has not read for longer than the log keeps
//      removals begins anew.
#ifndef EVENT_GATEWAY_ADMIN_CURSOR_VIEW_H
#define EVENT_GATEWAY_ADMIN_CURSOR_VIEW_H

#include "core/base/event_loop.h"
#include "core/cursors/cursor_fold.h"
#include "core/event_log/event_log.h"

struct cursor_view;

struct cursor_view *cursor_view_create(struct event_log *log, struct event_loop *loop);
// No request waits any more.
void cursor_view_destroy(struct cursor_view *view);

// The caller owns it until done was called.
struct cursor_view_request {
    // On the loop. The fold is valid during the call; NULL: the stream cannot be read now, which
    // can be told at once.
    void (*done)(struct cursor_view_request *request, const struct cursor_fold *fold);
    struct cursor_view_request *next; // the view's
};
void cursor_view_ask(struct cursor_view *view, struct cursor_view_request *request);

#endif
