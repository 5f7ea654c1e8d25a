#include "core/registry/registry_store.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/registry/own_member.h"

// Documents in memory, for tests. A deleted one stays as a mark, so that every change since the
// beginning is known.
struct stored {
    enum resource_kind kind;
    struct buffer space, id, document;
    int64_t revision; // of its last change
};

struct memory_store {
    struct registry_store store;
    struct stored *documents;
    size_t count;
    int64_t revision;
    void (*notify)(void *context);
    void *notify_context;
    struct own_member member;
};

static struct memory_store *memory_store_of(struct registry_store *store) {
    return CONTAINER_OF(store, struct memory_store, store);
}

static void visit_since(const struct memory_store *memory, int64_t since, bool deleted_too,
                        registry_store_document_fn visit, void *context) {
    for (size_t i = 0; i < memory->count; i++) {
        const struct stored *stored = &memory->documents[i];
        if (stored->revision > since && (deleted_too || stored->document.size > 0)) {
            visit(context, stored->kind, buffer_bytes(&stored->space), buffer_bytes(&stored->id),
                  buffer_bytes(&stored->document));
        }
    }
}

static enum status memory_load(struct registry_store *store, registry_store_document_fn visit,
                               void *context, int64_t *ret_revision, struct error *error) {
    (void)error;
    visit_since(memory_store_of(store), -1, false, visit, context);
    *ret_revision = memory_store_of(store)->revision;
    return STATUS_OK;
}

static enum status memory_load_changes(struct registry_store *store, int64_t since_revision,
                                       registry_store_document_fn visit, void *context,
                                       int64_t *ret_revision, struct error *error) {
    const struct memory_store *memory = memory_store_of(store);
    if (since_revision > memory->revision) {
        return error_set(error, STATUS_NOT_FOUND, "revision %lld is not known",
                         (long long)since_revision);
    }
    visit_since(memory, since_revision, true, visit, context);
    *ret_revision = memory->revision;
    return STATUS_OK;
}

static struct stored *find_or_add(struct memory_store *memory, const struct registry_edit *edit) {
    for (size_t i = 0; i < memory->count; i++) {
        struct stored *stored = &memory->documents[i];
        if (stored->kind == edit->kind && bytes_equal(buffer_bytes(&stored->id), edit->id) &&
            bytes_equal(buffer_bytes(&stored->space), edit->space)) {
            return stored;
        }
    }
    memory->documents =
        memory_resize(memory->documents, memory->count + 1, sizeof *memory->documents);
    struct stored *added = &memory->documents[memory->count++];
    *added = (struct stored){.kind = edit->kind};
    buffer_append(&added->space, edit->space);
    buffer_append(&added->id, edit->id);
    return added;
}

static enum status memory_apply(struct registry_store *store, const struct registry_edit *edits,
                                size_t edit_count, int64_t expected_revision, int64_t *ret_revision,
                                struct error *error) {
    struct memory_store *memory = memory_store_of(store);
    if (memory->revision != expected_revision) {
        return error_set(error, STATUS_CONFLICT, "the configuration is at another revision");
    }
    memory->revision++;
    for (size_t i = 0; i < edit_count; i++) {
        struct stored *stored = find_or_add(memory, &edits[i]);
        buffer_reset(&stored->document);
        buffer_append(&stored->document, edits[i].document);
        stored->revision = memory->revision;
    }
    *ret_revision = memory->revision;
    if (memory->notify) {
        memory->notify(memory->notify_context);
    }
    return STATUS_OK;
}

static void memory_watch(struct registry_store *store, void (*notify)(void *context),
                         void *context) {
    memory_store_of(store)->notify = notify;
    memory_store_of(store)->notify_context = context;
}

static enum status memory_health(struct registry_store *store, struct error *error) {
    (void)store;
    (void)error;
    return STATUS_OK;
}

static enum status memory_announce(struct registry_store *store, struct bytes id,
                                   struct bytes document, struct error *error) {
    (void)error;
    own_member_set(&memory_store_of(store)->member, id, document);
    return STATUS_OK;
}

static enum status memory_members(struct registry_store *store, registry_store_member_fn visit,
                                  void *context, struct error *error) {
    (void)error;
    own_member_visit(&memory_store_of(store)->member, visit, context);
    return STATUS_OK;
}

static void memory_destroy(struct registry_store *store) {
    struct memory_store *memory = memory_store_of(store);
    for (size_t i = 0; i < memory->count; i++) {
        buffer_clear(&memory->documents[i].space);
        buffer_clear(&memory->documents[i].id);
        buffer_clear(&memory->documents[i].document);
    }
    own_member_clear(&memory->member);
    free(memory->documents);
    free(memory);
}

enum status registry_store_memory_create(struct registry_store **ret_store, struct error *error) {
    static const struct registry_store_ops ops = {
        .name = "memory",
        .load = memory_load,
        .load_changes = memory_load_changes,
        .apply = memory_apply,
        .watch = memory_watch,
        .health = memory_health,
        .announce = memory_announce,
        .members = memory_members,
        .destroy = memory_destroy,
    };
    (void)error;
    struct memory_store *memory = memory_allocate(sizeof *memory);
    memory->store.ops = &ops;
    *ret_store = &memory->store;
    return STATUS_OK;
}
