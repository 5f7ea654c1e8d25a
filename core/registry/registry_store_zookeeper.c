#include "core/registry/registry_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/registry/registry_revision.h"
#include "core/registry/registry_store_zookeeper_session.h"

// ROOT/revision and ROOT/spaces/<space>/<collection>/<id>; the formats are in
// schemas/registry-tree.md. Invariant: documents change only in a transaction that also moves the
// revision, so who reads documents and then the revision that it began with has read them as they
// were at that revision.

// Requests under way at once: enough to hide the way to the server, few enough for its limits.
#define WINDOW 500
// ZooKeeper cuts the connection at 1 MiB of one request (jute.maxbuffer).
#define CHANGE_BYTES_MAX 1000000
// A request's own bytes per node, generously.
#define NODE_OVERHEAD 128
#define TRIES_MAX 5

struct zookeeper_store {
    struct registry_store store;
    struct zookeeper_session *session;
    char *root, *revision_path, *spaces_path;
    int64_t tree_created; // which creation of the revision's node the last load saw; 0 = none
    bool must_sync;       // this server was behind another one
    int64_t call_timeout_ms;
};

static struct zookeeper_store *zookeeper_store_of(struct registry_store *store) {
    return CONTAINER_OF(store, struct zookeeper_store, store);
}

// --- paths ---

// "." and ".." are no names of nodes.
static void append_name(struct bytes name, struct buffer *ret_path) {
    if (bytes_equal_text(name, ".") || bytes_equal_text(name, "..")) {
        buffer_append_text(ret_path, name.size == 1 ? "%2E" : "%2E%2E");
    } else {
        percent_encode_path_segment(name, ret_path);
    }
}

// Relative to ROOT/spaces, as the history names documents.
static void append_document_path(const struct registry_edit *edit, struct buffer *ret_path) {
    append_name(edit->space, ret_path);
    buffer_append_format(ret_path, "/%s/", resource_kind_name(edit->kind));
    append_name(edit->id, ret_path);
}

// Paths that stay where they are while requests borrow them.
struct path_list {
    char **items;
    size_t count, capacity;
};

static const char *path_list_add_take(struct path_list *list, char *path) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->items = memory_resize(list->items, list->capacity, sizeof *list->items);
    }
    list->items[list->count++] = path;
    return path;
}

static void path_list_clear(struct path_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct path_list){0};
}

static void path_list_add_below(struct path_list *list, const char *parent, struct bytes name) {
    struct buffer path = {0};
    buffer_append_format(&path, "%s/", parent);
    buffer_append(&path, name);
    (void)path_list_add_take(list, buffer_take(&path));
}

static void visit_document(const struct zookeeper_store *store, const char *path,
                           struct bytes document, registry_store_document_fn visit, void *context) {
    struct bytes rest = bytes_of_text(path + strlen(store->spaces_path) + 1);
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

// --- reading ---

struct tree_state {
    struct registry_revision *revision;
    int32_t version; // of the node
    int64_t created;
};

static void tree_state_clear(struct tree_state *state) {
    registry_revision_destroy(state->revision);
    state->revision = NULL;
}

// Where the reply about the revision is in the batch.
static size_t batch_revision(struct zookeeper_store *store, struct zookeeper_batch *batch,
                             bool must_sync) {
    if (must_sync) {
        zookeeper_batch_sync(batch, store->revision_path);
    }
    zookeeper_batch_get(batch, store->revision_path, true);
    return must_sync ? 1 : 0;
}

static enum status take_revision(struct zookeeper_store *store, struct zookeeper_reply *reply,
                                 struct tree_state *ret_state, struct error *error) {
    if (reply->status != STATUS_OK) {
        return error_set(error, reply->status, "there is no node %s", store->revision_path);
    }
    enum status status =
        registry_revision_parse(buffer_bytes(&reply->data), &ret_state->revision, error);
    if (status != STATUS_OK) {
        error_prefix(error, "%s", store->revision_path);
        return STATUS_FAILED;
    }
    ret_state->version = reply->version;
    ret_state->created = reply->created;
    return STATUS_OK;
}

// NOT_FOUND when the tree is not there.
static enum status read_revision(struct zookeeper_store *store, struct tree_state *ret_state,
                                 struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(store->session, 2);
    size_t position = batch_revision(store, batch, store->must_sync);
    enum status status = zookeeper_batch_wait(batch, error);
    if (status == STATUS_OK) {
        store->must_sync = false;
        status = take_revision(store, zookeeper_batch_reply(batch, position), ret_state, error);
    }
    zookeeper_batch_destroy(batch);
    return status;
}

static enum status visit_window(struct zookeeper_store *store, char *const *paths, size_t count,
                                bool deleted_too, registry_store_document_fn visit, void *context,
                                struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(store->session, count);
    for (size_t i = 0; i < count; i++) {
        zookeeper_batch_get(batch, paths[i], false);
    }
    enum status status = zookeeper_batch_wait(batch, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct zookeeper_reply *reply = zookeeper_batch_reply(batch, i);
        // What is gone already is among the changes that are looked at afterwards.
        if (reply->status == STATUS_OK || deleted_too) {
            visit_document(store, paths[i], buffer_bytes(&reply->data), visit, context);
        }
    }
    zookeeper_batch_destroy(batch);
    return status;
}

static enum status visit_paths(struct zookeeper_store *store, const struct path_list *paths,
                               bool deleted_too, registry_store_document_fn visit, void *context,
                               struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < paths->count; i += WINDOW) {
        size_t count = paths->count - i < WINDOW ? paths->count - i : WINDOW;
        status = visit_window(store, paths->items + i, count, deleted_too, visit, context, error);
    }
    return status;
}

struct collecting {
    const struct zookeeper_store *store;
    struct path_list paths;
};

static void collect_path(void *context, struct bytes path) {
    struct collecting *collecting = context;
    path_list_add_below(&collecting->paths, collecting->store->spaces_path, path);
}

static int compare_paths(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void path_list_make_unique(struct path_list *list) {
    size_t kept = 0;
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof *list->items, compare_paths);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && strcmp(list->items[kept - 1], list->items[i]) == 0) {
            free(list->items[i]);
        } else {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}

static enum status visit_changed(struct zookeeper_store *store, const struct tree_state *state,
                                 int64_t since, registry_store_document_fn visit, void *context,
                                 struct error *error) {
    struct collecting collecting = {.store = store};
    enum status status = STATUS_OK;
    if (registry_revision_each_path(state->revision, since, collect_path, &collecting)) {
        path_list_make_unique(&collecting.paths);
        status = visit_paths(store, &collecting.paths, true, visit, context, error);
    } else {
        status = error_set(error, STATUS_NOT_FOUND,
                           "what changed since revision %" PRId64 " is not known", since);
    }
    path_list_clear(&collecting.paths);
    return status;
}

// Reads what changed after since until the revision stands still. NOT_FOUND: only a full load can
// tell.
static enum status catch_up(struct zookeeper_store *store, int64_t since, int64_t created,
                            registry_store_document_fn visit, void *context, int64_t *ret_revision,
                            struct error *error) {
    for (;;) {
        struct tree_state state = {0};
        enum status status = read_revision(store, &state, error);
        if (status == STATUS_OK && state.created != created) {
            status = error_set(error, STATUS_NOT_FOUND, "%s was made anew", store->revision_path);
        }
        int64_t now = status == STATUS_OK ? registry_revision_number(state.revision) : 0;
        if (status == STATUS_OK && now != since) {
            status = visit_changed(store, &state, since, visit, context, error);
        }
        tree_state_clear(&state);
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

// Adds the children of each parent to the list.
static enum status list_window(struct zookeeper_store *store, char *const *parents, size_t count,
                               struct path_list *list, struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(store->session, count);
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

static enum status list_children(struct zookeeper_store *store, struct path_list *parents,
                                 struct error *error) {
    struct path_list children = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < parents->count; i += WINDOW) {
        size_t count = parents->count - i < WINDOW ? parents->count - i : WINDOW;
        status = list_window(store, parents->items + i, count, &children, error);
    }
    path_list_clear(parents);
    *parents = children;
    return status;
}

static enum status visit_all(struct zookeeper_store *store, registry_store_document_fn visit,
                             void *context, struct error *error) {
    struct path_list paths = {0};
    (void)path_list_add_take(&paths, memory_copy_text(store->spaces_path));
    enum status status = STATUS_OK;
    // The spaces, then their collections, then the documents.
    for (int level = 0; status == STATUS_OK && level < 3; level++) {
        status = list_children(store, &paths, error);
    }
    if (status == STATUS_OK) {
        status = visit_paths(store, &paths, false, visit, context, error);
    }
    path_list_clear(&paths);
    return status;
}

// Makes ROOT, its parents, ROOT/spaces and ROOT/revision where they are missing.
static enum status make_tree(struct zookeeper_store *store, struct error *error) {
    struct buffer first = {0};
    struct path_list parents = {0};
    struct bytes root = bytes_of_text(store->root);
    for (size_t end = 1; end <= root.size; end++) {
        if (end == root.size || root.data[end] == '/') {
            (void)path_list_add_take(&parents, bytes_to_text(bytes_slice(root, 0, end)));
        }
    }
    struct zookeeper_batch *batch = zookeeper_batch_create(store->session, parents.count + 2);
    for (size_t i = 0; i < parents.count; i++) {
        zookeeper_batch_make(batch, parents.items[i], (struct bytes){0});
    }
    registry_revision_write_first(&first);
    zookeeper_batch_make(batch, store->spaces_path, (struct bytes){0});
    zookeeper_batch_make(batch, store->revision_path, buffer_bytes(&first));
    enum status status = zookeeper_batch_wait(batch, error);
    zookeeper_batch_destroy(batch);
    path_list_clear(&parents);
    buffer_clear(&first);
    return status;
}

static enum status read_or_make_revision(struct zookeeper_store *store,
                                         struct tree_state *ret_state, struct error *error) {
    enum status status = read_revision(store, ret_state, error);
    if (status == STATUS_NOT_FOUND) {
        status = make_tree(store, error);
        if (status == STATUS_OK) {
            status = read_revision(store, ret_state, error);
        }
    }
    return status == STATUS_NOT_FOUND ? STATUS_UNAVAILABLE : status;
}

static enum status load_once(struct zookeeper_store *store, registry_store_document_fn visit,
                             void *context, int64_t *ret_revision, struct error *error) {
    struct tree_state state = {0};
    enum status status = read_or_make_revision(store, &state, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = visit_all(store, visit, context, error);
    if (status == STATUS_OK) {
        status = catch_up(store, registry_revision_number(state.revision), state.created, visit,
                          context, ret_revision, error);
    }
    if (status == STATUS_OK) {
        store->tree_created = state.created;
    }
    tree_state_clear(&state);
    return status;
}

static enum status zookeeper_load(struct registry_store *store, registry_store_document_fn visit,
                                  void *context, int64_t *ret_revision, struct error *error) {
    struct zookeeper_store *zookeeper = zookeeper_store_of(store);
    enum status status = zookeeper_session_connect(zookeeper->session, error);
    if (status == STATUS_OK) {
        status = load_once(zookeeper, visit, context, ret_revision, error);
    }
    // More changes than the history holds came in between, or somebody removed the tree: what was
    // visited is no state of the registry, and the caller has to begin again.
    return status == STATUS_NOT_FOUND
               ? error_set(error, STATUS_UNAVAILABLE,
                           "the configuration changes faster than it can be read")
               : status;
}

static enum status zookeeper_load_changes(struct registry_store *store, int64_t since_revision,
                                          registry_store_document_fn visit, void *context,
                                          int64_t *ret_revision, struct error *error) {
    struct zookeeper_store *zookeeper = zookeeper_store_of(store);
    enum status status = zookeeper_session_connect(zookeeper->session, error);
    if (status == STATUS_OK) {
        status = catch_up(zookeeper, since_revision, zookeeper->tree_created, visit, context,
                          ret_revision, error);
    }
    return status;
}

// --- writing ---

// One change on its way: everything that the transaction borrows.
struct change {
    const struct registry_edit *edits;
    size_t edit_count;
    struct path_list paths;
    struct bytes *names; // of the documents, as the history says it: pieces of paths
    struct tree_state state;
    struct buffer revision_data;
    struct zookeeper_write *writes; // the revision first
    size_t write_count;
    char id[UUID_TEXT_SIZE];
};

static void change_clear(struct change *change) {
    path_list_clear(&change->paths);
    tree_state_clear(&change->state);
    buffer_clear(&change->revision_data);
    free(change->names);
    free(change->writes);
}

static void change_init(struct change *change, const struct zookeeper_store *store,
                        const struct registry_edit *edits, size_t edit_count) {
    *change = (struct change){.edits = edits, .edit_count = edit_count};
    change->names = memory_allocate(edit_count * sizeof *change->names);
    change->writes = memory_allocate((edit_count + 1) * sizeof *change->writes);
    uuid_create(change->id);
    for (size_t i = 0; i < edit_count; i++) {
        struct buffer path = {0};
        buffer_append_format(&path, "%s/", store->spaces_path);
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

static enum status read_plan(struct zookeeper_store *store, struct change *change,
                             struct zookeeper_batch *batch, size_t position,
                             int64_t expected_revision, struct error *error) {
    tree_state_clear(&change->state);
    enum status status =
        take_revision(store, zookeeper_batch_reply(batch, position), &change->state, error);
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
        .path = store->revision_path,
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
static enum status plan(struct zookeeper_store *store, struct change *change,
                        int64_t expected_revision, struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(store->session, change->edit_count + 2);
    size_t position = batch_revision(store, batch, store->must_sync);
    for (size_t i = 0; i < change->edit_count; i++) {
        zookeeper_batch_exists(batch, change->paths.items[i]);
    }
    enum status status = zookeeper_batch_wait(batch, error);
    if (status == STATUS_OK) {
        store->must_sync = false;
        status = read_plan(store, change, batch, position, expected_revision, error);
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
static enum status make_parents(struct zookeeper_store *store, const struct change *change,
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
    for (size_t i = 0; status == STATUS_OK && i < parents.count; i += WINDOW) {
        size_t count = parents.count - i < WINDOW ? parents.count - i : WINDOW;
        struct zookeeper_batch *batch = zookeeper_batch_create(store->session, count);
        for (size_t j = 0; j < count; j++) {
            zookeeper_batch_make(batch, parents.items[i + j], (struct bytes){0});
        }
        status = zookeeper_batch_wait(batch, error);
        zookeeper_batch_destroy(batch);
    }
    path_list_clear(&parents);
    return status;
}

static enum status read_fate(struct zookeeper_store *store, const struct change *change,
                             int64_t number, enum registry_revision_fate *ret_fate,
                             struct error *error) {
    struct tree_state state = {0};
    store->must_sync = true;
    enum status status = zookeeper_session_connect(store->session, error);
    if (status == STATUS_OK) {
        status = read_revision(store, &state, error);
    }
    if (status == STATUS_OK) {
        *ret_fate = state.created == change->state.created
                        ? registry_revision_fate_of(state.revision, number, change->id)
                        : REVISION_FATE_UNKNOWN;
    }
    tree_state_clear(&state);
    return status;
}

// The connection broke while the transaction was under way: the history tells what became of it.
// After a sync on a later connection of the session, or on a later session, it cannot be applied
// any more.
static enum status find_out(struct zookeeper_store *store, const struct change *change,
                            int64_t number, struct error *error) {
    int64_t deadline_us = clock_monotonic_us() + store->call_timeout_ms * 1000;
    enum registry_revision_fate fate = REVISION_FATE_UNKNOWN;
    struct error reason = {"it is too long ago"};
    enum status status;
    do {
        status = read_fate(store, change, number, &fate, &reason);
    } while ((status == STATUS_UNAVAILABLE || status == STATUS_TIMEOUT) &&
             clock_monotonic_us() < deadline_us);
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
static enum status write_planned(struct zookeeper_store *store, const struct change *change,
                                 int64_t expected_revision, bool *ret_again, struct error *error) {
    size_t failed = 0;
    enum status status = zookeeper_session_write(store->session, change->writes,
                                                 change->write_count, &failed, error);
    if (status == STATUS_TIMEOUT) {
        return find_out(store, change, expected_revision + 1, error);
    }
    if (status == STATUS_CONFLICT) {
        store->must_sync = true; // This server told an old version.
        return status;
    }
    if (status == STATUS_NOT_FOUND || status == STATUS_EXISTS) {
        bool lacks_parent = failed > 0 && change->writes[failed].kind == ZOOKEEPER_CREATE;
        *ret_again = true;
        status = status == STATUS_NOT_FOUND && lacks_parent ? make_parents(store, change, error)
                                                            : STATUS_OK;
    }
    return status;
}

static enum status apply_change(struct zookeeper_store *store, struct change *change,
                                int64_t expected_revision, struct error *error) {
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        bool again = false;
        enum status status = plan(store, change, expected_revision, error);
        if (status == STATUS_OK) {
            status = check_size(change, error);
        }
        if (status == STATUS_OK) {
            status = write_planned(store, change, expected_revision, &again, error);
        }
        if (status != STATUS_OK || !again) {
            return status;
        }
    }
    return error_set(error, STATUS_UNAVAILABLE,
                     "something else than gateways changes the nodes below %s", store->root);
}

static enum status zookeeper_apply(struct registry_store *store, const struct registry_edit *edits,
                                   size_t edit_count, int64_t expected_revision,
                                   int64_t *ret_revision, struct error *error) {
    struct zookeeper_store *zookeeper = zookeeper_store_of(store);
    struct change change;
    change_init(&change, zookeeper, edits, edit_count);
    enum status status = zookeeper_session_connect(zookeeper->session, error);
    if (status == STATUS_OK) {
        status = apply_change(zookeeper, &change, expected_revision, error);
    }
    if (status == STATUS_OK) {
        *ret_revision = expected_revision + 1;
    }
    change_clear(&change);
    return status;
}

// --- the rest ---

static void zookeeper_watch(struct registry_store *store, void (*notify)(void *context),
                            void *context) {
    zookeeper_session_watch(zookeeper_store_of(store)->session, notify, context);
}

static enum status zookeeper_health(struct registry_store *store, struct error *error) {
    return zookeeper_session_check(zookeeper_store_of(store)->session, error);
}

static void zookeeper_destroy(struct registry_store *store) {
    struct zookeeper_store *zookeeper = zookeeper_store_of(store);
    zookeeper_session_destroy(zookeeper->session);
    free(zookeeper->root);
    free(zookeeper->revision_path);
    free(zookeeper->spaces_path);
    free(zookeeper);
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
static void name_nodes(struct zookeeper_store *store,
                       const struct registry_store_zookeeper_options *options) {
    struct bytes servers = bytes_of_text(options->servers);
    struct buffer path = {0};
    buffer_append(&path, bytes_slice(servers, bytes_find(servers, '/'), servers.size));
    buffer_append_text(&path, options->root ? options->root : "/event-gateway");
    store->root = buffer_take(&path);
    buffer_append_format(&path, "%s/revision", store->root);
    store->revision_path = buffer_take(&path);
    buffer_append_format(&path, "%s/spaces", store->root);
    store->spaces_path = buffer_take(&path);
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
    store->call_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : 10000;
    store->session = zookeeper_session_create(&(struct zookeeper_session_options){
        .servers = hosts,
        .session_timeout_ms = options->session_timeout_ms > 0 ? options->session_timeout_ms : 10000,
        .call_timeout_ms = store->call_timeout_ms,
        .auth = options->auth,
    });
    name_nodes(store, options);
    free(hosts);
    *ret_store = &store->store;
    return STATUS_OK;
}
