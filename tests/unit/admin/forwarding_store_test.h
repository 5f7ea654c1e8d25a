// A registry's store that hands everything on to another one. A store that fails on order begins
// with it, takes the operations that it lets through from here, and has its own for the others.
#ifndef EVENT_GATEWAY_TESTS_UNIT_ADMIN_FORWARDING_STORE_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_ADMIN_FORWARDING_STORE_TEST_H

#include <stdlib.h>

#include "core/base/memory.h"
#include "core/registry/registry_store.h"

struct forwarding_store {
    struct registry_store store;
    struct registry_store *inner;
};

static inline struct registry_store *store_behind(struct registry_store *store) {
    return CONTAINER_OF(store, struct forwarding_store, store)->inner;
}

static inline enum status forward_load(struct registry_store *store,
                                       registry_store_document_fn visit, void *context,
                                       int64_t *ret_revision, struct error *error) {
    struct registry_store *inner = store_behind(store);
    return inner->ops->load(inner, visit, context, ret_revision, error);
}

static inline enum status forward_load_changes(struct registry_store *store, int64_t since_revision,
                                               registry_store_document_fn visit, void *context,
                                               int64_t *ret_revision, struct error *error) {
    struct registry_store *inner = store_behind(store);
    return inner->ops->load_changes(inner, since_revision, visit, context, ret_revision, error);
}

static inline void forward_watch(struct registry_store *store, void (*notify)(void *context),
                                 void *context) {
    struct registry_store *inner = store_behind(store);
    inner->ops->watch(inner, notify, context);
}

static inline enum status forward_health(struct registry_store *store, struct error *error) {
    struct registry_store *inner = store_behind(store);
    return inner->ops->health(inner, error);
}

static inline enum status forward_announce(struct registry_store *store, struct bytes id,
                                           struct bytes document, struct error *error) {
    struct registry_store *inner = store_behind(store);
    return inner->ops->announce(inner, id, document, error);
}

static inline enum status forward_members(struct registry_store *store,
                                          registry_store_member_fn visit, void *context,
                                          struct error *error) {
    struct registry_store *inner = store_behind(store);
    return inner->ops->members(inner, visit, context, error);
}

// Frees what begins with the forwarding store, too.
static inline void forward_destroy(struct registry_store *store) {
    struct registry_store *inner = store_behind(store);
    inner->ops->destroy(inner);
    free(CONTAINER_OF(store, struct forwarding_store, store));
}

#endif
