// What the store holds, as the next snapshot: what has changed, or everything. Private to
// core/registry; the registry's thread.
#ifndef EVENT_GATEWAY_REGISTRY_REGISTRY_LOADING_H
#define EVENT_GATEWAY_REGISTRY_REGISTRY_LOADING_H

#include "core/base/log_line.h"
#include "core/registry/snapshot.h"

struct registry_store;

// Zero is valid.
struct registry_loading {
    bool must_load_everything; // the store no longer tells what has changed since the snapshot
    struct log_limit skipped_limit;
};

// The snapshot after current, where NULL is none; none is given when nothing has changed. Documents
// that are not understood are left out, logged and counted.
enum status must_check registry_loading_next(struct registry_loading *loading,
                                             struct registry_store *store,
                                             const struct snapshot *current,
                                             const struct snapshot **ret_snapshot,
                                             struct error *error);

#endif
