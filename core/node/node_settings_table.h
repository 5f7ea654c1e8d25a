// Every setting of the program event-gateway, a row each: help, validation and documentation. Rules
// over several of them are node_settings.c's, which alone reads it.
#ifndef EVENT_GATEWAY_NODE_NODE_SETTINGS_TABLE_H
#define EVENT_GATEWAY_NODE_NODE_SETTINGS_TABLE_H

#include <stddef.h>

#include "core/base/settings.h"

extern const struct setting node_settings_table[];
extern const size_t node_settings_count;

#endif
