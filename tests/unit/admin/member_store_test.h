// The store in memory, behind one that says who the members are, who is missing, and when
// another node is faster, and that fails on order.
#ifndef EVENT_GATEWAY_TESTS_UNIT_ADMIN_MEMBER_STORE_TEST_H
#define EVENT_GATEWAY_TESTS_UNIT_ADMIN_MEMBER_STORE_TEST_H

#include <stdatomic.h>

#include "tests/unit/admin/forwarding_store_test.h"

struct member_store {
    struct forwarding_store forwarding; // comes first
    atomic_bool has_other;              // node-2 is a member, too
    atomic_bool hides_members;          // who they are cannot be told
    atomic_bool is_read_only;           // changes are refused
    atomic_int absences;                // listings in which node-2 is missing nevertheless
    atomic_bool other_is_first;         // node-2 takes the redrive "r" right before the next change
    atomic_int listings;
};

static inline struct member_store *member_store_of(struct registry_store *store) {
    return CONTAINER_OF(store, struct member_store, forwarding.store);
}

static inline enum status members_apply(struct registry_store *store,
                                        const struct registry_edit *edits, size_t edit_count,
                                        int64_t expected_revision, int64_t *ret_revision,
                                        struct error *error) {
    struct member_store *members = member_store_of(store);
    struct registry_store *inner = members->forwarding.inner;
    if (atomic_load(&members->is_read_only)) {
        return error_set(error, STATUS_UNAVAILABLE, "the store is away");
    }
    if (edits[0].kind == RESOURCE_REDRIVE && atomic_exchange(&members->other_is_first, false)) {
        const struct registry_edit edit = {
            .kind = RESOURCE_REDRIVE,
            .space = BYTES("default"),
            .id = BYTES("r"),
            .document = BYTES("{\"space\":\"default\",\"redriveId\":\"r\",\"state\":\"waiting\","
                              "\"owner\":\"node-2\",\"subscriptionId\":\"s\",\"total\":1,"
                              "\"begun\":\"2026-11-25T01:00:00Z\"}")};
        if (inner->ops->apply(inner, &edit, 1, expected_revision, ret_revision, error) !=
            STATUS_OK) {
            abort();
        }
    }
    return inner->ops->apply(inner, edits, edit_count, expected_revision, ret_revision, error);
}

static inline enum status members_members(struct registry_store *store,
                                          registry_store_member_fn visit, void *context,
                                          struct error *error) {
    struct member_store *members = member_store_of(store);
    atomic_fetch_add(&members->listings, 1);
    if (atomic_load(&members->hides_members)) {
        return error_set(error, STATUS_UNAVAILABLE, "the store is away");
    }
    visit(context, BYTES("node-1"), BYTES("{}"));
    if (atomic_load(&members->absences) > 0) {
        atomic_fetch_sub(&members->absences, 1);
    } else if (atomic_load(&members->has_other)) {
        visit(context, BYTES("node-2"), BYTES("{}"));
    }
    return STATUS_OK;
}

static const struct registry_store_ops member_ops = {
    .name = "members",
    .load = forward_load,
    .load_changes = forward_load_changes,
    .apply = members_apply,
    .watch = forward_watch,
    .health = forward_health,
    .announce = forward_announce,
    .members = members_members,
    .destroy = forward_destroy,
};

static inline struct member_store *member_store_create(void) {
    struct member_store *members = memory_allocate(sizeof *members);
    struct error error;
    members->forwarding.store.ops = &member_ops;
    if (registry_store_memory_create(&members->forwarding.inner, &error) != STATUS_OK) {
        abort();
    }
    return members;
}

#endif
