#include "ingest/ingest_settings.h"

#include <string.h>

static enum record_sync record_sync_of(const struct settings *settings) {
    const char *name = settings_text(settings, "record-sync");
    return strcmp(name, "durable") == 0 ? RECORD_SYNC_DURABLE
           : strcmp(name, "off") == 0   ? RECORD_SYNC_OFF
                                        : RECORD_SYNC_ASYNC;
}

void ingest_read_settings(const struct settings *settings, size_t worker_count,
                          struct ingest_options *ret_options) {
    ret_options->source = settings_text(settings, "source");
    ret_options->hosted_domain = settings_text(settings, "hosted-domain");
    ret_options->requires_space = settings_switch(settings, "require-space");
    ret_options->space_events_per_second =
        (double)settings_number(settings, "space-events-per-second");
    ret_options->requires_registered_types = settings_switch(settings, "require-registered-types");
    ret_options->sync_timeout_ms = settings_number(settings, "sync-timeout");
    ret_options->record_sync = record_sync_of(settings);
    ret_options->logs_access = settings_switch(settings, "access-log");
    ret_options->inside_max_requests =
        (size_t)settings_number(settings, "max-inside") / worker_count + 1;
}
