// Where the configuration is kept: documents by kind, space and id under one revision.
// Implementations: registry_store_zookeeper.c, registry_store_sqlite.c, registry_store_memory.c
// (tests). The contract suite runs over each. Calls come from the registry's thread, one at a time,
// and may block up to their time-out.
#ifndef EVENT_GATEWAY_REGISTRY_REGISTRY_STORE_H
#define EVENT_GATEWAY_REGISTRY_REGISTRY_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/registry/registry.h"

struct registry_store;

typedef void (*registry_store_document_fn)(void *context, enum resource_kind kind,
                                           struct bytes space, struct bytes id,
                                           struct bytes document);

// An entry that a process shows to the others as long as it lives: an id, and what it says of
// itself.
typedef void (*registry_store_member_fn)(void *context, struct bytes id, struct bytes document);

// Filled in by the implementation as the first member of its own struct.
struct registry_store_ops {
    const char *name; // "zookeeper", "sqlite"
    // All documents and the revision they belong to, consistent. One that changes meanwhile may be
    // visited again, with empty bytes when it was deleted: the last word counts, and none of them
    // when the call fails.
    enum status (*load)(struct registry_store *store, registry_store_document_fn visit,
                        void *context, int64_t *ret_revision, struct error *error);
    // What changed after since_revision: visit gets the new document, or empty bytes for a deleted
    // one. NOT_FOUND: no longer known in detail; load everything.
    enum status (*load_changes)(struct registry_store *store, int64_t since_revision,
                                registry_store_document_fn visit, void *context,
                                int64_t *ret_revision, struct error *error);
    // All edits or none, and only when the store's revision is still expected_revision; else
    // CONFLICT. OK raises the revision by one. TIMEOUT: nobody knows whether it is stored.
    // UNAVAILABLE: it is not. TOO_LARGE: the store could never take it.
    enum status (*apply)(struct registry_store *store, const struct registry_edit *edits,
                         size_t edit_count, int64_t expected_revision, int64_t *ret_revision,
                         struct error *error);
    // notify is called, on any thread, whenever the revision may have moved or the connection came
    // or went. Once, before anything else. It must not block.
    void (*watch)(struct registry_store *store, void (*notify)(void *context), void *context);
    enum status (*health)(struct registry_store *store, struct error *error);
    // Shows or replaces this process's own entry, one for each store object; it goes away with it,
    // after a crash within the session's time-out. Costs nothing when the entry is there as it is,
    // so it is repeated after each loss of the connection.
    enum status (*announce)(struct registry_store *store, struct bytes id, struct bytes document,
                            struct error *error);
    // The entries of all processes that are there now.
    enum status (*members)(struct registry_store *store, registry_store_member_fn visit,
                           void *context, struct error *error);
    void (*destroy)(struct registry_store *store);
};
struct registry_store {
    const struct registry_store_ops *ops;
};

struct registry_store_zookeeper_options {
    const char *servers;        // HOST:PORT,...[/chroot]
    const char *root;           // NULL = "/event-gateway"
    int64_t session_timeout_ms; // 0 = 10,000
    int64_t connect_timeout_ms; // of create and of each call; 0 = 10,000
    const char
        *auth; // "digest:user:password"; NULL = none. Then nodes get an ACL for creators only
};
// Succeeds when the servers cannot be reached too (load then says UNAVAILABLE), unless servers is
// malformed.
enum status must_check
registry_store_zookeeper_create(const struct registry_store_zookeeper_options *options,
                                struct registry_store **ret_store, struct error *error);
enum status must_check registry_store_sqlite_create(const char *path,
                                                    struct registry_store **ret_store,
                                                    struct error *error);
enum status must_check registry_store_memory_create(struct registry_store **ret_store,
                                                    struct error *error);

#endif
