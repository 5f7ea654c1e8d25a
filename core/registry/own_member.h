// The entry of the one process that an embedded store has. Zero is none; one thread.
#ifndef EVENT_GATEWAY_REGISTRY_OWN_MEMBER_H
#define EVENT_GATEWAY_REGISTRY_OWN_MEMBER_H

#include "core/registry/registry_store.h"

struct own_member {
    struct buffer id, document;
};

void own_member_set(struct own_member *member, struct bytes id, struct bytes document);
void own_member_visit(const struct own_member *member, registry_store_member_fn visit,
                      void *context);
void own_member_clear(struct own_member *member);

#endif
