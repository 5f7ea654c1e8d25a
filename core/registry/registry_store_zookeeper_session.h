// A ZooKeeper session that mends itself, and batches of requests that are all under way at once.
// Private to the ZooKeeper store. One thread calls; watches and replies come on the client's own.
#ifndef EVENT_GATEWAY_REGISTRY_REGISTRY_STORE_ZOOKEEPER_SESSION_H
#define EVENT_GATEWAY_REGISTRY_REGISTRY_STORE_ZOOKEEPER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/status.h"

struct zookeeper_session;

struct zookeeper_session_options {
    const char *servers; // HOST:PORT,...
    int64_t session_timeout_ms;
    int64_t call_timeout_ms;
    const char *auth; // "scheme:credentials" or NULL
};
struct zookeeper_session *zookeeper_session_create(const struct zookeeper_session_options *options);
void zookeeper_session_destroy(struct zookeeper_session *session);
// Called, on any thread, when the connection comes or goes and when a watched node changes.
void zookeeper_session_watch(struct zookeeper_session *session, void (*notify)(void *context),
                             void *context);
// Begins a new session where the last one ended. OK when connected by now; else UNAVAILABLE.
enum status must_check zookeeper_session_check(struct zookeeper_session *session,
                                               struct error *error);
// The same, but waits for the connection up to the call's time-out.
enum status must_check zookeeper_session_connect(struct zookeeper_session *session,
                                                 struct error *error);

// Of the session that there is now; another one after each that ended. 0 before the first.
int64_t zookeeper_session_id(const struct zookeeper_session *session);

// What came back for one request. NOT_FOUND and EXISTS are answers; connection trouble is the whole
// batch's.
struct zookeeper_reply {
    enum status status;
    struct buffer data; // get
    int32_t version;    // get, exists
    int64_t created;    // get: which creation of the node this is
    int64_t owner;      // get: the session that an ephemeral node goes away with; 0 = persistent
    char **names;       // children
    size_t name_count;
};

// Requests are answered in order. At most capacity of them.
struct zookeeper_batch;
struct zookeeper_batch *zookeeper_batch_create(struct zookeeper_session *session, size_t capacity);
// Replies of requests that are still under way are dropped when they come.
void zookeeper_batch_destroy(struct zookeeper_batch *batch);
void zookeeper_batch_get(struct zookeeper_batch *batch, const char *path, bool is_watched);
void zookeeper_batch_exists(struct zookeeper_batch *batch, const char *path);
void zookeeper_batch_children(struct zookeeper_batch *batch, const char *path);
void zookeeper_batch_make(struct zookeeper_batch *batch, const char *path, struct bytes data);
// Later reads of this batch see all that was written anywhere before.
void zookeeper_batch_sync(struct zookeeper_batch *batch, const char *path);
// OK: every request has its reply. Else UNAVAILABLE, and no reply may be looked at.
enum status must_check zookeeper_batch_wait(struct zookeeper_batch *batch, struct error *error);
struct zookeeper_reply *zookeeper_batch_reply(struct zookeeper_batch *batch, size_t position);

enum zookeeper_write_kind {
    ZOOKEEPER_CREATE,
    ZOOKEEPER_SET,
    ZOOKEEPER_DELETE,
};
struct zookeeper_write {
    enum zookeeper_write_kind kind;
    const char *path;
    struct bytes data;
    int32_t version;   // set, delete: what it must be; -1 = any
    bool is_ephemeral; // create: goes away with the session
};
// All or none. CONFLICT (a version), NOT_FOUND, EXISTS: the write at *ret_failed was the reason,
// and nothing is written. TIMEOUT: the connection broke, and nobody knows.
enum status must_check zookeeper_session_write(struct zookeeper_session *session,
                                               const struct zookeeper_write *writes, size_t count,
                                               size_t *ret_failed, struct error *error);

#endif
