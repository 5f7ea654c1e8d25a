// The index of events with the thread that it lives on: follows eg.events, eg.outcome and
// eg.deadletter from where it stopped, answers what the API asks, and drives redrives.
// Several nodes have one each. event_store_run from any thread; create and destroy from one.
#ifndef EVENT_GATEWAY_ADMIN_EVENT_STORE_H
#define EVENT_GATEWAY_ADMIN_EVENT_STORE_H

#include "admin/event_index.h"
#include "core/base/event_loop.h"
#include "core/registry/registry.h"

struct event_store;

struct event_store_options {
    struct event_log *log;
    struct registry *registry;
    const char *path;     // of the index's file; empty = one that goes with the process
    const char *identity; // of the log
    const char *node_id;  // stays the caller's
};
// The file is opened on the store's own thread, and again every few seconds when that fails.
enum status must_check event_store_create(const struct event_store_options *options,
                                          struct event_store **ret_store, struct error *error);
// Begins no letter of a redrive any more, lets those that are inside come to their end, and leaves
// its redrives to other nodes: before the log and the registry are closed. Blocks, for at most
// deadline_ms.
void event_store_hand_over(struct event_store *store, int64_t deadline_ms);
// Calls that are inside are still answered.
void event_store_destroy(struct event_store *store);

// Something to be done on the store's thread. The caller owns it until done was called.
struct event_store_call {
    // index is NULL while the file cannot be opened: status and error then say why. The callee sets
    // status.
    void (*run)(struct event_store_call *call, struct event_index *index);
    void (*done)(struct event_store_call *call); // on loop
    struct event_loop *loop;
    enum status status;
    struct error error;
    struct event_loop_task task; // the store's
    struct event_store *store;   // the store's
};
// OK: done follows exactly once. FULL: too many are inside.
enum status must_check event_store_run(struct event_store *store, struct event_store_call *call);

// On the store's thread only: how many records of the log the index is behind; -1: it has
// not taken in yet what was there when it began.
int64_t event_store_behind(struct event_store *store);

#endif
