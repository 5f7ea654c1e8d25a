#include "core/registry/registry_store.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/registry/registry_store_zookeeper_tree.h"

struct zookeeper_store {
    struct registry_store store;
    struct zookeeper_tree tree;
};

static struct zookeeper_tree *tree_of(struct registry_store *store) {
    return &CONTAINER_OF(store, struct zookeeper_store, store)->tree;
}

static enum status zookeeper_load(struct registry_store *store, registry_store_document_fn visit,
                                  void *context, int64_t *ret_revision, struct error *error) {
    enum status status = zookeeper_session_connect(tree_of(store)->session, error);
    return status == STATUS_OK
               ? zookeeper_tree_load(tree_of(store), visit, context, ret_revision, error)
               : status;
}

static enum status zookeeper_load_changes(struct registry_store *store, int64_t since_revision,
                                          registry_store_document_fn visit, void *context,
                                          int64_t *ret_revision, struct error *error) {
    enum status status = zookeeper_session_connect(tree_of(store)->session, error);
    return status == STATUS_OK ? zookeeper_tree_load_changes(tree_of(store), since_revision, visit,
                                                             context, ret_revision, error)
                               : status;
}

static enum status zookeeper_apply(struct registry_store *store, const struct registry_edit *edits,
                                   size_t edit_count, int64_t expected_revision,
                                   int64_t *ret_revision, struct error *error) {
    enum status status = zookeeper_session_connect(tree_of(store)->session, error);
    if (status == STATUS_OK) {
        status = zookeeper_tree_apply(tree_of(store), edits, edit_count, expected_revision, error);
    }
    if (status == STATUS_OK) {
        *ret_revision = expected_revision + 1;
    }
    return status;
}

static void zookeeper_watch(struct registry_store *store, void (*notify)(void *context),
                            void *context) {
    zookeeper_session_watch(tree_of(store)->session, notify, context);
}

static enum status zookeeper_health(struct registry_store *store, struct error *error) {
    return zookeeper_session_check(tree_of(store)->session, error);
}

static enum status zookeeper_announce(struct registry_store *store, struct bytes id,
                                      struct bytes document, struct error *error) {
    enum status status = zookeeper_session_check(tree_of(store)->session, error);
    return status == STATUS_OK ? zookeeper_tree_announce(tree_of(store), id, document, error)
                               : status;
}

static enum status zookeeper_members(struct registry_store *store, registry_store_member_fn visit,
                                     void *context, struct error *error) {
    enum status status = zookeeper_session_check(tree_of(store)->session, error);
    return status == STATUS_OK ? zookeeper_tree_members(tree_of(store), visit, context, error)
                               : status;
}

static void zookeeper_destroy(struct registry_store *store) {
    struct zookeeper_tree *tree = tree_of(store);
    zookeeper_session_destroy(tree->session);
    free(tree->root);
    free(tree->revision_path);
    free(tree->spaces_path);
    free(tree->nodes_path);
    buffer_clear(&tree->announced_path);
    buffer_clear(&tree->announced);
    free(CONTAINER_OF(store, struct zookeeper_store, store));
}

static bool port_is_good(struct bytes port) {
    unsigned value = 0;
    for (size_t i = 0; i < port.size && value <= 65535; i++) {
        if (port.data[i] < '0' || port.data[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(port.data[i] - '0');
    }
    return port.size > 0 && value > 0 && value <= 65535;
}

static enum status check_servers(struct bytes servers, struct error *error) {
    do {
        struct bytes server = bytes_slice(servers, 0, bytes_find(servers, ','));
        size_t colon = server.size;
        while (colon > 0 && server.data[colon - 1] != ':') {
            colon--;
        }
        if (colon < 2 || !port_is_good(bytes_slice(server, colon, server.size))) {
            return error_set(error, STATUS_INVALID,
                             "ZooKeeper's servers: \"%.*s\" must be HOST:PORT",
                             (int)(server.size > 200 ? 200 : server.size), server.data);
        }
        servers = bytes_slice(servers, server.size + 1, servers.size);
    } while (servers.size > 0);
    return STATUS_OK;
}

static enum status check_options(const struct registry_store_zookeeper_options *options,
                                 struct error *error) {
    struct bytes servers = bytes_of_text(options->servers);
    struct bytes chroot = bytes_slice(servers, bytes_find(servers, '/'), servers.size);
    struct bytes auth = bytes_of_text(options->auth);
    if (chroot.size > 0 && chroot.data[chroot.size - 1] == '/') {
        return error_set(error, STATUS_INVALID, "ZooKeeper's servers: a path cannot end in '/'");
    }
    if (auth.size > 0 && !bytes_start_with(auth, BYTES("digest:"))) {
        return error_set(error, STATUS_INVALID,
                         "ZooKeeper's credentials must be digest:USER:PASSWORD");
    }
    return check_servers(bytes_slice(servers, 0, servers.size - chroot.size), error);
}

// The client's own chroot would have to be there before; ours is made like the rest.
static void name_nodes(struct zookeeper_tree *tree,
                       const struct registry_store_zookeeper_options *options) {
    struct bytes servers = bytes_of_text(options->servers);
    struct buffer path = {0};
    buffer_append(&path, bytes_slice(servers, bytes_find(servers, '/'), servers.size));
    buffer_append_text(&path, options->root ? options->root : "/event-gateway");
    tree->root = buffer_take(&path);
    buffer_append_format(&path, "%s/revision", tree->root);
    tree->revision_path = buffer_take(&path);
    buffer_append_format(&path, "%s/spaces", tree->root);
    tree->spaces_path = buffer_take(&path);
    buffer_append_format(&path, "%s/nodes", tree->root);
    tree->nodes_path = buffer_take(&path);
}

enum status registry_store_zookeeper_create(const struct registry_store_zookeeper_options *options,
                                            struct registry_store **ret_store,
                                            struct error *error) {
    static const struct registry_store_ops ops = {
        .name = "zookeeper",
        .load = zookeeper_load,
        .load_changes = zookeeper_load_changes,
        .apply = zookeeper_apply,
        .watch = zookeeper_watch,
        .health = zookeeper_health,
        .announce = zookeeper_announce,
        .members = zookeeper_members,
        .destroy = zookeeper_destroy,
    };
    enum status status = check_options(options, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct bytes servers = bytes_of_text(options->servers);
    struct zookeeper_store *store = memory_allocate(sizeof *store);
    char *hosts = bytes_to_text(bytes_slice(servers, 0, bytes_find(servers, '/')));
    store->store.ops = &ops;
    store->tree.call_timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : 10000;
    store->tree.session = zookeeper_session_create(&(struct zookeeper_session_options){
        .servers = hosts,
        .session_timeout_ms = options->session_timeout_ms > 0 ? options->session_timeout_ms : 10000,
        .call_timeout_ms = store->tree.call_timeout_ms,
        .auth = options->auth,
    });
    name_nodes(&store->tree, options);
    free(hosts);
    *ret_store = &store->store;
    return STATUS_OK;
}
