#include "core/node/stores.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/event_log/event_log_kinds.h"
#include "core/registry/registry_store.h"

static enum status make_folder(const char *path, struct error *error) {
    struct stat found;
    if (mkdir(path, 0700) == 0) {
        return STATUS_OK;
    }
    int reason = errno;
    if (reason == EEXIST && stat(path, &found) == 0 && S_ISDIR(found.st_mode)) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_UNAVAILABLE, "--data: cannot make the folder %s: %s", path,
                     strerror(reason == EEXIST ? ENOTDIR : reason));
}

// Said once of the folder, rather than of the first file that fails.
static enum status check_access(const char *path, struct error *error) {
    return access(path, R_OK | W_OK | X_OK) == 0
               ? STATUS_OK
               : error_set(error, STATUS_UNAVAILABLE,
                           "--data: the folder %s cannot be read and written: %s", path,
                           strerror(errno));
}

static void path_in(struct buffer *path, const char *folder, const char *name) {
    buffer_append_format(path, "%s/%s", folder, name);
}

static enum status open_embedded_log(const struct node_settings *node, struct event_log **ret_log,
                                     struct error *error) {
    const struct settings *settings = node->settings;
    struct buffer path = {0};
    path_in(&path, node_settings_data(node), "events.db");
    struct event_log_sqlite_options options = {
        .path = path.data,
        .retention_ms = settings_number(settings, "retention"),
        .dead_letter_retention_ms = settings_number(settings, "dead-letter-retention"),
    };
    enum status status = event_log_sqlite_create(&options, ret_log, error);
    buffer_clear(&path);
    return status;
}

static enum status open_kafka_log(const struct settings *settings, struct event_log **ret_log,
                                  struct error *error) {
    int64_t replication = settings_number(settings, "replication");
    struct event_log_kafka_options options = {
        .brokers = settings_text(settings, "kafka"),
        .topic_prefix = settings_text(settings, "topic-prefix"),
        .partitions = (int32_t)settings_number(settings, "partitions"),
        .replication = replication > 0 ? (int32_t)replication : -1,
        .retention_ms = settings_number(settings, "retention"),
        .dead_letter_retention_ms = settings_number(settings, "dead-letter-retention"),
    };
    options.setting_count = settings_list(settings, "kafka-set", &options.settings);
    return event_log_kafka_create(&options, ret_log, error);
}

static enum status open_embedded_registry(const struct node_settings *node,
                                          struct registry **ret_registry, struct error *error) {
    struct buffer path = {0};
    struct registry_options options = {0};
    path_in(&path, node_settings_data(node), "registry.db");
    enum status status = registry_store_sqlite_create(path.data, &options.store, error);
    if (status == STATUS_OK) {
        status = registry_create(&options, ret_registry, error);
    }
    buffer_clear(&path);
    return status;
}

static enum status open_zookeeper_registry(const struct node_settings *node,
                                           struct registry **ret_registry, struct error *error) {
    struct buffer cache = {0};
    struct registry_options options = {0};
    struct registry_store_zookeeper_options zookeeper = {
        .servers = settings_text(node->settings, "zookeeper"),
        .session_timeout_ms = settings_number(node->settings, "zookeeper-session"),
        .auth = settings_text(node->settings, "zookeeper-auth"),
    };
    if (node_settings_data(node)) {
        path_in(&cache, node_settings_data(node), "registry-cache.json");
        options.cache_path = cache.data;
    }
    enum status status = registry_store_zookeeper_create(&zookeeper, &options.store, error);
    if (status == STATUS_OK) {
        status = registry_create(&options, ret_registry, error);
    }
    buffer_clear(&cache);
    return status;
}

static enum status open_secrets(const struct node_settings *node, struct secrets **ret_secrets,
                                struct error *error) {
    const char *given = settings_text(node->settings, "secrets-key-file");
    if (given) {
        return secrets_create(given, false, ret_secrets, error);
    }
    if (node->command != COMMAND_DEV) {
        *ret_secrets = NULL;
        return STATUS_OK;
    }
    struct buffer path = {0};
    path_in(&path, node_settings_data(node), "secrets.key");
    enum status status = secrets_create(path.data, true, ret_secrets, error);
    buffer_clear(&path);
    return status;
}

enum status stores_open(const struct node_settings *node, struct stores *ret_stores,
                        struct error *error) {
    struct stores stores = {0};
    bool is_embedded = node->command == COMMAND_DEV;
    enum status status = STATUS_OK;
    if (node_settings_data(node)) {
        status = make_folder(node_settings_data(node), error);
    }
    if (status == STATUS_OK && is_embedded) {
        status = check_access(node_settings_data(node), error);
    }
    if (status == STATUS_OK) {
        status = open_secrets(node, &stores.secrets, error);
    }
    if (status == STATUS_OK) {
        status = is_embedded ? open_embedded_registry(node, &stores.registry, error)
                             : open_zookeeper_registry(node, &stores.registry, error);
    }
    if (status == STATUS_OK) {
        status = is_embedded ? open_embedded_log(node, &stores.log, error)
                             : open_kafka_log(node->settings, &stores.log, error);
    }
    if (status != STATUS_OK) {
        stores_destroy(&stores);
        return status;
    }
    *ret_stores = stores;
    return STATUS_OK;
}

void stores_destroy(struct stores *stores) {
    if (stores->log) {
        event_log_destroy(stores->log);
    }
    registry_destroy(stores->registry);
    secrets_destroy(stores->secrets);
    *stores = (struct stores){0};
}
