// What this node tells the others of itself, kept up to date in the registry: GET /v1/cluster shows
// it. Looks once a second, and writes only what has changed. Lives on one loop; everything belongs
// to its thread.
#ifndef EVENT_GATEWAY_NODE_PRESENCE_H
#define EVENT_GATEWAY_NODE_PRESENCE_H

#include <stdint.h>

#include "core/base/event_loop.h"
#include "core/node/node_settings.h"
#include "core/node/stores.h"

struct presence;

typedef void (*presence_partition_fn)(void *context, int32_t partition);

struct presence_options {
    struct event_loop *loop;
    const struct node_settings *settings;
    const struct stores *stores;
    const char *node_id;
    uint16_t events_port; // 0 = no Events API here
    uint16_t config_port;
    // Visits the partitions that are this node's now; NULL = it never has any.
    void (*partitions)(void *source, presence_partition_fn visit, void *context);
    void *source;
};
struct presence *presence_create(const struct presence_options *options);
// From now on it says that it is about to end.
void presence_drain(struct presence *presence);
void presence_destroy(struct presence *presence);

// The host's name and some random digits: another one for each start.
#define NODE_ID_SIZE 96
void node_id_create(char ret_id[NODE_ID_SIZE]);

#endif
