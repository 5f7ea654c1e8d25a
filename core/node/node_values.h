// What follows from settings: values that are computed from one or several of them.
#ifndef EVENT_GATEWAY_NODE_NODE_VALUES_H
#define EVENT_GATEWAY_NODE_NODE_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/target_rules.h"
#include "core/events/event_format.h"
#include "core/node/node_settings.h"

// Level and format of all log lines from now on.
void node_configure_log(const struct settings *settings);
// At least 1.
size_t node_worker_count(const struct settings *settings);
// A worker's share of --max-bodies; never less than one body, or none of that size could ever pass.
size_t node_body_share(const struct settings *settings, size_t worker_count);
enum event_format node_default_format(const struct settings *settings);
// Somebody may be about to take over from a gateway that is still there.
bool node_may_share_ports(const struct node_settings *settings);
// The file of the index of events, and what it is an index of: a file for each node that shares the
// folder. Without a folder the path is empty, and the index goes with the process.
void node_index_place(const struct node_settings *settings, struct buffer *path,
                      struct buffer *identity);
// Where functions may be. INVALID: --allow-target.
enum status must_check node_targets_create(const struct node_settings *settings,
                                           struct target_rules **ret_targets, struct error *error);

#endif
