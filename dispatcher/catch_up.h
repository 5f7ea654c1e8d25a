// Reads the log for the detached subscriptions of a lane: those that want something take turns, a
// bounded number of slices at a time. Belongs to the lane's loop.
//
// Invariants:
//   1. At most CATCH_UP_SLICES_MAX slices of a lane are on their way.
//   2. Each that wants to read gets its turn after at most one slice of each other.
//   3. While the events of detached subscriptions take up CATCH_UP_BYTES_MAX, only those read that
//      have nothing in memory, and a few records at a time: one that hangs starves no other.
#ifndef EVENT_GATEWAY_DISPATCHER_CATCH_UP_H
#define EVENT_GATEWAY_DISPATCHER_CATCH_UP_H

#include <stddef.h>

#define CATCH_UP_SLICES_MAX 4
#define CATCH_UP_BYTES_MAX ((size_t)64 << 20)
#define CATCH_UP_FEW_RECORDS 8

struct cursor;
struct lane;
struct reading;

// Zero is a valid one at rest.
struct catch_up {
    struct cursor *first, *last; // whose turn comes
    struct reading *readings;    // on their way
    size_t reading;              // how many
    size_t bytes;                // of the events that were read and are not finished
    size_t tried;                // attempts that cursors remember (cursor_tried.c)
};

// The cursor may have room: it gets its turn.
void catch_up_want(struct lane *lane, struct cursor *cursor);
// The cursor goes; a slice that is on its way is thrown away.
void catch_up_forget(struct lane *lane, struct cursor *cursor);
// The lane goes; slices that are on their way free themselves.
void catch_up_stop(struct lane *lane);

#endif
