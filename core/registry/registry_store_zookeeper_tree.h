// The registry's tree in ZooKeeper: ROOT/revision, ROOT/spaces/<space>/<collection>/<id> and
// ROOT/nodes/<member's id>; the formats are in schemas/registry-tree.md. Private to the ZooKeeper
// store; its one calling thread.
//
// Invariant: documents change only in a transaction that also moves the revision. So who reads
// documents, and then finds the revision where it was before, has read them as they were at that
// revision.
#ifndef EVENT_GATEWAY_REGISTRY_REGISTRY_STORE_ZOOKEEPER_TREE_H
#define EVENT_GATEWAY_REGISTRY_REGISTRY_STORE_ZOOKEEPER_TREE_H

#include "core/registry/registry_revision.h"
#include "core/registry/registry_store.h"
#include "core/registry/registry_store_zookeeper_session.h"

// Requests under way at once: enough to hide the way to the server, few enough for its limits.
#define ZOOKEEPER_WINDOW 500

struct zookeeper_tree {
    struct zookeeper_session *session;
    char *root, *revision_path, *spaces_path, *nodes_path;
    int64_t created; // which creation of the revision's node the last load saw; 0 = none
    bool must_sync;  // this server was behind another one
    int64_t call_timeout_ms;

    // The own entry as it was written last, and the session that it lives as long as.
    struct buffer announced_path, announced;
    int64_t announced_by; // 0 = not written
};

// What the revision's node says.
struct zookeeper_tree_state {
    struct registry_revision *revision;
    int32_t version; // of the node
    int64_t created;
};
void zookeeper_tree_state_clear(struct zookeeper_tree_state *state);
// Asks for the revision, watched, in a batch with room for two requests; gives the position of the
// reply.
size_t zookeeper_tree_ask_state(struct zookeeper_tree *tree, struct zookeeper_batch *batch);
// After the batch's wait. NOT_FOUND when the tree is not there.
enum status must_check zookeeper_tree_take_state(struct zookeeper_tree *tree,
                                                 struct zookeeper_reply *reply,
                                                 struct zookeeper_tree_state *ret_state,
                                                 struct error *error);
enum status must_check zookeeper_tree_read_state(struct zookeeper_tree *tree,
                                                 struct zookeeper_tree_state *ret_state,
                                                 struct error *error);

// Replaces the paths by those of their children; what is not there has none.
struct path_list;
enum status must_check zookeeper_tree_list_children(struct zookeeper_tree *tree,
                                                    struct path_list *paths, struct error *error);
// Reads what is at each path, in their order; a node that is not there is visited as NOT_FOUND.
typedef void (*zookeeper_node_fn)(void *context, const char *path,
                                  const struct zookeeper_reply *reply);
enum status must_check zookeeper_tree_read_nodes(struct zookeeper_tree *tree,
                                                 const struct path_list *paths,
                                                 zookeeper_node_fn visit, void *context,
                                                 struct error *error);

// The operations of a registry_store. The session is connected.
enum status must_check zookeeper_tree_load(struct zookeeper_tree *tree,
                                           registry_store_document_fn visit, void *context,
                                           int64_t *ret_revision, struct error *error);
enum status must_check zookeeper_tree_load_changes(struct zookeeper_tree *tree,
                                                   int64_t since_revision,
                                                   registry_store_document_fn visit, void *context,
                                                   int64_t *ret_revision, struct error *error);
enum status must_check zookeeper_tree_apply(struct zookeeper_tree *tree,
                                            const struct registry_edit *edits, size_t edit_count,
                                            int64_t expected_revision, struct error *error);
enum status must_check zookeeper_tree_announce(struct zookeeper_tree *tree, struct bytes id,
                                               struct bytes document, struct error *error);
enum status must_check zookeeper_tree_members(struct zookeeper_tree *tree,
                                              registry_store_member_fn visit, void *context,
                                              struct error *error);

// A name as a node is called: percent-encoded, and never "." or "..".
void zookeeper_append_name(struct bytes name, struct buffer *ret_path);

#endif
