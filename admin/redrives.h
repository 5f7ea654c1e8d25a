// The redrives that this node drives. Each is a document in the registry, with the node that owns
// it; every admin node looks at all of them. Belongs to the event store's thread.
//
// Invariants:
//   1. A redrive is driven by its owner only. A node takes one over when its owner has been missing
//      among the members for a moment, and only by compare-and-set: one of several gets it.
//   2. A node that has not heard from the registry for a few seconds begins no letter: it may have
//      lost its session, and with it what it owned.
//   3. What is over is removed in the end (kept_entries.h).
#ifndef EVENT_GATEWAY_ADMIN_REDRIVES_H
#define EVENT_GATEWAY_ADMIN_REDRIVES_H

#include "admin/event_index.h"
#include "core/base/event_loop.h"
#include "core/registry/registry.h"

struct redrives;

struct redrives_options {
    struct event_log *log;
    struct registry *registry;
    struct event_loop *loop;
    struct event_index *index;
    const char *node_id; // as among the members; stays the caller's
    int64_t look_ms;     // between two looks at the members; 0 = a second
    int64_t missing_ms;  // an owner must be missing for that long; 0 = two seconds
};
struct redrives *redrives_create(const struct redrives_options *options);
// Begins nothing more. stopped is called, later, when nothing is inside any more.
void redrives_stop(struct redrives *redrives, void (*stopped)(void *context), void *context);
void redrives_destroy(struct redrives *redrives);

// Edits that remove what is over and goes, for room new ones in the space (empty = of all spaces).
// They point into the snapshot. Any thread.
size_t redrives_sweep(const struct snapshot *snapshot, struct bytes space, size_t room,
                      struct registry_edit *edits, size_t max);

#endif
