// Who wants to know of new snapshots. Private to core/registry; any thread, but one that tells.
#ifndef EVENT_GATEWAY_REGISTRY_REGISTRY_LISTENERS_H
#define EVENT_GATEWAY_REGISTRY_REGISTRY_LISTENERS_H

#include <pthread.h>

#include "core/registry/registry.h"

// Listeners are called without the lock, so they may add and remove listeners themselves.
struct registry_listeners {
    pthread_mutex_t lock;
    pthread_cond_t idle; // no listener is being called
    pthread_t caller;    // while called is set
    struct registry_listener *first, *next, *called;
};

void registry_listeners_init(struct registry_listeners *listeners);
void registry_listeners_clear(struct registry_listeners *listeners);
void registry_listeners_add(struct registry_listeners *listeners,
                            struct registry_listener *listener);
// Waits for a call of it that is under way, except inside that call.
void registry_listeners_remove(struct registry_listeners *listeners,
                               struct registry_listener *listener);
void registry_listeners_tell(struct registry_listeners *listeners, const struct snapshot *snapshot);

#endif
