#include "core/registry/own_member.h"

void own_member_set(struct own_member *member, struct bytes id, struct bytes document) {
    buffer_reset(&member->id);
    buffer_append(&member->id, id);
    buffer_reset(&member->document);
    buffer_append(&member->document, document);
}

void own_member_visit(const struct own_member *member, registry_store_member_fn visit,
                      void *context) {
    if (member->id.size > 0) {
        visit(context, buffer_bytes(&member->id), buffer_bytes(&member->document));
    }
}

void own_member_clear(struct own_member *member) {
    buffer_clear(&member->id);
    buffer_clear(&member->document);
}
