// What the registry's thread does about the processes that share its store: shows the own entry,
// and tells who else is there. Private to core/registry. Any thread, unless it says otherwise.
#ifndef EVENT_GATEWAY_REGISTRY_REGISTRY_MEMBERS_H
#define EVENT_GATEWAY_REGISTRY_REGISTRY_MEMBERS_H

#include <pthread.h>
#include <stdbool.h>

#include "core/registry/own_member.h"
#include "core/registry/registry.h"

struct registry_members {
    pthread_mutex_t lock;
    struct own_member own;
    struct registry_members_query *first, **last;
    bool is_closed;
};

void registry_members_init(struct registry_members *members);
void registry_members_clear(struct registry_members *members);
void registry_members_announce(struct registry_members *members, struct bytes id,
                               struct bytes document);
// True: the thread has to be woken. After the close the query is done at once, with CLOSED.
bool registry_members_ask(struct registry_members *members, struct registry_members_query *query);

// The registry's thread. Shows the own entry as it is by now.
enum status must_check registry_members_show(struct registry_members *members,
                                             struct registry_store *store, struct error *error);
// Answers what was asked. store NULL: it is away, for the reason given.
void registry_members_answer(struct registry_members *members, struct registry_store *store,
                             const struct error *reason);
// Answers what waits, and all that follows, with CLOSED.
void registry_members_close(struct registry_members *members);

#endif
