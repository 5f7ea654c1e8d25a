// The last snapshot on disk, so that a node can start while the store is away. Private to
// core/registry. Secrets in it are sealed, as in the store.
#ifndef EVENT_GATEWAY_REGISTRY_REGISTRY_CACHE_H
#define EVENT_GATEWAY_REGISTRY_REGISTRY_CACHE_H

#include "core/base/status.h"
#include "core/registry/snapshot.h"

// Replaces the file as a whole or not at all; mode 0600.
enum status must_check registry_cache_write(const char *path, const struct snapshot *snapshot,
                                            struct error *error);
// NOT_FOUND when there is none.
enum status must_check registry_cache_read(const char *path, const struct snapshot **ret_snapshot,
                                           struct error *error);

#endif
