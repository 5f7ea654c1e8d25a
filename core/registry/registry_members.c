#include "core/registry/registry_members.h"

#include <stdlib.h>

#include "core/base/memory.h"

void registry_members_init(struct registry_members *members) {
    *members = (struct registry_members){0};
    members->last = &members->first;
    pthread_mutex_init(&members->lock, NULL);
}

void registry_members_clear(struct registry_members *members) {
    own_member_clear(&members->own);
    pthread_mutex_destroy(&members->lock);
}

void registry_members_announce(struct registry_members *members, struct bytes id,
                               struct bytes document) {
    pthread_mutex_lock(&members->lock);
    own_member_set(&members->own, id, document);
    pthread_mutex_unlock(&members->lock);
}

static void run_done(struct event_loop_task *task) {
    struct registry_members_query *query = CONTAINER_OF(task, struct registry_members_query, task);
    query->done(query);
}

static void finish(struct registry_members_query *query, enum status status,
                   const struct error *error) {
    query->status = status;
    if (status != STATUS_OK) {
        query->error = *error;
    }
    query->task.run = run_done;
    event_loop_post(query->loop, &query->task);
}

bool registry_members_ask(struct registry_members *members, struct registry_members_query *query) {
    static const struct error closed = {"shutting down"};
    query->members = NULL;
    query->count = 0;
    query->next = NULL;
    pthread_mutex_lock(&members->lock);
    bool is_closed = members->is_closed;
    if (!is_closed) {
        *members->last = query;
        members->last = &query->next;
    }
    pthread_mutex_unlock(&members->lock);
    if (is_closed) {
        finish(query, STATUS_CLOSED, &closed);
    }
    return !is_closed;
}

enum status registry_members_show(struct registry_members *members, struct registry_store *store,
                                  struct error *error) {
    struct own_member own = {0};
    pthread_mutex_lock(&members->lock);
    own_member_set(&own, buffer_bytes(&members->own.id), buffer_bytes(&members->own.document));
    pthread_mutex_unlock(&members->lock);
    enum status status = own.id.size > 0 ? store->ops->announce(store, buffer_bytes(&own.id),
                                                                buffer_bytes(&own.document), error)
                                         : STATUS_OK;
    own_member_clear(&own);
    return status;
}

static void add_member(void *context, struct bytes id, struct bytes document) {
    struct registry_members_query *query = context;
    query->members = memory_resize(query->members, query->count + 1, sizeof *query->members);
    struct registry_member *member = &query->members[query->count++];
    *member = (struct registry_member){0};
    buffer_append(&member->id, id);
    buffer_append(&member->document, document);
}

void registry_members_query_clear(struct registry_members_query *query) {
    for (size_t i = 0; i < query->count; i++) {
        buffer_clear(&query->members[i].id);
        buffer_clear(&query->members[i].document);
    }
    free(query->members);
    query->members = NULL;
    query->count = 0;
}

// Whom the store cannot tell of, this process can at least tell of itself.
static void add_own(struct registry_members *members, struct registry_members_query *query) {
    registry_members_query_clear(query);
    pthread_mutex_lock(&members->lock);
    own_member_visit(&members->own, add_member, query);
    pthread_mutex_unlock(&members->lock);
}

void registry_members_answer(struct registry_members *members, struct registry_store *store,
                             const struct error *reason) {
    pthread_mutex_lock(&members->lock);
    struct registry_members_query *query = members->first;
    members->first = NULL;
    members->last = &members->first;
    pthread_mutex_unlock(&members->lock);
    for (struct registry_members_query *next; query; query = next) {
        struct error error = {0};
        enum status status = STATUS_UNAVAILABLE;
        next = query->next;
        if (store) {
            status = store->ops->members(store, add_member, query, &error);
        } else {
            error = *reason;
        }
        if (status != STATUS_OK) {
            add_own(members, query);
        }
        finish(query, status, &error);
    }
}

void registry_members_close(struct registry_members *members) {
    static const struct error closed = {"shutting down"};
    pthread_mutex_lock(&members->lock);
    struct registry_members_query *query = members->first;
    members->first = NULL;
    members->last = &members->first;
    members->is_closed = true;
    pthread_mutex_unlock(&members->lock);
    for (struct registry_members_query *next; query; query = next) {
        next = query->next;
        finish(query, STATUS_CLOSED, &closed);
    }
}
