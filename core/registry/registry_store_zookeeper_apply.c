#include "core/registry/registry_store_zookeeper_tree.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/registry/path_list.h"

// ZooKeeper cuts the connection at 1 MiB of one request (jute.maxbuffer).
#define CHANGE_BYTES_MAX 1000000
// A request's own bytes per node, generously.
#define NODE_OVERHEAD 128
#define TRIES_MAX 5
#define RETRY_WAIT_MS 50

// "." and ".." are no names of nodes.
void zookeeper_append_name(struct bytes name, struct buffer *ret_path) {
    if (bytes_equal_text(name, ".") || bytes_equal_text(name, "..")) {
        buffer_append_text(ret_path, name.size == 1 ? "%2E" : "%2E%2E");
    } else {
        percent_encode_path_segment(name, ret_path);
    }
}

// Relative to ROOT/spaces, as the history names documents.
static void append_document_path(const struct registry_edit *edit, struct buffer *ret_path) {
    zookeeper_append_name(edit->space, ret_path);
    buffer_append_format(ret_path, "/%s/", resource_kind_name(edit->kind));
    zookeeper_append_name(edit->id, ret_path);
}

// One change on its way: everything that the transaction borrows.
struct change {
    const struct registry_edit *edits;
    size_t edit_count;
    struct path_list paths;
    struct bytes *names; // of the documents, as the history says it: pieces of paths
    struct zookeeper_tree_state state;
    struct buffer revision_data;
    struct zookeeper_write *writes; // the revision first
    size_t write_count;
    char id[UUID_TEXT_SIZE];
};

static void change_clear(struct change *change) {
    path_list_clear(&change->paths);
    zookeeper_tree_state_clear(&change->state);
    buffer_clear(&change->revision_data);
    free(change->names);
    free(change->writes);
}

static void change_init(struct change *change, const struct zookeeper_tree *tree,
                        const struct registry_edit *edits, size_t edit_count) {
    *change = (struct change){.edits = edits, .edit_count = edit_count};
    change->names = memory_allocate(edit_count * sizeof *change->names);
    change->writes = memory_allocate((edit_count + 1) * sizeof *change->writes);
    uuid_create(change->id);
    for (size_t i = 0; i < edit_count; i++) {
        struct buffer path = {0};
        buffer_append_format(&path, "%s/", tree->spaces_path);
        size_t start = path.size;
        append_document_path(&edits[i], &path);
        change->names[i] = bytes_slice(buffer_bytes(&path), start, path.size);
        (void)path_list_add_take(&change->paths, buffer_take(&path));
    }
}

static void plan_write(struct change *change, size_t i, bool is_there) {
    struct bytes document = change->edits[i].document;
    if (document.size == 0 && !is_there) {
        return; // Deleted already.
    }
    change->writes[change->write_count++] = (struct zookeeper_write){
        .kind = document.size == 0 ? ZOOKEEPER_DELETE
                : is_there         ? ZOOKEEPER_SET
                                   : ZOOKEEPER_CREATE,
        .path = change->paths.items[i],
        .data = document,
        .version = -1, // The revision's version stands for all.
    };
}

static enum status read_plan(struct zookeeper_tree *tree, struct change *change,
                             struct zookeeper_batch *batch, size_t position,
                             int64_t expected_revision, struct error *error) {
    zookeeper_tree_state_clear(&change->state);
    enum status status = zookeeper_tree_take_state(tree, zookeeper_batch_reply(batch, position),
                                                   &change->state, error);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_UNAVAILABLE : status;
    }
    int64_t revision = registry_revision_number(change->state.revision);
    if (revision != expected_revision) {
        return error_set(error, STATUS_CONFLICT,
                         "the configuration is at revision %" PRId64 ", not %" PRId64, revision,
                         expected_revision);
    }
    buffer_reset(&change->revision_data);
    registry_revision_write_next(change->state.revision, change->id, change->names,
                                 change->edit_count, &change->revision_data);
    change->writes[0] = (struct zookeeper_write){
        .kind = ZOOKEEPER_SET,
        .path = tree->revision_path,
        .data = buffer_bytes(&change->revision_data),
        .version = change->state.version,
    };
    change->write_count = 1;
    for (size_t i = 0; i < change->edit_count; i++) {
        plan_write(change, i, zookeeper_batch_reply(batch, position + 1 + i)->status == STATUS_OK);
    }
    return STATUS_OK;
}

// One way to the server tells the revision and which documents are there already.
static enum status plan(struct zookeeper_tree *tree, struct change *change,
                        int64_t expected_revision, struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(tree->session, change->edit_count + 2);
    size_t position = zookeeper_tree_ask_state(tree, batch);
    for (size_t i = 0; i < change->edit_count; i++) {
        zookeeper_batch_exists(batch, change->paths.items[i]);
    }
    enum status status = zookeeper_batch_wait(batch, error);
    if (status == STATUS_OK) {
        tree->must_sync = false;
        status = read_plan(tree, change, batch, position, expected_revision, error);
    }
    zookeeper_batch_destroy(batch);
    return status;
}

static enum status check_size(const struct change *change, struct error *error) {
    size_t total = 0;
    for (size_t i = 0; i < change->write_count; i++) {
        size_t size = change->writes[i].data.size;
        if (size > CHANGE_BYTES_MAX) {
            return error_set(error, STATUS_TOO_LARGE,
                             "a document of %zu bytes: ZooKeeper keeps at most %d", size,
                             CHANGE_BYTES_MAX);
        }
        total += size + strlen(change->writes[i].path) + NODE_OVERHEAD;
    }
    if (total > CHANGE_BYTES_MAX) {
        return error_set(error, STATUS_TOO_LARGE,
                         "a change of %zu bytes: ZooKeeper takes at most %d at once", total,
                         CHANGE_BYTES_MAX);
    }
    return STATUS_OK;
}

// The nodes of the spaces and collections that a document lies in.
static enum status make_parents(struct zookeeper_tree *tree, const struct change *change,
                                struct error *error) {
    enum status status = STATUS_OK;
    struct path_list parents = {0};
    for (size_t i = 0; i < change->edit_count; i++) {
        struct bytes path = bytes_of_text(change->paths.items[i]);
        while (path.data[path.size - 1] != '/') {
            path.size--;
        }
        struct bytes collection = bytes_slice(path, 0, path.size - 1);
        while (path.data[path.size - 2] != '/') {
            path.size--;
        }
        (void)path_list_add_take(&parents, bytes_to_text(bytes_slice(path, 0, path.size - 2)));
        (void)path_list_add_take(&parents, bytes_to_text(collection));
    }
    path_list_make_unique(&parents); // Sorted, so a parent comes before its child.
    for (size_t i = 0; status == STATUS_OK && i < parents.count; i += ZOOKEEPER_WINDOW) {
        size_t count = parents.count - i < ZOOKEEPER_WINDOW ? parents.count - i : ZOOKEEPER_WINDOW;
        struct zookeeper_batch *batch = zookeeper_batch_create(tree->session, count);
        for (size_t j = 0; j < count; j++) {
            zookeeper_batch_make(batch, parents.items[i + j], (struct bytes){0});
        }
        status = zookeeper_batch_wait(batch, error);
        zookeeper_batch_destroy(batch);
    }
    path_list_clear(&parents);
    return status;
}

static enum status read_fate(struct zookeeper_tree *tree, const struct change *change,
                             int64_t number, enum registry_revision_fate *ret_fate,
                             struct error *error) {
    struct zookeeper_tree_state state = {0};
    tree->must_sync = true;
    enum status status = zookeeper_session_connect(tree->session, error);
    if (status == STATUS_OK) {
        status = zookeeper_tree_read_state(tree, &state, error);
    }
    if (status == STATUS_OK) {
        *ret_fate = state.created == change->state.created
                        ? registry_revision_fate_of(state.revision, number, change->id)
                        : REVISION_FATE_UNKNOWN;
    }
    zookeeper_tree_state_clear(&state);
    return status;
}

// The connection broke while the transaction was under way: the history tells what became of it.
// After a sync on a later connection of the session, or on a later session, it cannot be applied
// any more.
static enum status find_out(struct zookeeper_tree *tree, const struct change *change,
                            int64_t number, struct error *error) {
    int64_t deadline_us = clock_monotonic_us() + tree->call_timeout_ms * 1000;
    enum registry_revision_fate fate = REVISION_FATE_UNKNOWN;
    struct error reason = {"it is too long ago"};
    enum status status;
    do {
        status = read_fate(tree, change, number, &fate, &reason);
        if (status == STATUS_UNAVAILABLE) {
            (void)poll(NULL, 0, RETRY_WAIT_MS); // Where a connection is refused at once.
        }
    } while (status == STATUS_UNAVAILABLE && clock_monotonic_us() < deadline_us);
    if (status != STATUS_OK || fate == REVISION_FATE_UNKNOWN) {
        return error_set(error, STATUS_TIMEOUT,
                         "the connection broke and it is not known whether the change is stored: "
                         "%s",
                         reason.text);
    }
    return fate == REVISION_FATE_APPLIED
               ? STATUS_OK
               : error_set(error, STATUS_UNAVAILABLE,
                           "the connection broke before the change was stored");
}

// ret_again: the plan did not fit what is there, and another one may.
static enum status write_planned(struct zookeeper_tree *tree, const struct change *change,
                                 int64_t expected_revision, bool *ret_again, struct error *error) {
    size_t failed = 0;
    enum status status =
        zookeeper_session_write(tree->session, change->writes, change->write_count, &failed, error);
    if (status == STATUS_TIMEOUT) {
        return find_out(tree, change, expected_revision + 1, error);
    }
    if (status == STATUS_CONFLICT) {
        tree->must_sync = true; // This server told an old version.
        return status;
    }
    if (status == STATUS_NOT_FOUND || status == STATUS_EXISTS) {
        bool lacks_parent = failed > 0 && change->writes[failed].kind == ZOOKEEPER_CREATE;
        *ret_again = true;
        status = status == STATUS_NOT_FOUND && lacks_parent ? make_parents(tree, change, error)
                                                            : STATUS_OK;
    }
    return status;
}

static enum status apply_change(struct zookeeper_tree *tree, struct change *change,
                                int64_t expected_revision, struct error *error) {
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        bool again = false;
        enum status status = plan(tree, change, expected_revision, error);
        if (status == STATUS_OK) {
            status = check_size(change, error);
        }
        if (status == STATUS_OK) {
            status = write_planned(tree, change, expected_revision, &again, error);
        }
        if (status != STATUS_OK || !again) {
            return status;
        }
    }
    return error_set(error, STATUS_UNAVAILABLE,
                     "something else than gateways changes the nodes below %s", tree->root);
}

enum status zookeeper_tree_apply(struct zookeeper_tree *tree, const struct registry_edit *edits,
                                 size_t edit_count, int64_t expected_revision,
                                 struct error *error) {
    struct change change;
    change_init(&change, tree, edits, edit_count);
    enum status status = apply_change(tree, &change, expected_revision, error);
    change_clear(&change);
    return status;
}
