// The settings of the dispatcher role.
#ifndef EVENT_GATEWAY_DISPATCHER_DISPATCHER_SETTINGS_H
#define EVENT_GATEWAY_DISPATCHER_DISPATCHER_SETTINGS_H

#include "core/base/settings.h"
#include "dispatcher/dispatcher.h"

// Fills in what settings say, tiers too; but not the group, which only a cluster has. Texts are the
// settings'.
void dispatcher_read_settings(const struct settings *settings, struct retry_tiers *ret_tiers,
                              struct dispatcher_options *ret_options);

#endif
