#include "core/registry/registry_store_zookeeper_tree.h"

#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/registry/path_list.h"

// Looks at what is there under the own name, making the parent where it is missing.
static enum status look(struct zookeeper_tree *tree, const char *path, bool *ret_is_there,
                        int64_t *ret_owner, struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(tree->session, 2);
    zookeeper_batch_make(batch, tree->nodes_path, (struct bytes){0});
    zookeeper_batch_get(batch, path, false);
    enum status status = zookeeper_batch_wait(batch, error);
    if (status == STATUS_OK) {
        // The root is made when the configuration is loaded, which comes before.
        const struct zookeeper_reply *parent = zookeeper_batch_reply(batch, 0);
        const struct zookeeper_reply *found = zookeeper_batch_reply(batch, 1);
        if (parent->status == STATUS_NOT_FOUND) {
            status = error_set(error, STATUS_UNAVAILABLE, "there is no node %s", tree->root);
        }
        *ret_is_there = found->status == STATUS_OK;
        *ret_owner = found->owner;
    }
    zookeeper_batch_destroy(batch);
    return status;
}

// An entry of an earlier session of ours would go away with that one: it makes room for a new one.
static enum status write_entry(struct zookeeper_tree *tree, const char *path, struct bytes document,
                               struct error *error) {
    bool is_there = false;
    int64_t owner = 0;
    size_t failed = 0;
    enum status status = look(tree, path, &is_there, &owner, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (is_there && owner == zookeeper_session_id(tree->session)) {
        struct zookeeper_write set = {ZOOKEEPER_SET, path, document, -1, false};
        status = zookeeper_session_write(tree->session, &set, 1, &failed, error);
    } else {
        struct zookeeper_write writes[] = {
            {ZOOKEEPER_DELETE, path, (struct bytes){0}, -1, false},
            {ZOOKEEPER_CREATE, path, document, 0, true},
        };
        size_t skipped = is_there ? 0 : 1;
        status =
            zookeeper_session_write(tree->session, writes + skipped, 2 - skipped, &failed, error);
    }
    // An old session that ends meanwhile, a connection that breaks: the next try sees what is
    // there.
    return status == STATUS_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

enum status zookeeper_tree_announce(struct zookeeper_tree *tree, struct bytes id,
                                    struct bytes document, struct error *error) {
    struct buffer path = {0};
    buffer_append_format(&path, "%s/", tree->nodes_path);
    zookeeper_append_name(id, &path);
    enum status status = STATUS_OK;
    bool is_same = tree->announced_by == zookeeper_session_id(tree->session) &&
                   bytes_equal(buffer_bytes(&path), buffer_bytes(&tree->announced_path)) &&
                   bytes_equal(document, buffer_bytes(&tree->announced));
    if (!is_same) {
        tree->announced_by = 0;
        status = write_entry(tree, path.data, document, error);
    }
    if (!is_same && status == STATUS_OK) {
        buffer_clear(&tree->announced_path);
        tree->announced_path = path;
        path = (struct buffer){0};
        buffer_reset(&tree->announced);
        buffer_append(&tree->announced, document);
        tree->announced_by = zookeeper_session_id(tree->session);
    }
    buffer_clear(&path);
    return status;
}

struct member_visiting {
    const struct zookeeper_tree *tree;
    registry_store_member_fn visit;
    void *context;
};

static void visit_member(void *context, const char *path, const struct zookeeper_reply *reply) {
    struct member_visiting *visiting = context;
    if (reply->status == STATUS_OK) {
        struct buffer id = {0};
        percent_decode(bytes_of_text(path + strlen(visiting->tree->nodes_path) + 1), false, &id);
        visiting->visit(visiting->context, buffer_bytes(&id), buffer_bytes(&reply->data));
        buffer_clear(&id);
    }
}

enum status zookeeper_tree_members(struct zookeeper_tree *tree, registry_store_member_fn visit,
                                   void *context, struct error *error) {
    struct member_visiting visiting = {.tree = tree, .visit = visit, .context = context};
    struct path_list paths = {0};
    (void)path_list_add_take(&paths, memory_copy_text(tree->nodes_path));
    enum status status = zookeeper_tree_list_children(tree, &paths, error);
    if (status == STATUS_OK) {
        status = zookeeper_tree_read_nodes(tree, &paths, visit_member, &visiting, error);
    }
    path_list_clear(&paths);
    return status;
}
