// Reads many nodes of the tree, a window of requests at a time.
#include "core/registry/registry_store_zookeeper_tree.h"

#include "core/base/memory.h"
#include "core/registry/path_list.h"

static size_t window_at(const struct path_list *paths, size_t first) {
    size_t left = paths->count - first;
    return left < ZOOKEEPER_WINDOW ? left : ZOOKEEPER_WINDOW;
}

// Adds the children of each parent to the list.
static enum status list_window(struct zookeeper_tree *tree, char *const *parents, size_t count,
                               struct path_list *list, struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(tree->session, count);
    for (size_t i = 0; i < count; i++) {
        zookeeper_batch_children(batch, parents[i]);
    }
    enum status status = zookeeper_batch_wait(batch, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct zookeeper_reply *reply = zookeeper_batch_reply(batch, i);
        for (size_t j = 0; j < reply->name_count; j++) {
            path_list_add_below(list, parents[i], bytes_of_text(reply->names[j]));
        }
    }
    zookeeper_batch_destroy(batch);
    return status;
}

enum status zookeeper_tree_list_children(struct zookeeper_tree *tree, struct path_list *parents,
                                         struct error *error) {
    struct path_list children = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < parents->count; i += ZOOKEEPER_WINDOW) {
        status = list_window(tree, parents->items + i, window_at(parents, i), &children, error);
    }
    path_list_clear(parents);
    *parents = children;
    return status;
}

static enum status read_window(struct zookeeper_tree *tree, char *const *paths, size_t count,
                               zookeeper_node_fn visit, void *context, struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(tree->session, count);
    for (size_t i = 0; i < count; i++) {
        zookeeper_batch_get(batch, paths[i], false);
    }
    enum status status = zookeeper_batch_wait(batch, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        visit(context, paths[i], zookeeper_batch_reply(batch, i));
    }
    zookeeper_batch_destroy(batch);
    return status;
}

enum status zookeeper_tree_read_nodes(struct zookeeper_tree *tree, const struct path_list *paths,
                                      zookeeper_node_fn visit, void *context, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < paths->count; i += ZOOKEEPER_WINDOW) {
        status = read_window(tree, paths->items + i, window_at(paths, i), visit, context, error);
    }
    return status;
}
