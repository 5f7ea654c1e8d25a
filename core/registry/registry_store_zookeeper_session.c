#include "core/registry/registry_store_zookeeper_session.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// THREADED: else the header declares the single-threaded client. The other one: the client has a
// struct buffer of its own, which here goes by another name.
#define THREADED
#define buffer zookeeper_client_buffer
#include <zookeeper/zookeeper.h>
#undef buffer

#include "core/base/clock.h"
#include "core/base/condition.h"
#include "core/base/memory.h"

#define RESOLUTION_DELAY_MS 60000

enum connection {
    CONNECTION_NONE, // no handle, or one whose session is over
    CONNECTION_WAITING,
    CONNECTION_UP,
    CONNECTION_REFUSED, // credentials
};

struct zookeeper_session {
    char *servers;
    char *auth;
    int64_t session_timeout_ms, call_timeout_ms;
    zhandle_t *handle; // the calling thread's
    void (*notify)(void *context);
    void *notify_context;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum connection connection;
};

// --- the connection ---

static enum connection connection_of(int state) {
    if (state == ZOO_CONNECTED_STATE) {
        return CONNECTION_UP;
    }
    if (state == ZOO_AUTH_FAILED_STATE) {
        return CONNECTION_REFUSED;
    }
    return state == ZOO_EXPIRED_SESSION_STATE ? CONNECTION_NONE : CONNECTION_WAITING;
}

// On a thread of the client. A handle is closed before the next one is made, so this is always
// about the current one.
static void happened(zhandle_t *handle, int type, int state, const char *path, void *context) {
    struct zookeeper_session *session = context;
    (void)handle;
    (void)path;
    if (type == ZOO_SESSION_EVENT) {
        pthread_mutex_lock(&session->lock);
        session->connection = connection_of(state);
        pthread_cond_broadcast(&session->changed);
        pthread_mutex_unlock(&session->lock);
    }
    if (session->notify) {
        session->notify(session->notify_context);
    }
}

// What the client would print, our callers return as errors.
static void say_nothing(const char *message) {
    (void)message;
}

static void add_auth(const struct zookeeper_session *session) {
    struct bytes auth = bytes_of_text(session->auth);
    struct bytes scheme = bytes_slice(auth, 0, bytes_find(auth, ':'));
    struct bytes credentials = bytes_slice(auth, scheme.size + 1, auth.size);
    char *scheme_text = bytes_to_text(scheme);
    // Refused credentials come as a session event.
    (void)zoo_add_auth(session->handle, scheme_text, credentials.data, (int)credentials.size, NULL,
                       NULL);
    free(scheme_text);
}

static void close_handle(struct zookeeper_session *session) {
    if (session->handle) {
        (void)zookeeper_close(session->handle);
        session->handle = NULL;
    }
}

static void set_connection(struct zookeeper_session *session, enum connection connection) {
    pthread_mutex_lock(&session->lock);
    session->connection = connection;
    pthread_mutex_unlock(&session->lock);
}

static enum connection connection_now(struct zookeeper_session *session) {
    pthread_mutex_lock(&session->lock);
    enum connection connection = session->connection;
    pthread_mutex_unlock(&session->lock);
    return connection;
}

static enum status open_handle(struct zookeeper_session *session, struct error *error) {
    close_handle(session);
    set_connection(session, CONNECTION_WAITING);
    session->handle = zookeeper_init2(session->servers, happened, (int)session->session_timeout_ms,
                                      NULL, session, 0, say_nothing);
    if (!session->handle) {
        int reason = errno;
        set_connection(session, CONNECTION_NONE);
        return error_set(error, STATUS_UNAVAILABLE, "ZooKeeper at %s: %s", session->servers,
                         reason == EINVAL || reason == ENOENT ? "the name cannot be resolved"
                                                              : strerror(reason));
    }
    // Else the client resolves the names again for each packet, which is most of its work.
    (void)zoo_set_servers_resolution_delay(session->handle, RESOLUTION_DELAY_MS);
    if (session->auth) {
        add_auth(session);
    }
    return STATUS_OK;
}

static enum status ensure_handle(struct zookeeper_session *session, struct error *error) {
    enum connection connection = connection_now(session);
    bool is_over = !session->handle || connection == CONNECTION_NONE ||
                   connection == CONNECTION_REFUSED || is_unrecoverable(session->handle);
    return is_over ? open_handle(session, error) : STATUS_OK;
}

static enum status connection_status(const struct zookeeper_session *session,
                                     enum connection connection, struct error *error) {
    if (connection == CONNECTION_UP) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_UNAVAILABLE,
                     connection == CONNECTION_REFUSED ? "ZooKeeper at %s refuses the credentials"
                                                      : "ZooKeeper at %s is not reached",
                     session->servers);
}

enum status zookeeper_session_check(struct zookeeper_session *session, struct error *error) {
    // A refused session is said once before the next try begins.
    enum connection before = connection_now(session);
    enum status status = ensure_handle(session, error);
    if (status == STATUS_OK) {
        enum connection connection =
            before == CONNECTION_REFUSED ? before : connection_now(session);
        status = connection_status(session, connection, error);
    }
    return status;
}

enum status zookeeper_session_connect(struct zookeeper_session *session, struct error *error) {
    enum status status = ensure_handle(session, error);
    if (status != STATUS_OK) {
        return status;
    }
    int64_t until_us = clock_monotonic_us() + session->call_timeout_ms * 1000;
    pthread_mutex_lock(&session->lock);
    while (session->connection == CONNECTION_WAITING &&
           condition_wait_until(&session->changed, &session->lock, until_us)) {
    }
    enum connection connection = session->connection;
    pthread_mutex_unlock(&session->lock);
    return connection_status(session, connection, error);
}

int64_t zookeeper_session_id(const struct zookeeper_session *session) {
    return session->handle ? zoo_client_id(session->handle)->client_id : 0;
}

struct zookeeper_session *
zookeeper_session_create(const struct zookeeper_session_options *options) {
    struct zookeeper_session *session = memory_allocate(sizeof *session);
    session->servers = memory_copy_text(options->servers);
    session->auth = memory_copy_text(options->auth);
    session->session_timeout_ms = options->session_timeout_ms;
    session->call_timeout_ms = options->call_timeout_ms;
    pthread_mutex_init(&session->lock, NULL);
    condition_init(&session->changed);
    return session;
}

void zookeeper_session_destroy(struct zookeeper_session *session) {
    if (!session) {
        return;
    }
    close_handle(session);
    pthread_mutex_destroy(&session->lock);
    pthread_cond_destroy(&session->changed);
    free(session->servers);
    free(session->auth);
    free(session);
}

void zookeeper_session_watch(struct zookeeper_session *session, void (*notify)(void *context),
                             void *context) {
    session->notify = notify;
    session->notify_context = context;
}

// --- batches ---

struct slot {
    struct zookeeper_batch *batch;
    struct zookeeper_reply reply;
};

// Lives until its owner and every request that is under way have let go of it, so a reply that
// comes after the time-out finds memory to be dropped into.
struct zookeeper_batch {
    struct zookeeper_session *session;
    atomic_size_t references;
    pthread_mutex_t lock;
    pthread_cond_t done;
    size_t pending;
    int trouble; // the first code that is no answer; ZOK = none
    size_t capacity, count;
    zoo_op_result_t *results; // of a transaction
    struct slot slots[];
};

struct zookeeper_batch *zookeeper_batch_create(struct zookeeper_session *session, size_t capacity) {
    struct zookeeper_batch *batch =
        memory_allocate(sizeof *batch + capacity * sizeof batch->slots[0]);
    batch->session = session;
    batch->references = 1;
    batch->capacity = capacity;
    pthread_mutex_init(&batch->lock, NULL);
    condition_init(&batch->done);
    return batch;
}

static void batch_unref(struct zookeeper_batch *batch) {
    if (atomic_fetch_sub(&batch->references, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct zookeeper_reply *reply = &batch->slots[i].reply;
        for (size_t j = 0; j < reply->name_count; j++) {
            free(reply->names[j]);
        }
        free(reply->names);
        buffer_clear(&reply->data);
    }
    pthread_mutex_destroy(&batch->lock);
    pthread_cond_destroy(&batch->done);
    free(batch->results);
    free(batch);
}

void zookeeper_batch_destroy(struct zookeeper_batch *batch) {
    if (batch) {
        batch_unref(batch);
    }
}

struct zookeeper_reply *zookeeper_batch_reply(struct zookeeper_batch *batch, size_t position) {
    return &batch->slots[position].reply;
}

static bool code_is_answer(int code) {
    return code == ZOK || code == ZNONODE || code == ZNODEEXISTS;
}

static void slot_finish(struct slot *slot, int code) {
    struct zookeeper_batch *batch = slot->batch;
    slot->reply.status = code == ZOK           ? STATUS_OK
                         : code == ZNONODE     ? STATUS_NOT_FOUND
                         : code == ZNODEEXISTS ? STATUS_EXISTS
                                               : STATUS_UNAVAILABLE;
    pthread_mutex_lock(&batch->lock);
    if (batch->trouble == ZOK && !code_is_answer(code)) {
        batch->trouble = code;
    }
    batch->pending--;
    pthread_cond_signal(&batch->done);
    pthread_mutex_unlock(&batch->lock);
    batch_unref(batch);
}

static struct slot *slot_start(struct zookeeper_batch *batch) {
    struct slot *slot = &batch->slots[batch->count++];
    slot->batch = batch;
    pthread_mutex_lock(&batch->lock);
    batch->pending++;
    pthread_mutex_unlock(&batch->lock);
    atomic_fetch_add(&batch->references, 1);
    return slot;
}

// A request that the client does not take has no callback.
static void slot_sent(struct slot *slot, int code) {
    if (code != ZOK) {
        slot_finish(slot, code);
    }
}

static void got_data(int code, const char *data, int size, const struct Stat *stat,
                     const void *context) {
    struct slot *slot = (struct slot *)context;
    if (code == ZOK) {
        buffer_append(&slot->reply.data, (struct bytes){data, size > 0 ? (size_t)size : 0});
        slot->reply.version = stat->version;
        slot->reply.created = stat->czxid;
        slot->reply.owner = stat->ephemeralOwner;
    }
    slot_finish(slot, code);
}

static void got_stat(int code, const struct Stat *stat, const void *context) {
    struct slot *slot = (struct slot *)context;
    slot->reply.version = code == ZOK ? stat->version : 0;
    slot_finish(slot, code);
}

static void got_names(int code, const struct String_vector *names, const void *context) {
    struct slot *slot = (struct slot *)context;
    if (code == ZOK && names->count > 0) {
        slot->reply.names = memory_allocate((size_t)names->count * sizeof(char *));
        for (int32_t i = 0; i < names->count; i++) {
            slot->reply.names[slot->reply.name_count++] = memory_copy_text(names->data[i]);
        }
    }
    slot_finish(slot, code);
}

static void got_name(int code, const char *name, const void *context) {
    (void)name;
    slot_finish((struct slot *)context, code);
}

static void got_end(int code, const void *context) {
    slot_finish((struct slot *)context, code);
}

void zookeeper_batch_get(struct zookeeper_batch *batch, const char *path, bool is_watched) {
    struct slot *slot = slot_start(batch);
    slot_sent(slot, zoo_awget(batch->session->handle, path, is_watched ? happened : NULL,
                              batch->session, got_data, slot));
}

void zookeeper_batch_exists(struct zookeeper_batch *batch, const char *path) {
    struct slot *slot = slot_start(batch);
    slot_sent(slot, zoo_aexists(batch->session->handle, path, 0, got_stat, slot));
}

void zookeeper_batch_children(struct zookeeper_batch *batch, const char *path) {
    struct slot *slot = slot_start(batch);
    slot_sent(slot, zoo_aget_children(batch->session->handle, path, 0, got_names, slot));
}

static const struct ACL_vector *acl_of(const struct zookeeper_session *session) {
    return session->auth ? &ZOO_CREATOR_ALL_ACL : &ZOO_OPEN_ACL_UNSAFE;
}

void zookeeper_batch_make(struct zookeeper_batch *batch, const char *path, struct bytes data) {
    struct slot *slot = slot_start(batch);
    slot_sent(slot, zoo_acreate(batch->session->handle, path, data.size > 0 ? data.data : "",
                                (int)data.size, acl_of(batch->session), 0, got_name, slot));
}

void zookeeper_batch_sync(struct zookeeper_batch *batch, const char *path) {
    struct slot *slot = slot_start(batch);
    slot_sent(slot, zoo_async(batch->session->handle, path, got_name, slot));
}

static enum status trouble_status(const struct zookeeper_session *session, int code,
                                  struct error *error) {
    if (code == ZNOAUTH) {
        return error_set(error, STATUS_UNAVAILABLE,
                         "ZooKeeper at %s does not let these credentials in", session->servers);
    }
    return error_set(error, STATUS_UNAVAILABLE, "ZooKeeper at %s: %s", session->servers,
                     zerror(code));
}

// Waits for the replies; the code of what went wrong, ZOPERATIONTIMEOUT when they do not come.
static int batch_wait(struct zookeeper_batch *batch) {
    int64_t until_us = clock_monotonic_us() + batch->session->call_timeout_ms * 1000;
    pthread_mutex_lock(&batch->lock);
    while (batch->pending > 0 && condition_wait_until(&batch->done, &batch->lock, until_us)) {
    }
    int code = batch->pending > 0 ? ZOPERATIONTIMEOUT : batch->trouble;
    pthread_mutex_unlock(&batch->lock);
    return code;
}

enum status zookeeper_batch_wait(struct zookeeper_batch *batch, struct error *error) {
    int code = batch_wait(batch);
    if (code == ZOPERATIONTIMEOUT) {
        return error_set(error, STATUS_UNAVAILABLE, "ZooKeeper at %s does not answer in time",
                         batch->session->servers);
    }
    return code == ZOK ? STATUS_OK : trouble_status(batch->session, code, error);
}

// --- transactions ---

static void init_op(const struct zookeeper_session *session, zoo_op_t *op,
                    const struct zookeeper_write *write) {
    const char *data = write->data.size > 0 ? write->data.data : "";
    switch (write->kind) {
    case ZOOKEEPER_CREATE:
        zoo_create_op_init(op, write->path, data, (int)write->data.size, acl_of(session),
                           write->is_ephemeral ? ZOO_EPHEMERAL : 0, NULL, 0);
        break;
    case ZOOKEEPER_SET:
        zoo_set_op_init(op, write->path, data, (int)write->data.size, write->version, NULL);
        break;
    case ZOOKEEPER_DELETE:
        zoo_delete_op_init(op, write->path, write->version);
        break;
    }
}

static enum status write_status(const struct zookeeper_session *session, int code,
                                struct error *error) {
    switch (code) {
    case ZOK:
        return STATUS_OK;
    case ZBADVERSION:
        return error_set(error, STATUS_CONFLICT, "somebody else changed it first");
    case ZNONODE:
        return error_set(error, STATUS_NOT_FOUND, "a node is not there");
    case ZNODEEXISTS:
        return error_set(error, STATUS_EXISTS, "a node is there already");
    case ZCONNECTIONLOSS:
    case ZOPERATIONTIMEOUT:
    case ZSESSIONEXPIRED:
    case ZSESSIONMOVED:
    case ZCLOSING:
        return error_set(error, STATUS_TIMEOUT, "the connection to ZooKeeper at %s broke: %s",
                         session->servers, zerror(code));
    default:
        return trouble_status(session, code, error);
    }
}

enum status zookeeper_session_write(struct zookeeper_session *session,
                                    const struct zookeeper_write *writes, size_t count,
                                    size_t *ret_failed, struct error *error) {
    struct zookeeper_batch *batch = zookeeper_batch_create(session, 1);
    zoo_op_t *ops = memory_allocate(count * sizeof *ops);
    batch->results = memory_allocate(count * sizeof *batch->results);
    for (size_t i = 0; i < count; i++) {
        init_op(session, &ops[i], &writes[i]);
    }
    struct slot *slot = slot_start(batch);
    slot_sent(slot, zoo_amulti(session->handle, (int)count, ops, batch->results, got_end, slot));
    free(ops); // The client has copied what they say.
    int code = batch_wait(batch);
    if (code == ZOK && slot->reply.status != STATUS_OK) {
        code = slot->reply.status == STATUS_NOT_FOUND ? ZNONODE : ZNODEEXISTS;
    }
    enum status status = write_status(session, code, error);
    if (status == STATUS_CONFLICT || status == STATUS_NOT_FOUND || status == STATUS_EXISTS) {
        size_t failed = 0;
        while (failed + 1 < count && batch->results[failed].err == ZOK) {
            failed++;
        }
        *ret_failed = failed;
    }
    zookeeper_batch_destroy(batch);
    return status;
}
