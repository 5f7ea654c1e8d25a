#include "core/event_log/event_log_kafka.h"

#include "core/base/log_line.h"
#include "core/base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOG_LINES_PER_SECOND 5

// librdkafka's own lines come from any of its threads.
static void write_log(const rd_kafka_t *client, int level, const char *facility, const char *text) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct log_limit limit;
    // Settings are given to producer and consumer alike; each of them mentions the other's.
    if (strcmp(facility, "CONFWARN") == 0 && strstr(text, "property and will be ignored by this")) {
        return;
    }
    uint64_t suppressed = 0;
    pthread_mutex_lock(&lock);
    bool is_allowed = log_limit_allows(&limit, LOG_LINES_PER_SECOND, &suppressed);
    pthread_mutex_unlock(&lock);
    if (!is_allowed) {
        return;
    }
    // Syslog levels. An unreachable broker is an error to librdkafka; for us health tells when it
    // matters.
    enum log_level our_level = level <= 4 ? LOG_WARNING : level <= 6 ? LOG_INFO : LOG_DEBUG;
    log_line(our_level, "kafka client", LOG_TEXT("client", rd_kafka_name(client)),
             LOG_TEXT("facility", facility), LOG_TEXT("text", text),
             LOG_NUMBER("suppressed", (int64_t)suppressed));
}

// Promises of the event log that a setting could break.
static const char *const reserved_settings[] = {
    "bootstrap.servers",
    "metadata.broker.list",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "group.id",
    "partition.assignment.strategy",
    "transactional.id",
};

static bool is_reserved(const char *name) {
    for (size_t i = 0; i < ARRAY_LENGTH(reserved_settings); i++) {
        if (strcmp(name, reserved_settings[i]) == 0) {
            return true;
        }
    }
    return false;
}

// librdkafka's texts quote the value.
static bool may_be_secret(const char *name) {
    return strcasestr(name, "password") || strcasestr(name, "secret") || strcasestr(name, "key") ||
           strcasestr(name, "pem") || strcasestr(name, "config");
}

static enum status apply_setting(rd_kafka_conf_t *conf, const char *setting, struct error *error) {
    const char *equals = strchr(setting, '=');
    if (!equals || equals == setting) {
        return error_set(error, STATUS_INVALID, "Kafka setting '%s' is not NAME=VALUE",
                         may_be_secret(setting) ? "(hidden)" : setting);
    }
    char *name = bytes_to_text((struct bytes){setting, (size_t)(equals - setting)});
    char reason[256] = "";
    enum status status = STATUS_OK;
    if (is_reserved(name)) {
        status = error_set(error, STATUS_INVALID,
                           "Kafka setting '%s' is the gateway's own and cannot be changed", name);
    } else if (rd_kafka_conf_set(conf, name, equals + 1, reason, sizeof reason) !=
               RD_KAFKA_CONF_OK) {
        status = error_set(error, STATUS_INVALID, "Kafka setting '%s': %s", name,
                           may_be_secret(name) ? "not accepted by librdkafka" : reason);
    }
    free(name);
    return status;
}

void kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char reason[256];
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, reason, sizeof reason);
    assert(result == RD_KAFKA_CONF_OK);
    (void)result;
}

void kafka_conf_set_number(rd_kafka_conf_t *conf, const char *name, int64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    kafka_conf_set(conf, name, text);
}

static const struct kafka_default common_defaults[] = {
    {"client.id", "event-gateway"},
    {"socket.nagle.disable", "true"},
    // A broker that comes back is used again within a second.
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "1000"},
    {"log.connection.close", "false"},
};

static enum status apply_settings(const struct kafka_log *log, rd_kafka_conf_t *conf,
                                  struct error *error) {
    for (size_t i = 0; i < log->options.setting_count; i++) {
        enum status status = apply_setting(conf, log->options.settings[i], error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    char reason[256];
    if (rd_kafka_conf_set(conf, "bootstrap.servers", log->options.brokers, reason, sizeof reason) !=
        RD_KAFKA_CONF_OK) {
        return error_set(error, STATUS_INVALID, "Kafka brokers '%s': %s", log->options.brokers,
                         reason);
    }
    return STATUS_OK;
}

enum status kafka_conf_create(const struct kafka_log *log, const struct kafka_default *defaults,
                              size_t count, rd_kafka_conf_t **ret_conf, struct error *error) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < ARRAY_LENGTH(common_defaults); i++) {
        kafka_conf_set(conf, common_defaults[i].name, common_defaults[i].value);
    }
    for (size_t i = 0; i < count; i++) {
        kafka_conf_set(conf, defaults[i].name, defaults[i].value);
    }
    rd_kafka_conf_set_log_cb(conf, write_log);
    enum status status = apply_settings(log, conf, error);
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    *ret_conf = conf;
    return STATUS_OK;
}
