// Opens the two stores that roles meet through, and the key for secrets, as the settings say.
#ifndef EVENT_GATEWAY_NODE_STORES_H
#define EVENT_GATEWAY_NODE_STORES_H

#include "core/base/status.h"
#include "core/event_log/event_log.h"
#include "core/node/node_settings.h"
#include "core/registry/registry.h"
#include "core/registry/secrets.h"

struct stores {
    struct event_log *log;
    struct registry *registry;
    struct secrets *secrets; // NULL: no key was given
};

// On failure nothing stays open; the text says which store and why.
enum status must_check stores_open(const struct node_settings *settings, struct stores *ret_stores,
                                   struct error *error);
// Destroys them; the log was closed before. Nobody uses them any more.
void stores_destroy(struct stores *stores);

#endif
