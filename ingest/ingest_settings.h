// The settings of the ingest role.
#ifndef EVENT_GATEWAY_INGEST_INGEST_SETTINGS_H
#define EVENT_GATEWAY_INGEST_INGEST_SETTINGS_H

#include <stddef.h>

#include "core/base/settings.h"
#include "ingest/ingest.h"

// Fills in what settings say, for one of so many workers. Texts are the settings'.
void ingest_read_settings(const struct settings *settings, size_t worker_count,
                          struct ingest_options *ret_options);

#endif
