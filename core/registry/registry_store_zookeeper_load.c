#include "core/registry/registry_store_zookeeper_tree.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/registry/path_list.h"

static void visit_document(const struct zookeeper_tree *tree, const char *path,
                           struct bytes document, registry_store_document_fn visit, void *context) {
    struct bytes rest = bytes_of_text(path + strlen(tree->spaces_path) + 1);
    struct bytes space = bytes_slice(rest, 0, bytes_find(rest, '/'));
    rest = bytes_slice(rest, space.size + 1, rest.size);
    struct bytes collection = bytes_slice(rest, 0, bytes_find(rest, '/'));
    struct bytes id = bytes_slice(rest, collection.size + 1, rest.size);
    enum resource_kind kind;
    struct buffer plain_space = {0};
    struct buffer plain_id = {0};
    if (resource_kind_parse(collection, &kind)) {
        percent_decode(space, false, &plain_space);
        percent_decode(id, false, &plain_id);
        visit(context, kind, buffer_bytes(&plain_space), buffer_bytes(&plain_id), document);
    }
    buffer_clear(&plain_space);
    buffer_clear(&plain_id);
}

void zookeeper_tree_state_clear(struct zookeeper_tree_state *state) {
    registry_revision_destroy(state->revision);
    state->revision = NULL;
}

size_t zookeeper_tree_ask_state(struct zookeeper_tree *tree, struct zookeeper_batch *batch) {
    if (tree->must_sync) {
        zookeeper_batch_sync(batch, tree->revision_path);
    }
    zookeeper_batch_get(batch, tree->revision_path, true);
    return tree->must_sync ? 1 : 0;
}

enum status zookeeper_tree_take_state(struct zookeeper_tree *tree, struct zookeeper_reply *reply,
                                      struct zookeeper_tree_state *ret_state, struct error *error) {
    if (reply->status != STATUS_OK) {
        return error_set(error, reply->status, "there is no node %s", tree->revision_path);
    }
    enum status status =
        registry_revision_parse(buffer_bytes(&reply->data), &ret_state->revision, error);
    if (status != STATUS_OK) {
        error_prefix(error, "%s", tree->revision_path);
        return STATUS_FAILED;
    }
    ret_state->version = reply->version;
    ret_state->created = reply->created;
    return STATUS_OK;
}

// NOT_FOUND when the tree is not there.
enum status zookeeper_tree_read_state(struct zookeeper_tree *tree,
                                      struct zookeeper_tree_state *ret_state, struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(tree->session, 2);
    size_t position = zookeeper_tree_ask_state(tree, batch);
    enum status status = zookeeper_batch_wait(batch, error);
    if (status == STATUS_OK) {
        tree->must_sync = false;
        status = zookeeper_tree_take_state(tree, zookeeper_batch_reply(batch, position), ret_state,
                                           error);
    }
    zookeeper_batch_destroy(batch);
    return status;
}

// The documents among what is read.
struct visiting {
    const struct zookeeper_tree *tree;
    bool deleted_too;
    registry_store_document_fn visit;
    void *context;
};

static void visit_node(void *context, const char *path, const struct zookeeper_reply *reply) {
    struct visiting *visiting = context;
    // What is gone already is among the changes that are looked at afterwards.
    if (reply->status == STATUS_OK || visiting->deleted_too) {
        visit_document(visiting->tree, path, buffer_bytes(&reply->data), visiting->visit,
                       visiting->context);
    }
}

static enum status visit_paths(struct zookeeper_tree *tree, const struct path_list *paths,
                               bool deleted_too, registry_store_document_fn visit, void *context,
                               struct error *error) {
    struct visiting visiting = {
        .tree = tree, .deleted_too = deleted_too, .visit = visit, .context = context};
    return zookeeper_tree_read_nodes(tree, paths, visit_node, &visiting, error);
}

struct collecting {
    const struct zookeeper_tree *tree;
    struct path_list paths;
};

static void collect_path(void *context, struct bytes path) {
    struct collecting *collecting = context;
    path_list_add_below(&collecting->paths, collecting->tree->spaces_path, path);
}

static enum status visit_changed(struct zookeeper_tree *tree,
                                 const struct zookeeper_tree_state *state, int64_t since,
                                 registry_store_document_fn visit, void *context,
                                 struct error *error) {
    struct collecting collecting = {.tree = tree};
    enum status status = STATUS_OK;
    if (registry_revision_each_path(state->revision, since, collect_path, &collecting)) {
        path_list_make_unique(&collecting.paths);
        status = visit_paths(tree, &collecting.paths, true, visit, context, error);
    } else {
        status = error_set(error, STATUS_NOT_FOUND,
                           "what changed since revision %" PRId64 " is not known", since);
    }
    path_list_clear(&collecting.paths);
    return status;
}

// Reads what changed after since until the revision stands still. NOT_FOUND: only a full load can
// tell.
static enum status catch_up(struct zookeeper_tree *tree, int64_t since, int64_t created,
                            registry_store_document_fn visit, void *context, int64_t *ret_revision,
                            struct error *error) {
    for (;;) {
        struct zookeeper_tree_state state = {0};
        enum status status = zookeeper_tree_read_state(tree, &state, error);
        if (status == STATUS_OK && state.created != created) {
            status = error_set(error, STATUS_NOT_FOUND, "%s was made anew", tree->revision_path);
        }
        int64_t now = status == STATUS_OK ? registry_revision_number(state.revision) : 0;
        if (status == STATUS_OK && now != since) {
            status = visit_changed(tree, &state, since, visit, context, error);
        }
        zookeeper_tree_state_clear(&state);
        if (status != STATUS_OK) {
            return status;
        }
        if (now == since) {
            *ret_revision = now;
            return STATUS_OK;
        }
        since = now;
    }
}

static enum status visit_all(struct zookeeper_tree *tree, registry_store_document_fn visit,
                             void *context, struct error *error) {
    struct path_list paths = {0};
    (void)path_list_add_take(&paths, memory_copy_text(tree->spaces_path));
    enum status status = STATUS_OK;
    // The spaces, then their collections, then the documents.
    for (int level = 0; status == STATUS_OK && level < 3; level++) {
        status = zookeeper_tree_list_children(tree, &paths, error);
    }
    if (status == STATUS_OK) {
        status = visit_paths(tree, &paths, false, visit, context, error);
    }
    path_list_clear(&paths);
    return status;
}

// Makes ROOT, its parents, ROOT/spaces and ROOT/revision where they are missing.
static enum status make_tree(struct zookeeper_tree *tree, struct error *error) {
    struct buffer first = {0};
    struct path_list parents = {0};
    struct bytes root = bytes_of_text(tree->root);
    for (size_t end = 1; end <= root.size; end++) {
        if (end == root.size || root.data[end] == '/') {
            (void)path_list_add_take(&parents, bytes_to_text(bytes_slice(root, 0, end)));
        }
    }
    struct zookeeper_batch *batch = zookeeper_batch_create(tree->session, parents.count + 2);
    for (size_t i = 0; i < parents.count; i++) {
        zookeeper_batch_make(batch, parents.items[i], (struct bytes){0});
    }
    registry_revision_write_first(&first);
    zookeeper_batch_make(batch, tree->spaces_path, (struct bytes){0});
    zookeeper_batch_make(batch, tree->revision_path, buffer_bytes(&first));
    enum status status = zookeeper_batch_wait(batch, error);
    zookeeper_batch_destroy(batch);
    path_list_clear(&parents);
    buffer_clear(&first);
    return status;
}

static enum status read_or_make_revision(struct zookeeper_tree *tree,
                                         struct zookeeper_tree_state *ret_state,
                                         struct error *error) {
    enum status status = zookeeper_tree_read_state(tree, ret_state, error);
    if (status == STATUS_NOT_FOUND) {
        status = make_tree(tree, error);
        if (status == STATUS_OK) {
            status = zookeeper_tree_read_state(tree, ret_state, error);
        }
    }
    return status == STATUS_NOT_FOUND ? STATUS_UNAVAILABLE : status;
}

static enum status load_once(struct zookeeper_tree *tree, registry_store_document_fn visit,
                             void *context, int64_t *ret_revision, struct error *error) {
    struct zookeeper_tree_state state = {0};
    enum status status = read_or_make_revision(tree, &state, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = visit_all(tree, visit, context, error);
    if (status == STATUS_OK) {
        status = catch_up(tree, registry_revision_number(state.revision), state.created, visit,
                          context, ret_revision, error);
    }
    if (status == STATUS_OK) {
        tree->created = state.created;
    }
    zookeeper_tree_state_clear(&state);
    return status;
}

enum status zookeeper_tree_load(struct zookeeper_tree *tree, registry_store_document_fn visit,
                                void *context, int64_t *ret_revision, struct error *error) {
    enum status status = load_once(tree, visit, context, ret_revision, error);
    // More changes than the history holds came in between, or somebody removed the tree: what was
    // visited is no state of the registry, and the caller has to begin again.
    return status == STATUS_NOT_FOUND
               ? error_set(error, STATUS_UNAVAILABLE,
                           "the configuration changes faster than it can be read")
               : status;
}

enum status zookeeper_tree_load_changes(struct zookeeper_tree *tree, int64_t since_revision,
                                        registry_store_document_fn visit, void *context,
                                        int64_t *ret_revision, struct error *error) {
    return catch_up(tree, since_revision, tree->created, visit, context, ret_revision, error);
}
