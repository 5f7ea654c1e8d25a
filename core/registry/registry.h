// The configuration: the current snapshot, changes to it, and who wants to know. Over a
// registry_store (ZooKeeper or SQLite). One thread of its own does the store's I/O; nobody else
// waits for it.
#ifndef EVENT_GATEWAY_REGISTRY_REGISTRY_H
#define EVENT_GATEWAY_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/base/status.h"
#include "core/registry/resources.h"
#include "core/registry/snapshot.h"

struct registry;
struct registry_store;

struct registry_options {
    struct registry_store *store; // taken, also on failure
    const char *cache_path; // the last snapshot on disk, for a start without the store; NULL = none
};
// Loads the first snapshot: from the store, or when it cannot be reached from the cache (health
// says so). Neither: STATUS_UNAVAILABLE with the store's reason.
enum status must_check registry_create(const struct registry_options *options,
                                       struct registry **ret_registry, struct error *error);
// Ends the thread: changes that wait, and later ones, are done with CLOSED, and no listener is
// called any more. The last snapshot stays. From one thread, once the store's last call has ended.
void registry_close(struct registry *registry);
// No calls and no snapshots of others are needed afterwards; listeners are not called any more.
void registry_destroy(struct registry *registry);

// The current snapshot, one reference. Any thread; never blocks on I/O.
const struct snapshot *registry_snapshot(struct registry *registry);
// OK, or UNAVAILABLE with the reason (changes are refused, the last snapshot still serves). Any
// thread.
enum status must_check registry_health(struct registry *registry, struct error *error);

// Called on the registry's thread after a new snapshot became the current one; must not block.
struct registry_listener {
    void (*changed)(struct registry_listener *listener, const struct snapshot *snapshot);
    struct registry_listener *next; // the registry's
};
void registry_add_listener(struct registry *registry, struct registry_listener *listener);
void registry_remove_listener(struct registry *registry, struct registry_listener *listener);

struct registry_edit {
    enum resource_kind kind;
    struct bytes space, id;
    struct bytes document; // JSON text; size 0 = delete
};
// All edits or none. The caller owns it, and all bytes in it, until done.
struct registry_change {
    const struct registry_edit *edits;
    size_t edit_count;
    int64_t based_on; // revision of the snapshot that the change was validated with
    struct event_loop *loop;
    void (*done)(struct registry_change *change); // on the loop
    // OK: stored, and the current snapshot of this node contains it. CONFLICT: the configuration
    // moved past based_on (the current snapshot is at least as new): validate again. INVALID: a
    // document that no node could read back. TOO_LARGE, UNAVAILABLE, CLOSED: not stored. TIMEOUT:
    // the connection broke and nobody knows.
    enum status status;
    struct error error;
    struct event_loop_task task;  // the registry's
    struct registry_change *next; // the registry's
};
// Any thread. done follows exactly once.
void registry_apply(struct registry *registry, struct registry_change *change);

// What this process says of itself to all that share the store, as long as it lives; the last word
// counts. Written soon, and again when the store has forgotten it (a session that ended). Any
// thread.
void registry_announce(struct registry *registry, struct bytes id, struct bytes document);

// Who shares the store now.
struct registry_member {
    struct buffer id, document;
};
// The caller owns it until done, and what came until registry_members_query_clear.
struct registry_members_query {
    struct event_loop *loop;
    void (*done)(struct registry_members_query *query); // on the loop
    // OK; UNAVAILABLE: only this process's own entry. CLOSED: none.
    enum status status;
    struct error error;
    struct registry_member *members;
    size_t count;
    struct event_loop_task task;         // the registry's
    struct registry_members_query *next; // the registry's
};
// Any thread. done follows exactly once.
void registry_list_members(struct registry *registry, struct registry_members_query *query);
void registry_members_query_clear(struct registry_members_query *query);

#endif
