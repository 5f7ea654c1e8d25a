#include "core/node/node_values.h"

#include <string.h>
#include <unistd.h>

#include "core/base/log_line.h"
#include "core/base/memory.h"

void node_configure_log(const struct settings *settings) {
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    const char *wanted = settings_text(settings, "log-level");
    enum log_level level = LOG_INFO;
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        if (strcmp(wanted, levels[i]) == 0) {
            level = (enum log_level)i;
        }
    }
    bool is_json = strcmp(settings_text(settings, "log-format"), "json") == 0;
    log_configure(level, is_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
}

size_t node_worker_count(const struct settings *settings) {
    int64_t wanted = settings_number(settings, "workers");
    if (wanted > 0) {
        return (size_t)wanted;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > 64 ? 64 : (size_t)cores;
}

size_t node_body_share(const struct settings *settings, size_t worker_count) {
    size_t one = (size_t)settings_number(settings, "max-body");
    size_t share = (size_t)settings_number(settings, "max-bodies") / worker_count;
    return share < one ? one : share;
}

enum event_format node_default_format(const struct settings *settings) {
    enum event_format format = EVENT_FORMAT_CLOUDEVENTS_1_0;
    enum status status =
        event_format_parse(bytes_of_text(settings_text(settings, "default-event-format")), &format);
    (void)status; // The table allows only names that are formats.
    return format;
}

bool node_may_share_ports(const struct node_settings *settings) {
    return settings->command == COMMAND_RUN && settings_switch(settings->settings, "reuse-port");
}

void node_index_place(const struct node_settings *settings, struct buffer *path,
                      struct buffer *identity) {
    if (node_settings_data(settings)) {
        buffer_append_format(path, "%s/events-%lld.index", node_settings_data(settings),
                             (long long)settings_number(settings->settings, "config-port"));
    }
    if (settings->command == COMMAND_RUN) {
        buffer_append_format(identity, "kafka %s %s", settings_text(settings->settings, "kafka"),
                             settings_text(settings->settings, "topic-prefix"));
    }
}

enum status node_targets_create(const struct node_settings *settings,
                                struct target_rules **ret_targets, struct error *error) {
    const char *const *values;
    size_t count = settings_list(settings->settings, "allow-target", &values);
    struct buffer list = {0};
    if (settings->command == COMMAND_DEV) {
        buffer_append_text(&list, "127.0.0.0/8,::1");
    }
    for (size_t i = 0; i < count; i++) {
        buffer_append_format(&list, "%s%s", list.size > 0 ? "," : "", values[i]);
    }
    enum status status = target_rules_create(list.data ? list.data : "", ret_targets, error);
    if (status != STATUS_OK) {
        error_prefix(error, "--allow-target");
    }
    buffer_clear(&list);
    return status;
}
